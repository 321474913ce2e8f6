"""The reading of some authors at one relay: what it stores of them, and then live.

**Going on where it stopped.** It is kept until when each author was read there (`feed_progress`).
They are asked for from there on, less an overlap; who is new there for their newest notes up to a
limit. Progress is noted only after everything before it is saved.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from nostr_client.errors import StoreError
from nostr_client.protocol import kinds
from nostr_client.protocol.filters import Filter
from nostr_client.routing.courier import Courier
from nostr_client.routing.deliveries import Deliveries
from nostr_client.routing.live_feed import LiveFeed
from nostr_client.routing.read_plan import author_filters
from nostr_client.social.feed_progress import FeedProgress

FEED_KINDS: Final = kinds.POSTS | {kinds.DELETION, kinds.METADATA, kinds.RELAY_LIST}
BACKFILL: Final = 500
"""The newest events asked for, for each filter, where nothing was read before."""
CUT_OFF: Final = 100
"""So many events at once, and the relay may have cut its answer off."""
READ_AGAIN: Final = 30.0
"""Seconds before a reading back that failed is tried again, doubled each time."""
READ_AGAIN_MOST: Final = 900.0
OVERLAP: Final = 3600
"""Seconds that are read again before what was read: events come late and with wrong clocks."""
NEAR: Final = 300
"""The same, where all was read or compared since this reading began, an hour back."""
SAVE_PROGRESS: Final = 60.0


@dataclass(frozen=True)
class FeedReading:
    """What the readings of one account share. `on_read` is called when a relay has sent what it
    stores, `on_missing` when one turned out to lack something."""

    courier: Courier
    progress: FeedProgress
    deliveries: Deliveries
    clock: Callable[[], float]
    on_read: Callable[[], None]
    on_missing: Callable[[], None]
    begun: float
    """Seconds since 1970."""


class AuthorStream:
    """Reads `authors` at `url` for as long as `run` does."""

    def __init__(self, reading: FeedReading, url: str, authors: frozenset[str]) -> None:
        self.url = url
        self.authors = authors
        self.feed = LiveFeed([url])
        """Not begun, so not caught up."""
        self.begun = asyncio.Event()
        self.is_read = asyncio.Event()
        """Is all that it stores here, also where that came in several pages?"""
        self._reading = reading

    async def run(self) -> None:
        reading, url, authors = self._reading, self.url, self.authors
        at, old, new = reading.progress.split(url, authors)
        since = max(0, at - (NEAR if at > reading.begun else OVERLAP))
        resumed = author_filters(old, FEED_KINDS, since=since)
        filters = (*resumed, *author_filters(new, FEED_KINDS, limit=BACKFILL))
        begun = int(reading.clock())
        async with reading.courier.subscribe(filters, [url], reading.deliveries) as feed:
            self.feed = feed
            self.begun.set()
            try:
                await feed.wait_read(url)
                reading.on_read()
                reading.deliveries.answered(filters, feed.ends[url], paged=False)
                if feed.arrived >= CUT_OFF and not feed.ends[url].complete:
                    await self._read_back([_older(asked, feed.oldest) for asked in resumed])
                self.is_read.set()
                reading.progress.move(url, begun, authors)
                while True:
                    await asyncio.sleep(SAVE_PROGRESS)
                    if url in feed.read and not feed.problem:
                        reading.progress.move(url, int(reading.clock()), authors)
            finally:  # a command ends as soon as all is read
                if not self.is_read.is_set() and url in feed.read and feed.arrived < CUT_OFF:
                    reading.progress.move(url, begun, authors)

    async def _read_back(self, filters: Sequence[Filter]) -> None:
        """So much came that the relay may have cut it off: read on page by page back to where it
        stopped the last time."""
        wait = READ_AGAIN
        while filters:
            with contextlib.suppress(StoreError):  # the live reading of this relay tells of it
                if await self._reading.courier.read_back(filters, self.url):
                    return
            await asyncio.sleep(wait)
            wait = min(2 * wait, READ_AGAIN_MOST)


def _older(asked: Filter, oldest: Mapping[str, int]) -> Filter:
    """What lies before that which came of it."""
    came = [oldest[pubkey] for pubkey in asked.authors or () if pubkey in oldest]
    return asked.changed(until=min(came)) if came else asked
