"""A second implementation of the store's contract: the naive one, asked as the real one is.

It shows that `test_contract` knows nothing of an engine.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Sequence

from nostr_client.errors import InvalidFilter, TooMany
from nostr_client.nips import nip45
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.kinds import is_replaceable
from nostr_client.store import visibility, words
from nostr_client.store.contract import Evicted, Page, SaveResult
from tests.store.naive import NaiveStore

Reader = Collection[str] | visibility.Reader | None


class MemoryStore:
    """`NaiveStore` with the methods of `EventStore`; a search finds the newest first."""

    def __init__(self, naive: NaiveStore, clock: Callable[[], float]) -> None:
        self._naive = naive
        self._clock = clock
        self._seq = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, clock: Callable[[], float], vanish_tags: Collection[str]
    ) -> AsyncIterator[MemoryStore]:
        yield cls(NaiveStore(vanish_tags), clock)

    async def save(self, events: Sequence[Event]) -> list[SaveResult]:
        results = []
        for event in events:
            status = self._naive.save(event, int(self._clock()))
            stored = status in ("stored", "replaced")
            self._seq += stored
            results.append(SaveResult(status, self._seq if stored else 0))
        return results

    def _matching(self, filters: Sequence[Filter], reader: Reader = None) -> list[Event]:
        self._naive.forget_expired(int(self._clock()))
        for f in filters:
            if f.unknown:
                raise InvalidFilter("unknown")
        found = {
            event.id: event
            for f in filters
            for event in self._naive.matching([f], reader)
            if f.search is None or words.matches(f.search, event)
        }
        return sorted(found.values(), key=lambda event: event.order)

    async def query(self, filters: Sequence[Filter], *, reader: Reader = None) -> list[Event]:
        found = {e.id: e for f in filters for e in self._matching([f], reader)[: f.limit]}
        return sorted(found.values(), key=lambda event: event.order)

    async def page(
        self, filters: Sequence[Filter], *, max_limit: int | None = None, reader: Reader = None
    ) -> Page:
        found = await self.query(filters, reader=reader)
        whole = all(f.limit is None or len(self._matching([f], reader)) <= f.limit for f in filters)
        cut = found[:max_limit]
        return Page([event.json for event in cut], whole and len(cut) == len(found), self._seq)

    async def stream(
        self, filters: Sequence[Filter], *, size: int = 500, reader: Reader = None
    ) -> AsyncIterator[list[Event]]:
        found = self._matching(filters, reader)
        for start in range(0, len(found), size):
            yield found[start : start + size]

    async def count(self, filters: Sequence[Filter], *, reader: Reader = None) -> int:
        return len(self._matching(filters, reader))

    async def sketch(self, f: Filter, offset: int, *, reader: Reader = None) -> tuple[int, bytes]:
        found = self._matching([f], reader)
        return len(found), nip45.registers_of((event.pubkey for event in found), offset)

    async def ids(
        self, f: Filter, *, reader: Reader = None, most: int | None = None
    ) -> list[tuple[int, bytes]]:
        found = self._matching([f], reader)
        if most is not None and len(found) > most:
            raise TooMany("too many")
        return sorted((event.created_at, bytes.fromhex(event.id)) for event in found)

    async def get(self, event_id: str) -> Event | None:
        return next(iter(self._matching([Filter(ids=frozenset([event_id]))])), None)

    async def get_address(self, address: str) -> Event | None:
        return next((e for e in self._matching([Filter()]) if e.address == address), None)

    async def known(self, ids: Collection[str]) -> dict[str, bytes]:
        return {event.id: event.json for event in self._naive.events if event.id in ids}

    async def remove(self, filters: Sequence[Filter]) -> int:
        gone = self._matching(filters)
        self._naive.events = [event for event in self._naive.events if event not in gone]
        return len(gone)

    async def evict(
        self, filters: Sequence[Filter] = (), *, spared: Collection[str] = ()
    ) -> Evicted:
        def may_go(event: Event) -> bool:
            kept = is_replaceable(event.kind) or event.kind in (5, 62)
            return not kept and event.pubkey not in spared

        gone = [event for event in self._matching(filters) if may_go(event)]
        self._naive.events = [event for event in self._naive.events if event not in gone]
        return Evicted(len(gone), 0)

    async def purge(self) -> None:
        self._naive.forget_expired(int(self._clock()))

    async def finish_index(self) -> None:
        """There is none."""

    async def check(self) -> None:
        """Nothing can be damaged."""
