"""What came of a question to relays, and how far a live subscription is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from nostr_client.net.subscription import Ended, EndOfStored
from nostr_client.protocol.event import Event


@dataclass(slots=True)
class Asked:
    """What relays said to a question. `events` are all that came, `new` how many were not held.

    `ends` tells for each relay how its stored events ended: None after EOSE, else an `Ended`,
    whose `prefix` is empty when it could not be reached or ran out of time. `found` counts the
    events that each relay sent.
    """

    events: dict[str, Event] = field(default_factory=dict)
    new: int = 0
    ends: dict[str, Ended | None] = field(default_factory=dict)
    found: dict[str, int] = field(default_factory=dict)


class Following:
    """A live subscription that fills the store; made by `Courier.follow`."""

    def __init__(self, urls: Iterable[str]) -> None:
        self.urls = frozenset(urls)
        self.read: set[str] = set()
        """The relays whose stored events have all come, since the last time they were lost."""
        self.caught_up: set[str] = set()
        """Those, and the ones that cannot be reached or will not answer."""
        self.arrived = 0
        self.problem = ""
        """Why the store does not take events at the moment; empty when all is well."""
        self._changed = asyncio.Event()

    @property
    def is_caught_up(self) -> bool:
        return self.caught_up >= self.urls

    async def wait_caught_up(self, limit: float) -> bool:
        """Wait until every relay has sent what it had stored, at most `limit` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                while not self.is_caught_up:
                    self._changed.clear()
                    await self._changed.wait()
        return self.is_caught_up

    async def wait_read(self, url: str) -> None:
        """Wait, without a limit, until `url` has sent what it had stored."""
        while url not in self.read:
            self._changed.clear()
            await self._changed.wait()

    def done_with(self, end: EndOfStored | Ended) -> None:
        """A relay has sent what it had stored, or nothing comes from it for now."""
        self.caught_up.add(end.url)
        if isinstance(end, EndOfStored):
            self.read.add(end.url)
        else:
            self.read.discard(end.url)
        self._changed.set()
