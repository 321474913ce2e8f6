# ruff: noqa: S608 - every text below is made of constants; values are always bound
"""Conditions in SQL: what is checked of each entry `t` that a statement comes to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from nostr_client.protocol.kinds import GIFT_WRAP, VANISH
from nostr_client.store.plans import Condition, Road

FIRST_FREE: Final = 7
"""After the parameters that every statement has: since, cursor (3), limit, now."""


def leaves(seq: str) -> str:
    """Is it covered by a request to vanish that is still being carried out?"""
    tagged = " OR ".join(
        f"EXISTS (SELECT 1 FROM {table} w WHERE w.key = l.person AND w.created_at = o.created_at"
        " AND w.tie = o.tie AND w.seq = o.seq)"
        for table in ("new_tag", "tag")
    )
    return (
        f"EXISTS (SELECT 1 FROM leaving l CROSS JOIN event o ON o.seq = {seq}"
        " WHERE o.created_at <= l.until AND ("
        f"(o.author = l.author AND NOT (o.kind = {VANISH} AND o.created_at = l.until))"
        f" OR (o.kind = {GIFT_WRAP} AND ({tagged}))))"
    )


def found(road: Road, parameter: int) -> list[str]:
    """The events `t` that have words; or whose ids are the names of a JSON object of their ties."""
    if road is Road.SEARCH:
        return [f"words(:p{parameter}) CROSS JOIN event t ON t.seq = words.rowid"]
    return [
        f"json_each(:p{parameter}) i CROSS JOIN {table} n ON n.tie = i.value CROSS JOIN event t"
        " ON t.seq = n.seq AND CAST(substr(t.json, 8, 64) AS TEXT) = i.key"
        for table in ("new_id", "id")
    ]


def rest_text(road: Road, rest: Iterable[Condition], alive: bool) -> tuple[str, int]:
    """The conditions, each with its AND, and the number of the next free parameter."""
    free, texts = FIRST_FREE, []
    for name, size in rest:
        if size == 0:
            values = f"(SELECT value FROM json_each(:p{free}))"
        else:
            values = f"({', '.join(f':p{free + i}' for i in range(size))})"
        free += max(size, 1)
        if name == "tag" and size == 0:
            # Too many to be tried on each entry: look up who has them, once.
            tagged = [
                f"SELECT o.seq FROM {table} o WHERE o.key IN {values} AND o.created_at >= :p1"
                for table in ("new_tag", "tag")
            ]
            texts.append(f" AND t.seq IN ({' UNION ALL '.join(tagged)})")
        elif name in ("tag", "reader"):
            tagged = [
                f"EXISTS (SELECT 1 FROM {table} o WHERE o.key IN {values}"
                " AND o.created_at = t.created_at AND o.tie = t.tie AND o.seq = t.seq)"
                for table in ("new_tag", "tag")
            ]
            if name == "reader":
                tagged.insert(0, f"t.kind <> {GIFT_WRAP}")
            texts.append(f" AND ({' OR '.join(tagged)})")
        elif name == "id":
            named = (f"SELECT t.seq FROM {held}" for held in found(Road.IDS, free - 1))
            texts.append(f" AND t.seq IN ({' UNION ALL '.join(named)})")
        elif name == "author" and road is Road.TAG:
            texts.append(f" AND (SELECT o.author FROM event o WHERE o.seq = t.seq) IN {values}")
        else:
            texts.append(f" AND t.{name} IN {values}")
    if alive:
        texts.append(" AND t.seq NOT IN (SELECT o.seq FROM event o WHERE o.expires <= :p6)")
        texts.append(f" AND NOT {leaves('t.seq')}")
    return "".join(texts), free
