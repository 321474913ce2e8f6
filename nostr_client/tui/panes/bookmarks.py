"""Bookmarks: notes, articles and web pages that are kept for later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from textual.app import ComposeResult
from textual.widgets import Static

from nostr_client.errors import NostrError
from nostr_client.social.bookmarks import Bookmark
from nostr_client.social.views import RelayRow
from nostr_client.tui.keymap import with_keys
from nostr_client.tui.panes.pane import Pane, PaneContext, PaneView
from nostr_client.tui.saying import Say
from nostr_client.tui.widgets.items import FixedItems
from nostr_client.tui.widgets.note_list import NoteList
from nostr_client.tui.workers import start_worker

EMPTY: Final = (
    "Nothing is kept yet. {note.bookmark} on a note keeps it, or a page that it links to."
)


class BookmarksPane(PaneView):
    """What was kept last stands first; pages stand below."""

    def __init__(self, context: PaneContext) -> None:
        super().__init__()
        self._client = context.client
        self._version = ""
        self._head = Static("", markup=False, classes="head")
        self._list = NoteList(context.renderer)

    def compose(self) -> ComposeResult:
        yield self._head
        yield self._list

    @property
    def front(self) -> NoteList:
        return self._list

    @property
    def notes(self) -> NoteList:
        return self._list

    def open(self) -> None:
        start_worker(self, self._open, "bookmarks", exclusive=True)

    def redraw(self, *, shown: bool) -> None:
        self._list.redraw()

    async def poll(self, relays: Sequence[RelayRow], *, shown: bool) -> None:
        if shown and await self._newest() != self._version:
            await self._read()

    async def _open(self) -> None:
        """Show what is here, then ask relays for the list, and for what is not here."""
        try:
            await self._read()
            await self._client.bookmarks.fetch()
            shown = await self._read()
            if any(one.event is None for one in shown):
                await self._client.bookmarks.fetch_missing(shown)
                await self._read()
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    async def _newest(self) -> str:
        """Changes where the list does, or a page is kept or let go of."""
        listed = await self._client.bookmarks.event()
        pages = await self._client.web_bookmarks.shown()
        return " ".join(event.id for event in (listed, *pages) if event is not None)

    async def _read(self) -> list[Bookmark]:
        client = self._client
        self._version = await self._newest()
        shown = await client.bookmarks.shown()
        pages = await client.web_bookmarks.shown()
        events = [*(one.event for one in shown if one.event is not None), *pages]
        views = {
            view.entry.id: view for view in await client.timeline.views([e.id for e in events])
        }
        shows = [views[e.id] for e in dict.fromkeys(events) if e.id in views]
        rows = [replace(view, muted="") for view in shows]  # it was kept on purpose
        self._list.renew(FixedItems(rows, self._list.renderer.key))
        self._head.update(_words(shown, len(pages)))
        return shown


def _words(shown: Sequence[Bookmark], pages: int) -> str:
    if not shown and not pages:
        return with_keys(EMPTY)
    private = sum(one.private for one in shown)
    missing = sum(one.event is None for one in shown)
    words = [f"{len(shown):,} kept, {private:,} of them for you alone"]
    words += [f"{pages:,} web pages, for everybody to see"] if pages else []
    words += [f"{missing:,} are not here, and are looked for"] if missing else []
    return " · ".join(words)


PANE: Final = Pane("bookmarks", "6", "Bookmarks: what you keep for later", BookmarksPane, place=60)
