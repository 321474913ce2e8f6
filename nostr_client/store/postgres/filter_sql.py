# ruff: noqa: S608 - every text below is made of constants; values are always bound
"""From a filter to SQL: texts that depend on its shape alone, so that each is prepared once.

Few segments of an index (`store.indexes`) are merged in their order by the database itself, and the
walk ends at the limit; of many, each gives at most as many as are wanted. JSON is touched only for
what is returned.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any, Final, NamedTuple

from nostr_client.protocol.filters import Filter
from nostr_client.protocol.kinds import DIRECT_MESSAGE, GIFT_WRAP, VANISH
from nostr_client.store.index_keys import MAX, IndexKeys, id_key
from nostr_client.store.indexes import NEWEST, Choice, Columns, Cursor, Index, index_for
from nostr_client.store.visibility import FilterOf
from nostr_client.store.words import phrases

MERGED: Final = 64
"""Segments that are merged in their order; of more, each gives as many as are wanted."""
SCANNED: Final = 8
"""So many entries of anybody are looked at for each that is wanted of many authors."""
LISTED: Final = 16
"""Longer lists are hashed."""
_PROBE_DEPTH: Final = 200
_PUBKEY_AT: Final = 84
"""Where in `Event.json` it begins, counted from 1."""
_FREE: Final = 7
"""After the parameters that every statement has: since, cursor (3), limit, now."""
_RANGE: Final = (
    "t.created_at >= $1::bigint AND (t.created_at, t.tie, t.seq) < ($2::bigint, $3::bigint,"
    " $4::bigint)"
)
_ORDER: Final = "ORDER BY created_at DESC, tie DESC, seq DESC"
_LIMIT: Final = "LIMIT $5::bigint"
_PLACE: Final = "t.created_at, t.tie, t.seq"
_ANY_GONE: Final = (
    "(EXISTS (SELECT 1 FROM event WHERE expires <= $6::bigint) OR EXISTS (SELECT 1 FROM leaving))"
)
_LEAVES: Final = (
    "EXISTS (SELECT 1 FROM leaving l JOIN event o ON o.seq = {seq} WHERE o.created_at <= l.until"
    f" AND ((o.author = l.author AND NOT (o.kind = {VANISH} AND o.created_at = l.until))"
    f" OR (o.kind = {GIFT_WRAP} AND EXISTS (SELECT 1 FROM tag w WHERE w.key = l.person"
    " AND w.created_at = o.created_at AND w.tie = o.tie AND w.seq = o.seq))))"
)
_UNLIMITED: Final = 2**40
_MANY: Final = 5000


def leaves(seq: str) -> str:
    """Is it covered by a request to vanish that is still being carried out?"""
    return _LEAVES.replace("{seq}", seq)


class BoundQuery(NamedTuple):
    """SQL, and the values of $1, $2 and so on."""

    sql: str
    values: Sequence[Any]


class Walk(NamedTuple):
    """How one filter is answered.

    `keys`: for each of the index's columns its values; each combination is a segment. `rest`: what
    is checked of each entry, and `values` one array for each of that. `ids` and `words`: what is
    found by them, for `Index.IDS` and `Index.SEARCH`.
    """

    by: Index
    keys: Columns
    rest: tuple[str, ...]
    values: tuple[Any, ...]
    since: int
    upper: Cursor
    ids: Sequence[str] = ()
    words: Sequence[str] = ()

    @property
    def segments(self) -> int:
        return prod(map(len, self.keys))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of the keys, as the text of a union has them."""
        return tuple(_rounded(len(values)) for values in self.keys)

    @property
    def is_merged(self) -> bool:
        """Are its segments few enough to be read side by side?"""
        return self.by in _MERGEABLE and prod(self.sizes) <= MERGED


def walk(f: Filter, keys: IndexKeys, after: Cursor = NEWEST, choice: Choice | None = None) -> Walk:
    """How to answer `f`, which is not empty, from `after` on; `choice` is one of `choices`."""
    by, columns, left = index_for(f, keys, choice)
    rest: list[tuple[str, list[Any]]] = [
        ("many authors" if name == "author" and len(values) > LISTED else name, list(values))
        for name, values in left
        if values
    ]
    if isinstance(f, FilterOf):
        people = [keys.tag("p", pubkey) for pubkey in f.reader]
        if DIRECT_MESSAGE in f.hidden:
            rest.append(("party", people))
            rest.append(("of party", [keys.author(pubkey) for pubkey in f.reader]))
        else:
            rest.append(("reader", people))
    words = sorted({word for phrase in phrases(f.search) for word in phrase}) if f.search else []
    ids = () if f.ids is None else sorted(f.ids)
    if ids and by is not Index.IDS:
        rest.append(("id", [id.encode() for id in ids]))
    until = MAX if f.until is None else min(f.until, MAX)
    names, values = tuple(name for name, _ in rest), tuple(values for _, values in rest)
    upper = min(after, Cursor(until, MAX, MAX))
    return Walk(by, columns, names, values, f.since or 0, upper, ids, words)


