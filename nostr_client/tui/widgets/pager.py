"""Reads pages of a `Source` into an `ItemWindow`, in both directions, and keeps the window small.

A page that was asked for before the list was read anew is thrown away when it comes. An edge of
which the source says nothing new counts as reached.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from typing import Generic, TypeVar

from nostr_client.tui.widgets.item_window import ItemWindow
from nostr_client.tui.widgets.items import ItemPage, ItemSource
from nostr_client.tui.widgets.list_place import ListStart

PAGE = 60
"""Items read at once."""
MARGIN = 30
"""Items beyond the view at which the next page is read."""
MOST_HELD = 240
"""Items of a window at most."""

T = TypeVar("T")


class PagePosition(Enum):
    """Which page is asked for."""

    FIRST = "first"
    KEPT = "kept"
    LAST = "last"
    AFTER = "after"
    BEFORE = "before"

    @property
    def restarts(self) -> bool:
        """Does it replace what is held?"""
        return self in (PagePosition.FIRST, PagePosition.KEPT, PagePosition.LAST)


class Pager(Generic[T]):
    """Which pages are being read, and what becomes of them in `window`. `prepare` is done with what
    is to stand beside what is held already."""

    def __init__(
        self, window: ItemWindow[T], prepare: Callable[[Sequence[T]], Awaitable[None]]
    ) -> None:
        self.source: ItemSource[T] | None = None
        self.start: ListStart[T] | None = None
        """Where to begin, if that is not the top."""
        self._window = window
        self._prepare = prepare
        self._round = 0
        self._reading: set[PagePosition] = set()

    def restart(self, source: ItemSource[T]) -> None:
        """Another source; what is still being read from the old one is thrown away."""
        self.source = source
        self._round += 1
        self._reading.clear()

    def begin(self, position: PagePosition) -> int | None:
        """The number of this reading, or None when it is under way or there is no source."""
        if self.source is None or (position in self._reading and not position.restarts):
            return None
        if position.restarts:
            self._round += 1
            self._reading.clear()
        elif not len(self._window):
            return None
        self._reading.add(position)
        return self._round

    async def read(self, position: PagePosition, reading: int) -> ItemPage[T] | None:
        """The page, or None if the list was read anew meanwhile. Raises what the source raises."""
        source = self.source
        if source is None:
            return None
        try:
            page = await self._page(source, position)
            if not position.restarts:
                await self._prepare(page.items)
        finally:
            if reading == self._round:
                self._reading.discard(position)
        return page if reading == self._round else None

    async def _page(self, source: ItemSource[T], position: PagePosition) -> ItemPage[T]:
        match position:
            case PagePosition.FIRST:
                return await source.first(PAGE)
            case PagePosition.KEPT if self.start is not None:
                return await self.start.read(PAGE)
            case PagePosition.KEPT:
                return await source.first(PAGE)
            case PagePosition.LAST:
                return await source.last(PAGE)
            case PagePosition.AFTER:
                return await source.after(self._window.items[-1], PAGE)
            case PagePosition.BEFORE:
                return await source.before(self._window.items[0], PAGE)

    def take(self, position: PagePosition, page: ItemPage[T]) -> int:
        """Put a page where it belongs; returns the lines added above what was held."""
        window, count = self._window, len(self._window)
        match position:
            case PagePosition.FIRST:
                window.replace(page.items, at_start=True, at_end=not page.more)
            case PagePosition.KEPT:
                window.replace(page.items, at_start=False, at_end=not page.more)
            case PagePosition.LAST:
                window.replace(page.items, at_start=not page.more, at_end=True)
            case PagePosition.AFTER:
                window.append(page.items, at_end=not page.more)
                window.at_end |= len(window) == count
            case PagePosition.BEFORE:
                added = window.prepend(page.items, at_start=not page.more)
                window.at_start |= len(window) == count
                return added
        return 0

    def next_page(self, visible: range) -> PagePosition | None:
        """The page to read next, if the view comes near an edge that is not the end."""
        if not len(self._window) or any(position.restarts for position in self._reading):
            return None
        if not self._window.at_end and visible.stop + MARGIN >= len(self._window):
            return PagePosition.AFTER
        if not self._window.at_start and visible.start - MARGIN <= 0:
            return PagePosition.BEFORE
        return None

    def is_awaited(self, index: int | None) -> bool:
        """Is a page under way without which nobody gets on from this item?"""
        if any(position.restarts for position in self._reading):
            return True
        below = PagePosition.AFTER in self._reading and index == len(self._window) - 1
        return below or (PagePosition.BEFORE in self._reading and index == 0)

    def trim(self, visible: range) -> int:
        """Drop what is far from the view; returns the lines dropped above it."""
        extra = len(self._window) - MOST_HELD
        if extra <= 0:
            return 0
        above = min(extra, max(visible.start - MARGIN - PAGE, 0))
        below = max(len(self._window) - (extra - above), visible.stop + MARGIN + PAGE)
        return self._window.keep(range(above, min(below, len(self._window))))

    def shrink(self, visible: range) -> int:
        """Hold only what is around the view; returns the lines dropped above it."""
        start = max(visible.start - PAGE, 0)
        stop = min(visible.stop + PAGE, len(self._window))
        return self._window.keep(range(start, stop)) if stop > start else 0

    def give_up(self) -> None:
        """The source failed: ask for no more pages until it is read anew."""
        self._window.at_start = self._window.at_end = True
