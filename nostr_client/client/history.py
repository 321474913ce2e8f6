"""All that relays hold of something, newest first, in pages: what `NostrClient.history` gives.

Rules
- Each relay is read by its own pages (`net.session.paging`: NIP-67, and `until`); a page of ours is
  what is newer than where the relay stands that has come the least far. So pages are in the order
  of time over all relays, no event comes twice, and what waits is bounded by a page of each relay.
- The next page of a relay begins in the last second of the one before it. Where a relay has more of
  a second than it shows, that second is asked for by comparing sets (NIP-77), if the relay does
  that, and else named in the relay's `End.crowded_at`: the history does not call itself complete.
- A relay that is lost is asked for the same page again, a few times; then it is left, and missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import Final, Self

import msgspec

from nostr_client.client.crowded import CrowdedSeconds, as_one
from nostr_client.net.fetch import Fetched
from nostr_client.net.outcome import End, How, Outcome, missed_of, outcome_of
from nostr_client.net.session.req_split import requests_for
from nostr_client.net.subscription import Arrival
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.resilience.history import History
from nostr_client.routing.reader import RelayReader, authors_of
from nostr_client.store.contract import SaveStatus
from nostr_client.tasks import all_of

AGAIN_AFTER: Final = (0.5, 2.0, 5.0)
"""Seconds after which a relay that was lost is asked for the same page again."""
SAVED: Final = 500
"""Events that are stored at a time."""
MOST_OF_SECOND: Final = 20_000
"""Events of one second that a relay is asked for at once."""
_TAKEN_BACK: Final = (SaveStatus.DELETED, SaveStatus.VANISHED, SaveStatus.EXPIRED)
_PASSING: Final = (How.LOST, How.SILENT, How.UNREACHABLE)


class HistoryPage(msgspec.Struct, frozen=True):
    """Some `events`, newest first. Of what was created from `since` on (seconds since 1970) all has
    come by now that the relays show: whoever keeps it may begin the next time before that."""

    events: tuple[Event, ...]
    since: int

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)


class PagedHistory:
    """An async iterator of `HistoryPage`; at its end, and meanwhile, it says what was missed."""

    def __init__(
        self,
        reader: RelayReader,
        sets: History,
        filters: Sequence[Filter],
        urls: Sequence[str] | None,
        *,
        page: int,
        limit: float,
    ) -> None:
        self._reader = reader
        self._sets = sets
        self._filters = filters
        self._urls = urls
        self._page = page
        self._limit = limit
        self._readings: list[_Reading] = []
        self._pages = self._read()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> HistoryPage:
        return await anext(self._pages)

    async def aclose(self) -> None:
        """End it here; a `for` that is left does so by itself, soon."""
        await self._pages.aclose()

    @property
    def ends(self) -> dict[str, End]:
        """For each relay how its part went so far: see `End`."""
        by_url: dict[str, list[End]] = {}
        for reading in self._readings:
            by_url.setdefault(reading.url, []).append(reading.end)
        return {url: as_one(ends) for url, ends in by_url.items()}

    @property
    def missed(self) -> dict[str, End]:
        """The relays that did not send all they have, and why."""
        return {end.url: end for end in missed_of(self.ends.values())}

    @property
    def complete(self) -> bool:
        """Has every relay sent all it has, as far as can be told?"""
        return all(reading.done for reading in self._readings) and not self.missed

    @property
    def outcome(self) -> Outcome:
        """What it came to: nothing there, nobody answered, not allowed, not all of it."""
        found = any(end.events for end in self.ends.values())
        return outcome_of(self.ends.values(), found=found)

    async def _begin(self) -> None:
        reader, filters = self._reader, self._filters
        if self._urls is None:
            await reader.fetch_lists(authors_of(filters))
            routes: Mapping[str, Sequence[Filter]] = await reader.route(filters)
        else:
            routes = dict.fromkeys(self._urls, filters)
        self._readings = [
            _Reading(reader, self._sets, url, piece, page=self._page, limit=self._limit)
            for url, asked in routes.items()
            for request in requests_for(asked)
            for piece in request
        ]

    async def _read(self) -> AsyncGenerator[HistoryPage, None]:
        await self._begin()
        begin = min((filter.since or 0 for filter in self._filters), default=0)
        waiting: dict[str, Event] = {}
        while going := [reading for reading in self._readings if not reading.done]:
            front = max(reading.place for reading in going)
            behind = [reading for reading in going if reading.place == front]
            for events in await all_of(reading.read() for reading in behind):
                waiting |= {event.id: event for event in events}
            left = [reading.place for reading in self._readings if not reading.done]
            if left and max(left) == float("inf"):
                continue  # some relay has shown nothing yet
            since = int(max(left)) + 1 if left else begin
            fine = [event for event in waiting.values() if event.created_at >= since]
            for event in fine:
                del waiting[event.id]
            if fine:
                fine.sort(key=lambda event: event.order)
                yield HistoryPage(tuple(fine), since)


class _Reading:
    """One filter at one relay, on its way back in time."""

    def __init__(
        self,
        reader: RelayReader,
        sets: History,
        url: str,
        filter: Filter,
        *,
        page: int,
        limit: float,
    ) -> None:
        self.url = url
        self.end = End(url=url, how=How.SILENT, problem="not read yet")
        self.done = False
        self.place = float("inf")
        """All that is newer has come, in seconds since 1970."""
        self._reader = reader
        self._filter = filter.changed(limit=None)
        self._page = self._most = page
        self._limit = limit
        self._failed = 0
        self._edge: set[str] = set()
        """Ids of what came of the second in which the next page begins."""
        self._events = self._requests = 0
        self._crowded = CrowdedSeconds(sets, url)

    async def read(self) -> list[Event]:
        """The next page: some events that did not come before, or none."""
        fetched = await self._fetch()
        end = fetched.ends[self.url]
        events = [event for event in fetched.events if event.id not in self._edge]
        self._requests += max(1, end.pages)
        self._events += len(events)
        events = await self._saved(events)
        if not end.answered:
            self._failed += 1
            again = end.how in _PASSING and self._failed <= len(AGAIN_AFTER)
            self._said(end, done=not again)
            return events
        self._failed = 0
        for second in end.crowded_at:
            events += await self._of_second(second)
        full = len(fetched.events) >= self._most
        if full and end.complete is not True:
            await self._go_back(fetched.events, events)
            full = self.place >= (self._filter.since or 0)
        self._said(end, done=not full or end.complete is True)
        return events

    async def _fetch(self) -> Fetched:
        if self._failed:
            await asyncio.sleep(AGAIN_AFTER[self._failed - 1])
        asked = self._filter.changed(limit=self._most)
        if self.place != float("inf"):
            place = int(self.place)
            asked = asked.changed(until=place if asked.until is None else min(place, asked.until))
        return await self._reader.pool.fetch(
            [asked], [self.url], timeout=self._limit, exhaustive=True, most=self._most
        )

    async def _go_back(self, shown: Sequence[Event], new: list[Event]) -> None:
        """The next page begins in the last second of this one, which `shown` ends with."""
        oldest = shown[-1].created_at
        edge = {event.id for event in shown if event.created_at == oldest}
        if shown[0].created_at != oldest:
            self.place, self._edge, self._most = oldest, edge, self._page
        elif edge <= self._edge or self._most >= MOST_OF_SECOND:  # it shows no more of it
            new += await self._of_second(oldest)
            self.place, self._edge, self._most = oldest - 1, set(), self._page
        else:
            self.place, self._edge = oldest, self._edge | edge
            self._most *= 4

    async def _of_second(self, second: int) -> list[Event]:
        """What the relay has of this second, of which it does not show all."""
        await self._crowded.bring([self._filter], second)
        if second in self._crowded.hidden:
            return []
        return await self._reader.store.query([self._filter.changed(since=second, until=second)])

    def _said(self, end: End, *, done: bool) -> None:
        """What is to be said of the relay, as far as it was read."""
        self.done = done
        end = self._crowded.weighed(end)
        self.end = msgspec.structs.replace(end, events=self._events, pages=self._requests)

    async def _saved(self, events: Sequence[Event]) -> list[Event]:
        """These are stored, if there is room; without what its author took back."""
        kept: list[Event] = []
        for start in range(0, len(events), SAVED):
            part = events[start : start + SAVED]
            arrivals = [Arrival(event, self.url, False, False) for event in part]
            became = await self._reader.take_arrivals(arrivals)
            kept += [event for event in part if became.get(event.id) not in _TAKEN_BACK]
        return kept
