"""Reads pages of a `Source` into a `Window`, in both directions, and keeps the window small.

A page that was asked for before the list was read anew is thrown away when it comes. An edge of
which the source says nothing new counts as reached.
"""

from __future__ import annotations

from enum import Enum
from typing import Generic, TypeVar

from nostr_client.tui.widgets.source import Page, Source
from nostr_client.tui.widgets.window import Window

PAGE = 60
"""Items read at once."""
MARGIN = 30
"""Items beyond the view at which the next page is read."""
MOST_HELD = 240
"""Items of a window at most."""

T = TypeVar("T")


class Part(Enum):
    """Which page is asked for."""

    FIRST = "first"
    LAST = "last"
    AFTER = "after"
    BEFORE = "before"

    @property
    def anew(self) -> bool:
        """Does it replace what is held?"""
        return self in (Part.FIRST, Part.LAST)


class Pager(Generic[T]):
    """Which pages are being read, and what becomes of them in `window`."""

    def __init__(self, window: Window[T]) -> None:
        self.source: Source[T] | None = None
        self._window = window
        self._round = 0
        self._reading: set[Part] = set()

    def restart(self, source: Source[T]) -> None:
        """Another source; what is still being read from the old one is thrown away."""
        self.source = source
        self._round += 1
        self._reading.clear()

    def begin(self, part: Part) -> int | None:
        """The number of this reading, or None when it is under way or there is no source."""
        if self.source is None or (part in self._reading and not part.anew):
            return None
        if part.anew:
            self._round += 1
            self._reading.clear()
        elif not len(self._window):
            return None
        self._reading.add(part)
        return self._round

    async def read(self, part: Part, reading: int) -> Page[T] | None:
        """The page, or None if the list was read anew meanwhile. Raises what the source raises."""
        source = self.source
        if source is None:
            return None
        try:
            page = await self._page(source, part)
        finally:
            if reading == self._round:
                self._reading.discard(part)
        return page if reading == self._round else None

    async def _page(self, source: Source[T], part: Part) -> Page[T]:
        match part:
            case Part.FIRST:
                return await source.first(PAGE)
            case Part.LAST:
                return await source.last(PAGE)
            case Part.AFTER:
                return await source.after(self._window.items[-1], PAGE)
            case Part.BEFORE:
                return await source.before(self._window.items[0], PAGE)

    def take(self, part: Part, page: Page[T]) -> int:
        """Put a page where it belongs; returns the lines added above what was held."""
        window, count = self._window, len(self._window)
        match part:
            case Part.FIRST:
                window.replace(page.items, at_start=True, at_end=not page.more)
            case Part.LAST:
                window.replace(page.items, at_start=not page.more, at_end=True)
            case Part.AFTER:
                window.append(page.items, at_end=not page.more)
                window.at_end |= len(window) == count
            case Part.BEFORE:
                added = window.prepend(page.items, at_start=not page.more)
                window.at_start |= len(window) == count
                return added
        return 0

    def next_part(self, visible: range) -> Part | None:
        """The page to read next, if the view comes near an edge that is not the end."""
        if not len(self._window) or any(part.anew for part in self._reading):
            return None
        if not self._window.at_end and visible.stop + MARGIN >= len(self._window):
            return Part.AFTER
        if not self._window.at_start and visible.start - MARGIN <= 0:
            return Part.BEFORE
        return None

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
