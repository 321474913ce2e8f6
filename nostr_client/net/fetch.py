"""Stored events, once, from many relays.

Rules
- A relay has ended when it said EOSE to its last page (`net.paging`) or CLOSED, cannot be reached,
  or was lost twice.
- What came before a failure is kept; `End.complete` is True only where the relay has nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec

from nostr_client.net.outcome import Cause, End, How
from nostr_client.net.subscription import Arrival, Ended, EndOfStored, Item, Subscription
from nostr_client.protocol.event import Event


class Fetched(msgspec.Struct, frozen=True):
    """What a fetch found: verified events, newest first, each once; and how each relay ended."""

    events: list[Event]
    ends: dict[str, End]

    @property
    def answered(self) -> tuple[str, ...]:
        """The relays that sent their stored events to the end."""
        return tuple(url for url, end in self.ends.items() if end.answered)


class RelayEnds:
    """How each relay's part of one question ends, told by what its subscription brings."""

    def __init__(self, urls: Iterable[str]) -> None:
        self.waiting = dict.fromkeys(urls)
        """The relays that have not ended yet."""
        self.found = dict.fromkeys(self.waiting, 0)
        """How many events each sent."""
        self._ends: dict[str, End] = {}
        self._lost: set[str] = set()

    def take(self, item: Item) -> bool:
        """Count what came; False for an outage after which the relay is asked once more: it may
        have closed an idle socket just now."""
        url = item.url
        if isinstance(item, Arrival):
            self.found[url] = self.found.get(url, 0) + 1
        elif isinstance(item, EndOfStored):
            cause = Cause(How.INCOMPLETE if item.complete is False else How.ANSWERED)
            if item.left_out:
                cause = Cause(How.INCOMPLETE, f"{item.left_out} left out, too large to be kept")
            crowded = tuple(item.crowded)
            self._end(url, cause, complete=item.complete, pages=item.pages, crowded=crowded)
        elif item.cause.how is How.LOST and not item.final and url not in self._lost:
            self._lost.add(url)
            return False
        else:
            self._ended(item)
        return True

    def give_up(self, cause: Cause) -> None:
        """Whoever has not ended by now did not for this reason."""
        for url in list(self.waiting):
            self._end(url, cause)

    def result(self) -> dict[str, End]:
        """How those ended that did."""
        return dict(self._ends)

    def _ended(self, item: Ended) -> None:
        complete = False if item.cause.how is How.INCOMPLETE else None
        self._end(item.url, item.cause, complete=complete)

    def _end(
        self,
        url: str,
        cause: Cause,
        *,
        complete: bool | None = None,
        pages: int = 0,
        crowded: tuple[int, ...] = (),
    ) -> None:
        self.waiting.pop(url, None)
        self._ends[url] = End(
            url=url,
            how=cause.how,
            complete=complete,
            events=self.found.get(url, 0),
            pages=pages,
            crowded=bool(crowded),
            crowded_at=crowded,
            prefix=cause.prefix,
            reason=cause.reason,
            problem=cause.problem,
            status=cause.status,
        )


async def fetch(sub: Subscription, limit: float) -> Fetched:
    """Everything that `sub`, which is not live, brings within `limit` seconds."""
    urls, ends, found = sub.urls, RelayEnds(sub.urls), dict[str, Event]()
    try:
        async with asyncio.timeout(limit), sub:
            async for batch in sub.batches():
                for item in batch:
                    if isinstance(item, Arrival) and not item.again:
                        found[item.event.id] = item.event.compact()
                    if ends.take(item) and isinstance(item, Ended):
                        sub.remove_relays([item.url])
    except TimeoutError:
        ends.give_up(Cause(How.SILENT, f"no end of stored events within {limit:g} s"))
    else:
        ends.give_up(Cause(How.LOST, "the pool is closed"))
    events = sorted(found.values(), key=lambda event: (-event.created_at, event.id))
    result = ends.result()
    return Fetched(events, {url: result[url] for url in urls})
