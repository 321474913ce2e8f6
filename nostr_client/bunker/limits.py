"""How much strangers may ask (pure): whoever is not connected costs a bunker little, however many
keys he has."""

from __future__ import annotations

from typing import Final

STRANGERS_A_SECOND: Final = 100.0
"""Requests of all strangers together that are looked at; some 0.1 ms of work each."""
STRANGERS_AT_ONCE: Final = 200.0
ONE_A_SECOND: Final = 0.2
"""The same of one key."""
ONE_AT_ONCE: Final = 5.0
MOST_KEYS: Final = 1024
ANSWERS_A_SECOND: Final = 1.0
"""Answers to strangers, each a signature and an event to every relay: so many to those who come
with a code that was ours, and so many to all others."""
ANSWERS_AT_ONCE: Final = 10.0
LINES_A_SECOND: Final = 1 / 60
"""Lines about strangers in the log, however many they are."""


class Bucket:
    """So many at once, and then so many a second. Times are seconds of any clock."""

    def __init__(self, rate: float, size: float) -> None:
        self._rate, self._size = rate, size
        self._left, self._at = size, float("-inf")

    def take(self, now: float) -> bool:
        """One more, if there is one."""
        passed = max(0.0, now - self._at)
        self._left = min(self._size, self._left + passed * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class StrangerLimit:
    """What strangers may ask, each and together."""

    def __init__(self) -> None:
        self._all = Bucket(STRANGERS_A_SECOND, STRANGERS_AT_ONCE)
        self._each: dict[str, Bucket] = {}

    def admits(self, pubkey: str, now: float) -> bool:
        """May this one be looked at now?"""
        bucket = self._each.pop(pubkey, None) or Bucket(ONE_A_SECOND, ONE_AT_ONCE)
        self._each[pubkey] = bucket  # behind the others: who asked least lately is forgotten
        while len(self._each) > MOST_KEYS:
            del self._each[next(iter(self._each))]
        return bucket.take(now) and self._all.take(now)


class StrangerAnswers:
    """How many strangers are answered that they are not let in. Who guesses does not keep him from
    an answer who comes with a code that was ours."""

    def __init__(self) -> None:
        self._known = Bucket(ANSWERS_A_SECOND, ANSWERS_AT_ONCE)
        self._guessed = Bucket(ANSWERS_A_SECOND, ANSWERS_AT_ONCE)

    def admits(self, now: float, *, was_ours: bool) -> bool:
        """One more, now? `was_ours`: the code that he came with."""
        return (self._known if was_ours else self._guessed).take(now)


class StrangerCount:
    """Strangers that came and were not let in, told of in few lines."""

    def __init__(self) -> None:
        self._lines = Bucket(LINES_A_SECOND, 1)
        self._count = 0

    def add(self) -> None:
        """One more."""
        self._count += 1

    def taken(self, now: float) -> int:
        """How many came since the last line, where it is time for another; else 0."""
        if not self._count or not self._lines.take(now):
            return 0
        count, self._count = self._count, 0
        return count
