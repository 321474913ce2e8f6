"""From a filter to a walk: which index is read, and what is checked of each entry. No SQL."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Final, NamedTuple

from nostr_client.protocol.filters import Filter
from nostr_client.protocol.kinds import DIRECT_MESSAGE
from nostr_client.store.index_keys import MAX, IndexKeys
from nostr_client.store.indexes import NEWEST, Choice, Columns, Cursor, Index, index_for
from nostr_client.store.visibility import FilterOf
from nostr_client.store.words import phrases

MERGED: Final = 64
"""Segments that are merged in their order; of more, each gives a part."""
LISTED: Final = 16
"""Longer lists are hashed."""
_MERGEABLE: Final = (Index.TAG, Index.AUTHOR, Index.KIND, Index.TIME)


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
        return tuple(rounded(len(values)) for values in self.keys)

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


def rounded(count: int) -> int:
    """`count` or somewhat more: few different shapes make few different statements. Beyond the end
    of an array there is nothing, and so no entry of an index."""
    step = 1 << max(0, (count - 1).bit_length() - 3)
    return -(-count // step) * step
