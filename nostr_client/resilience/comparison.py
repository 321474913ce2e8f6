"""What comparing a relay's set with ours came to, and how it is cut into parts: values."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum

import msgspec

from nostr_client.net.outcome import End
from nostr_client.resilience.by_id import AskedById


class Road(StrEnum):
    """How a set was compared."""

    NEGENTROPY = "negentropy"
    PAGES = "pages"


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """Into what a comparison is cut: our events in one window of time, differences that are found
    at once, and events that are read by pages at a time. `probes`: REQs by which one comparison
    asks for what pages did not show; with none it says nothing of what the relay lacks. `named`:
    requests by which it fetches events by their ids, None for as many as it takes."""

    ours: int = 100_000
    differences: int = 250_000
    paged: int = 5_000
    probes: int = 40
    named: int | None = None


class Comparison(msgspec.Struct, kw_only=True):
    """How our set differs from that of the relay at `url`.

    `here` and `there` are raw ids that only we have, and only the relay has; `both` counts those
    that are in both. `complete`: there are no other differences. `why` says, where it was read by
    pages, what kept it from being compared. `requests` counts our messages that ask (REQ, NEG-OPEN,
    NEG-MSG), `sent` and `received` the bytes of all messages meanwhile, without what WebSocket and
    TLS add. `windows`: into how many parts of time the set was cut. `end` is how it ended.
    """

    url: str
    end: End
    road: Road = Road.NEGENTROPY
    why: str = ""
    here: set[bytes] = msgspec.field(default_factory=set)
    there: set[bytes] = msgspec.field(default_factory=set)
    both: int = 0
    complete: bool = True
    windows: int = 0
    requests: int = 0
    sent: int = 0
    received: int = 0
    new: int = 0
    """Events that came meanwhile and were not here before."""
    unsent: int = 0
    """Events that the relay says it has, and did not send."""
    mentions: bool = False
    """Was it of what names the account, and not of what it wrote?"""
    named: int = 0
    """Requests for events by their ids, of those that `requests` counts."""
    left: bool = False
    """Was it left before its end, by whoever asked for it?"""

    @property
    def goes_on(self) -> bool:
        return self.end.answered and not self.left

    def stopped(self, end: End) -> None:
        """The relay did not go on: what was not compared stays open."""
        self.end, self.complete = end, False

    def asked_by_id(self, asked: AskedById) -> None:
        """Events were asked for by their ids."""
        self.requests += asked.requests
        self.complete = self.complete and asked.whole
        if asked.failed is not None:
            self.stopped(asked.failed)


Step = Callable[[Comparison, int | None], Awaitable[bool]]
"""Told after each part: of what is created from then on (seconds; None: it is not known) all is
compared, and brought if that was asked for. False: the rest is left."""
