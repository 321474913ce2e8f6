# ruff: noqa: S608 - every text below is made of constants; values are always bound
"""Conditions in SQL: what is checked of each entry `t` of the index that `filter_sql` walks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from nostr_client.protocol.kinds import DIRECT_MESSAGE, GIFT_WRAP, VANISH
from nostr_client.store.indexes import Index
from nostr_client.store.sqlite.plans import Condition

FIRST_FREE: Final = 7
"""After the parameters that every statement has: since, cursor (3), limit, now."""
OF_READER: Final = frozenset({"reader", "party"})
"""Conditions on what only some may see."""


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


def found(by: Index, parameter: int) -> list[str]:
    """The events `t` that have words; or whose ids are the names of a JSON object of their ties."""
    if by is Index.SEARCH:
        return [f"words(:p{parameter}) CROSS JOIN event t ON t.seq = words.rowid"]
    return [
        f"json_each(:p{parameter}) i CROSS JOIN {table} n ON n.tie = i.value CROSS JOIN event t"
        " ON t.seq = n.seq AND CAST(substr(t.json, 8, 64) AS TEXT) = i.key"
        for table in ("new_id", "id")
    ]


def rest_text(by: Index, rest: Iterable[Condition], alive: bool) -> tuple[str, int]:
    """The conditions, each with its AND, and the number of the next free parameter."""
    free, texts = FIRST_FREE, []
    for name, size in rest:
        values, free = _values(free, size)
        if name == "tag" and size == 0:
            # Too many to be tried on each entry: look up who has them, once.
            tagged = [
                f"SELECT o.seq FROM {table} o WHERE o.key IN {values} AND o.created_at >= :p1"
                for table in ("new_tag", "tag")
            ]
            texts.append(f" AND t.seq IN ({' UNION ALL '.join(tagged)})")
        elif name in ("tag", *OF_READER):
            tagged = [
                f"EXISTS (SELECT 1 FROM {table} o WHERE o.key IN {values}"
                " AND o.created_at = t.created_at AND o.tie = t.tie AND o.seq = t.seq)"
                for table in ("new_tag", "tag")
            ]
            if name == "reader":
                tagged.insert(0, f"t.kind <> {GIFT_WRAP}")
            elif name == "party":
                authors, free = _values(free, size)
                tagged.insert(0, f"t.kind NOT IN ({DIRECT_MESSAGE}, {GIFT_WRAP})")
                tagged.append(f"t.kind = {DIRECT_MESSAGE} AND {_author(by)} IN {authors}")
            texts.append(f" AND ({' OR '.join(tagged)})")
        elif name == "id":
            named = (f"SELECT t.seq FROM {held}" for held in found(Index.IDS, free - 1))
            texts.append(f" AND t.seq IN ({' UNION ALL '.join(named)})")
        elif name == "author":
            texts.append(f" AND {_author(by)} IN {values}")
        else:
            texts.append(f" AND t.{name} IN {values}")
    if alive:
        texts.append(" AND t.seq NOT IN (SELECT o.seq FROM event o WHERE o.expires <= :p6)")
        texts.append(f" AND NOT {leaves('t.seq')}")
    return "".join(texts), free


def _values(free: int, size: int) -> tuple[str, int]:
    """So many values (0: a JSON array), from the parameter `free` on, and the next free one."""
    if size == 0:
        return f"(SELECT value FROM json_each(:p{free}))", free + 1
    return f"({', '.join(f':p{free + i}' for i in range(size))})", free + size


def _author(by: Index) -> str:
    """Of the entry `t`; those of tags have none."""
    if by is Index.TAG:
        return "(SELECT o.author FROM event o WHERE o.seq = t.seq)"
    return "t.author"