def page(w: Walk, limit: int | None, now: int, *, alive: bool) -> BoundQuery:
    """One row: last seq, is anything here gone, JSON joined by line breaks.

    With `alive`, what has expired or vanished is left out, at some cost; without it is not, so that
    the caller asks again if anything has.
    """
    text = _found_text(_in_order(w, limit, alive))
    if w.by is not Index.TAG and w.is_merged:  # whose entries are rows of `event` themselves
        text = _carried_text(_merged_text(w.by, w.sizes, w.rest, alive, True))
    return BoundQuery(text, _bound(w, limit, now))


def scan(w: Walk, limit: int, now: int) -> BoundQuery | None:
    """As `page`, for many authors: a look at the newest entries of anybody, for theirs among them.

    Where they write a good part of it all, this is far less work than asking for each of them. It
    answers only if it finds `limit` of them; None where there is nothing to be gained.
    """
    if w.by not in (Index.AUTHOR, Index.AUTHOR_ANY) or w.segments <= MERGED:
        return None
    if not {"reader", "party", "of party"}.issuperset(w.rest):
        return None
    rest = _rest(Index.TIME, w.rest, alive=False, free=_FREE + len(w.keys))
    many = f"${_FREE + len(w.keys) + len(w.values)}::bigint"
    kinds = len(w.keys[1]) if w.by is Index.AUTHOR else 0
    branches = [
        f"(SELECT {_PLACE}, t.author, t.json FROM event t WHERE {_RANGE}{rest}"
        + (f" AND t.kind = (${_FREE + 1}::int[])[{n + 1}]" if kinds else "")
        + f" {_ORDER})"
        for n in range(_rounded(kinds) if kinds else 1)
    ]
    newest = f"{' UNION ALL '.join(branches)} {_ORDER} LIMIT {many}"
    keys = f"SELECT json FROM ({newest}) n WHERE {_among('author', _FREE)} {_ORDER} {_LIMIT}"
    return BoundQuery(_carried_text(keys), [*_bound(w, limit, now), SCANNED * limit])


def places(w: Walk, limit: int | None, now: int, *, alive: bool) -> BoundQuery:
    """Rows, newest first, of created_at, tie, seq, the id as text in bytes, bytes of JSON, and
    whether anything here is gone (see `page`)."""
    return BoundQuery(_places_text(_in_order(w, limit, alive)), _bound(w, limit, now))


def count(walks: Sequence[Walk], now: int) -> BoundQuery:
    """One row: how many events the walks name together, but for what is gone."""
    values: list[Any] = []
    texts = []
    for w in walks:
        text = _flat(w)
        texts.append(_shifted(text, len(values)))
        values += _bound(w, None, now)
    return BoundQuery(f"SELECT count(*) FROM ({' UNION '.join(texts)}) k", values)


def sketch(w: Walk, offset: int, now: int) -> BoundQuery:
    """Rows: first two digits of what pubkeys have from byte `offset` on, the least of the rest
    behind them, and how many events."""
    at = f"${_FREE + len(w.keys or _found(w)) + len(w.values)}::int"
    part = f"substring(e.json FROM {_PUBKEY_AT} + 2 * {at} FOR 64 - 2 * {at})"
    text = (
        "SELECT substring(part FROM 1 FOR 2), min(substring(part FROM 3)), count(*) FROM"
        f" (SELECT {part} AS part FROM ({_flat(w)}) k JOIN event e ON e.seq = k.seq) p GROUP BY 1"
    )
    return BoundQuery(text, [*_bound(w, None, now), offset])


