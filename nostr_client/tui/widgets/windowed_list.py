"""A list of any length, of which only what is visible is drawn, and what the keys do in it."""

from __future__ import annotations

from typing import ClassVar, Final, TypeVar

from textual import events

from nostr_client.tui.keymap import LIST
from nostr_client.tui.widgets.list_messages import Chosen
from nostr_client.tui.widgets.movement import Move, reveal, steps, turns
from nostr_client.tui.widgets.paged_view import PagedView
from nostr_client.tui.widgets.pager import PagePosition

T = TypeVar("T")
MOVES: Final = frozenset({"next", "previous", "page_down", "page_up", "newest", "oldest"})
"""Actions that only move within the list, at once: nothing of them is waited for."""


class WindowedList(PagedView[T], can_focus=True):
    """Keys and clicks on what a `PagedView` shows."""

    ALLOW_SELECT = False
    BINDINGS = LIST.bindings()
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"list--{name}"
        for name in (
            *("selected", "mark", "mark-blurred"),
            *("strong", "dim", "good", "warn", "bad"),
        )
    }
    # No scrollbar: it could only speak of the part that is held.
    DEFAULT_CSS = """
    WindowedList { overflow-x: hidden; overflow-y: scroll; scrollbar-size-vertical: 0; }
    """

    _times = 1
    """How often the key that is dealt with moves."""

    def move_by_key(self, key: str, times: int = 1) -> bool:
        """Does this key move within the list? Then it has, so many times, when this returns."""
        active = self.screen.active_bindings.get(key)
        if active is None or active.node is not self or active.binding.action not in MOVES:
            return False
        self._times = times
        getattr(self, f"action_{active.binding.action}")()
        self._times = 1
        if self._pager.is_awaited(self._window.index_of(self._selected)):
            self.takes_keys.clear()
        return True

    def _move(self, move: Move) -> None:
        self._touched = True
        if move.select is not None:
            self._select(move.select)
        if move.top != self.scroll_offset.y:
            self._scroll(move.top)

    def _step(self, by: int) -> None:
        top, selected = self.scroll_offset.y, self._window.index_of(self._selected)
        self._move(steps(self._window, selected, top, self._view_height, by * self._times))

    def _turn(self, by: int) -> None:
        top = self.scroll_offset.y
        self._move(turns(self._window, top, self._view_height, by * self._times))

    def action_next(self) -> None:
        self._step(1)

    def action_previous(self) -> None:
        self._step(-1)

    def action_page_down(self) -> None:
        self._turn(1)

    def action_page_up(self) -> None:
        self._turn(-1)

    def action_newest(self) -> None:
        """To the top, with all that arrived; with a count to the item of that number from there, as
        far as it is held."""
        if self._times > 1 and self._window.at_start and len(self._window):
            index = min(self._times, len(self._window)) - 1
            top = reveal(self._window, index, self.scroll_offset.y, self._view_height)
            self._move(Move(top, index))
            return
        self._touched = True
        if not self._window.at_start or self._arrivals.held:
            self._read(PagePosition.FIRST)
            return
        self._scroll(0)
        self._select(0)
        self._arrivals.unseen.clear()
        self._tell_unseen()

    def action_oldest(self) -> None:
        """To the end; with a count as `action_newest`."""
        if self._times > 1:
            self.action_newest()
            return
        self._touched = True
        if not self._window.at_end:
            self._read(PagePosition.LAST)
            return
        self._scroll(self._window.lines)
        self._select(len(self._window) - 1)

    def action_choose(self) -> None:
        if (item := self.selected) is not None:
            self.post_message(Chosen(self, item))

    def on_click(self, event: events.Click) -> None:
        """A click selects, another one on the same item opens it."""
        event.stop()
        line = self.scroll_offset.y + event.y
        if line >= self._window.lines:
            return
        self._touched = True
        index = self._window.at(line)[0]
        if self.renderer.key(self._window.items[index]) == self._selected:
            self.action_choose()
        else:
            self._select(index)
