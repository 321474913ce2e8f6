"""What is new at relays, as it arrives: what `NostrClient.feed` gives.

Rules
- Events come out of the store, each once, verified; relays fill it. So what another process on the
  same folder brings comes, too.
- Each relay is followed by a subscription of its own, whose stored events are read page by page, at
  the beginning and after each break. Seconds of which it has more than it shows are brought by
  comparing (`crowded.py`), or named in its `End.crowded_at`.
- Without relays, the filters' authors are followed where they are known to write, at once, and
  where it turns out that they do.
- When every relay that is followed has refused for good, nothing new can come: what came is given,
  and then `FeedRefused` is raised.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final, Self

from nostr_client.client.crowded import CrowdedSeconds, as_one
from nostr_client.errors import FeedRefused, NostrError, StoreError
from nostr_client.net.outcome import End, How, missed_of
from nostr_client.net.session.paging import Paging
from nostr_client.net.subscription import EndOfStored
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.resilience.history import History
from nostr_client.routing.authentication import DENIED, NOT_TOLD
from nostr_client.routing.live_feed import LiveFeed
from nostr_client.routing.reader import RelayReader, authors_of
from nostr_client.tasks import OwnedTasks, together

log = logging.getLogger(__name__)

WITHOUT_GAPS: Final = Paging(exhaustive=True)
"""How what is stored at relays is read, since the beginning of the feed."""
MOST_CROWDED: Final = 10_000
"""Seconds of one relay that wait to be compared; the oldest are named only."""


class EventFeed:
    """An async iterator of events; meanwhile it says how each relay's part stands."""

    def __init__(
        self,
        reader: RelayReader,
        sets: History,
        filters: Callable[[], Awaitable[Sequence[Filter]]],
        earlier: Sequence[Filter],
        urls: Sequence[str] | None,
        *,
        tasks: OwnedTasks,
        asks: bool,
    ) -> None:
        """`filters` gives what is followed, and `earlier` is what of it begins in the past. `asks`:
        somebody is there who may let a relay know who we are, later."""
        self._reader = reader
        self._sets = sets
        self._tasks = tasks
        self._filters = filters
        self._earlier = earlier
        self._urls = urls
        self._asks = asks
        self._followed: list[_Followed] = []
        self._learning = False
        self._changed = asyncio.Event()
        self._error: NostrError | None = None
        self._events = self._read()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        return await anext(self._events)

    async def aclose(self) -> None:
        """End it here; a `for` that is left does so by itself, soon."""
        await self._events.aclose()

    @property
    def ends(self) -> dict[str, End]:
        """For each relay how its stored events ended, the last time, or why nothing comes from it:
        see `End`. Those still on their way are `How.SILENT`."""
        by_url: dict[str, list[End]] = {}
        for followed in self._followed:
            by_url.setdefault(followed.url, []).append(followed.end)
        return {url: as_one(ends) for url, ends in by_url.items()}

    @property
    def missed(self) -> dict[str, End]:
        """The relays that do not send all they have now, and why."""
        return {end.url: end for end in missed_of(self.ends.values())}

    async def _read(self) -> AsyncGenerator[Event, None]:
        wanted = await self._filters()
        store = self._reader.store
        async with AsyncExitStack() as stack:
            watching = await stack.enter_async_context(AsyncExitStack())
            watch = await watching.enter_async_context(store.watch(wanted))
            held = await store.query(self._earlier) if self._earlier else []
            for event in reversed(held):
                yield event
            seen = {event.id for event in held}
            following = self._tasks.start(self._follow(wanted, watching))
            stack.push_async_callback(_stopped, following)
            async for event in watch:
                if event.id not in seen:
                    yield event
        if self._error is not None:
            raise self._error

    async def _follow(self, wanted: Sequence[Filter], watching: AsyncExitStack) -> None:
        """Until there is nothing to follow: then what is `watching` ends, too."""
        try:
            await self._follow_all(wanted)
            self._error = FeedRefused(tuple(self.ends.values()))
        except NostrError as error:
            self._error = error
        await watching.aclose()

    async def _follow_all(self, wanted: Sequence[Filter]) -> None:
        """Returns when every relay has refused for good. Raises StoreError."""
        async with together() as group:
            tasks: list[asyncio.Task[None]] = []

            def follow(url: str, filters: Sequence[Filter]) -> None:
                followed = _Followed(self._reader, self._sets, url, filters, self._changed.set)
                self._followed.append(followed)
                tasks.append(group.create_task(followed.run()))

            if self._urls is not None:
                for url in self._urls:
                    follow(url, wanted)
            else:
                routes = await self._reader.route(wanted)
                for url, part in routes.items():
                    follow(url, part)
                self._learning = True
                tasks.append(group.create_task(self._follow_more(wanted, routes, follow)))
            while not self._all_refused:
                self._changed.clear()
                await self._changed.wait()
            for task in tasks:
                task.cancel()

    async def _follow_more(
        self,
        wanted: Sequence[Filter],
        routes: dict[str, list[Filter]],
        follow: Callable[[str, Sequence[Filter]], None],
    ) -> None:
        """What `routes` lack once the relay lists are known."""
        try:
            await self._reader.fetch_lists(authors_of(wanted))
            learned = await self._reader.route(wanted)
        except StoreError as error:
            log.warning("relay lists are not looked for: %s", error)
            learned = {}
        for url, part in learned.items():
            if more := [filter for filter in part if filter not in routes.get(url, ())]:
                follow(url, more)
        self._learning = False
        self._changed.set()

    @property
    def _all_refused(self) -> bool:
        if self._learning or not self._followed:
            return False
        return all(followed.is_refused(asks=self._asks) for followed in self._followed)


