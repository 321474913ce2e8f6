# ruff: noqa: S608 - every text below is made of constants; values are always bound
"""The SQL of a walk: texts that depend on its shape alone, so that each is prepared once.

Few segments of an index (`store.indexes`) are merged in their order by the database itself, and the
walk ends at the limit; of many, each gives a few, and more only where it may be wanted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Final

from nostr_client.protocol.kinds import DIRECT_MESSAGE, GIFT_WRAP, VANISH
from nostr_client.store.indexes import Index
from nostr_client.store.postgres.walks import Walk

FEW: Final = 4
"""So many entries are taken of each of many segments, and twice its share of what is wanted."""
FREE: Final = 7
"""After the parameters that every statement has: since, cursor (3), limit, now."""
RANGE: Final = (
    "t.created_at >= $1::bigint AND (t.created_at, t.tie, t.seq) < ($2::bigint, $3::bigint,"
    " $4::bigint)"
)
ORDER: Final = "ORDER BY created_at DESC, tie DESC, seq DESC"
LIMIT: Final = "LIMIT $5::bigint"
PLACE: Final = "t.created_at, t.tie, t.seq"
_MANY: Final = 5000
_parameters_in: Final = re.compile(r"\$(\d+)")
_LEAVES: Final = (
    "EXISTS (SELECT 1 FROM leaving l JOIN event o ON o.seq = {seq} WHERE o.created_at <= l.until"
    f" AND ((o.author = l.author AND NOT (o.kind = {VANISH} AND o.created_at = l.until))"
    f" OR (o.kind = {GIFT_WRAP} AND EXISTS (SELECT 1 FROM tag w WHERE w.key = l.person"
    " AND w.created_at = o.created_at AND w.tie = o.tie AND w.seq = o.seq))))"
)
TYPES: Final = {"key": "bigint", "author": "bigint", "kind": "int"}
_COLUMNS: Final = {
    Index.TAG: ("key",),
    Index.AUTHOR: ("author", "kind"),
    Index.AUTHOR_FOUND: ("author", "kind"),
    Index.AUTHOR_ANY: ("author", "kind"),
    Index.KIND: ("kind",),
    Index.KIND_FOUND: ("kind",),
    Index.TIME: (),
}


def leaves(seq: str) -> str:
    """Is it covered by a request to vanish that is still being carried out?"""
    return _LEAVES.replace("{seq}", seq)


def in_order(w: Walk, limit: int | None, alive: bool) -> str:
    """SELECT of (created_at, tie, seq), newest first, up to the limit."""
    if w.by in (Index.IDS, Index.SEARCH):
        return f"{flat_text(w.by, 0, w.rest, alive)} {ORDER} {LIMIT}"
    if w.is_merged:
        return merged_text(w.by, w.sizes, w.rest, alive)
    if limit is None or limit >= _MANY:
        return _queued_text(w.by, len(w.keys), w.rest, alive)
    return _narrowed_text(w.by, len(w.keys), w.rest, alive, FEW)


@lru_cache(maxsize=512)
def merged_text(
    by: Index, sizes: tuple[int, ...], rest: tuple[str, ...], alive: bool, carried: bool = False
) -> str:
    """A union whose branches are read side by side, each in its index's order; with `carried`,
    their JSON comes along."""
    columns_of = f"{PLACE}, t.json" if carried else PLACE
    table, columns = ("tag" if by is Index.TAG else "event"), _COLUMNS[by]
    conditions = rest_text(by, rest, alive, FREE + len(sizes))
    branches = []
    for segment in range(prod(sizes)):
        named, left = "", segment
        for n, size in enumerate(sizes):
            named += (
                f"t.{columns[n]} = (${FREE + n}::{TYPES[columns[n]]}[])[{left % size + 1}] AND "
            )
            left //= size
        branches.append(f"SELECT {columns_of} FROM {table} t WHERE {named}{RANGE}{conditions}")
    joined = side_by_side(branches)
    # An event may stand in several segments of tags, but in one only of the others.
    if by is Index.TAG and len(branches) > 1:
        joined = f"SELECT DISTINCT created_at, tie, seq FROM ({joined}) u"
    return f"{joined} {ORDER} {LIMIT}"


def side_by_side(branches: Sequence[str]) -> str:
    """Without its own order, each branch would be read to its end, and all of them sorted."""
    if len(branches) == 1:
        return branches[0]
    return " UNION ALL ".join(f"({branch} {ORDER})" for branch in branches)


@lru_cache(maxsize=128)
def _queued_text(by: Index, keys: int, rest: tuple[str, ...], alive: bool) -> str:
    """Of each segment as many as are wanted, and the newest of all those."""
    table = "tag" if by is Index.TAG else "event"
    conditions = rest_text(by, rest, alive, FREE + keys)
    sides, _, named = _segments(by)
    one = f"SELECT {PLACE} FROM {table} t WHERE {named} AND {RANGE}{conditions} {ORDER} {LIMIT}"
    return (
        f"SELECT DISTINCT q.created_at, q.tie, q.seq FROM {sides} CROSS JOIN LATERAL ({one}) q"
        f" {ORDER} {LIMIT}"
    )


@lru_cache(maxsize=128)
def _narrowed_text(by: Index, keys: int, rest: tuple[str, ...], alive: bool, at_least: int) -> str:
    """Of each segment a few; and then the rest of those that were cut, as far as what was found
    says that it may be wanted."""
    table = "tag" if by is Index.TAG else "event"
    conditions = rest_text(by, rest, alive, FREE + keys)
    sides, segment, named = _segments(by)
    one = f"SELECT {PLACE} FROM {table} t WHERE {named} AND {RANGE}{conditions} {ORDER}"
    few = f"({at_least} + 2 * $5::bigint / greatest(1, cardinality(${FREE}::bigint[])))"
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
        f" CROSS JOIN LATERAL (SELECT {PLACE} FROM {table} t WHERE {own} AND {RANGE}"
        f" AND t.created_at >= {least} AND t.created_at <= m.least{conditions} {ORDER} {LIMIT}) q"
        f" {ORDER} {LIMIT}"
    )


def _segments(by: Index) -> tuple[str, tuple[str, ...], str]:
    """FROM what gives every segment once, its columns, and the condition that is its own."""
    first = f"(SELECT DISTINCT s FROM unnest(${FREE}::bigint[]) s) a(s)"
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
            kinds = f"(SELECT DISTINCT s FROM unnest(${FREE + 1}::int[]) s) b(s)"
            return f"{first} CROSS JOIN {kinds}", both, "t.author = a.s AND t.kind = b.s"
        case Index.AUTHOR_ANY | Index.AUTHOR_FOUND:
            own = least.replace("{of}", "author = a.s AND ")
            named = "t.author = a.s AND t.kind = b.s"
            if by is Index.AUTHOR_FOUND:
                named += f" AND b.s = ANY(${FREE + 1}::int[])"
            return f"{first} CROSS JOIN LATERAL {own}", both, named
        case Index.KIND:
            kinds = f"(SELECT DISTINCT s FROM unnest(${FREE}::int[]) s) b(s)"
            return kinds, both[1:], "t.kind = b.s"
        case _:
            named = f"t.kind = b.s AND b.s = ANY(${FREE}::int[])"
            return least.replace("{of}", ""), both[1:], named


def flat(w: Walk) -> str:
    """SELECT of the seq of all that the walk names and that is not gone."""
    return f"SELECT seq FROM ({flat_text(w.by, len(w.keys), w.rest, True)}) f"


@lru_cache(maxsize=256)
def flat_text(by: Index, keys: int, rest: tuple[str, ...], alive: bool) -> str:
    if by is Index.IDS:
        source = f"event t WHERE t.tie = ANY(${FREE}::bigint[])"
        source += f" AND substring(t.json FROM 8 FOR 64) = ANY(${FREE + 1}::bytea[])"
        keys = 2
    elif by is Index.SEARCH:
        source = f"words s JOIN event t ON t.seq = s.seq WHERE s.words @> ${FREE}::text[]"
        keys = 1
    else:
        table = "tag" if by is Index.TAG else "event"
        named = [f"t.{c} = ANY(${FREE + n}::{TYPES[c]}[])" for n, c in enumerate(_COLUMNS[by])]
        source = f"{table} t WHERE {' AND '.join(named[:keys]) or 'true'}"
    conditions = rest_text(by, rest, alive, FREE + keys)
    once = "DISTINCT " if by is Index.TAG else ""
    # Every parameter must stand somewhere.
    return f"SELECT {once}{PLACE} FROM {source} AND {RANGE}{conditions} AND $5::bigint >= 0"


def rest_text(by: Index, rest: Sequence[str], alive: bool, free: int) -> str:
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
                texts.append(among(author, n))
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


def among(column: str, n: int) -> str:
    """A long list is hashed so, which one that is bound to a parameter is not."""
    return f"({column} IN (SELECT unnest(${n}::bigint[]))) IS TRUE"


@lru_cache(maxsize=1024)
def shifted(text: str, by: int, above: int = FREE - 1) -> str:
    """`text`, the numbers of whose parameters, from those `above` on, are greater by `by`."""
    if not by:
        return text
    return _parameters_in.sub(
        lambda found: f"${int(found[1]) + (by if int(found[1]) > above else 0)}", text
    )
