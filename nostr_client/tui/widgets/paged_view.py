"""The part of a long list that is held, and its lines on the screen (Textual's line API).

It reads its items from a `Source` by pages, in both directions, and holds an `ItemWindow` of them:

- memory is bounded: the far side of a large window is dropped, and read again when somebody comes
  back to it (`Pager`);
- what arrives by itself never moves what is being read (`Arrivals`); `Unseen` says how many wait;
- only while a list has not filled its view, and nobody has touched it, does it simply grow;
- the selection is a key, not a line: it survives pages, arrivals and changes of width.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Generic, TypeVar

from textual import events
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.style import Style

from nostr_client.errors import NostrError
from nostr_client.tasks import Turns
from nostr_client.tui.widgets.arrivals import Arrivals
from nostr_client.tui.widgets.item_window import ItemWindow
from nostr_client.tui.widgets.items import FixedItems, ItemPage, ItemRenderer, ItemSource
from nostr_client.tui.widgets.list_messages import Failed, Filled, Highlighted, Unseen
from nostr_client.tui.widgets.list_place import ListPlace, ListStart
from nostr_client.tui.widgets.movement import reveal
from nostr_client.tui.widgets.pager import PAGE, PagePosition, Pager
from nostr_client.tui.widgets.render_cache import SELECTED, RenderCache
from nostr_client.tui.workers import start_worker

T = TypeVar("T")


class PagedView(ScrollView, Generic[T]):
    """A list over a `source`, drawn by a `renderer`; `gap` is the number of lines between items."""

    def __init__(self, renderer: ItemRenderer[T], *, gap: int = 1, id: str | None = None) -> None:
        super().__init__(id=id)
        self.renderer = renderer
        self._cache = RenderCache(renderer, gap)
        self._window: ItemWindow[T] = ItemWindow(
            renderer.key, lambda item: self._cache.height(item, self._style)
        )
        self._pager = Pager(self._window, self._lay_out)
        self._arrivals: Arrivals[T] = Arrivals(renderer.key, renderer.order)
        self._styles: dict[str, Style] = {}
        self._selected = self._preferred = ""
        self._touched = False
        self.was_read = asyncio.Event()
        """Set once its first page is there, or could not be read."""
        self.takes_keys = asyncio.Event()
        """Not set while a page is on its way without which the next key cannot move."""
        self.takes_keys.set()

    # What others ask

    @property
    def items(self) -> Sequence[T]:
        """The items held at present: a part of the list."""
        return self._window.items

    @property
    def selected(self) -> T | None:
        """The selected item, if it is among those held."""
        index = self._window.index_of(self._selected)
        return None if index is None else self._window.items[index]

    @property
    def unseen(self) -> int:
        """Arrivals that have not been in view, as far as they are counted."""
        return len(self._arrivals.unseen)

    @property
    def at_top(self) -> bool:
        """Is the very first item, as far as it was read, in view?"""
        return self._window.at_start and self.scroll_offset.y == 0

    @property
    def in_view(self) -> Sequence[T]:
        """The items of which some line is visible."""
        span = self._visible()
        return self._window.items[span.start : span.stop]

    def rows_in_view(self) -> Iterator[tuple[T, range]]:
        """The items in view, and on which rows of the view they stand."""
        for index in self._visible():
            top = self._window.top(index) - self.scroll_offset.y
            end = min(top + self._window.height(index), self._view_height)
            yield self._window.items[index], range(max(top, 0), end)

    @property
    def top(self) -> T | None:
        """The item at the top of the view, also while the list is hidden."""
        line = self.scroll_offset.y
        return self._window.items[self._window.at(line)[0]] if line < self._window.lines else None

    @property
    def place(self) -> ListPlace | None:
        """Where one is; None in an empty list."""
        anchor = self._anchor()
        return None if anchor is None else ListPlace(self._selected, *anchor)

    def prefer(self, key: str) -> None:
        """The item to select when the list is filled for the first time."""
        if not len(self._window):
            self._preferred = key

    def show(
        self, source: ItemSource[T], *, select: str = "", start: ListStart[T] | None = None
    ) -> None:
        """Read a source from its top, or where `start` says; `select` is the key to select if the
        first page has it."""
        self._pager.source, self._pager.start = source, start
        self._touched = False
        self._selected = select or self._preferred
        self._read(PagePosition.FIRST if start is None else PagePosition.KEPT)

    def count_unseen(self, keys: Iterable[str]) -> None:
        """These items are above what was read so far, and new."""
        if not self.at_top:
            self._arrivals.await_view(keys)
            self._tell_unseen()

    def renew(self, source: FixedItems[T], *, select: str = "", around: int = PAGE) -> None:
        """The same list in a new state: what is being read stays where it is.

        With `select` another list instead, read from the item of that key on. `around`: so many
        items are laid out at once, the others in turns with the keys.
        """
        if self._preferred and not len(self._window) and len(source):
            select, self._preferred = select or self._preferred, ""
        anchor = None if select else self._anchor()
        if anchor is not None and anchor[0] not in source:  # what is at the top is gone
            anchor = self._selected, 0
        key = select or (anchor[0] if anchor else self._selected)
        items, at_start, at_end = source.around(key, around)
        self._pager.restart(source)
        self._cache.forget_all()
        self._window.replace(items, at_start=at_start, at_end=at_end)
        self._return_to((select, 0) if select else anchor)
        index = self._window.index_of(select or self._selected)
        if select or index is None:
            self._select(index or 0)
        if anchor is not None and anchor[0] not in source:
            self._scroll(0)
        self.post_message(Filled(self, not items))

    def go_to(self, key: str) -> None:
        """Select an item of those held, and show it at the top; without effect if it is not."""
        index = self._window.index_of(key)
        if index is not None:
            self._scroll(self._window.top(index))
            self._select(index)

    def select(self, key: str) -> None:
        """Select an item of those held; without effect if it is not."""
        index = self._window.index_of(key)
        if index is not None:
            self._touched = True
            self._select(index)

    def arrive(self, items: Iterable[T]) -> None:
        """New items, in any order; those held already are taken as their new state."""
        empty = not len(self._window)
        for item in items:
            if self.renderer.key(item) in self._window:
                self.update(item)
            else:
                self._arrivals.add(item)
        self._settle()
        if empty and len(self._window):
            self._select(0)
            self.post_message(Filled(self, False))
        self._tell_unseen()

    def update(self, item: T) -> None:
        """A new state of an item; without effect when it is not held."""
        key = self.renderer.key(item)
        index = self._window.index_of(key)
        if index is None:
            return
        self._cache.forget([key])
        above = self._window.top(index + 1) <= self.scroll_offset.y
        grown = self._window.update(item)
        self._resized(grown if above else 0)
        if key == self._selected:
            self.post_message(Highlighted(self, item))

    def redraw(self, keys: Iterable[str] | None = None) -> None:
        """Lay out again what the renderer shows differently now: all, or these keys."""
        anchor = self._anchor()
        if keys is None:
            self._pager.shrink(self._visible())
            self._cache.forget_all()
        else:
            self._cache.forget(keys)
        self._window.remeasure()
        self._return_to(anchor)

    def repaint(self) -> None:
        """Say anew what changes with time; nothing changes its height by that."""
        self._cache.forget_colours()
        self.refresh()

    # Reading

    def _read(self, position: PagePosition) -> None:
        reading = self._pager.begin(position)
        if reading is not None:
            start_worker(self, partial(self._turn_page, position, reading), position.value)

    async def _turn_page(self, position: PagePosition, reading: int) -> None:
        try:
            page = await self._pager.read(position, reading)
        except NostrError as error:
            self._pager.give_up()
            self.post_message(Failed(self, error))
            return
        finally:
            self.takes_keys.set()
            self.was_read.set()
        if page is not None and self.is_mounted:
            self._take(position, page)

    async def _lay_out(self, items: Sequence[T]) -> None:
        """Before a page is put in its place: a key does not wait for all of it."""
        turns = Turns()
        for item in items:
            self._cache.height(item, self._style)
            await turns.rest()

    def _take(self, position: PagePosition, page: ItemPage[T]) -> None:
        if position.restarts:
            self._cache.forget_all()
        if position is PagePosition.KEPT and not page.items:
            self._read(PagePosition.FIRST)  # what stood there is gone, and all below it
            return
        if position is PagePosition.FIRST:
            self._arrivals.clear()
        added = self._pager.take(position, page)
        self._resized(added)
        self._trim()
        if position is PagePosition.LAST:
            self._scroll(self._window.lines)
            self._select(len(self._window) - 1)
        elif position is PagePosition.KEPT and self._pager.start is not None:
            place = self._pager.start.place
            self._return_to((place.top, place.hidden))
            chosen = self._window.index_of(place.selected)
            self._select(chosen or self._window.index_of(place.top) or 0)
            self._tell_unseen()
            self.post_message(Filled(self, False))
        elif position is PagePosition.FIRST:
            found = None if self._touched else self._window.index_of(self._selected)
            self._scroll(0)
            self._select(found or 0)
            if found:
                self._scroll(reveal(self._window, found, 0, self._view_height))
            self._tell_unseen()
            self.post_message(Filled(self, not page.items))

    def _read_on(self) -> None:
        position = self._pager.next_page(self._visible())
        if position is not None:
            self._read(position)

    def _trim(self) -> None:
        dropped = self._pager.trim(self._visible())
        if len(self._window) and dropped:
            self._resized(-dropped)
        self._cache.keep_only(self.renderer.key(item) for item in self._window.items)

    def _settle(self) -> None:
        grow = not self._touched
        shift = self._arrivals.settle(
            self._window, self.scroll_offset.y, self._view_height, grow=grow
        )
        self._resized(shift)
        self._trim()

    def _tell_unseen(self) -> None:
        self._arrivals.seen(self.renderer.key(item) for item in self.in_view)
        self.post_message(Unseen(self, len(self._arrivals.unseen)))

    # Layout

    @property
    def _view_height(self) -> int:
        return self.scrollable_content_region.height

    def _visible(self) -> range:
        return self._window.span(self.scroll_offset.y, self._view_height)

    def _style(self, name: str) -> Style:
        if not self.is_attached:  # closed while something was on its way to it
            return Style()
        if name not in self._styles:
            # The base of a line is whole; what is laid over it only says what it changes.
            try:
                self._styles[name] = self.get_visual_style(name, partial=name != SELECTED)
            except KeyError:  # the style sheet comes to a new widget a moment after its rows
                return Style()
        return self._styles[name]

    def _anchor(self) -> tuple[str, int] | None:
        """The item at the top of the view, and how many of its lines are above it."""
        if self.scroll_offset.y >= self._window.lines:
            return None
        index, offset = self._window.at(self.scroll_offset.y)
        return self.renderer.key(self._window.items[index]), offset

    def _return_to(self, anchor: tuple[str, int] | None) -> None:
        self._resized(0)
        index = None if anchor is None else self._window.index_of(anchor[0])
        if anchor is not None and index is not None:
            self._scroll(self._window.top(index) + min(anchor[1], self._window.height(index) - 1))

    def _resized(self, shift: int) -> None:
        """Tell Textual the new height; `shift` lines came or went above the view."""
        target = self.scroll_offset.y + shift
        # Not by assignment, which has the whole screen laid out: what is inside never sizes a list.
        size = Size(self._cache.width, self._window.lines)
        self.set_reactive(PagedView.virtual_size, size)
        if shift:
            self._scroll(target)
        self.refresh()
        self.call_after_refresh(self._read_on)

    def _scroll(self, line: int) -> None:
        self.scroll_to(y=line, animate=False, force=True)

    def on_resize(self, event: events.Resize) -> None:
        width = self.scrollable_content_region.width
        if width != self._cache.width:
            self._cache.width = width
            self.redraw()
        self._settle()
        self._tell_unseen()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles.clear()
        self._cache.forget_colours()

    def watch_has_focus(self, has_focus: bool) -> None:
        """No style of a list depends on it, so none is worked out anew; its rows are painted by it
        anyway."""

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) == round(new_value):
            return
        if self._arrivals.held:
            self._settle()
        if self._arrivals.unseen:
            self._tell_unseen()
        self._read_on()

    def render_line(self, y: int) -> Strip:
        line = self.scroll_offset.y + y
        if line < self._window.lines:
            index, offset = self._window.at(line)
            item = self._window.items[index]
            mark = ""
            if self.renderer.key(item) == self._selected:
                mark = "list--mark" if self.has_focus else "list--mark-blurred"
            strips = self._cache.strips(item, self.visual_style, self._style, mark)
            if offset < len(strips):
                return strips[offset]
        return self._cache.blank(self.visual_style)

    # Moving

    def _select(self, index: int) -> None:
        if not len(self._window):
            self._selected = ""
            self.post_message(Highlighted(self, None))
            return
        item = self._window.items[max(0, min(index, len(self._window) - 1))]
        self._refresh_selected()
        self._selected = self.renderer.key(item)
        self._refresh_selected()
        self.post_message(Highlighted(self, item))

    def _refresh_selected(self) -> None:
        index = self._window.index_of(self._selected)
        if index is not None:
            self.refresh_lines(self._window.top(index), self._window.height(index))
