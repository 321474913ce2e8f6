"""A section that is one timeline."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult

from nostr_client.social.views import NoteView, RelayRow
from nostr_client.tui.panes.pane import PaneContext, PaneView
from nostr_client.tui.timeline_source import ReadPage
from nostr_client.tui.widgets.feed import NoteFeed
from nostr_client.tui.widgets.list_place import ListPlace
from nostr_client.tui.widgets.note_list import NoteList


class FeedPane(PaneView):
    """The timeline that `read` reads; `empty`: what to say when there is nothing to show."""

    def __init__(
        self, context: PaneContext, read: ReadPage, *, empty: str, anybody: bool = False
    ) -> None:
        """`anybody`: strangers' notes stand there, too, and can be left out."""
        super().__init__()
        self.client = context.client
        known = context.client.acquaintances if anybody else None
        self.feed = NoteFeed("", read, context.renderer, empty=empty, acquaintances=known)

    def compose(self) -> ComposeResult:
        yield self.feed

    @property
    def front(self) -> NoteList:
        return self.feed.notes

    @property
    def notes(self) -> NoteList:
        return self.feed.notes

    @property
    def place(self) -> ListPlace | None:
        return self.feed.place

    def resume(self, place: ListPlace) -> None:
        self.feed.resume(place)

    def open(self) -> None:
        self.feed.open()

    def redraw(self, *, shown: bool) -> None:
        self.feed.redraw(now=shown)

    async def poll(self, relays: Sequence[RelayRow], *, shown: bool) -> None:
        if shown:
            await self.feed.refresh_notes(self.client)

    def is_own(self, note: NoteView) -> bool:
        """Did the account write or repost it?"""
        return note.entry.pubkey == self.client.pubkey

    def insert(self, notes: list[NoteView], *, awaited: bool) -> None:
        """Take new entries. A note of one's own is gone to by whoever waits for it, or is at the
        top of the list."""
        follows = awaited or self.notes.at_top
        self.feed.arrive(notes)
        if follows and any(self.is_own(note) and note.reply_to is None for note in notes):
            self.notes.action_newest()
