# ruff: noqa: S608 - every text below is made of constants; values are always bound
"""From walks to statements, each with its values. JSON is touched only for what is returned."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from nostr_client.store.index_keys import id_key
from nostr_client.store.indexes import Choice, Index
from nostr_client.store.postgres import walks
from nostr_client.store.postgres.walk_sql import (
    FREE,
    LIMIT,
    ORDER,
    PLACE,
    RANGE,
    TYPES,
    among,
    flat,
    in_order,
    merged_text,
    rest_text,
    shifted,
    side_by_side,
)
from nostr_client.store.postgres.walks import Walk, rounded

SCANNED: Final = 8
"""So many entries of anybody are looked at for each that is wanted of many authors."""
_PROBE_DEPTH: Final = 200
_PUBKEY_AT: Final = 84
"""Where in `Event.json` it begins, counted from 1."""
_ANY_GONE: Final = (
    "(EXISTS (SELECT 1 FROM event WHERE expires <= $6::bigint) OR EXISTS (SELECT 1 FROM leaving))"
)
_UNLIMITED: Final = 2**40
_Text = tuple[str, list[Any]]


class BoundQuery(NamedTuple):
    """SQL, and the values of $1, $2 and so on."""

    sql: str
    values: Sequence[Any]


def page(w: Walk, limit: int | None, now: int, *, alive: bool) -> BoundQuery:
    """One row: last seq, is anything here gone, JSON joined by line breaks.

    With `alive`, what has expired or vanished is left out, at some cost; without it is not, so that
    the caller asks again if anything has.
    """
    return BoundQuery(f"{_HEAD} {_joined(w, limit, alive)}", _bound(w, limit, now))


def either(
    choices: Sequence[Choice], several: Sequence[Walk], limit: int, now: int, *, alive: bool
) -> BoundQuery:
    """As `page`, by the one of several walks whose index has the fewest entries: they are counted
    in the same statement. One filter's walks differ behind the parameters that all have."""
    values = _bound(several[0], limit, now)[: FREE - 1]
    answers, counts, names = [], [], [f"c{n}" for n in range(len(choices))]
    for w in several:
        answers.append(shifted(_joined(w, limit, alive), len(values) - FREE + 1))
        values += _bound(w, limit, now)[FREE - 1 :]
    for name, choice in zip(names, choices, strict=True):
        text, keys = _counted(choice)
        scale = f"${len(values) + len(keys) + 1}::float8"
        counts.append(f"{shifted(text, len(values), above=0)} * {scale} AS {name}")
        values += [*keys, choice.scale]
    cases = [
        f"WHEN {name} <= least({', '.join(names[n + 1 :])}) THEN {answer}"
        for n, (name, answer) in enumerate(zip(names[:-1], answers[:-1], strict=True))
    ]
    return BoundQuery(
        f"{_HEAD} CASE {' '.join(cases)} ELSE {answers[-1]} END"
        f" FROM (SELECT {', '.join(counts)} OFFSET 0) c",
        values,
    )


def scan(w: Walk, limit: int, now: int) -> BoundQuery | None:
    """As `page`, for many authors: a look at the newest entries of anybody, for theirs among them.

    Where they write a good part of it all, this is far less work than asking for each of them. It
    answers only if it finds `limit` of them; None where there is nothing to be gained.
    """
    if w.by not in (Index.AUTHOR, Index.AUTHOR_ANY) or w.segments <= walks.MERGED:
        return None
    if not {"reader", "party", "of party"}.issuperset(w.rest):
        return None
    rest = rest_text(Index.TIME, w.rest, alive=False, free=FREE + len(w.keys))
    many = f"${FREE + len(w.keys) + len(w.values)}::bigint"
    kinds = len(w.keys[1]) if w.by is Index.AUTHOR else 0
    branches = [
        f"SELECT {PLACE}, t.author, t.json FROM event t WHERE {RANGE}{rest}"
        + (f" AND t.kind = (${FREE + 1}::int[])[{n + 1}]" if kinds else "")
        for n in range(rounded(kinds) if kinds else 1)
    ]
    newest = f"{side_by_side(branches)} {ORDER} LIMIT {many}"
    keys = f"SELECT json FROM ({newest}) n WHERE {among('author', FREE)} {ORDER} {LIMIT}"
    looked_at = min(SCANNED * limit, _UNLIMITED)
    return BoundQuery(f"{_HEAD} {_carried_text(keys)}", [*_bound(w, limit, now), looked_at])


