"""What came by itself and how it enters a list without moving what is being read. Pure.

Above the view an arrival is inserted and the view moves along with its text; below the view it is
inserted out of sight; between visible items it is held back until the reader has moved on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, Generic, TypeVar

from nostr_client.tui.widgets.item_window import ItemWindow

MOST_WAITING = 500
"""Arrivals held back or counted at most; the source has the others."""

T = TypeVar("T")


class Arrivals(Generic[T]):
    """Items on their way into a window: `held` back, and `unseen` so far (keys)."""

    def __init__(self, key: Callable[[T], str], order: Callable[[T], Any]) -> None:
        self._key = key
        self._order = order
        self.held: dict[str, T] = {}
        self.unseen: set[str] = set()

    def add(self, item: T) -> None:
        """Take note of a new item; beyond `MOST_WAITING` it is left to the source."""
        key = self._key(item)
        if len(self.held) < MOST_WAITING:
            self.held[key] = item
        if len(self.unseen) < MOST_WAITING:
            self.unseen.add(key)

    def await_view(self, keys: Iterable[str]) -> None:
        """These came before anybody looked, and have not been in view; the source has them."""
        for key in keys:
            if len(self.unseen) < MOST_WAITING:
                self.unseen.add(key)

    def seen(self, keys: Iterable[str]) -> None:
        self.unseen.difference_update(keys)

    def clear(self) -> None:
        self.held.clear()
        self.unseen.clear()

    def settle(self, window: ItemWindow[T], top: int, height: int, *, grow: bool) -> int:
        """Insert what can be inserted; returns by how many lines the view's `top` moves on.

        The view has `height` lines. With `grow`, a list that does not fill it takes everything.
        """
        shift = 0
        for key, item in sorted(self.held.items(), key=lambda pair: self._order(pair[1])):
            moved = self._insert(window, item, top + shift, height, grow)
            if moved is not None:
                shift += moved
                del self.held[key]
        return shift

    def _insert(
        self, window: ItemWindow[T], item: T, top: int, height: int, grow: bool
    ) -> int | None:
        """The lines by which the view must follow, or None when the item has to wait."""
        place = self._place(item, window.items)
        beyond_start = place == 0 and not window.at_start
        beyond_end = place == len(window) and not window.at_end
        if len(window) and (beyond_start or beyond_end):
            return 0
        if window.lines < height:
            moves_nothing = place == len(window)
            if grow or moves_nothing:
                window.insert(place, item)
            return 0 if grow or moves_nothing else None
        visible = window.span(top, height)
        if place >= visible.stop:
            window.insert(place, item)
            return 0
        cut = top > window.top(visible.start)
        room = window.lines - top >= height
        if room and (place < visible.start or (place == visible.start and not cut)):
            return window.insert(place, item)
        return None

    def _place(self, item: T, others: Collection[T]) -> int:
        order = self._order(item)
        return sum(1 for other in others if self._order(other) < order)
