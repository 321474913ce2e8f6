"""The web of trust: those whom certain people follow, and those whom these follow (kind 3).

It is made of the follow lists that the store holds, and kept fresh by those that it stores: a list
of somebody in between changes what it says at once, one of a root is read anew with all others.
Names are numbered, and lists kept as numbers, so that a thousand lists of a thousand names fit.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Iterable
from typing import Final

from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import is_hex64
from nostr_client.protocol.kinds import FOLLOWS
from nostr_client.store.contract import EventStore
from relays.config.sections import Trust

MOST_FOLLOWED: Final = 5_000
"""Names of one list that are read."""
MOST_LISTS: Final = 10_000
"""Of those whom the roots follow; of more of them the lists are not read."""
MOST_NAMES: Final = 500_000
"""In all; names that come later are nobody."""
_AT_ONCE: Final = 25
"""Lists that are read together; the loop has other things to do between."""


class WebOfTrust:
    """Whom `roots` (public keys in hex) trust. Until it was made fresh it is the roots alone."""

    def __init__(self, roots: Iterable[str], depth: int = 2, followers: int = 1) -> None:
        self.roots = frozenset(roots)
        self.depth = depth
        self.followers = followers
        self.stale = True
        """Something has changed that needs `refresh`."""
        self._numbers: dict[str, int] = {}
        self._counts = array("I")
        """How many of those whom a root follows follow the name of this number."""
        self._lists: dict[str, array[int]] = {}
        """The lists of those whom a root follows."""
        self._first: frozenset[str] = frozenset()
        """Those whom a root follows."""
        self._reading = False
        self._meanwhile: dict[str, Event] = {}
        """Lists that were stored while all were read anew, by author."""

    def fits(self, roots: Iterable[str], trust: Trust) -> bool:
        """Is it what these settings ask for?"""
        asked = frozenset(roots), trust.depth, trust.followers
        return (self.roots, self.depth, self.followers) == asked

    def __contains__(self, pubkey: object) -> bool:
        if pubkey in self.roots or pubkey in self._first:
            return True
        number = self._numbers.get(pubkey)  # type: ignore[call-overload]
        return number is not None and self._counts[number] >= self.followers

    def __len__(self) -> int:
        second = {name for name, n in self._numbers.items() if self._counts[n] >= self.followers}
        return len(self.roots | self._first | second)

    def learn(self, event: Event) -> None:
        """`event` was stored."""
        if event.kind != FOLLOWS:
            return
        if event.pubkey in self.roots:
            self.stale = True
        elif self._reading and len(self._meanwhile) < MOST_LISTS:
            self._meanwhile[event.pubkey] = event
        elif self.depth > 1 and event.pubkey in self._first:
            self._put(event)

    async def refresh(self, store: EventStore) -> None:
        """Read all lists anew. Raises StoreError; then what was known stays."""
        self.stale = False
        self._reading = True
        try:
            first: set[str] = set()
            for event in await _lists_of(store, self.roots):
                first.update(_followed(event))
            first -= self.roots
            fresh = WebOfTrust(self.roots, self.depth, self.followers)
            fresh._first = frozenset(first)
            if self.depth > 1:
                named = sorted(first)[:MOST_LISTS]
                for start in range(0, len(named), _AT_ONCE):
                    for event in await _lists_of(store, named[start : start + _AT_ONCE]):
                        fresh._put(event)
        except BaseException:
            self.stale = True
            raise
        finally:
            self._reading = False
        self._numbers, self._counts = fresh._numbers, fresh._counts
        self._lists, self._first = fresh._lists, fresh._first
        for event in self._meanwhile.values():
            self.learn(event)
        self._meanwhile.clear()

    def _put(self, event: Event) -> None:
        """The list of one whom a root follows, in the place of the one before."""
        for number in self._lists.pop(event.pubkey, ()):
            self._counts[number] -= 1
        if len(self._lists) >= MOST_LISTS:
            return
        numbers = array("I")
        for name in _followed(event):
            number = self._numbers.get(name, len(self._numbers))
            if number == len(self._counts):
                if number >= MOST_NAMES:
                    continue
                self._numbers[name] = number
                self._counts.append(0)
            self._counts[number] += 1
            numbers.append(number)
        self._lists[event.pubkey] = numbers


async def _lists_of(store: EventStore, authors: Iterable[str]) -> list[Event]:
    wanted = Filter(kinds=frozenset({FOLLOWS}), authors=frozenset(authors))
    return await store.query([wanted])


def _followed(event: Event) -> set[str]:
    """Whom a list names, but for its author."""
    names = itertools.islice(event.values("p"), MOST_FOLLOWED)
    return {name for name in names if is_hex64(name)} - {event.pubkey}
