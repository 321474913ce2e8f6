"""Stored events, once, from many relays.

Rules
- A relay has ended when it said EOSE to its last page (`net.paging`) or CLOSED, cannot be reached,
  or was lost twice.
- What came before a failure is kept; `End.complete` is True only where the relay has nothing else.
"""

from __future__ import annotations

import asyncio

import msgspec

from nostr_client.net.asking import BEYOND_LIMIT, TOO_MANY
from nostr_client.net.subscription import Arrival, Ended, EndOfStored, Subscription
from nostr_client.protocol.event import Event


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


async def fetch(sub: Subscription, limit: float) -> Fetched:
    """Everything that `sub`, which is not live, brings within `limit` seconds."""
    fetch = _Fetch(sub)
    try:
        async with asyncio.timeout(limit):
            await fetch.run()
    except TimeoutError:
        fetch.give_up(f"timeout: no end of stored events within {limit:g} s")
    else:
        fetch.give_up("the pool is closed")
    return fetch.result()


class _Fetch:
    def __init__(self, sub: Subscription) -> None:
        self._sub = sub
        self._urls = sub.urls
        self._found: dict[str, Event] = {}
        self._numbers = dict.fromkeys(self._urls, 0)
        self._ends: dict[str, End] = {}
        self._lost: set[str] = set()

    async def run(self) -> None:
        async with self._sub as sub:
            async for batch in sub.batches():
                for item in batch:
                    if isinstance(item, Arrival):
                        self._numbers[item.url] += 1
                        if not item.again:
                            self._found[item.event.id] = item.event
                    elif isinstance(item, EndOfStored):
                        self._end(item.url, True, item.complete, pages=item.pages)
                    else:
                        self._ended(item)

    def give_up(self, problem: str) -> None:
        """Whoever has not ended by now did not for this reason."""
        for url in self._urls:
            if url not in self._ends:
                self._end(url, problem=problem)

    def result(self) -> Fetched:
        events = sorted(self._found.values(), key=lambda event: (-event.created_at, event.id))
        return Fetched(events, {url: self._ends[url] for url in self._urls})

    def _ended(self, item: Ended) -> None:
        url = item.url
        if item.final and item.reason in (TOO_MANY, BEYOND_LIMIT):
            self._end(url, complete=False, problem=item.reason)
        elif item.prefix or not item.reason.startswith(("connect:", "lost:")):
            self._end(url, prefix=item.prefix, reason=item.reason)
        elif item.final or item.reason.startswith("connect:") or url in self._lost:
            self._end(url, problem=item.reason)
        else:
            self._lost.add(url)  # it may have closed an idle socket just now: once more
            return
        self._sub.remove_relays([url])

    def _end(
        self,
        url: str,
        answered: bool = False,
        complete: bool | None = None,
        *,
        pages: int = 0,
        prefix: str = "",
        reason: str = "",
        problem: str = "",
    ) -> None:
        self._ends[url] = End(
            url=url,
            answered=answered,
            complete=complete,
            events=self._numbers[url],
            pages=pages,
            prefix=prefix,
            reason=reason,
            problem=problem,
        )
