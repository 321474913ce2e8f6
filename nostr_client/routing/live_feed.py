"""A live subscription that fills the store, and how far it is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from nostr_client.errors import StoreError
from nostr_client.net.fetch import RelayEnds
from nostr_client.net.outcome import End, How
from nostr_client.net.subscription import Arrival, Ended, EndOfStored, Subscription

log = logging.getLogger(__name__)

STORE_PAUSE: Final = 2.0
"""Seconds before a batch is offered again to a store that failed."""
OnStored = Callable[[EndOfStored], None]


class LiveFeed:
    """Made by `RelayReader.subscribe`."""

    def __init__(self, urls: Iterable[str], on_stored: OnStored = lambda item: None) -> None:
        self.urls = frozenset(urls)
        self.read: set[str] = set()
        """The relays whose stored events have all come, since the last time they were lost."""
        self.caught_up: set[str] = set()
        """Those, and the ones that cannot be reached or will not answer."""
        self.over: set[str] = set()
        """Those from which nothing comes any more, whatever happens."""
        self.arrived = 0
        """How many events were new here."""
        self.oldest: dict[str, int] = {}
        """By author, when the oldest event was made of what was stored at the relays."""
        self.problem = ""
        """Why the store does not take events at the moment; empty when all is well."""
        self._ends = RelayEnds(self.urls)
        self._on_stored = on_stored
        self._changed = asyncio.Event()

    @property
    def is_caught_up(self) -> bool:
        return self.caught_up >= self.urls

    @property
    def ends(self) -> dict[str, End]:
        """How the stored events of each relay ended, the last time; those still on their way are
        `SILENT`."""
        ended = self._ends.result()
        for url in self.urls - ended.keys():
            how = How.LOST if url in self.caught_up else How.SILENT
            ended[url] = End(url=url, how=how, events=self._ends.found[url])
        return ended

    async def wait_caught_up(self, limit: float, grace: float | None = None) -> bool:
        """Wait until every relay has sent what it had stored, at most `limit` seconds, and with
        `grace` at most so many after the first one has."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit) as clock:
                while not self.is_caught_up:
                    if self.read and grace is not None:
                        clock.reschedule(min(clock.when() or 0.0, loop.time() + grace))
                        grace = None
                    await self.wait_changed()
        return self.is_caught_up

    async def wait_read(self, url: str) -> None:
        """Wait, without a limit, until `url` has sent what it had stored."""
        while url not in self.read:
            await self.wait_changed()

    async def wait_lost(self, url: str) -> None:
        """Wait, without a limit, for as long as `url` sends what is new."""
        while url in self.read:
            await self.wait_changed()

    async def wait_changed(self) -> None:
        """Wait until a relay has sent what it had stored, or nothing comes from it for now."""
        self._changed.clear()
        await self._changed.wait()

    async def fill(
        self,
        subscription: Subscription,
        save: Callable[[Sequence[Arrival]], Awaitable[int]],
    ) -> None:
        """`save` what comes, which says how many were new, until the subscription is closed.

        While the store fails, nothing more is taken from the sockets, and nothing is dropped.
        """
        async for batch in subscription.batches():
            arrivals = [item for item in batch if isinstance(item, Arrival)]
            while arrivals:
                try:
                    new = await save(arrivals)
                    self.arrived += new
                    self._note_oldest(arrivals)
                    self.problem = ""
                    break
                except StoreError as error:
                    if not self.problem:
                        log.warning("reading pauses: %s", error)
                    self.problem = str(error)
                    await asyncio.sleep(STORE_PAUSE)
            for item in batch:
                self.on_item(item)

    def _note_oldest(self, arrivals: Iterable[Arrival]) -> None:
        for arrival in arrivals:
            if not arrival.live:
                event = arrival.event
                oldest = self.oldest.get(event.pubkey, event.created_at)
                self.oldest[event.pubkey] = min(oldest, event.created_at)

    def on_item(self, item: Arrival | EndOfStored | Ended) -> None:
        """An event that is held came, or a relay has sent what it had stored, or nothing comes
        from it for now."""
        self._ends.take(item)
        if isinstance(item, Arrival):
            return
        self.caught_up.add(item.url)
        if isinstance(item, EndOfStored):
            self.read.add(item.url)
            self._on_stored(item)
        else:
            self.read.discard(item.url)
            if item.final:
                self.over.add(item.url)
        self._changed.set()
