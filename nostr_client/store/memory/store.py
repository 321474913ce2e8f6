"""MemoryStore: the EventStore in plain Python, for programs and tests that keep nothing.

Every answer is found by looking at what is held, newest first, with no index but that of ids and
addresses: right for some thousands of events. It does everything on the loop, so that no priority
or time limit matters, though whatever reads or saves lets others have a turn first; nobody else can
have it open, and nothing is durable. A search finds the newest first, and what is stored is found
at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from itertools import islice
from typing import Final, Self

from nostr_client.errors import StoreError, TooMany
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.urls import place_of
from nostr_client.store import as_typed, rules, visibility, words
from nostr_client.store.contract import (
    PAGE_BYTES,
    Evicted,
    Page,
    Priority,
    SaveResult,
    Size,
    Stored,
    StoreOptions,
    cost,
)
from nostr_client.store.hyperloglog import registers_of
from nostr_client.store.memory.held import HeldEvents
from nostr_client.store.memory.ledger import MemoryCopyLedger
from nostr_client.store.memory.quotas import MemoryQuotas
from nostr_client.store.visibility import Reader
from nostr_client.store.watching import Watch, Watchers

PURGE_SECONDS: Final = 60
_SLICE: Final = 1000
"""Events that a watch which is behind reads at once."""
_Asker = Collection[str] | Reader | None


class MemoryStore:
    """See `EventStore`; opened by `store.opening.open_store`."""

    def __init__(self, options: StoreOptions) -> None:
        self._clock = options.clock
        self._searchable = options.search
        self._held = HeldEvents(set(map(place_of, options.service_urls)), options.keep_history_of)
        self._alone: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._purge_at = 0.0
        self._watchers = Watchers(self._read_since, lambda: None)
        self.ledger = MemoryCopyLedger(self._held, self._clock)
        self.quotas = MemoryQuotas(self._held, self.ledger)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, options: StoreOptions) -> AsyncIterator[Self]:
        """A new and empty store. Raises InvalidData for a service URL that is none."""
        if options.read_only:
            raise StoreError("a store in memory is empty at first: there is nothing to be read")
        self = cls(options)
        try:
            yield self
        finally:
            self._watchers.end()

    # Writing

    async def save(self, events: Sequence[Event], *, frees: bool = False) -> list[SaveResult]:
        await asyncio.sleep(0)
        now, before = int(self._clock()), self._held.seq
        if now >= self._purge_at:
            await self.purge()
        results = [self._held.save(event, now) for event in events]
        if self._held.seq != before:
            saved = zip(results, events, strict=True)
            fresh = [(result.seq, event) for result, event in saved if result.seq]
            self._watchers.committed(Stored(fresh, before, self._held.seq))
        return results

    async def obey(self, requests: Sequence[Event], *, frees: bool = False) -> None:
        for request in requests:
            self._held.obey_vanish(request)

    async def frees_room(self, event: Event) -> bool:
        return self._held.frees_room(event)

    async def keep_history_of(self, pubkeys: Collection[str]) -> None:
        self._held.keepers.update(pubkeys)

    # Reading

    async def get(self, event_id: str) -> Event | None:
        event = self._held.get(event_id)
        return event if event is not None and self._is_there(event) else None

    async def get_address(self, address: str) -> Event | None:
        event = self._held.version(address)
        return event if event is not None and self._is_there(event) else None

    async def known(self, ids: Collection[str]) -> dict[str, bytes]:
        found = {id: self._held.get(id) for id in ids}
        return {id: event.json for id, event in found.items() if event is not None}

    async def query(self, filters: Sequence[Filter], *, reader: _Asker = None) -> list[Event]:
        await asyncio.sleep(0)
        found = {
            event.id: event for f in filters for event in islice(self._found([f], reader), f.limit)
        }
        return sorted(found.values(), key=lambda event: event.order)

    async def page(
        self,
        filters: Sequence[Filter],
        *,
        max_limit: int | None = None,
        max_bytes: int = PAGE_BYTES,
        priority: Priority = Priority.NORMAL,
        time_limit: float | None = None,
        reader: _Asker = None,
    ) -> Page:
        await asyncio.sleep(0)
        found: dict[str, Event] = {}
        complete = True
        for f in filters:
            limits = [limit for limit in (f.limit, max_limit) if limit is not None]
            matching = self._found([f], reader)
            part = list(islice(matching, min(limits, default=None)))
            further = next(matching, None)
            if part and limits and min(limits) == max_limit:
                # The second that is cut comes whole, up to as many again.
                for _ in range(len(part)):
                    if further is None or further.created_at != part[-1].created_at:
                        break
                    part.append(further)
                    further = next(matching, None)
            found |= {event.id: event for event in part}
            complete = complete and further is None
        events = sorted(found.values(), key=lambda event: event.order)
        fitting = _fitting(events, max_bytes)
        complete = complete and len(fitting) == len(events)
        return Page([event.json for event in fitting], complete, self._held.seq)

    async def stream(
        self, filters: Sequence[Filter], *, size: int = 500, reader: _Asker = None
    ) -> AsyncIterator[list[Event]]:
        await asyncio.sleep(0)
        last: Event | None = None
        while part := list(islice(self._found(filters, reader, last), size)):
            last = part[-1]
            yield part
            await asyncio.sleep(0)

    async def count(
        self,
        filters: Sequence[Filter],
        *,
        priority: Priority = Priority.NORMAL,
        time_limit: float | None = None,
        reader: _Asker = None,
    ) -> int:
        await asyncio.sleep(0)
        return sum(1 for _ in self._found(filters, reader))

    async def sketch(
        self,
        f: Filter,
        offset: int,
        *,
        priority: Priority = Priority.NORMAL,
        time_limit: float | None = None,
        reader: _Asker = None,
    ) -> tuple[int, bytes]:
        await asyncio.sleep(0)
        count, leasts = 0, dict[str, str]()
        for event in self._found([f], reader):
            end = event.pubkey[2 * offset :]
            leasts[end[:2]] = min(end, leasts.get(end[:2], end))
            count += 1
        return count, registers_of(leasts.values())

    async def ids(
        self, f: Filter, *, reader: _Asker = None, most: int | None = None
    ) -> list[tuple[int, bytes]]:
        await asyncio.sleep(0)
        found = [(event.created_at, bytes.fromhex(event.id)) for event in self._found([f], reader)]
        if most is not None and len(found) > most:
            raise TooMany(f"more than {most} events match")
        return sorted(found)

    async def texts_typed(self, f: Filter, typed: str) -> list[Event]:
        return await self._typed(f, lambda event: as_typed.has_begun(event, typed))

    async def people_typed(self, f: Filter, typed: str) -> list[Event]:
        return await self._typed(f, lambda event: as_typed.begins_so(event, typed))

    async def _typed(self, f: Filter, fits: Callable[[Event], bool]) -> list[Event]:
        visibility.check(f.changed(search=""), searchable=self._searchable)
        await asyncio.sleep(0)
        return list(islice(filter(fits, self._found([f], None)), f.limit))

    async def tags_typed(self, typed: str, most: int) -> list[tuple[str, int]]:
        visibility.check(Filter(search=typed), searchable=self._searchable)
        await asyncio.sleep(0)
        begin = as_typed.hashtag(typed)
        tags = (tag for event in self._held.all() for tag in as_typed.tags_of(event))
        counts = Counter(tag for tag in tags if begin and tag.startswith(begin))
        return sorted(counts.items(), key=lambda counted: (-counted[1], counted[0]))[:most]

    async def history(self, address: str) -> list[Event]:
        return self._held.history(address)

    def _found(
        self, filters: Sequence[Filter], reader: _Asker, after: Event | None = None
    ) -> Iterator[Event]:
        """All that match any of these and may be seen, newest first, behind `after`."""
        for f in filters:
            visibility.check(f, searchable=self._searchable)
        asking = [f for f in filters if not visibility.is_empty(f)]
        who = None if reader is None else visibility.reader_of(reader)
        return self._scan(asking, who, after)

    def _scan(
        self, asking: Sequence[Filter], who: Reader | None, after: Event | None
    ) -> Iterator[Event]:
        for event in self._held.newest_first(after) if asking else ():
            if (
                any(words.fits(f, event) for f in asking)
                and (who is None or visibility.may_see(event, who))
                and self._is_there(event)
            ):
                yield event

    def _is_there(self, event: Event) -> bool:
        return not rules.is_expired(event.expiration, int(self._clock()))

    # What is new

    def watch(self, filters: Sequence[Filter]) -> Watch:
        return Watch(filters, self._watchers, self._last_seq)

    def listen(self, hear: Callable[[Stored], None]) -> contextlib.AbstractAsyncContextManager[int]:
        return self._watchers.listen(hear, self._last_seq)

    async def _last_seq(self) -> int:
        return self._held.seq

    async def _read_since(self, seq: int) -> Stored:
        fresh = list(islice(self._held.since(seq), _SLICE))
        return Stored(fresh, seq, fresh[-1][0] if len(fresh) == _SLICE else self._held.seq)

    async def run_alone(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        async with self._alone[name]:
            await work()

    # Upkeep

    async def remove(self, filters: Sequence[Filter]) -> int:
        return self._remove(filters, lambda event: True)

    async def evict(
        self,
        filters: Sequence[Filter] = (),
        *,
        most_bytes: int | None = None,
        spared: Collection[str] = (),
        spared_kinds: Collection[int] = (),
    ) -> Evicted:
        people, kinds = frozenset(spared), frozenset(spared_kinds)

        def may_go(event: Event) -> bool:
            kind = event.kind
            return rules.is_evictable(kind) and kind not in kinds and event.pubkey not in people

        count, floor = self._remove(filters, may_go), 0
        if most_bytes is not None and self._held.used > most_bytes:
            oldest_first = sorted(self._held.all(), key=lambda event: (event.created_at, event.id))
            for event in filter(may_go, oldest_first):
                if self._held.used <= most_bytes:
                    break
                self._drop(event)
                count, floor = count + 1, event.created_at
            else:
                floor += floor > 0
        return Evicted(count, floor)

    def _remove(self, filters: Sequence[Filter], may_go: Callable[[Event], bool]) -> int:
        for f in filters:
            visibility.check(f, searchable=self._searchable)
        asking = [f for f in filters if not visibility.is_empty(f)]
        gone = [
            event
            for event in self._held.all()
            if may_go(event) and any(words.fits(f, event) for f in asking)
        ]
        for event in gone:
            self._drop(event)
        return len(gone)

    def _drop(self, event: Event) -> None:
        self._held.take_out(event)
        self.ledger.forget(event.id)

    async def purge(self) -> None:
        now = int(self._clock())
        self._purge_at = now + PURGE_SECONDS
        for event in self._held.all():
            if rules.is_expired(event.expiration, now):
                self._held.take_out(event)

    async def standing(self) -> int:
        return sum(cost(event) for event in self._held.all() if not rules.is_evictable(event.kind))

    async def size(self) -> Size:
        return Size(self._held.used, self._held.used)

    async def index_lag(self) -> int:
        return 0

    async def finish_index(self) -> None:
        """What is stored is found at once."""

    async def probe(self) -> None:
        """There is always room, as long as the process lives."""

    async def check(self) -> None:
        self._held.check()


def _fitting(events: list[Event], most: int) -> list[Event]:
    """The newest in so many bytes: whole seconds, if there is more than one; at least one event."""
    for number, event in enumerate(events):
        most -= len(event.json) + 1
        if most < 0 and number:
            whole = [one for one in events[:number] if one.created_at != event.created_at]
            return whole or events[:number]
    return events
