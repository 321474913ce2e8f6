"""Stored events, once: from each relay page by page, until it has no more (NIP-67).

Rules
- A relay has ended when it said EOSE or CLOSED, cannot be reached, or was lost twice.
- After EOSE with "finish", a page without anything new, or every `limit` met, it is not asked
  again. With "more" it is; with neither, only if the page was big enough to look cut off, or if
  the fetch is `exhaustive`.
- The next page of a filter goes `until` the oldest event that matched it, that second included.
  Where one second fills a whole page, the rest of that second cannot be asked for: the fetch goes
  on before it, and does not call itself complete.
- What came before a failure is kept; `End.complete` is True only where the relay has nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import msgspec

from nostr_client.net.subscription import Arrival, Ended, EndOfStored, Subscription
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter

CUT_OFF: Final = 100
"""Events in a page from which it may be cut off, where the relay does not say: common caps are
round numbers from here on."""


class End(msgspec.Struct, frozen=True, kw_only=True):
    """How a relay's part of a fetch ended.

    `answered`: it sent its stored events to the end. `complete`: it holds nothing else that
    matches (True), it does (False), or did not say (None). If not answered, `prefix` and `reason`
    are its CLOSED, or `problem` says in our words what happened ("connect: ...", "timeout: ...").
    """

    url: str
    answered: bool
    complete: bool | None = None
    events: int = 0
    pages: int = 0
    prefix: str = ""
    reason: str = ""
    problem: str = ""


class Fetched(msgspec.Struct, frozen=True):
    """What a fetch found: verified events, newest first, each once; and how each relay ended."""

    events: list[Event]
    ends: dict[str, End]

    @property
    def answered(self) -> tuple[str, ...]:
        """The relays that sent their stored events to the end."""
        return tuple(url for url, end in self.ends.items() if end.answered)


class Subscribe(Protocol):
    """`RelayPool.subscribe`."""

    def __call__(
        self, filters: Sequence[Filter], urls: Iterable[str], *, live: bool
    ) -> Subscription: ...


async def fetch(
    subscribe: Subscribe,
    filters: Sequence[Filter],
    urls: Iterable[str],
    limit: float,
    *,
    exhaustive: bool,
    most: int,
) -> Fetched:
    """See `RelayPool.fetch`: `most` events from one relay, `limit` seconds."""
    found: dict[str, Event] = {}
    async with asyncio.TaskGroup() as group:
        tasks = {
            url: group.create_task(
                _Fetch(subscribe, url, found, exhaustive=exhaustive, most=most).run(filters, limit)
            )
            for url in urls
        }
    events = sorted(found.values(), key=lambda event: event.order)
    return Fetched(events, {url: task.result() for url, task in tasks.items()})


class _Fetch:
    """One relay's part."""

    def __init__(
        self,
        subscribe: Subscribe,
        url: str,
        found: dict[str, Event],
        *,
        exhaustive: bool,
        most: int,
    ) -> None:
        self._subscribe = subscribe
        self._url = url
        self._found = found
        self._exhaustive = exhaustive
        self._most = most
        self._ids: set[str] = set()
        self._pages = 0
        self._gap = False
        self._guessed = False

    async def run(self, filters: Sequence[Filter], limit: float) -> End:
        wanted = [_Page(filter) for filter in filters]
        try:
            async with asyncio.timeout(limit):
                while True:
                    end = await self._read_page(wanted)
                    if not end.answered or end.complete is True:
                        return end
                    wanted = self._next(wanted, end.complete is False)
                    if not wanted:
                        return end
                    if len(self._ids) >= self._most:
                        return self._end(answered=True, complete=False)
        except TimeoutError:
            return self._end(problem=f"timeout: no end of stored events within {limit:g} s")

    async def _read_page(self, pages: list[_Page]) -> End:
        lost = 0
        before = len(self._ids)
        filters = [page.filter for page in pages]
        async with self._subscribe(filters, [self._url], live=False) as sub:
            async for batch in sub.batches():
                for item in batch:
                    if isinstance(item, Arrival):
                        self._take(item.event, pages)
                    elif isinstance(item, EndOfStored):
                        self._pages += 1
                        return self._page_ended(item, pages, new=len(self._ids) > before)
                    elif item.prefix or item.reason.startswith("connect:") or item.final or lost:
                        return self._failed(item)
                    else:
                        lost += 1
                if len(self._ids) >= self._most:
                    return self._end(problem=f"more than {self._most} events")
        return self._end(problem="the pool is closed")

    def _page_ended(self, item: EndOfStored, pages: list[_Page], *, new: bool) -> End:
        self._gap = self._gap or any(page.stuck for page in pages)
        complete = item.complete
        if self._gap:
            complete = False
        elif not new and self._pages > 1 and not self._guessed:
            complete = True
        return self._end(answered=True, complete=complete)

    def _take(self, event: Event, pages: list[_Page]) -> None:
        new = event.id not in self._ids
        if new:
            self._ids.add(event.id)
            self._found.setdefault(event.id, event)
        for page in pages:
            page.saw(event, new)

    def _next(self, pages: list[_Page], more: bool) -> list[_Page]:
        wanted = [page for page in pages if page.wants(more or self._exhaustive)]
        self._guessed = self._guessed or any(page.new for page in pages if page not in wanted)
        return [page.next() for page in wanted]

    def _failed(self, item: Ended) -> End:
        if item.prefix or not item.reason.startswith(("connect:", "lost:")):
            return self._end(prefix=item.prefix, reason=item.reason)
        return self._end(problem=item.reason)

    def _end(
        self,
        *,
        answered: bool = False,
        complete: bool | None = None,
        prefix: str = "",
        reason: str = "",
        problem: str = "",
    ) -> End:
        return End(
            url=self._url,
            answered=answered,
            complete=complete,
            events=len(self._ids),
            pages=self._pages,
            prefix=prefix,
            reason=reason,
            problem=problem,
        )


class _Page:
    """One filter on its way back in time; `taken` events came with the pages before."""

    def __init__(self, filter: Filter, taken: int = 0) -> None:
        self.filter = filter
        self._taken = taken
        self._count = 0
        self.new = 0
        self._oldest: int | None = None

    def saw(self, event: Event, new: bool) -> None:
        if not self.filter.matches(event):
            return
        self._count += 1
        self.new += new
        if self._oldest is None or event.created_at < self._oldest:
            self._oldest = event.created_at

    @property
    def stuck(self) -> bool:
        """Did one second fill the page, so that there may be more of it?"""
        return (
            self._count >= CUT_OFF
            and self.new == 0
            and self._oldest is not None
            and self._oldest == self.filter.until
        )

    def wants(self, more: bool) -> bool:
        """Is another page of this filter worth asking for?"""
        taken = self._taken + self.new
        enough = (self.filter.ids is not None and taken >= len(self.filter.ids)) or (
            self.filter.limit is not None and taken >= self.filter.limit
        )
        if enough or self._oldest is None:
            return False
        return self.stuck or (self.new > 0 and (more or self._count >= CUT_OFF))

    def next(self) -> _Page:
        until = self._oldest
        if self.stuck and until is not None:
            until = max(0, until - 1)
        return _Page(self.filter.changed(until=until), self._taken + self.new)
