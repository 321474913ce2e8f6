"""Columns: more sections and feeds beside the one in front, where the screen is wide.

A column is a section's name, or a hashtag with its sign. One that has no room, or that is the
section in front, is not shown and costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from nostr_client.social.views import NoteView, RelayRow
from nostr_client.tui.panes.pane import PaneContext, PaneView
from nostr_client.tui.panes.registry import PANES
from nostr_client.tui.widgets.note_list import NoteList
from nostr_client.tui.widgets.static_text import StillText
from nostr_client.tui.widgets.watched_feed import WatchedFeed, tag_feed

WIDE_ENOUGH: Final = 200
"""Columns of the terminal from which there are any."""
LEAST: Final = 56
"""Cells that each has at least, as have the section in front and the detail."""
MOST: Final = 8
FIRST: Final = ("notifications",)
"""What stands there as long as nothing was chosen."""


class TagView(PaneView):
    """A hashtag as a column."""

    def __init__(self, context: PaneContext, tag: str) -> None:
        super().__init__()
        self._client = context.client
        self._feed = WatchedFeed(context.client, context.renderer, tag_feed(context.client, tag))

    def compose(self) -> ComposeResult:
        yield self._feed

    @property
    def front(self) -> NoteList:
        return self._feed.notes

    @property
    def notes(self) -> NoteList:
        return self._feed.notes

    def open(self) -> None:
        self._feed.follow()

    def redraw(self, *, shown: bool) -> None:
        self._feed.redraw(now=shown)

    async def poll(self, relays: Sequence[RelayRow], *, shown: bool) -> None:
        if shown:
            await self._feed.refresh_notes(self._client)


class Column(Vertical):
    """One column: a section by its `name`, or a hashtag."""

    def __init__(self, name: str, view: PaneView) -> None:
        super().__init__(classes="column")
        self.called = name
        self.view = view
        self._title = StillText("" if name.startswith("#") else name, classes="head")

    def compose(self) -> ComposeResult:
        yield self._title
        yield self.view

    def on_mount(self) -> None:
        self._title.display = not self.called.startswith("#")  # whose feed says its name
        self.view.open()


def view_of(name: str, context: PaneContext) -> PaneView | None:
    """What a column shows; None for a section that is no more."""
    if name.startswith("#"):
        return TagView(context, name[1:])
    view = next((pane.make(context) for pane in PANES if pane.name == name), None)
    if view is not None:
        view.id = name
    return view


class Columns(Horizontal):
    """The columns; `chosen` are all that there are to be, in their order."""

    def __init__(self, context: PaneContext, chosen: Sequence[str] | None) -> None:
        super().__init__(id="columns")
        self.chosen = tuple(FIRST if chosen is None else chosen)[:MOST]
        self._given = context

    @property
    def shown(self) -> list[Column]:
        return [child for child in self.children if isinstance(child, Column)]

    @property
    def views(self) -> Iterator[PaneView]:
        return (column.view for column in self.shown)

    async def fit(self, room: int, section: str) -> None:
        """Show as many as `room` cells hold beside the section in front."""
        most = max(room // LEAST, 0)
        names = [name for name in self.chosen if name != section][:most]
        for column in self.shown:
            if column.called not in names:
                await column.remove()
        for place, name in enumerate(names):
            there = self.shown
            if place < len(there) and there[place].called == name:
                continue
            moved = next((column for column in there if column.called == name), None)
            if moved is not None:
                self.move_child(moved, before=place)
            elif (view := view_of(name, self._given)) is not None:
                before = place if place < len(there) else None
                await self.mount(Column(name, view), before=before)
        self.display = bool(self.shown)
        self.styles.width = f"{max(len(self.shown), 1)}fr"

    def add(self, name: str) -> bool:
        """One more; False if it is there already, or there are too many."""
        if name in self.chosen or len(self.chosen) >= MOST:
            return False
        self.chosen = (*self.chosen, name)
        return True

    def close(self, name: str) -> None:
        self.chosen = tuple(each for each in self.chosen if each != name)

    def holding(self, widget: Widget | None) -> Column | None:
        """The column that a widget stands in."""
        return next((column for column in self.shown if widget in column.walk_children()), None)

    def arrive(self, notes: list[NoteView]) -> None:
        """What came to the home timeline."""
        for view in self.views:
            view.arrive(notes, awaited=False)

    async def poll(self, relays: Sequence[RelayRow]) -> None:
        """Look at what is shown. Raises NostrError."""
        for view in self.views:
            await view.poll(relays, shown=True)
