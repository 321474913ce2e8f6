"""Who may see what is private: messages wrapped for one person (NIP-59), and those of NIP-04."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

import msgspec

from nostr_client.errors import InvalidFilter
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.kinds import DIRECT_MESSAGE, GIFT_WRAPS
from nostr_client.store.words import phrases

PRIVATE: Final = frozenset({DIRECT_MESSAGE, *GIFT_WRAPS})
"""Kinds that only those whom they are for may see. A direct message is its author's, too; the
author of a wrap is nobody."""


class Reader(msgspec.Struct, frozen=True):
    """Who asks: the pubkeys that he has shown to be, and the private kinds that anybody may see."""

    keys: frozenset[str] = frozenset()
    open: frozenset[int] = frozenset()

    @property
    def hidden(self) -> frozenset[int]:
        """The kinds of which he sees only what is for him."""
        return PRIVATE - self.open


class FilterOf(Filter, frozen=True, kw_only=True):
    """A filter as `reader` asks it, some pubkeys: of the kinds `hidden` it has only what is for one
    of them.

    Only `for_reader` makes one, where such an event might match at all.
    """

    reader: frozenset[str]
    hidden: frozenset[int]


def reader_of(reader: Collection[str] | Reader) -> Reader:
    """A reader, from his pubkeys."""
    return reader if isinstance(reader, Reader) else Reader(frozenset(reader))


def may_see(event: Event, reader: Reader) -> bool:
    """May he have `event`?"""
    if event.kind not in PRIVATE or event.kind in reader.open:
        return True
    if event.kind == DIRECT_MESSAGE and event.pubkey in reader.keys:
        return True
    return any(pubkey in reader.keys for pubkey in event.values("p"))


def needs_keys(filters: Iterable[Filter], reader: Reader) -> bool:
    """Must `reader` show first who he is? One filter asks for nothing that anybody may see."""
    if reader.keys:
        return False
    hidden = reader.hidden
    return any(f.kinds and f.kinds <= hidden for f in filters)


def check(f: Filter, *, searchable: bool) -> None:
    """Raises InvalidFilter for what no store does, or none without an index of words."""
    if f.search is not None and not searchable:
        raise InvalidFilter("search is not supported")
    if f.unknown:
        raise InvalidFilter(f"not an element of a filter: {', '.join(f.unknown)}")
    if any(len(letter) != 1 for letter in f.tags):
        raise InvalidFilter("only tags of a single letter can be asked for")


def for_reader(f: Filter, reader: Collection[str] | Reader | None) -> Filter:
    """What is left of `f` for one who has shown to be each of `reader`; None may see everything."""
    if reader is None:
        return f
    reader = reader_of(reader)
    people, hidden = reader.keys, reader.hidden
    if f.kinds is not None:
        hidden &= f.kinds
    if not hidden:
        return f
    named = f.tags.get("p")
    if f.kinds is not None and hidden == f.kinds:
        if named is not None and named <= people:
            return f
        if f.kinds == {DIRECT_MESSAGE} and f.authors is not None and f.authors <= people:
            return f
        if named is None and DIRECT_MESSAGE not in hidden:
            return f.changed(tags={**f.tags, "p": people})
    fields = {name: getattr(f, name) for name in f.__struct_fields__}
    return FilterOf(**fields, reader=people, hidden=hidden)


def is_empty(f: Filter) -> bool:
    """Can nothing match? An empty set never holds, nor a search without words."""
    if f.search is not None and not phrases(f.search):
        return True
    lists: list[Collection[object] | None] = [f.ids, f.authors, f.kinds, *f.tags.values()]
    ended = f.until is not None and f.since is not None and f.since > f.until
    return ended or any(items is not None and not items for items in lists)
