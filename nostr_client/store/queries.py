# ruff: noqa: S608 - every text below is made of constants; values are always bound
"""From a filter to SQL: which index is walked, and how far.

A filter takes one *road*: an index whose entries stand in NIP-01's order within each *segment*,
which is one tag value, one (author, kind), one kind, or all of time. Segments are merged in order
and the walk ends at the limit; JSON is touched only for what is returned. What the road does not
settle (the *rest*) is checked on the way. Two merges give the same answer: a UNION, the faster for
few segments, and a priority queue that takes from each segment only as much as is needed.

SQL texts depend on the shape of a filter alone, so that statements are prepared once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any, Final, NamedTuple

from nostr_client.errors import InvalidFilter
from nostr_client.protocol.filters import Filter
from nostr_client.store.index_keys import MAX, IndexKeys, tie_of

UNION_SEGMENTS: Final = 64
"""More segments than these are merged by a priority queue."""
_INLINE: Final = 16
"""Longer lists are bound as one JSON array."""
_PROBED: Final = 8
_PROBE_DEPTH: Final = 200
_UNLIMITED: Final = 2**40
# The parameters that every statement has: since, cursor (3), limit, now.
_FIRST_FREE: Final = 7
_RANGE: Final = "t.created_at >= ?1 AND (t.created_at, t.tie, t.seq) < (?2, ?3, ?4)"
_AFTER_HEAD: Final = (
    "t.created_at >= ?1 AND (t.created_at, t.tie, t.seq) < (h.created_at, h.tie, h.seq)"
)
_NEWEST_FIRST: Final = "ORDER BY t.created_at DESC, t.tie DESC, t.seq DESC"
_ANY_EXPIRED: Final = "EXISTS (SELECT 1 FROM event WHERE expires <= ?6)"
_parameters_in = re.compile(r"\?(\d+)")


class Cursor(NamedTuple):
    """A place in NIP-01's order: results come after it."""

    created_at: int
    tie: int
    seq: int


NEWEST: Final = Cursor(MAX, MAX, MAX)


class Statement(NamedTuple):
    """SQL and what is bound to its parameters, ?1 first."""

    sql: str
    parameters: Sequence[Any]


class _Road(NamedTuple):
    source: str
    columns: tuple[str, ...]
    """What a segment fixes; there is a segment for each combination of their values."""


_ROADS: Final = {
    "ids": _Road("json_each(?{free}) i CROSS JOIN event t INDEXED BY event_tie", ()),
    "tag": _Road("tag t", ("key",)),
    "author": _Road("event t INDEXED BY event_author_kind", ("author", "kind")),
    # Without kinds: a segment for each kind that an author has.
    "authors": _Road("event t INDEXED BY event_author_kind", ("author",)),
    "kind": _Road("event t INDEXED BY event_kind", ("kind",)),
    "time": _Road("event t INDEXED BY event_time", ()),
}


class _Condition(NamedTuple):
    """A part of the rest: a column, or a further tag, is one of `size` values (0: a JSON array)."""

    name: str
    size: int


class Plan(NamedTuple):
    """How one filter is answered. `keys` has the values of each of the road's columns."""

    road: str
    keys: tuple[tuple[int, ...], ...]
    rest: tuple[_Condition, ...]
    values: tuple[Any, ...]
    """Bound for `rest`."""
    since: int
    upper: Cursor
    ids: str = ""


class Walk(NamedTuple):
    """One of the roads that a filter could take, and how to ask what it costs."""

    letter: str
    """Of the tag; empty for the authors."""
    probe: Statement
    scale: float


def check(f: Filter) -> None:
    """Raises InvalidFilter for what this store does not do."""
    if f.search is not None:
        raise InvalidFilter("search is not supported")
    if f.unknown:
        raise InvalidFilter(f"not an element of a filter: {', '.join(f.unknown)}")


def is_empty(f: Filter) -> bool:
    """Can nothing match? An empty set never holds."""
    lists: list[Collection[object] | None] = [f.ids, f.authors, f.kinds, *f.tags.values()]
    ended = f.until is not None and f.since is not None and f.since > f.until
    return ended or any(items is not None and not items for items in lists)


