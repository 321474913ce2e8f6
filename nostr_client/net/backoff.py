"""When to dial a relay again: sooner at first, later each time, never never (pure).

Rules:
- The n-th failure in a row puts the next try `FIRST * 2**(n-1)` seconds away, `LONGEST` at most,
  each shortened by a random part of up to a half, so that many clients do not come as one.
- A connection counts as a success only after `STEADY` seconds: a relay that accepts and closes at
  once has failed.
- Somebody's wish may bring the next try forward, but never closer than `RUSH` seconds to the last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

FIRST: Final = 1.0
LONGEST: Final = 300.0
STEADY: Final = 60.0
RUSH: Final = 2.0


class Backoff:
    """The waits of one relay. Times are seconds of any clock that never goes back."""

    def __init__(self, random: Callable[[], float]) -> None:
        """`random` gives numbers from 0 to 1."""
        self._random = random
        self.failures = 0
        self.next_try = float("-inf")
        self._last_try = float("-inf")

    def tried(self, now: float) -> None:
        """An attempt begins."""
        self._last_try = now

    def failed(self, now: float) -> None:
        """An attempt failed, or the connection ended before it was steady."""
        self.failures += 1
        step = min(LONGEST, FIRST * 2 ** min(self.failures - 1, 16))
        self.next_try = now + step * (1 - self._random() / 2)

    def ended(self, now: float, lasted: float) -> None:
        """A connection that was up for `lasted` seconds is gone."""
        if lasted >= STEADY:
            self.failures = 0
        self.failed(now)

    def closed_by_us(self, lasted: float) -> None:
        """We ended a connection that was up for `lasted` seconds: nothing is held against it."""
        if lasted >= STEADY:
            self.failures = 0

    def wait(self, now: float) -> float:
        """Seconds until the next try."""
        return max(0.0, self.next_try - now)

    def hurry(self, now: float) -> None:
        """Somebody asks for this relay by hand: try soon, whatever came before."""
        self.next_try = min(self.next_try, max(now, self._last_try + RUSH))