def probe(choices: Sequence[Choice]) -> BoundQuery:
    """One row: how many entries the segments of each have, counted no further than is worth
    while."""
    values: list[Any] = []
    texts = []
    for choice in choices:
        table = "tag" if choice.by is Index.TAG else "event"
        columns = ("key",) if choice.by is Index.TAG else ("author", "kind")[: len(choice.keys)]
        sides = [
            f"unnest(${len(values) + n}::{_TYPES[c]}[]) AS s{n}" for n, c in enumerate(columns, 1)
        ]
        named = " AND ".join(f"t.{column} = s{n}" for n, column in enumerate(columns, 1))
        texts.append(
            f"(SELECT coalesce(sum(n), 0)::int FROM {' CROSS JOIN '.join(sides)} CROSS JOIN LATERAL"
            f" (SELECT count(*) AS n FROM (SELECT 1 FROM {table} t WHERE {named}"
            f" LIMIT {_PROBE_DEPTH}) c) d)"
        )
        values += [list(keys) for keys in choice.keys]
    return BoundQuery(f"SELECT {', '.join(texts)}", values)


_TYPES: Final = {"key": "bigint", "author": "bigint", "kind": "int"}
_MERGEABLE: Final = (Index.TAG, Index.AUTHOR, Index.KIND, Index.TIME)
_COLUMNS: Final = {
    Index.TAG: ("key",),
    Index.AUTHOR: ("author", "kind"),
    Index.AUTHOR_FOUND: ("author", "kind"),
    Index.AUTHOR_ANY: ("author", "kind"),
    Index.KIND: ("kind",),
    Index.KIND_FOUND: ("kind",),
    Index.TIME: (),
}


def _bound(w: Walk, limit: int | None, now: int) -> list[Any]:
    most = _UNLIMITED if limit is None else min(limit, _UNLIMITED)
    keys = [list(values) for values in w.keys] or _found(w)
    return [w.since, *w.upper, most, now, *keys, *w.values]


def _found(w: Walk) -> list[Any]:
    if w.by is Index.IDS:
        return [[id_key(id) for id in w.ids], [id.encode() for id in w.ids]]
    return [list(w.words)] if w.by is Index.SEARCH else []


def _in_order(w: Walk, limit: int | None, alive: bool) -> str:
    """SELECT of (created_at, tie, seq), newest first, up to the limit."""
    if w.by in (Index.IDS, Index.SEARCH):
        return f"{_flat_text(w.by, 0, w.rest, alive)} {_ORDER} {_LIMIT}"
    if w.is_merged:
        return _merged_text(w.by, w.sizes, w.rest, alive)
    if limit is None or limit >= _MANY:
        return _queued_text(w.by, len(w.keys), w.rest, alive)
    return _narrowed_text(w.by, len(w.keys), w.rest, alive)


@lru_cache(maxsize=512)
def _merged_text(
    by: Index, sizes: tuple[int, ...], rest: tuple[str, ...], alive: bool, carried: bool = False
) -> str:
    """A union whose branches are read side by side, each in its index's order; with `carried`,
    their JSON comes along."""
    columns_of = f"{_PLACE}, t.json" if carried else _PLACE
    table, columns = ("tag" if by is Index.TAG else "event"), _COLUMNS[by]
    conditions = _rest(by, rest, alive, _FREE + len(sizes))
    branches = []
    for segment in range(prod(sizes)):
        named, left = "", segment
        for n, size in enumerate(sizes):
            named += (
                f"t.{columns[n]} = (${_FREE + n}::{_TYPES[columns[n]]}[])[{left % size + 1}] AND "
            )
            left //= size
        branches.append(f"SELECT {columns_of} FROM {table} t WHERE {named}{_RANGE}{conditions}")
    if len(branches) == 1:
        return f"{branches[0]} {_ORDER} {_LIMIT}"
    # Without its own order, a branch would be read to its end, and all of them sorted.
    joined = " UNION ALL ".join(f"({branch} {_ORDER})" for branch in branches)
    # An event may stand in several segments of tags, but in one only of the others.
    if by is Index.TAG:
        joined = f"SELECT DISTINCT created_at, tie, seq FROM ({joined}) u"
    return f"{joined} {_ORDER} {_LIMIT}"


@lru_cache(maxsize=128)
def _queued_text(by: Index, keys: int, rest: tuple[str, ...], alive: bool) -> str:
    """Of each segment as many as are wanted, and the newest of all those."""
    table = "tag" if by is Index.TAG else "event"
    conditions = _rest(by, rest, alive, _FREE + keys)
    sides, _, named = _segments(by)
    one = f"SELECT {_PLACE} FROM {table} t WHERE {named} AND {_RANGE}{conditions} {_ORDER} {_LIMIT}"
    return (
        f"SELECT DISTINCT q.created_at, q.tie, q.seq FROM {sides} CROSS JOIN LATERAL ({one}) q"
        f" {_ORDER} {_LIMIT}"
    )