class _Followed:
    """One relay, and what it is followed for."""

    def __init__(
        self,
        reader: RelayReader,
        sets: History,
        url: str,
        filters: Sequence[Filter],
        changed: Callable[[], None],
    ) -> None:
        self.url = url
        self._reader = reader
        self._filters = filters
        self._changed = changed
        self._live: LiveFeed | None = None
        self._crowded = CrowdedSeconds(sets, url)
        self._waiting: list[int] = []
        self._some = asyncio.Event()

    @property
    def end(self) -> End:
        ends = self._live.ends if self._live else {}
        end = ends.get(self.url) or End(url=self.url, how=How.NOT_ASKED)
        return self._crowded.weighed(end)

    def is_refused(self, *, asks: bool) -> bool:
        """Will nothing come from it any more? Where nobody is asked who might say it, a relay that
        wants to know who we are will not hear it."""
        if self._live is None:
            return False
        if self.url in self._live.over or self.url not in self._live.urls:
            return True
        end = self.end
        return not asks and end.how is How.NOT_ALLOWED and end.problem in (NOT_TOLD, DENIED)

    async def run(self) -> None:
        """Follow it. Raises StoreError."""
        async with (
            together() as group,
            self._reader.subscribe(
                self._filters, [self.url], paging=WITHOUT_GAPS, on_stored=self._stored_ended
            ) as self._live,
        ):
            group.create_task(self._compare())
            while True:
                self._changed()
                await self._live.wait_changed()

    def _stored_ended(self, item: EndOfStored) -> None:
        """What could not be compared the last time is tried again."""
        waiting = sorted({*self._waiting, *item.crowded, *self._crowded.hidden}, reverse=True)
        self._waiting = waiting[:MOST_CROWDED]
        self._crowded.hidden.update(waiting)
        if waiting:
            self._some.set()

    async def _compare(self) -> None:
        """Bring what relays have of crowded seconds, the newest first."""
        while True:
            await self._some.wait()
            self._some.clear()
            while self._waiting:
                await self._crowded.bring(self._filters, self._waiting.pop(0))
                self._changed()


async def _stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
