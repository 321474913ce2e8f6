"""Columns: more sections and feeds beside the one in front, where the screen is wide.

A column is a section's name, a hashtag with its sign, the URL of a relay, or the address of a list
(NIP-51). One that has no room, or that is the section in front, is not shown and costs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Final

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from nostr_client.client import NostrClient
from nostr_client.errors import NostrError
from nostr_client.social.views import NoteView, RelayRow
from nostr_client.tui.acts.grouping import words_of
from nostr_client.tui.panes.pane import PaneContext, PaneView
from nostr_client.tui.panes.registry import PANES
from nostr_client.tui.saying import Say
from nostr_client.tui.targets import AddressTarget
from nostr_client.tui.widgets.note_list import NoteList
from nostr_client.tui.widgets.pager import PAGE
from nostr_client.tui.widgets.static_text import StillText
from nostr_client.tui.widgets.watched_feed import (
    FeedSource,
    WatchedFeed,
    find_set,
    nothing,
    relay_feed,
    set_feed,
    tag_feed,
)
from nostr_client.tui.workers import start_worker

WIDE_ENOUGH: Final = 200
"""Columns of the terminal from which there are any."""
LEAST: Final = 56
"""Cells that each has at least, as have the section in front and the detail."""
MOST: Final = 8
READ_EVERY: Final = 60.0
"""Seconds after which a relay's feed is read again, while it is shown."""
NO_LIST: Final = "This list is not here, and no relay that was asked has it."
FindSource = Callable[[], Awaitable[FeedSource | None]]
"""Finds what a feed is of; None where it is nowhere. Raises NostrError."""
FIRST: Final = ("notifications",)
"""What stands there as long as nothing was chosen."""


class FeedView(PaneView):
    """A feed that is no section as a column. `find`: it has to be found out what it is of."""

    def __init__(
        self, context: PaneContext, source: FeedSource, find: FindSource | None = None
    ) -> None:
        super().__init__()
        self._client = context.client
        self._source = source
        self._find = find
        self._read_at = time.monotonic()
        self._feed = WatchedFeed(context.client, context.renderer, source)

    def compose(self) -> ComposeResult:
        yield self._feed

    @property
    def front(self) -> NoteList:
        return self._feed.notes

    @property
    def notes(self) -> NoteList:
        return self._feed.notes

    def open(self) -> None:
        if self._find is None:
            self._feed.follow()
        else:
            start_worker(self, partial(self._begin, self._find), "find")

    async def _begin(self, find: FindSource) -> None:
        try:
            source = await find()
        except NostrError as error:
            self.post_message(Say(str(error), "error"))
            return
        if source is not None:
            self._source = source
            self._feed.become(source)
        self._feed.follow()

    def redraw(self, *, shown: bool) -> None:
        self._feed.redraw(now=shown)

    async def poll(self, relays: Sequence[RelayRow], *, shown: bool) -> None:
        if not shown:
            return
        await self._feed.refresh_notes(self._client)
        if self._source.wanted is None and time.monotonic() - self._read_at > READ_EVERY:
            self._read_at = time.monotonic()
            start_worker(self, self._read_new, "news", exclusive=True)

    async def _read_new(self) -> None:
        """What nobody watches is read again."""
        try:
            self._feed.arrive(await self._source.read(None, PAGE))
        except NostrError as error:
            self.post_message(Say(str(error), "error"))


class Column(Vertical):
    """One column, by its `name`."""

    def __init__(self, name: str, view: PaneView) -> None:
        super().__init__(classes="column")
        self.called = name
        self.view = view
        self._title = StillText(name, classes="head")

    def compose(self) -> ComposeResult:
        yield self._title
        yield self.view

    def on_mount(self) -> None:
        self._title.display = not isinstance(self.view, FeedView)  # which says its name
        self.view.open()


def view_of(name: str, context: PaneContext) -> PaneView | None:
    """What a column shows; None for a section that is no more."""
    client = context.client
    if name.startswith("#"):
        return FeedView(context, tag_feed(client, name[1:]))
    if name.startswith(("wss://", "ws://")):
        client.book.policy.use_from_code([name])
        return FeedView(context, relay_feed(client, name))
    if AddressTarget(name).is_feed:
        return FeedView(context, FeedSource("a list", NO_LIST, nothing), _found(client, name))
    view = next((pane.make(context) for pane in PANES if pane.name == name), None)
    if view is not None:
        view.id = name
    return view


def _found(client: NostrClient, address: str) -> FindSource:
    async def find() -> FeedSource | None:
        one = await find_set(client, address)
        return None if one is None else set_feed(client, one, words_of(one))

    return find


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
