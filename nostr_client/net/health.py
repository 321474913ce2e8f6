"""What we know of each relay: is it up, how fast, what it delivered, and its last words."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from nostr_client.net.outcome import Cause

MAX_WORDS: Final = 500
"""Characters kept of each thing that a relay says."""
WORDS_KEPT: Final = 8
MAX_RELAYS: Final = 4096
"""Relays that a book remembers; the one unused for longest goes first."""
SLOW: Final = 3.0
"""Seconds from which a relay's answers make it slow."""

UNKNOWN: Final = "unknown"
CONNECTING: Final = "connecting"
UP: Final = "up"
SLOW_STATE: Final = "slow"
DOWN: Final = "down"
REFUSING: Final = "refusing"


class Counters(msgspec.Struct):
    """How often each thing happened on one relay since the start. None is lost silently."""

    frames: int = 0
    heard_bytes: int = 0
    """Of all messages that came, uncompressed and without what WebSocket and TLS add."""
    said_bytes: int = 0
    """Of all that were sent, or are to be at once."""
    events: int = 0
    delivered: int = 0
    """Events that were verified, or equal to one held, and reached a subscription."""
    repeated: int = 0
    """Events that the same relay had sent to the same subscription before."""
    oversized: int = 0
    """Messages that were too large to be kept (`large_frames`)."""
    malformed: int = 0
    mismatched: int = 0
    """Events that no filter of their subscription asked for."""
    excessive: int = 0
    """Subscriptions that were ended since far more came than their limit."""
    forged: int = 0
    """Events whose signature is not their author's."""
    stray: int = 0
    """Frames for a subscription, count or event that nobody asked for, or not any more."""
    unknown: int = 0
    notices: int = 0
    closed: int = 0
    challenges: int = 0
    accepted: int = 0
    refused: int = 0
    connected: int = 0
    failed: int = 0
    """Attempts to connect that failed, and connections that were lost."""


class RelayHealth(msgspec.Struct):
    """One relay. `state` is one of the names at the head of this file."""

    url: str
    state: str = UNKNOWN
    latency: float | None = None
    """Seconds of the last round trip: the WebSocket handshake, later the pings."""
    since: float = 0.0
    """When `state` was entered, in seconds since 1970."""
    problem: str = ""
    """Why it is down or refusing, in our words."""
    auth_refused: str = ""
    """How it refused our key, raw, when it was told who we are: it is not told again."""
    untold: str = ""
    """Why it was not told who we are, the last time that it wanted to know, in our words."""
    not_reached: Cause | None = None
    """Why the last try to connect failed, if it did."""
    counters: Counters = msgspec.field(default_factory=Counters)
    words: deque[str] = msgspec.field(default_factory=lambda: deque(maxlen=WORDS_KEPT))
    """The relay's own last words, raw: NOTICE, CLOSED, refusals. `safe_line` before showing."""

    @property
    def last_word(self) -> str:
        """The last of `words`, or nothing."""
        return self.words[-1] if self.words else ""

    @property
    def delivered(self) -> int:
        return self.counters.delivered

    @property
    def failed(self) -> int:
        return self.counters.failed

    def heard(self, text: str) -> None:
        """The relay said something in its own words."""
        self.words.append(text[:MAX_WORDS])

    def enter(self, state: str, now: float, problem: str = "") -> None:
        """The state is now `state`; `now` in seconds since 1970."""
        if state != self.state:
            self.state, self.since = state, now
        self.problem = problem[:MAX_WORDS]

    def measured(self, latency: float, now: float) -> None:
        """A round trip took `latency` seconds."""
        self.latency = latency
        if self.state in (UP, SLOW_STATE):
            self.enter(SLOW_STATE if latency >= SLOW else UP, now)


class HealthBook:
    """The health of every relay that was asked for, in memory, bounded."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._relays: dict[str, RelayHealth] = {}

    def of(self, url: str) -> RelayHealth:
        """The entry of `url` (normal spelling), made if need be."""
        entry = self._relays.pop(url, None) or RelayHealth(url, since=self._clock())
        self._relays[url] = entry
        if len(self._relays) > MAX_RELAYS:
            del self._relays[next(iter(self._relays))]
        return entry

    def __iter__(self) -> Iterator[RelayHealth]:
        return iter(tuple(self._relays.values()))
