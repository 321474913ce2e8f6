"""How much of what strangers send by themselves is taken in a while."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

WINDOW: Final = 3600.0
"""Seconds after which each may send as much again."""


class StrangerAllowance:
    """In `WINDOW` seconds `each` stranger may send so many events, and `all` of them together so
    many: a thousand keys are made in a second. `clock` counts seconds."""

    def __init__(self, each: int, all: int, clock: Callable[[], float]) -> None:
        self._each = each
        self._all = all
        self._clock = clock
        self._since = clock()
        self._taken: set[str] = set()
        self._by: Counter[str] = Counter()
        self.refused = 0
        """How many had no room, all in all."""

    def takes(self, event_id: str, by: str) -> bool:
        """Is there room for this event? One that was taken already takes no more of it."""
        if not 0 <= self._clock() - self._since < WINDOW:
            self._since = self._clock()
            self._taken.clear()
            self._by.clear()
        if event_id in self._taken:
            return True
        if len(self._taken) >= self._all or self._by[by] >= self._each:
            self.refused += 1
            return False
        self._taken.add(event_id)
        self._by[by] += 1
        return True
