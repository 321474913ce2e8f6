"""Many events from an iterable to relays, with back-pressure, and what became of each."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from nostr_client.client.streams import Stream
from nostr_client.errors import NostrError
from nostr_client.net.report import PublishReport
from nostr_client.protocol.event import Draft, Event
from nostr_client.routing.bulk_publishing import BulkPublishing, in_bulk
from nostr_client.social.publisher import Publisher
from nostr_client.social.views import NotPosted, Posted
from nostr_client.tasks import Turns, together

BATCH: Final = 256
"""Events that are signed, saved and written down together."""
_Given = Draft | Event


class PublishStream:
    """One `NostrClient.publish_many`: at most `in_flight` events are between the iterable and
    whoever reads the reports, who gets them in the order of the iterable if `ordered`."""

    def __init__(self, publisher: Publisher, *, in_flight: int, ordered: bool) -> None:
        self._publisher = publisher
        self._in_flight = in_flight
        self._batch = max(1, min(BATCH, in_flight // 2))
        self._ordered = ordered
        self._open = 0
        """Events that were taken from the iterable and whose reports were not read."""
        self._running = 0
        self._changed = asyncio.Event()
        self._places: dict[str, deque[tuple[int, _Given]]] = {}
        """By id, which of those that were given it is; one may be given several times."""
        self._next = self._told = 0
        self._early: dict[int, Posted | NotPosted] = {}
        self._out: Stream[Posted | NotPosted]

    async def run(
        self,
        source: Iterable[_Given] | AsyncIterable[_Given],
        out: Stream[Posted | NotPosted],
        *,
        relays: Sequence[str] | None,
        limit: float,
    ) -> None:
        """Publish all of `source`. Raises StoreError, and what `source` raises."""
        self._out = out
        courier = self._publisher.courier
        async with in_bulk(courier, self._done, relays=relays, limit=limit) as bulk:
            if isinstance(source, AsyncIterable):
                async with _ahead(source, self._batch) as waiting:
                    while batch := await self._next_of(waiting):
                        await self._publish(batch, bulk)
            else:
                given = iter(source)
                while batch := await self._taken(given):
                    await self._publish(batch, bulk)
            while self._running:
                self._changed.clear()
                await self._changed.wait()

    def was_read(self) -> None:
        """Somebody took one report: there is room for one more event."""
        self._open -= 1
        self._changed.set()

    # In

    async def _room(self) -> int:
        """Wait until there is room for a batch; how much there is."""
        while self._in_flight - self._open < self._batch:
            self._changed.clear()
            await self._changed.wait()
        return self._in_flight - self._open

    async def _taken(self, given: Iterable[_Given]) -> list[_Given]:
        room, turns, batch = await self._room(), Turns(), list[_Given]()
        for what in given:
            batch.append(what)
            if len(batch) >= min(room, self._batch):
                break
            await turns.rest()
        return batch

    async def _next_of(self, waiting: asyncio.Queue[_Given | None]) -> list[_Given]:
        """All that waits, at least one; nothing at the end."""
        room = await self._room()
        what = await waiting.get()
        batch = list[_Given]()
        while what is not None:
            batch.append(what)
            if len(batch) >= min(room, self._batch) or waiting.empty():
                return batch
            what = waiting.get_nowait()
        waiting.put_nowait(None)  # the end is to be seen again
        return batch

    async def _publish(self, batch: Sequence[_Given], bulk: BulkPublishing) -> None:
        self._open += len(batch)
        self._running += len(batch)
        places = range(self._next, self._next + len(batch))
        self._next += len(batch)
        made = await self._checked(batch)
        fine: list[Event] = []
        for place, what, event in zip(places, batch, made, strict=True):
            if isinstance(event, Event):
                self._places.setdefault(event.id, deque()).append((place, what))
                fine.append(event)
            else:
                self._tell(place, NotPosted(what, event))
        await bulk.publish(fine)

    async def _checked(self, batch: Sequence[_Given]) -> list[Event | NostrError]:
        """Each signed, or as it is; or why it may not be published."""
        drafts = [what for what in batch if isinstance(what, Draft)]
        events = [what for what in batch if isinstance(what, Event)]
        signed = iter(await self._publisher.sign_all(drafts) if drafts else ())
        refusals = iter(await self._publisher.refusals(events) if events else ())
        return [
            next(signed) if isinstance(what, Draft) else next(refusals) or what for what in batch
        ]

    # Out

    def _done(self, event: Event, came: PublishReport | NostrError) -> None:
        places = self._places[event.id]
        place, what = places.popleft()
        if not places:
            del self._places[event.id]
        if isinstance(came, PublishReport):
            self._tell(place, Posted(event, came))
        else:
            self._tell(place, NotPosted(what, came))

    def _tell(self, place: int, result: Posted | NotPosted) -> None:
        self._running -= 1
        self._changed.set()
        if not self._ordered:
            self._out.put(result)
            return
        self._early[place] = result
        while self._told in self._early:
            self._out.put(self._early.pop(self._told))
            self._told += 1


@asynccontextmanager
async def _ahead(
    source: AsyncIterable[_Given], most: int
) -> AsyncIterator[asyncio.Queue[_Given | None]]:
    """What `source` brings while others are being published, at most so many; None is its end."""
    waiting = asyncio.Queue[_Given | None](most)

    async def read() -> None:
        async for what in source:
            await waiting.put(what)
        await waiting.put(None)

    async with together() as group:
        reading = group.create_task(read())
        try:
            yield waiting
        finally:
            reading.cancel()
