"""Fetching what is kept of others, from the relays where they write.

A relay is read from the newest event on, page by page, until the person's quota is full. From then
on what it has and we lack is compared (NIP-77) where it does that; elsewhere it is read from two
days before the last time on, and wholly once a week. What comes is bounded by the quota, whatever
the relay has; what it has no room for any more is let go, unless the person is followed.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from typing import Final

import msgspec

from nostr_client.net.outcome import End
from nostr_client.net.subscription import Arrival
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.resilience.by_id import IDS
from nostr_client.resilience.history import History
from nostr_client.resilience.kept_events import (
    FIRST,
    PRIVATE,
    KeptSize,
    kept_of,
    vanished_until,
)
from nostr_client.resilience.kept_people import KeptPeople, KeptPerson
from nostr_client.routing.courier import Courier
from nostr_client.store.rules import ALL_RELAYS

PAGE: Final = 500
READ_LIMIT: Final = 30.0
"""Seconds for one page."""
MOST_RELAYS: Final = 4
"""Of one person, that are read."""
SLACK: Final = 2 * 86_400
"""Seconds before the last reading: what is dated back, or came late."""
WHOLE_EVERY: Final = 7 * 86_400


class Refreshed(msgspec.Struct):
    """What one refresh brought: `new` events, how each relay's part ended, what is kept now."""

    pubkey: str
    ends: dict[str, End] = {}
    new: int = 0
    size: KeptSize = msgspec.field(default_factory=KeptSize)

    @property
    def answered(self) -> bool:
        """Did any relay answer to the end?"""
        return any(end.answered for end in self.ends.values())


class KeptReading:
    """Fetches over `courier`, compares through `history`, and writes down in `people` how far it
    is."""

    def __init__(
        self,
        courier: Courier,
        history: History,
        people: KeptPeople,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._courier = courier
        self._history = history
        self._people = people
        self._clock = clock

    def events(
        self, person: KeptPerson, size: KeptSize | None = None
    ) -> AsyncGenerator[Event, None]:
        """What is kept of them now, lists first, then the newest; `size` is counted meanwhile. To
        be closed (`aclosing`)."""
        return kept_of(
            self._courier.store,
            person.pubkey,
            most_bytes=person.most_bytes,
            most_events=person.most_events,
            now=self._clock(),
            size=size,
        )

    async def size(self, person: KeptPerson) -> KeptSize:
        """How much is kept of them now. Raises StoreError. Cost: all of it is read."""
        size = KeptSize()
        async for _ in self.events(person, size):
            pass
        size.full = size.full or person.floor > 0
        return size

    async def refresh(self, person: KeptPerson) -> Refreshed:
        """Bring here what their relays have and we lack. Raises StoreError."""
        found = Refreshed(person.pubkey, {})
        floor = max(person.floor, await self._floor(person))
        await self._courier.fetch_lists([person.pubkey])
        relays = await self._courier.book.relays_of(person.pubkey)
        urls = relays.write or (await self._courier.book.client_relays()).common
        read, whole = dict(person.read), dict(person.whole)
        for url in urls[:MOST_RELAYS]:
            begun = int(self._clock())
            is_whole = begun - whole.get(url, 0) >= WHOLE_EVERY
            found.ends[url] = await self._read(found, person, url, floor, is_whole=is_whole)
            if found.ends[url].answered:
                read[url] = begun
                whole[url] = begun if is_whole else whole[url]
        await self._let_vanish(person.pubkey)
        floor = max(floor, await self._floor(person))
        await self._let_go(person, floor)
        changed = await self._people.note(
            person.pubkey,
            floor=floor,
            looked_at=int(self._clock()),
            read={url: read[url] for url in urls[:MOST_RELAYS] if url in read},
            whole={url: whole[url] for url in urls[:MOST_RELAYS] if url in whole},
        )
        found.size = await self.size(changed or person)
        return found

    async def _read(
        self, found: Refreshed, person: KeptPerson, url: str, floor: int, *, is_whole: bool
    ) -> End:
        mine = frozenset({person.pubkey})
        lists = Filter(authors=mine, kinds=FIRST | {kinds.VANISH})
        asked = await self._courier.fetch_from([lists], [url], timeout=READ_LIMIT)
        found.new += asked.new
        if not asked.ends[url].answered:
            return asked.ends[url]
        if url in person.read and await self._history.compares(url):
            compared = await self._history.bring(
                url, Filter(authors=mine, since=floor or None), most=1 + person.most_events // IDS
            )
            found.new += compared.new
            return compared.end
        since = floor if is_whole else max(floor, person.read[url] - SLACK)
        return await self._pages(found, person, url, since)

    async def _pages(self, found: Refreshed, person: KeptPerson, url: str, since: int) -> End:
        """The newest first, until `since` or until the quota is full."""
        mine = frozenset({person.pubkey})
        seen: set[str] = set()
        size, until = 0, None
        while True:
            asked = Filter(authors=mine, since=since or None, until=until, limit=PAGE)
            page = await self._courier.pool.fetch([asked], [url], timeout=READ_LIMIT, most=PAGE)
            end = page.ends[url]
            arrivals = [Arrival(e, url, False, False) for e in page.events if e.id not in seen]
            found.new += await self._courier.save_arrivals(arrivals)
            seen.update(arrival.event.id for arrival in arrivals)
            size += sum(len(arrival.event.json) for arrival in arrivals)
            full = size >= person.most_bytes or len(seen) >= person.most_events
            if not end.answered or full or not page.events:
                return end
            oldest = min(event.created_at for event in page.events)
            until = oldest if arrivals else oldest - 1
            if until < since or end.complete:
                return end

    async def _floor(self, person: KeptPerson) -> int:
        """When the oldest was written that there is room for; 0 while there is room for all."""
        size = await self.size(msgspec.structs.replace(person, floor=0))
        return size.since if size.full else 0

    async def _let_go(self, person: KeptPerson, floor: int) -> None:
        """What the quota has no room for any more, unless the person is followed, too."""
        if floor and person.pubkey not in await self._courier.book.followed():
            older = Filter(authors=frozenset({person.pubkey}), until=floor - 1)
            await self._courier.store.evict([older], spared_kinds=PRIVATE)

    async def _let_vanish(self, pubkey: str) -> None:
        """Who asked to vanish from everywhere is obeyed here, too; the request itself stays."""
        until = (await vanished_until(self._courier.store, pubkey)).get(ALL_RELAYS)
        if until is not None and pubkey != self._courier.book.owner:
            before = Filter(authors=frozenset({pubkey}), until=until - 1)
            await self._courier.store.remove([before])
