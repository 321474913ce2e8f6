# ruff: noqa: S608 - every text below is made of constants; values are always bound
"""From a filter's plan (`plans`) to SQL: texts that depend on the plan's shape alone, so that each
is prepared once.

Segments are merged in order and the walk ends at the limit; JSON is touched only for what is
returned. Two merges give the same answer: a UNION, the faster for few segments, and a priority
queue that takes from each segment only as much as is needed. The indexes `id`, `author` and `tag`
have two tables each (see `schema`), so that each of their segments is walked in both.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from nostr_client.store.indexes import Choice, Index
from nostr_client.store.sqlite.entry_conditions import FIRST_FREE, OF_READER, found, rest_text
from nostr_client.store.sqlite.plans import Condition, Plan, rounded

UNION_SEGMENTS: Final = 64
"""More segments than these are merged by a priority queue."""
SCANNED: Final = 8
"""So many entries of anybody are looked at for each that is wanted of many authors."""
_PROBE_DEPTH: Final = 200
_PUBKEY_AT: Final = 84
"""Where in `Event.json` it begins, counted from 1."""
_SCORE_SCALE: Final = "1e10"
"""Scores that differ by less are alike: two that should be equal were summed in another order."""
_SCORE: Final = f"CAST(bm25(words) * {_SCORE_SCALE} AS INTEGER)"
_PLACE: Final = (
    "k.seq || ',' || k.created_at || ',' || CAST(substr(e.json, 8, 64) AS TEXT)"
    " || ',' || length(e.json)"
)
_UNLIMITED: Final = 2**40
_RANGE: Final = "t.created_at >= :p1 AND (t.created_at, t.tie, t.seq) < (:p2, :p3, :p4)"
_AFTER_HEAD: Final = (
    "t.created_at >= :p1 AND (t.created_at, t.tie, t.seq) < (h.created_at, h.tie, h.seq)"
)
_NEWEST_FIRST: Final = "ORDER BY t.created_at DESC, t.tie DESC, t.seq DESC"
_ANY_GONE: Final = (
    "(EXISTS (SELECT 1 FROM event WHERE expires <= :p6) OR EXISTS (SELECT 1 FROM leaving))"
)
_NAMES: Final = tuple(f"p{number}" for number in range(1, 513))
"""Ready: most statements have fewer."""
_parameters_in = re.compile(r":p(\d+)")


class Statement(NamedTuple):
    """SQL, and what is bound to its parameters, called p1, p2 and so on. Some may be unused."""

    sql: str
    values: Sequence[Any]

    @property
    def parameters(self) -> dict[str, Any]:
        """By name: Python 3.12.0 to 3.12.3 warn of numbers (gh-117995)."""
        many = len(self.values) > len(_NAMES)
        names = (f"p{number}" for number in itertools.count(1)) if many else _NAMES
        return dict(zip(names, self.values, strict=False))


class _Tables(NamedTuple):
    tables: tuple[str, ...]
    columns: tuple[str, ...]
    """What a segment fixes."""


_AUTHOR: Final = _Tables(("new_author t", "author t"), ("author", "kind"))
_KIND: Final = _Tables(("event t INDEXED BY event_kind",), ("kind",))
_TABLES: Final = {
    Index.IDS: _Tables(("new_id t", "id t"), ()),
    Index.SEARCH: _Tables((), ()),
    Index.TAG: _Tables(("new_tag t", "tag t"), ("key",)),
    Index.AUTHOR: _AUTHOR,
    Index.AUTHOR_FOUND: _AUTHOR,
    Index.AUTHOR_ANY: _AUTHOR,
    Index.KIND: _KIND,
    Index.KIND_FOUND: _KIND,
    Index.TIME: _Tables(("event t INDEXED BY event_time",), ()),
}
_FOUND: Final = frozenset({Index.AUTHOR_ANY, Index.AUTHOR_FOUND, Index.KIND_FOUND})
"""Those whose segments are looked up in the index itself."""


def page(p: Plan, limit: int | None, now: int, *, alive: bool) -> Statement:
    """One row: last commit sequence, is anything here gone, JSON joined by line breaks.

    With `alive`, what has expired or vanished is left out, at some cost; without it is not, so that
    the caller asks again if anything has.
    """
    keys = _in_order(p, limit, now, alive)
    return Statement(_page_text(keys.sql, "e.json"), keys.values)


def scan(p: Plan, limit: int, now: int) -> Statement | None:
    """As `page`, for many authors: a look at the newest entries of anybody, for theirs among them.

    Where they write a good part of it all, this is far less work than asking for each of them. It
    answers only if it finds `limit` of them; None where there is nothing to be gained.
    """
    if p.by not in (Index.AUTHOR, Index.AUTHOR_ANY) or p.segments <= UNION_SEGMENTS:
        return None
    if any(condition.name not in OF_READER for condition in p.rest):
        return None
    authors, kinds = p.keys[0], p.keys[1] if p.by is Index.AUTHOR else ()
    padded = _padded([kinds]) if kinds else []
    text = _page_text(_scan_text(len(padded), p.rest), "e.json")
    bound = (kind for segment in padded for kind in segment)
    return Statement(text, [*_head(p, limit, now), SCANNED * limit, json.dumps(authors), *bound])


def places(p: Plan, limit: int | None, now: int, *, alive: bool) -> Statement:
    """As `page`, with `seq,created_at,id,size` for JSON; `size` is its length in bytes."""
    keys = _in_order(p, limit, now, alive)
    return Statement(_page_text(keys.sql, _PLACE), keys.values)


def seqs(p: Plan, now: int) -> Statement:
    """One row: the seq of all that the plan names and that is not gone, joined by commas."""
    text = f"SELECT group_concat(seq) FROM ({_flat_text(p.by, p.rest, alive=True)})"
    return Statement(text, [*_head(p, None, now), *_arrays(p)])


def count(plans: Sequence[Plan], now: int, *, alive: bool) -> Statement:
    """One row: how many events the plans name together, is anything here gone."""
    parameters: list[Any] = [None] * (FIRST_FREE - 2) + [now]
    texts = []
    for p in plans:
        texts.append(_shifted(_flat_text(p.by, p.rest, alive), len(parameters)))
        parameters += [*_head(p, None, now), *_arrays(p)]
    text = f"SELECT count(*), {_ANY_GONE} FROM ({' UNION '.join(texts)})"
    return Statement(text, parameters)


def sketch(p: Plan, offset: int, now: int) -> Statement:
    """One row: how many events the plan names; of their pubkeys from byte `offset` on, for each
    first byte the one that is least, joined by spaces."""
    values = [*_head(p, None, now), *_arrays(p)]
    at = f":p{len(values) + 1}"
    text = (
        "SELECT sum(n), group_concat(first || least, ' ') FROM"
        " (SELECT substr(part, 1, 2) AS first, min(substr(part, 3)) AS least, count(*) AS n FROM"
        f" (SELECT CAST(substr(e.json, {_PUBKEY_AT} + 2 * {at}, 64 - 2 * {at}) AS TEXT) AS part"
        f" FROM ({_flat_text(p.by, p.rest, alive=True)}) k"
        " CROSS JOIN event e ON e.seq = k.seq) GROUP BY first)"
    )
    return Statement(text, [*values, offset])


def probe(choice: Choice) -> Statement:
    """One row: how many entries these segments have, counted no further than is worth while."""
    tables, columns = _TABLES[choice.by]
    columns = columns[: len(choice.keys)]
    segments = _padded(choice.keys)
    counts = [
        f"(SELECT count(*) FROM (SELECT 1 FROM {table}"
        f" WHERE {_bound(columns, 1 + index * len(columns))} LIMIT {_PROBE_DEPTH}))"
        for index in range(len(segments))
        for table in tables
    ]
    bound = [key for segment in segments for key in segment]
    return Statement(f"SELECT {' + '.join(counts)}", bound)


def ranked(
    p: Plan, limit: int | None, now: int, *, candidates: int, alive: bool, scored: bool = True
) -> Statement:
    """As `places`, of a search, what fits best first if that is `scored`, then newest first.

    Of more than `candidates` only those that were stored last are looked at.
    """
    values = [*_head(p, limit, now), *_arrays(p)]
    conditions, free = rest_text(p.by, p.rest, alive)
    [matching] = found(p.by, free)
    keys = (
        "SELECT * FROM (SELECT t.created_at AS created_at, t.tie AS tie, t.seq AS seq,"
        f" {_SCORE if scored else 0} AS score"
        f" FROM {matching} WHERE {_RANGE}{conditions}"
        f" ORDER BY words.rowid DESC LIMIT :p{len(values) + 1})"
        " ORDER BY score, created_at DESC, tie DESC, seq DESC LIMIT :p5"
    )
    return Statement(_page_text(keys, _PLACE), [*values, candidates])


@lru_cache(maxsize=1024)
def _page_text(keys: str, column: str) -> str:
    return (
        f"SELECT (SELECT seq FROM state), {_ANY_GONE}, group_concat({column}, char(10))"
        f" FROM ({keys}) k CROSS JOIN event e ON e.seq = k.seq"
    )


def _head(p: Plan, limit: int | None, now: int) -> list[Any]:
    most = _UNLIMITED if limit is None else min(limit, _UNLIMITED)
    return [p.since, *p.upper, most, now, *p.values]


def _arrays(p: Plan) -> list[str]:
    if p.by is Index.SEARCH:
        return [p.words]
    return [p.ids] if p.by is Index.IDS else [json.dumps(values) for values in p.keys]


def _in_order(p: Plan, limit: int | None, now: int, alive: bool) -> Statement:
    """SELECT of (created_at, tie, seq), newest first, up to the limit."""
    head = _head(p, limit, now)
    if p.by in (Index.IDS, Index.SEARCH):
        return Statement(_found_text(p.by, p.rest, alive), [*head, *_arrays(p)])
    # In a union each branch would look up a long list of tags anew.
    long_list = Condition("tag", 0) in p.rest
    if p.by not in _FOUND and p.segments <= UNION_SEGMENTS and not long_list:
        segments = _padded(p.keys)
        text = _union_text(p.by, len(segments), p.rest, alive)
        return Statement(text, [*head, *(key for segment in segments for key in segment)])
    return Statement(_queue_text(p.by, p.rest, alive), [*head, *_arrays(p)])


@lru_cache(maxsize=16)
def _scan_text(kinds: int, rest: tuple[Condition, ...]) -> str:
    conditions, free = rest_text(Index.TIME, rest, alive=False)
    table, first = ("event_kind", free + 2) if kinds else ("event_time", 0)
    branches = (
        "SELECT t.created_at AS created_at, t.tie AS tie, t.seq AS seq, t.author AS author"
        f" FROM event t INDEXED BY {table} WHERE {_RANGE}{conditions}"
        + (f" AND t.kind = :p{first + index}" if kinds else "")
        for index in range(max(kinds, 1))
    )
    newest = f"{' UNION ALL '.join(branches)} ORDER BY created_at DESC, tie DESC, seq DESC"
    return (
        f"SELECT created_at, tie, seq FROM ({newest} LIMIT :p{free}) WHERE author IN"
        f" (SELECT value FROM json_each(:p{free + 1})) LIMIT :p5"
    )


@lru_cache(maxsize=256)
def _found_text(by: Index, rest: tuple[Condition, ...], alive: bool) -> str:
    conditions, free = rest_text(by, rest, alive)
    branches = (
        f"SELECT t.created_at AS created_at, t.tie AS tie, t.seq AS seq FROM {held}"
        f" WHERE {_RANGE}{conditions}"
        for held in found(by, free)
    )
    return f"{' UNION ALL '.join(branches)} ORDER BY created_at DESC, tie DESC, seq DESC LIMIT :p5"


@lru_cache(maxsize=512)
def _union_text(by: Index, size: int, rest: tuple[Condition, ...], alive: bool) -> str:
    tables, columns = _TABLES[by]
    conditions, free = rest_text(by, rest, alive)
    branches = [
        f"SELECT t.created_at AS created_at, t.tie AS tie, t.seq AS seq FROM {table}"
        f" WHERE {_bound(columns, free + index * len(columns))} AND {_RANGE}{conditions}"
        for table in reversed(tables)  # what comes last has the shortest way through the merge
        for index in range(size)
    ]
    # An event may stand in several tag segments, but in one only of the others.
    joined = (" UNION " if by is Index.TAG else " UNION ALL ").join(branches)
    return f"{joined} ORDER BY created_at DESC, tie DESC, seq DESC LIMIT :p5"


@lru_cache(maxsize=256)
def _queue_text(by: Index, rest: tuple[Condition, ...], alive: bool) -> str:
    """A priority queue of the next entry of each segment of each table."""
    tables, columns = _TABLES[by]
    conditions, free = rest_text(by, rest, alive)
    names = "ab"[: len(columns)]

    def step(alias: str, origin: str, bounds: str) -> str:
        entries = [
            f"(SELECT t.seq FROM {table} WHERE {_joined(columns, alias)} AND {bounds}{conditions}"
            f" {_NEWEST_FIRST} LIMIT 1)"
            for table in tables
        ]
        entry = entries[0]
        if len(entries) > 1:
            entry = f"CASE {alias}.shelf WHEN 0 THEN {entries[0]} ELSE {entries[1]} END"
        return (
            f"SELECT {alias}.shelf, {', '.join(f'{alias}.{n}' for n in names)}, e.created_at,"
            f" e.tie, e.seq FROM {origin} {alias} CROSS JOIN event e ON e.seq = {entry}"
        )

    shelves = ", ".join(f"({number})" for number in range(len(tables)))
    origin = f"(SELECT * FROM segment CROSS JOIN (SELECT column1 AS shelf FROM (VALUES {shelves})))"
    return (
        f"WITH RECURSIVE {_segments_text(by, free)},"
        f" queue(shelf, {', '.join(names)}, created_at, tie, seq) AS ("
        f"{step('s', origin, _RANGE)} UNION ALL {step('h', 'queue', _AFTER_HEAD)}"
        " ORDER BY created_at DESC, tie DESC, seq DESC)"
        f" SELECT {'DISTINCT ' if by is Index.TAG else ''}created_at, tie, seq"
        " FROM queue LIMIT :p5"
    )


@lru_cache(maxsize=256)
def _flat_text(by: Index, rest: tuple[Condition, ...], alive: bool) -> str:
    """SELECT of seq, in no order, each once."""
    tables, columns = _TABLES[by]
    conditions, free = rest_text(by, rest, alive)
    if by in (Index.IDS, Index.SEARCH):
        parts = [f"SELECT t.seq FROM {h} WHERE {_RANGE}{conditions}" for h in found(by, free)]
        return f"SELECT seq FROM ({' UNION ALL '.join(parts)})"
    prefix, source = "", ""
    if by in (Index.AUTHOR_FOUND, Index.KIND_FOUND):
        prefix = f"WITH RECURSIVE {_segments_text(by, free)} "
        source = "segment s CROSS JOIN "
        conditions += f" AND {_joined(columns, 's')}"
    else:
        fixed = columns[:1] if by is Index.AUTHOR_ANY else columns
        for index, column in enumerate(fixed):
            conditions += f" AND t.{column} IN (SELECT value FROM json_each(:p{free + index}))"
    parts = [f"SELECT t.seq FROM {source}{table} WHERE {_RANGE}{conditions}" for table in tables]
    # An event may stand in several tag segments, but in one only of the others.
    joined = (" UNION " if by is Index.TAG else " UNION ALL ").join(parts)
    return f"SELECT seq FROM ({prefix}{joined})"


def _segments_text(by: Index, free: int) -> str:
    """The segments, from the arrays bound from `free` on."""
    if by is Index.KIND_FOUND:
        return (
            "kind(b) AS (SELECT min(kind) FROM event UNION ALL SELECT (SELECT min(kind) FROM event"
            " WHERE kind > b) FROM kind WHERE b IS NOT NULL), segment(a) AS"
            f" (SELECT b FROM kind WHERE b IN (SELECT value FROM json_each(:p{free})))"
        )
    if by in _FOUND:  # step from one kind of an author to the next
        wanted = f"IN (SELECT value FROM json_each(:p{free + 1}))"
        return (
            f"pair(a, b) AS (SELECT value, {_least_kind('value', -1)} FROM json_each(:p{free})"
            f" UNION ALL SELECT a, {_least_kind('a', 'b')} FROM pair WHERE b IS NOT NULL),"
            " segment(a, b) AS (SELECT a, b FROM pair WHERE b"
            f" {wanted if by is Index.AUTHOR_FOUND else 'IS NOT NULL'})"
        )
    if len(_TABLES[by].columns) == 1:
        return f"segment(a) AS (SELECT value FROM json_each(:p{free}))"
    return (
        f"segment(a, b) AS (SELECT x.value, y.value FROM json_each(:p{free}) x"
        f" CROSS JOIN json_each(:p{free + 1}) y)"
    )


def _least_kind(author: str, above: object) -> str:
    parts = (
        f"SELECT (SELECT kind FROM {table} WHERE author = {author} AND kind > {above}"
        " ORDER BY kind LIMIT 1) AS kind"
        for table in ("new_author", "author")
    )
    return f"(SELECT min(kind) FROM ({' UNION ALL '.join(parts)}))"


def _bound(columns: Sequence[str], first: int) -> str:
    return " AND ".join(f"t.{c} = :p{first + i}" for i, c in enumerate(columns)) or "true"


def _joined(columns: Sequence[str], alias: str) -> str:
    return " AND ".join(f"t.{c} = {alias}.{n}" for c, n in zip(columns, "ab", strict=False))


@lru_cache(maxsize=1024)
def _shifted(text: str, by: int) -> str:
    return _parameters_in.sub(lambda found: f":p{int(found[1]) + by}", text)


def _padded(keys: Sequence[Sequence[int]]) -> list[tuple[int | None, ...]]:
    """The segments, and a few more in which nothing is, so that few different texts are needed."""
    segments: list[tuple[int | None, ...]] = list(itertools.product(*keys))
    nothing = (None,) * len(keys)
    return segments + [nothing] * (rounded(len(segments)) - len(segments))
