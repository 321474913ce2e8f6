"""The part of a long list that is laid out: pure arithmetic, no screen, no store.

A list may hold a hundred thousand items of different heights; an `ItemWindow` holds a few hundred
of them in a row, knows how many lines each one takes, and says which item is on which line. Its
rules:

- items keep their order, and no key is in it twice;
- `at_start` and `at_end` say that nothing is known to lie beyond that edge;
- what is added or dropped above a line changes that line's number by exactly the height added or
  dropped, and every method that does so returns this number, so that the view can follow.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

T = TypeVar("T")


class ItemWindow(Generic[T]):
    """Consecutive items of a list, with the lines that they take.

    `key` names an item for good; `height` gives its lines, at least 1, at the current width.
    """

    def __init__(self, key: Callable[[T], str], height: Callable[[T], int]) -> None:
        self._key = key
        self._height = height
        self._items: list[T] = []
        self._index: dict[str, int] = {}
        self._tops: list[int] = [0]
        self.at_start = False
        self.at_end = False

    @property
    def items(self) -> Sequence[T]:
        return self._items

    @property
    def lines(self) -> int:
        """The height of the whole window."""
        return self._tops[-1]

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: object) -> bool:
        return key in self._index

    def index_of(self, key: str) -> int | None:
        return self._index.get(key)

    def top(self, index: int) -> int:
        """The first line of an item; of the one past the last: the height of the window."""
        return self._tops[index]

    def height(self, index: int) -> int:
        return self._tops[index + 1] - self._tops[index]

    def at(self, line: int) -> tuple[int, int]:
        """The item on a line and how far into the item the line is. The line must exist."""
        index = bisect_right(self._tops, line) - 1
        return index, line - self._tops[index]

    def span(self, top: int, height: int) -> range:
        """The indexes of all items of which some line is among `height` lines from `top`."""
        if not self._items or height <= 0 or top >= self.lines:
            return range(0)
        first = self.at(max(top, 0))[0]
        last = self.at(max(min(top + height, self.lines) - 1, 0))[0]
        return range(first, last + 1)

    def replace(self, items: Iterable[T], *, at_start: bool, at_end: bool) -> None:
        """Hold these items and no others."""
        self._items = self._without_twins(items, set())
        self.at_start, self.at_end = at_start, at_end
        self._measure()

    def append(self, items: Iterable[T], *, at_end: bool) -> None:
        """More items below the last one."""
        self._items += self._without_twins(items, self._index)
        self.at_end = at_end
        self._measure()

    def prepend(self, items: Iterable[T], *, at_start: bool) -> int:
        """More items above the first one; returns the lines added above."""
        before = self.lines
        self._items[:0] = self._without_twins(items, self._index)
        self.at_start = at_start
        self._measure()
        return self.lines - before

    def insert(self, index: int, item: T) -> int:
        """One item at a place; returns its height. Its key must be new."""
        self._items.insert(index, item)
        self._measure()
        return self.height(index)

    def update(self, item: T) -> int:
        """A new state of an item that is held; returns by how many lines it grew."""
        index = self._index[self._key(item)]
        before = self.height(index)
        self._items[index] = item
        self._measure()
        return self.height(index) - before

    def keep(self, kept: range) -> int:
        """Drop all items outside of a range of indexes; returns the lines dropped above it."""
        above = self._tops[kept.start]
        if kept.start > 0:
            self.at_start = False
        if kept.stop < len(self._items):
            self.at_end = False
        self._items = self._items[kept.start : kept.stop]
        self._measure()
        return above

    def remeasure(self) -> None:
        """Ask for every height again, as after a change of width."""
        self._measure()

    def _without_twins(self, items: Iterable[T], held: Iterable[str]) -> list[T]:
        seen = set(held)
        fresh = []
        for item in items:
            key = self._key(item)
            if key not in seen:
                seen.add(key)
                fresh.append(item)
        return fresh

    def _measure(self) -> None:
        self._index = {self._key(item): index for index, item in enumerate(self._items)}
        self._tops = [0, *accumulate(self._height(item) for item in self._items)]
