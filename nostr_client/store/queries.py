"""From a filter to SQL: which index is walked, and how far.

A filter becomes one or more *segments*, each a backward walk over an index in NIP-01's order: one per
tag value, per (author, kind), per author, per kind, or one over all of time. Segments are merged in
order and cut at the limit before any JSON is touched. What the walk does not settle is checked on
the way.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Final, NamedTuple

from nostr_client.errors import InvalidFilter
from nostr_client.protocol.filters import Filter
from nostr_client.store.index_keys import MAX, IndexKeys, tie_of

_RANGE: Final = "created_at >= :since AND (created_at, tie, seq) < (:created_at, :tie, :seq)"
_ORDER: Final = "created_at DESC, tie DESC, seq DESC"
_ALIVE: Final = (
    "((SELECT min(expires) FROM event WHERE expires IS NOT NULL) > :now"
    " OR (SELECT min(expires) FROM event WHERE expires IS NOT NULL) IS NULL"
    " OR seq NOT IN (SELECT seq FROM event WHERE expires <= :now))"
)


class Cursor(NamedTuple):
    """A place in NIP-01's order: results come after it."""

    created_at: int
    tie: int
    seq: int


NEWEST: Final = Cursor(MAX, MAX, MAX)


class Plan(NamedTuple):
    """SELECT of (created_at, tie, seq), unordered and without a limit, and its parameters."""

    keys: str
    parameters: dict[str, Any]


def plan(f: Filter, keys: IndexKeys, now: int, after: Cursor = NEWEST) -> Plan | None:
    """None when nothing can match. Raises InvalidFilter for what this store does not do."""
    if f.search is not None:
        raise InvalidFilter("search is not supported")
    if f.unknown:
        raise InvalidFilter(f"not an element of a filter: {', '.join(f.unknown)}")
    until = MAX if f.until is None else f.until
    since = f.since or 0
    lists: list[Collection[object] | None] = [f.ids, f.authors, f.kinds, *f.tags.values()]
    if since > until or any(item is not None and not item for item in lists):
        return None
    upper = min(after, Cursor(until, MAX, MAX))
    parameters: dict[str, Any] = {"since": since, "now": now, **upper._asdict()}
    conditions = [_RANGE, _ALIVE]
    tags = dict(f.tags)
    if f.ids is not None:
        source = "json_each(:ids) i CROSS JOIN event"
        parameters["ids"] = json.dumps({i: tie_of(i) for i in f.ids})
        conditions.append("tie = i.value AND CAST(substr(event.json, 8, 64) AS TEXT) = i.key")
    elif tags:
        letter = min(tags, key=lambda name: len(tags[name]))
        source = "tag"
        parameters["tag"] = json.dumps([keys.tag(letter, v) for v in tags.pop(letter)])
        conditions.append("key IN (SELECT value FROM json_each(:tag))")
    else:
        source = "event"
    if f.authors is not None:
        parameters["authors"] = json.dumps([keys.author(a) for a in f.authors])
        column = "author"
        if source == "tag":
            column = "(SELECT author FROM event a WHERE a.seq = tag.seq)"
        conditions.append(f"{column} IN (SELECT value FROM json_each(:authors))")
    if f.kinds is not None:
        conditions.append(f"kind IN ({','.join(map(str, sorted(f.kinds)))})")
    table = "tag" if source == "tag" else "event"
    for index, (letter, values) in enumerate(sorted(tags.items())):
        parameters[f"tag{index}"] = json.dumps([keys.tag(letter, v) for v in values])
        conditions.append(
            f"EXISTS (SELECT 1 FROM tag t WHERE t.key IN (SELECT value FROM json_each(:tag{index}))"
            f" AND t.created_at = {table}.created_at AND t.tie = {table}.tie"
            f" AND t.seq = {table}.seq)"
        )
    distinct = "DISTINCT" if source == "tag" else ""
    where = " AND ".join(conditions)
    return Plan(f"SELECT {distinct} created_at, tie, seq FROM {source} WHERE {where}", parameters)


def page_sql(p: Plan) -> str:
    """One row: last commit sequence, JSON joined by line breaks, created_at and seq by commas."""
    return (
        "SELECT (SELECT seq FROM state), group_concat(CAST(e.json AS TEXT), char(10)),"
        " group_concat(k.created_at), group_concat(k.seq)"
        f" FROM (SELECT * FROM ({p.keys}) ORDER BY {_ORDER} LIMIT :limit) k"
        " CROSS JOIN event e ON e.seq = k.seq"
    )


def count_sql(plans: list[Plan]) -> tuple[str, dict[str, Any]]:
    """How many events the plans name together."""
    texts, parameters = [], {}
    for number, p in enumerate(plans):
        text = p.keys
        for name in sorted(p.parameters, key=len, reverse=True):
            text = text.replace(f":{name}", f":p{number}_{name}")
            parameters[f"p{number}_{name}"] = p.parameters[name]
        texts.append(f"SELECT seq FROM ({text})")
    return f"SELECT count(*) FROM ({' UNION '.join(texts)})", parameters