def walks(f: Filter, keys: IndexKeys) -> list[Walk]:
    """The roads among which only the data can choose; none where there is no choice."""
    if f.ids is not None or len(f.tags) + (f.authors is not None) < 2 or not f.tags:
        return []
    found = []
    for letter, values in sorted(f.tags.items()):
        some = [keys.tag(letter, value) for value in sorted(values)[:_PROBED]]
        found.append(_walk(letter, "tag", [some], len(values)))
    if f.authors is not None:
        authors = [keys.author(author) for author in sorted(f.authors)[:_PROBED]]
        if f.kinds is None:
            found.append(_walk("", "authors", [authors], len(f.authors)))
        else:
            kinds = sorted(f.kinds)[: max(1, 2 * _PROBED // len(authors))]
            size = len(f.authors) * len(f.kinds)
            found.append(_walk("", "author", [authors, kinds], size))
    return found


def _walk(letter: str, road: str, keys: list[list[int]], size: int) -> Walk:
    """Counts entries of some of the `size` segments, no further than is worth while."""
    source, columns = _ROADS[road]
    segments = _padded(keys)
    counts = [
        f"(SELECT count(*) FROM (SELECT 1 FROM {source}"
        f" WHERE {_match(columns, 1 + index * len(columns))} LIMIT {_PROBE_DEPTH}))"
        for index in range(len(segments))
    ]
    bound = [key for segment in segments for key in segment]
    scale = size / prod(len(values) for values in keys)
    return Walk(letter, Statement(f"SELECT {' + '.join(counts)}", bound), scale)


def plan(f: Filter, keys: IndexKeys, after: Cursor = NEWEST, walk: Walk | None = None) -> Plan:
    """How to answer `f` (not empty) from `after` on; `walk` is the choice among `walks`."""
    tags = dict(f.tags)
    authors = tuple(keys.author(author) for author in f.authors or ())
    kinds = tuple(sorted(f.kinds or ()))
    ids = ""
    left: list[tuple[str, Sequence[int]]] = []
    columns: tuple[tuple[int, ...], ...]
    if f.ids is not None:
        road, columns = "ids", ()
        ids = json.dumps({event_id: tie_of(event_id) for event_id in f.ids})
        left += [("author", authors), ("kind", kinds)]
    elif tags and (walk is None or walk.letter):
        letter = walk.letter if walk else next(iter(tags))
        road, columns = "tag", (tuple(keys.tag(letter, v) for v in tags.pop(letter)),)
        left += [("author", authors), ("kind", kinds)]
    elif authors:
        road, columns = ("author", (authors, kinds)) if kinds else ("authors", (authors,))
    elif kinds:
        road, columns = "kind", (kinds,)
    else:
        road, columns = "time", ()
    left += [("tag", [keys.tag(name, v) for v in values]) for name, values in sorted(tags.items())]
    rest, bound = _rest((name, items) for name, items in left if items)
    until = MAX if f.until is None else f.until
    upper = min(after, Cursor(until, MAX, MAX))
    return Plan(road, columns, rest, bound, f.since or 0, upper, ids)


def _rest(
    left: Iterable[tuple[str, Sequence[int]]],
) -> tuple[tuple[_Condition, ...], tuple[Any, ...]]:
    conditions: list[_Condition] = []
    values: list[Any] = []
    for name, items in left:
        if len(items) > _INLINE:
            conditions.append(_Condition(name, 0))
            values.append(json.dumps(items))
        else:
            size = _power_of_two(len(items))
            conditions.append(_Condition(name, size))
            values += [*items, *[items[0]] * (size - len(items))]
    return tuple(conditions), tuple(values)


# Statements


def page(p: Plan, limit: int | None, now: int, *, alive: bool) -> Statement:
    """One row: last commit sequence, has anything here expired, JSON joined by line breaks.

    With `alive`, what has expired is left out, at some cost; without it is not, so that the caller
    asks again if anything has.
    """
    keys = _in_order(p, limit, now, alive)
    return Statement(_page_text(keys.sql, "e.json"), keys.parameters)


def places(p: Plan, limit: int | None, now: int, *, alive: bool) -> Statement:
    """As `page`, with `seq,created_at,id` for JSON."""
    keys = _in_order(p, limit, now, alive)
    place = "k.seq || ',' || k.created_at || ',' || CAST(substr(e.json, 8, 64) AS TEXT)"
    return Statement(_page_text(keys.sql, place), keys.parameters)


def seqs(p: Plan, now: int) -> Statement:
    """One row: the seq of all that the plan names and that has not expired, joined by commas."""
    return _trimmed(
        f"SELECT group_concat(seq) FROM ({_flat_text(p.road, p.rest, alive=True)})",
        [*_head(p, None, now), *_flat_keys(p)],
    )


def count(plans: Sequence[Plan], now: int, *, alive: bool) -> Statement:
    """One row: how many events the plans name together, has anything here expired."""
    parameters: list[Any] = [None] * 5 + [now]
    texts = []
    for p in plans:
        texts.append(_shifted(_flat_text(p.road, p.rest, alive), len(parameters)))
        parameters += [*_head(p, None, now), *_flat_keys(p)]
    sql = f"SELECT count(*), {_ANY_EXPIRED} FROM ({' UNION '.join(texts)})"
    return _trimmed(sql, parameters)


def _trimmed(sql: str, parameters: list[Any]) -> Statement:
    """Without the last parameters, where nothing asks for them."""
    used = max(int(number) for number in _parameters_in.findall(sql))
    return Statement(sql, parameters[:used])


def _flat_keys(p: Plan) -> list[str]:
    return [p.ids] if p.road == "ids" else [json.dumps(values) for values in p.keys]


@lru_cache(maxsize=1024)
def _page_text(keys: str, column: str) -> str:
    return (
        f"SELECT (SELECT seq FROM state), {_ANY_EXPIRED}, group_concat({column}, char(10))"
        f" FROM ({keys}) k CROSS JOIN event e ON e.seq = k.seq"
    )


def _head(p: Plan, limit: int | None, now: int) -> list[Any]:
    most = _UNLIMITED if limit is None else min(limit, _UNLIMITED)
    return [p.since, *p.upper, most, now, *p.values]


def _in_order(p: Plan, limit: int | None, now: int, alive: bool) -> Statement:
    """SELECT of (created_at, tie, seq), newest first, up to the limit."""
    head = _head(p, limit, now)
    if p.road == "ids":
        return Statement(_sorted_text(p.rest, alive), [*head, p.ids])
    if p.road != "authors" and prod(map(len, p.keys)) <= UNION_SEGMENTS:
        segments = _padded(p.keys)
        text = _union_text(p.road, len(segments), p.rest, alive)
        return Statement(text, [*head, *(key for segment in segments for key in segment)])
    return Statement(_queue_text(p.road, p.rest, alive), [*head, *map(json.dumps, p.keys)])


@lru_cache(maxsize=256)
def _flat_text(road: str, rest: tuple[_Condition, ...], alive: bool) -> str:
    """SELECT of seq, in no order."""
    conditions, free = _rest_text(road, rest, alive)
    source, columns = _ROADS[road]
    if road == "ids":
        conditions += " AND t.tie = i.value AND CAST(substr(t.json, 8, 64) AS TEXT) = i.key"
    for index, column in enumerate(columns):
        conditions += f" AND t.{column} IN (SELECT value FROM json_each(?{free + index}))"
    # A count of one plan counts its rows: an event must not stand in two tag segments.
    distinct = "DISTINCT " if road == "tag" else ""
    return f"SELECT {distinct}t.seq FROM {source.format(free=free)} WHERE {_RANGE}{conditions}"


@lru_cache(maxsize=256)
def _sorted_text(rest: tuple[_Condition, ...], alive: bool) -> str:
    flat = _flat_text("ids", rest, alive).replace(
        "SELECT t.seq", "SELECT t.created_at, t.tie, t.seq", 1
    )
    return f"{flat} {_NEWEST_FIRST} LIMIT ?5"


@lru_cache(maxsize=512)
def _union_text(road: str, size: int, rest: tuple[_Condition, ...], alive: bool) -> str:
    source, columns = _ROADS[road]
    conditions, free = _rest_text(road, rest, alive)
    branches = [
        f"SELECT t.created_at AS created_at, t.tie AS tie, t.seq AS seq FROM {source}"
        f" WHERE {_match(columns, free + index * len(columns))} AND {_RANGE}{conditions}"
        for index in range(size)
    ]
    # An event may stand in several tag segments, but in one only of the others.
    joined = (" UNION " if road == "tag" else " UNION ALL ").join(branches)
    return f"{joined} ORDER BY created_at DESC, tie DESC, seq DESC LIMIT ?5"


@lru_cache(maxsize=256)
def _queue_text(road: str, rest: tuple[_Condition, ...], alive: bool) -> str:
    """A priority queue of the segments' next entries."""
    source, columns = _ROADS["author" if road == "authors" else road]
    conditions, free = _rest_text(road, rest, alive)
    names = ("a", "b")[: len(columns)]

    def step(alias: str, origin: str, bounds: str) -> str:
        match = " AND ".join(f"t.{c} = {alias}.{n}" for c, n in zip(columns, names, strict=True))
        return (
            f"SELECT {', '.join(f'{alias}.{n}' for n in names)}, e.created_at, e.tie, e.seq"
            f" FROM {origin} {alias} CROSS JOIN event e ON e.seq = (SELECT t.seq FROM {source}"
            f" WHERE {match} AND {bounds}{conditions} {_NEWEST_FIRST} LIMIT 1)"
        )

    return (
        f"WITH RECURSIVE {_segments_text(road, free)},"
        f" queue({', '.join(names)}, created_at, tie, seq) AS ("
        f"{step('s', 'segment', _RANGE)} UNION ALL {step('h', 'queue', _AFTER_HEAD)}"
        " ORDER BY created_at DESC, tie DESC, seq DESC)"
        f" SELECT {'DISTINCT ' if road == 'tag' else ''}created_at, tie, seq FROM queue LIMIT ?5"
    )


def _segments_text(road: str, free: int) -> str:
    if road == "authors":  # step from one kind of an author to the next
        least = "(SELECT min(kind) FROM event INDEXED BY event_author_kind WHERE author = "
        return (
            f"segment(a, b) AS (SELECT value, {least}value) FROM json_each(?{free})"
            f" UNION ALL SELECT a, {least}a AND kind > b) FROM segment WHERE b IS NOT NULL)"
        )
    if len(_ROADS[road].columns) == 1:
        return f"segment(a) AS (SELECT value FROM json_each(?{free}))"
    return (
        f"segment(a, b) AS (SELECT x.value, y.value FROM json_each(?{free}) x"
        f" CROSS JOIN json_each(?{free + 1}) y)"
    )


def _match(columns: Sequence[str], first: int) -> str:
    return " AND ".join(f"t.{c} = ?{first + i}" for i, c in enumerate(columns)) or "true"


def _rest_text(road: str, rest: Iterable[_Condition], alive: bool) -> tuple[str, int]:
    """The conditions, each with its AND, and the number of the next free parameter."""
    free, texts = _FIRST_FREE, []
    for name, size in rest:
        if size == 0:
            values = f"(SELECT value FROM json_each(?{free}))"
        else:
            values = f"({', '.join(f'?{free + i}' for i in range(size))})"
        free += max(size, 1)
        if name == "tag":
            texts.append(
                f" AND EXISTS (SELECT 1 FROM tag o WHERE o.key IN {values}"
                " AND o.created_at = t.created_at AND o.tie = t.tie AND o.seq = t.seq)"
            )
        elif name == "author" and road == "tag":
            texts.append(f" AND (SELECT o.author FROM event o WHERE o.seq = t.seq) IN {values}")
        else:
            texts.append(f" AND t.{name} IN {values}")
    if alive:
        texts.append(" AND t.seq NOT IN (SELECT o.seq FROM event o WHERE o.expires <= ?6)")
    return "".join(texts), free


@lru_cache(maxsize=1024)
def _shifted(text: str, by: int) -> str:
    return _parameters_in.sub(lambda found: f"?{int(found[1]) + by}", text)


def _padded(keys: Sequence[Sequence[int]]) -> list[tuple[int | None, ...]]:
    """The segments, up to a power of two (few different texts) with such as nothing is in."""
    segments: list[tuple[int | None, ...]] = list(product(*keys))
    nothing = (None,) * len(keys)
    return segments + [nothing] * (_power_of_two(len(segments)) - len(segments))


def _power_of_two(count: int) -> int:
    return 1 << (count - 1).bit_length()
