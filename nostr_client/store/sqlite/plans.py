"""From a filter to a plan: the index that is walked (`store.indexes`), and the *rest*, which is
checked entry by entry, in the shape in which it is bound to SQL. No SQL here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from math import prod
from typing import Any, Final, NamedTuple

from nostr_client.protocol.filters import Filter
from nostr_client.protocol.kinds import DIRECT_MESSAGE
from nostr_client.store.index_keys import MAX, IndexKeys, id_key
from nostr_client.store.indexes import NEWEST, Choice, Columns, Cursor, Index, index_for
from nostr_client.store.visibility import FilterOf
from nostr_client.store.words import phrases

INLINE: Final = 16
"""Longer lists of the rest are bound as one JSON array."""


class Condition(NamedTuple):
    """A part of the rest: a column, or a further tag, is one of `size` values (0: a JSON array).

    `reader`: if the event is a gift wrap, its `p` tags are meant. `party`: so they are of a direct
    message, too, or else its author, who has a value of his own. `id`: a JSON object, id to tie.
    """

    name: str
    size: int


class Plan(NamedTuple):
    """How one filter is answered.

    `keys`: for each of the index's columns its values; each combination is a segment. `values` are
    bound for `rest`. `ids`: a JSON object, id to tie, for `Index.IDS`. `words`: what FTS5 is to
    look for, for `Index.SEARCH`.
    """

    by: Index
    keys: Columns
    rest: tuple[Condition, ...]
    values: tuple[Any, ...]
    since: int
    upper: Cursor
    ids: str = ""
    words: str = ""

    @property
    def segments(self) -> int:
        return prod(map(len, self.keys))


def plan(f: Filter, keys: IndexKeys, after: Cursor = NEWEST, choice: Choice | None = None) -> Plan:
    """How to answer `f`, which is not empty, from `after` on; `choice` is one of `choices`."""
    by, columns, left = index_for(f, keys, choice)
    rest, values = _rest((name, items) for name, items in left if items)
    ids = "" if f.ids is None else _id_keys(f.ids)
    if ids and by is not Index.IDS:
        rest, values, ids = (*rest, Condition("id", 0)), (*values, ids), ""
    if isinstance(f, FilterOf):
        own, named = _own(f, keys)
        rest, values = rest + own, values + named
    words = "" if f.search is None else _expression(f.search)
    until = MAX if f.until is None else f.until
    upper = min(after, Cursor(until, MAX, MAX))
    return Plan(by, columns, rest, values, f.since or 0, upper, ids, words)


def _own(f: FilterOf, keys: IndexKeys) -> tuple[tuple[Condition, ...], tuple[Any, ...]]:
    """That of what is hidden, an event is its reader's."""
    tags: list[int | None] = [keys.tag("p", pubkey) for pubkey in f.reader]
    if DIRECT_MESSAGE not in f.hidden:
        return _rest([("reader", tags or [None])])
    authors: list[int | None] = [keys.author(pubkey) for pubkey in f.reader]
    [condition], named = _rest([("party", tags or [None])])
    return (condition,), (*named, *_rest([("party", authors or [None])])[1])


def _id_keys(ids: Iterable[str]) -> str:
    return json.dumps({event_id: id_key(event_id) for event_id in ids})


def _expression(search: str) -> str:
    """In FTS5's language: all of these phrases, whose words have no sign that means anything."""
    return " ".join(f'"{" ".join(phrase)}"' for phrase in phrases(search))


def _rest(
    left: Iterable[tuple[str, Sequence[int | None]]],
) -> tuple[tuple[Condition, ...], tuple[Any, ...]]:
    conditions: list[Condition] = []
    values: list[Any] = []
    for name, items in left:
        if len(items) > INLINE:
            conditions.append(Condition(name, 0))
            values.append(json.dumps(items))
        else:
            size = rounded(len(items))
            conditions.append(Condition(name, size))
            values += [*items, *[items[0]] * (size - len(items))]
    return tuple(conditions), tuple(values)


def rounded(count: int) -> int:
    """`count` or somewhat more: few different shapes make few different statements."""
    step = 1 << max(0, (count - 1).bit_length() - 3)
    return -(-count // step) * step
