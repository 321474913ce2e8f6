"""The second look at authors whom another relay streams: what that one lacks still comes, once.

Two relays that hold the same would both send it. So one streams an author (`author_stream`), and
what the other has is compared with what came, by ids:

- when the stream has sent what it stores, for the span that it was asked for; after that again and
  again, `PACE_FIRST` seconds later and more slowly where nothing was missing, for what is younger
  than the last look, and once in `DEEP` for what came late or with a wrong date;
- by negentropy (NIP-77) where the relay really answers that, else by a sample (`second_look`); only
  what is missing is fetched.

**When the stream fails** (it cannot be reached, refuses, is lost, or says nothing for `QUIET`
seconds) the second relay streams its authors itself, until the first one is back.

What a look shows counts for both relays (`routing.deliveries`): who lacks what the other has will
not stream for long.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from nostr_client.errors import (
    ConnectFailed,
    ConnectionLost,
    RelayError,
    RelayTimeout,
    StoreError,
)
from nostr_client.net.health import SLOW_STATE, UP
from nostr_client.net.outcome import Cause, How
from nostr_client.net.subscription import Ended, EndOfStored
from nostr_client.protocol.filters import Filter
from nostr_client.routing.id_comparison import IdComparer
from nostr_client.routing.live_feed import LiveFeed
from nostr_client.routing.read_plan import author_filters
from nostr_client.routing.reader import READ_BACK_LIMIT
from nostr_client.social.author_stream import (
    BACKFILL,
    FEED_KINDS,
    NEAR,
    OVERLAP,
    AuthorStream,
    FeedReading,
)
from nostr_client.social.second_look import SETTLE, SecondLook, cause_of
from nostr_client.tasks import together

QUIET: Final = 2.0
"""Seconds without a word after which the second relay need not wait for the first."""
SLOWEST: Final = 10.0
"""Seconds in which the first has to have sent what it stores, though it is sending."""
BACK_SOON: Final = 1.0
"""Seconds in which a connection that was lost may come back, before the second streams."""
PACE_FIRST: Final = 15.0
PACE_MOST: Final = 90.0
"""Seconds from one look to the next: at first and where something was missing; at most."""
DEEP: Final = 3600.0
"""Seconds after which a look goes back as far as after a restart."""


@dataclass
class AuditGroup:
    """Authors that one stream reads and this relay is compared for."""

    stream: AuthorStream
    authors: frozenset[str]
    ready: bool = False
    """Has the stream sent what it stores, and is it there?"""
    looked: bool = False
    """Was it compared since then?"""
    settled: bool = False
    """Is all that this relay stores of them here, or is it known why not?"""
    until: int = 0
    """Until when the last look went (seconds since 1970)."""
    stand_in: AuthorStream | None = None


class FeedAudit:
    """What `url` has besides, of the authors that `streams` read; ends with `run`."""

    def __init__(
        self,
        reading: FeedReading,
        comparer: IdComparer,
        url: str,
        streams: Mapping[AuthorStream, frozenset[str]],
    ) -> None:
        self.url = url
        self.streams = dict(streams)
        self.authors: frozenset[str] = frozenset().union(*streams.values())
        self.feed = LiveFeed([url])
        """How far the first look is."""
        self._reading = reading
        self._courier = reading.courier
        self._comparison = SecondLook(reading, comparer, url)
        self._groups = [AuditGroup(stream, authors) for stream, authors in streams.items()]
        self._kick = asyncio.Event()
        self._deep_at = 0.0
        """When a look goes back far again (seconds of the loop)."""

    @property
    def feeds(self) -> list[LiveFeed]:
        """How far it is, at this relay: its looks, and what it streams meanwhile."""
        return [self.feed, *(g.stand_in.feed for g in self._groups if g.stand_in is not None)]

    async def run(self) -> None:
        """Look, and look again, until cancelled."""
        try:
            with self._courier.pool.kept(self.url):
                async with together() as group:
                    for each in self._groups:
                        group.create_task(self._follow(each))
                    group.create_task(self._look_on())
        except ConnectFailed as error:
            self._settle(self._groups, Cause(How.NOT_ASKED, error.message))

    # The stream

    async def _follow(self, group: AuditGroup) -> None:
        """Wait for the stream, and stand in for it while it is not there."""
        stream = group.stream
        await stream.begun.wait()
        while True:
            if not await self._answers(stream):
                await self._stand_in(group)
            reading = asyncio.ensure_future(stream.is_read.wait())
            losing = asyncio.ensure_future(stream.feed.wait_lost(stream.url))
            try:
                first = asyncio.FIRST_COMPLETED
                await asyncio.wait([reading, losing], timeout=READ_BACK_LIMIT, return_when=first)
                if not losing.done():
                    group.ready = True
                    self._kick.set()
                    await losing
            finally:
                group.ready = group.looked = False
                reading.cancel()
                losing.cancel()
            await _at_most(stream.feed.wait_read(stream.url), BACK_SOON)

    async def _answers(self, stream: AuthorStream) -> bool:
        """Wait until the stream has sent what it stores; False if it does not, or is too slow."""
        feed, url = stream.feed, stream.url
        counters = self._courier.pool.health(url).counters
        loop = asyncio.get_running_loop()
        begun, heard = loop.time(), -1
        while url in feed.urls and url not in feed.caught_up:
            if loop.time() - begun > SLOWEST and self._is_up:
                return False
            said = counters.heard_bytes
            if said == heard and self._is_up:
                return False
            heard = said
            await _at_most(feed.wait_changed(), QUIET)
        return url in feed.read

    @property
    def _is_up(self) -> bool:
        return self._courier.pool.health(self.url).state in (UP, SLOW_STATE)

    async def _stand_in(self, group: AuditGroup) -> None:
        """Stream its authors here until the stream is back."""
        stream = group.stream
        second = AuthorStream(self._reading, self.url, group.authors)
        group.stand_in = second
        try:
            async with together() as tasks:
                running = tasks.create_task(second.run())
                telling = tasks.create_task(self._tell_of(group, second))
                await stream.feed.wait_read(stream.url)
                running.cancel()
                telling.cancel()
        finally:
            group.stand_in = None

    async def _tell_of(self, group: AuditGroup, second: AuthorStream) -> None:
        await second.begun.wait()
        while self.url in second.feed.urls and self.url not in second.feed.caught_up:
            await second.feed.wait_changed()
        end = second.feed.ends.get(self.url)
        self._settle([group], None if end is None or end.answered else cause_of(end))

    # Looking

    async def _look_on(self) -> None:
        loop, pace = asyncio.get_running_loop(), PACE_FIRST
        due = loop.time()
        while True:
            self._kick.clear()
            ready = [group for group in self._groups if group.ready]
            if fresh := [group for group in ready if not group.looked]:
                await self._look(fresh, deep=True)
                pace, due = PACE_FIRST, loop.time() + PACE_FIRST
            elif loop.time() >= due:
                missing = await self._look(ready, deep=loop.time() >= self._deep_at)
                pace = PACE_FIRST if missing else min(2 * pace, PACE_MOST)
                due = loop.time() + pace
            await _at_most(self._kick.wait(), max(0.0, due - loop.time()))

    async def _look(self, groups: Sequence[AuditGroup], *, deep: bool) -> int:
        """Bring what the streams of these lack; how many events that were."""
        if not groups:
            return 0
        authors = frozenset().union(*(group.authors for group in groups))
        now = int(self._reading.clock())
        until = now if deep else now - SETTLE
        parts = {group.stream.url: group.authors for group in groups}
        counted = min(group.until for group in groups)
        cause, missing = None, 0
        try:
            for asked in await self._spans(authors) if deep else self._near(groups, until):
                missing += await self._comparison.bring(asked, parts, counted)
        except RelayError as error:
            cause = _cause_of(error)
        except StoreError as error:
            self.feed.problem = str(error)
        else:
            self.feed.problem = ""
            self._reading.progress.move(self.url, until, authors)
            for group in groups:
                group.until = until
        failed = cause is not None or bool(self.feed.problem)
        if failed or deep:
            self._deep_at = 0.0 if failed else asyncio.get_running_loop().time() + DEEP
        for group in groups:
            group.looked = True
        if not self.feed.problem:
            self._settle(groups, cause)
        if missing:
            self._reading.on_missing()
        return missing

    async def _spans(self, authors: Collection[str]) -> list[Filter]:
        """What is compared after a start, and now and then: as far back as this relay was not
        looked at, and of whom is new here for the newest that are held."""
        at, old, new = self._reading.progress.split(self.url, authors)
        spans = list(author_filters(old, FEED_KINDS, since=max(0, at - OVERLAP)))
        for asked in author_filters(new, FEED_KINDS, limit=BACKFILL):
            held = await self._courier.store.query([asked])
            since = held[-1].created_at + 1 if len(held) >= BACKFILL else None
            spans.append(asked.changed(since=since))
        return spans

    def _near(self, groups: Sequence[AuditGroup], until: int) -> list[Filter]:
        """What is compared from look to look."""
        authors = frozenset().union(*(group.authors for group in groups))
        since = max(0, min(group.until for group in groups) - NEAR)
        return [f.changed(until=until) for f in author_filters(authors, FEED_KINDS, since=since)]

    def _settle(self, groups: Sequence[AuditGroup], cause: Cause | None) -> None:
        """All that this relay stores of these is here, or `cause` says why not."""
        for group in groups:
            group.settled = True
        if all(group.settled for group in self._groups):
            if cause is None:
                self.feed.on_item(EndOfStored(self.url, None))
            else:
                self.feed.on_item(Ended(self.url, cause, final=True))


def _cause_of(error: RelayError) -> Cause:
    match error:
        case ConnectFailed():
            return Cause.not_reached(error)
        case ConnectionLost():
            return Cause(How.LOST, error.message)
        case RelayTimeout():
            return Cause(How.SILENT, error.message)
    return Cause.refused(error.message)


async def _at_most(one: Coroutine[Any, Any, Any], limit: float) -> None:
    """Wait for it, at most `limit` seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit):
            await one
