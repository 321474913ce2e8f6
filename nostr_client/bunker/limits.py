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