@lru_cache(maxsize=128)
def _narrowed_text(by: Index, keys: int, rest: tuple[str, ...], alive: bool) -> str:
    """Of each segment a few; and then the rest of those that were cut, as far as what was found
    says that it may be wanted."""
    table = "tag" if by is Index.TAG else "event"
    conditions = _rest(by, rest, alive, _FREE + keys)
    sides, segment, named = _segments(by)
    one = f"SELECT {_PLACE} FROM {table} t WHERE {named} AND {_RANGE}{conditions} {_ORDER}"
    few = f"(4 + 2 * $5::bigint / greatest(1, cardinality(${_FREE}::bigint[])))"
    names = [column.partition(".")[0] for column in segment]
    own = " AND ".join(
        f"t.{column} = m.{name}" for column, name in zip(_COLUMNS[by], names, strict=False)
    )
    least = "coalesce((SELECT created_at FROM edge), $1::bigint)"
    return (
        "WITH few AS MATERIALIZED (SELECT"
        f" {', '.join(f'{c} AS {n}' for c, n in zip(segment, names, strict=True))},"
        f" q.created_at, q.tie, q.seq FROM {sides} CROSS JOIN LATERAL ({one} LIMIT {few}) q),"
        " edge AS MATERIALIZED (SELECT created_at FROM (SELECT DISTINCT created_at, tie, seq FROM"
        f" few) d ORDER BY created_at DESC OFFSET greatest($5::bigint, 1) - 1 LIMIT 1),"
        f" more AS MATERIALIZED (SELECT {', '.join(names)}, min(created_at) AS least FROM few"
        f" GROUP BY {', '.join(names)} HAVING count(*) >= {few} AND min(created_at) >= {least})"
        " SELECT created_at, tie, seq FROM few UNION SELECT q.created_at, q.tie, q.seq FROM more m"
        f" CROSS JOIN LATERAL (SELECT {_PLACE} FROM {table} t WHERE {own} AND {_RANGE}"
        f" AND t.created_at >= {least} AND t.created_at <= m.least{conditions} {_ORDER} {_LIMIT}) q"
        f" {_ORDER} {_LIMIT}"
    )


def _segments(by: Index) -> tuple[str, tuple[str, ...], str]:
    """FROM what gives every segment once, its columns, and the condition that is its own."""
    first = f"(SELECT DISTINCT s FROM unnest(${_FREE}::bigint[]) s) a(s)"
    least = (
        "(WITH RECURSIVE k AS (SELECT (SELECT min(kind) FROM event WHERE {of}kind > -1) AS s"
        " UNION ALL SELECT (SELECT min(kind) FROM event WHERE {of}kind > k.s) FROM k"
        " WHERE k.s IS NOT NULL) SELECT s FROM k WHERE s IS NOT NULL) b"
    )
    both = ("a.s", "b.s")
    match by:
        case Index.TAG:
            return first, both[:1], "t.key = a.s"
        case Index.AUTHOR:
            kinds = f"(SELECT DISTINCT s FROM unnest(${_FREE + 1}::int[]) s) b(s)"
            return f"{first} CROSS JOIN {kinds}", both, "t.author = a.s AND t.kind = b.s"
        case Index.AUTHOR_ANY | Index.AUTHOR_FOUND:
            own = least.replace("{of}", "author = a.s AND ")
            named = "t.author = a.s AND t.kind = b.s"
            if by is Index.AUTHOR_FOUND:
                named += f" AND b.s = ANY(${_FREE + 1}::int[])"
            return f"{first} CROSS JOIN LATERAL {own}", both, named
        case Index.KIND:
            kinds = f"(SELECT DISTINCT s FROM unnest(${_FREE}::int[]) s) b(s)"
            return kinds, both[1:], "t.kind = b.s"
        case _:
            named = f"t.kind = b.s AND b.s = ANY(${_FREE}::int[])"
            return least.replace("{of}", ""), both[1:], named


def _flat(w: Walk) -> str:
    """SELECT of the seq of all that the walk names and that is not gone."""
    return f"SELECT seq FROM ({_flat_text(w.by, len(w.keys), w.rest, True)}) f"