def places(w: Walk, limit: int | None, now: int, *, alive: bool) -> BoundQuery:
    """Rows, newest first, of created_at, tie, seq, the id as text in bytes, bytes of JSON, and
    whether anything here is gone (see `page`)."""
    return BoundQuery(_places_text(in_order(w, limit, alive)), _bound(w, limit, now))


def count(walks: Sequence[Walk], now: int) -> BoundQuery:
    """One row: how many events the walks name together, but for what is gone."""
    values: list[Any] = []
    texts = []
    for w in walks:
        text = flat(w)
        texts.append(shifted(text, len(values), above=0))
        values += _bound(w, None, now)
    return BoundQuery(f"SELECT count(*) FROM ({' UNION '.join(texts)}) k", values)


def sketch(w: Walk, offset: int, now: int) -> BoundQuery:
    """Rows: first two digits of what pubkeys have from byte `offset` on, the least of the rest
    behind them, and how many events."""
    at = f"${FREE + len(w.keys or _found(w)) + len(w.values)}::int"
    part = f"substring(e.json FROM {_PUBKEY_AT} + 2 * {at} FOR 64 - 2 * {at})"
    text = (
        "SELECT substring(part FROM 1 FOR 2), min(substring(part FROM 3)), count(*) FROM"
        f" (SELECT {part} AS part FROM ({flat(w)}) k JOIN event e ON e.seq = k.seq) p GROUP BY 1"
    )
    return BoundQuery(text, [*_bound(w, None, now), offset])


def probe(choices: Sequence[Choice]) -> BoundQuery:
    """One row: how many entries the segments of each have, counted no further than is worth
    while."""
    values: list[Any] = []
    texts = []
    for choice in choices:
        text, keys = _counted(choice)
        texts.append(shifted(text, len(values), above=0))
        values += keys
    return BoundQuery(f"SELECT {', '.join(texts)}", values)


def _counted(choice: Choice) -> tuple[str, list[list[int]]]:
    table = "tag" if choice.by is Index.TAG else "event"
    columns = ("key",) if choice.by is Index.TAG else ("author", "kind")[: len(choice.keys)]
    sides = [f"unnest(${n}::{TYPES[c]}[]) AS s{n}" for n, c in enumerate(columns, 1)]
    named = " AND ".join(f"t.{column} = s{n}" for n, column in enumerate(columns, 1))
    text = (
        f"(SELECT coalesce(sum(n), 0)::int FROM {' CROSS JOIN '.join(sides)} CROSS JOIN LATERAL"
        f" (SELECT count(*) AS n FROM (SELECT 1 FROM {table} t WHERE {named}"
        f" LIMIT {_PROBE_DEPTH}) c) d)"
    )
    return text, [list(keys) for keys in choice.keys]


def _bound(w: Walk, limit: int | None, now: int) -> list[Any]:
    most = _UNLIMITED if limit is None else min(limit, _UNLIMITED)
    keys = [list(values) for values in w.keys] or _found(w)
    return [w.since, *w.upper, most, now, *keys, *w.values]


def _found(w: Walk) -> list[Any]:
    if w.by is Index.IDS:
        return [[id_key(id) for id in w.ids], [id.encode() for id in w.ids]]
    return [list(w.words)] if w.by is Index.SEARCH else []


_HEAD: Final = f"SELECT (SELECT seq FROM state), {_ANY_GONE},"


def _joined(w: Walk, limit: int | None, alive: bool) -> str:
    """The JSON of what a walk finds."""
    if w.by is not Index.TAG and w.is_merged:  # whose entries are rows of `event` themselves
        return _carried_text(merged_text(w.by, w.sizes, w.rest, alive, True))
    return _found_text(in_order(w, limit, alive))


@lru_cache(maxsize=1024)
def _found_text(keys: str) -> str:
    # One look-up for each, in the order in which they come.
    json = "(SELECT e.json FROM event e WHERE e.seq = k.seq)"
    return f"(SELECT string_agg({json}, '\\x0a'::bytea) FROM ({keys}) k)"


@lru_cache(maxsize=1024)
def _carried_text(keys: str) -> str:
    return f"(SELECT string_agg(k.json, '\\x0a'::bytea) FROM ({keys}) k)"


@lru_cache(maxsize=256)
def _places_text(keys: str) -> str:
    return (
        "SELECT k.created_at, k.tie, k.seq, substring(e.json FROM 8 FOR 64), octet_length(e.json),"
        f" {_ANY_GONE}"
        f" FROM ({keys}) k JOIN event e ON e.seq = k.seq"
        " ORDER BY k.created_at DESC, k.tie DESC, k.seq DESC"
    )