@lru_cache(maxsize=256)
def _flat_text(by: Index, keys: int, rest: tuple[str, ...], alive: bool) -> str:
    if by is Index.IDS:
        source = f"event t WHERE t.tie = ANY(${_FREE}::bigint[])"
        source += f" AND substring(t.json FROM 8 FOR 64) = ANY(${_FREE + 1}::bytea[])"
        keys = 2
    elif by is Index.SEARCH:
        source = f"words s JOIN event t ON t.seq = s.seq WHERE s.words @> ${_FREE}::text[]"
        keys = 1
    else:
        table = "tag" if by is Index.TAG else "event"
        named = [f"t.{c} = ANY(${_FREE + n}::{_TYPES[c]}[])" for n, c in enumerate(_COLUMNS[by])]
        source = f"{table} t WHERE {' AND '.join(named[:keys]) or 'true'}"
    conditions = _rest(by, rest, alive, _FREE + keys)
    once = "DISTINCT " if by is Index.TAG else ""
    # Every parameter must stand somewhere.
    return f"SELECT {once}{_PLACE} FROM {source} AND {_RANGE}{conditions} AND $5::bigint >= 0"


def _rest(by: Index, rest: Sequence[str], alive: bool, free: int) -> str:
    """The conditions, each with its AND; the array of the first one is parameter `free`."""
    texts = []
    author = "(SELECT o.author FROM event o WHERE o.seq = t.seq)" if by is Index.TAG else "t.author"
    tagged = (
        "EXISTS (SELECT 1 FROM tag o WHERE o.key = ANY($n::bigint[])"
        " AND o.created_at = t.created_at AND o.tie = t.tie AND o.seq = t.seq)"
    )
    for n, name in enumerate(rest, free):
        has = tagged.replace("$n", f"${n}")
        match name:
            case "tag":
                texts.append(has)
            case "reader":
                texts.append(f"(t.kind <> {GIFT_WRAP} OR {has})")
            case "party":
                own = f"(t.kind = {DIRECT_MESSAGE} AND {author} = ANY(${n + 1}::bigint[]))"
                texts.append(f"(t.kind NOT IN ({DIRECT_MESSAGE}, {GIFT_WRAP}) OR {has} OR {own})")
            case "of party":
                continue
            case "id":
                texts.append(
                    f"(SELECT substring(o.json FROM 8 FOR 64) FROM event o WHERE o.seq = t.seq)"
                    f" = ANY(${n}::bytea[])"
                )
            case "author":
                texts.append(f"{author} = ANY(${n}::bigint[])")
            case "many authors":
                texts.append(_among(author, n))
            case _:
                texts.append(f"t.kind = ANY(${n}::int[])")
    if alive:
        expired = (
            "NOT EXISTS (SELECT 1 FROM event o WHERE o.seq = t.seq AND o.expires <= $6::bigint)"
        )
        stands = "(t.expires IS NULL OR t.expires > $6::bigint)"
        texts.append(expired if by is Index.TAG else stands)
        texts.append(f"NOT {leaves('t.seq')}")
    return "".join(f" AND {text}" for text in texts)


_HEAD: Final = f"SELECT (SELECT seq FROM state), {_ANY_GONE}, (SELECT string_agg"


@lru_cache(maxsize=1024)
def _found_text(keys: str) -> str:
    # One look-up for each, in the order in which they come.
    json = "(SELECT e.json FROM event e WHERE e.seq = k.seq)"
    return f"{_HEAD}({json}, '\\x0a'::bytea) FROM ({keys}) k)"


@lru_cache(maxsize=1024)
def _carried_text(keys: str) -> str:
    return f"{_HEAD}(k.json, '\\x0a'::bytea) FROM ({keys}) k)"


@lru_cache(maxsize=256)
def _places_text(keys: str) -> str:
    return (
        "SELECT k.created_at, k.tie, k.seq, substring(e.json FROM 8 FOR 64), octet_length(e.json),"
        f" {_ANY_GONE}"
        f" FROM ({keys}) k JOIN event e ON e.seq = k.seq"
        " ORDER BY k.created_at DESC, k.tie DESC, k.seq DESC"
    )


def _among(column: str, n: int) -> str:
    """A long list is hashed so, which one that is bound to a parameter is not."""
    return f"({column} IN (SELECT unnest(${n}::bigint[]))) IS TRUE"


def _shifted(text: str, by: int) -> str:
    if not by:
        return text
    pieces = text.split("$")
    shifted = [pieces[0]]
    for piece in pieces[1:]:
        digits = len(piece) - len(piece.lstrip("0123456789"))
        shifted.append(f"{int(piece[:digits]) + by}{piece[digits:]}")
    return "$".join(shifted)


def _rounded(count: int) -> int:
    """`count` or somewhat more: few different shapes make few different statements. Beyond the end
    of an array there is nothing, and so no entry of an index."""
    step = 1 << max(0, (count - 1).bit_length() - 3)
    return -(-count // step) * step
