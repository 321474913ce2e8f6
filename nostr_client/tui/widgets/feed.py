"""A timeline on the screen: its head, its list, and what stands there while it is empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar

import msgspec
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.worker import Worker

from nostr_client.client import NostrClient
from nostr_client.errors import NostrError
from nostr_client.social.acquaintances import Acquaintances
from nostr_client.social.referenced_events import missing_from
from nostr_client.social.views import Cursor, NoteView
from nostr_client.tui.keymap import OPEN_FEED, key_for, with_keys
from nostr_client.tui.note_renderer import NoteRenderer
from nostr_client.tui.saying import Say
from nostr_client.tui.timeline_source import ReadPage, TimelineSource, without
from nostr_client.tui.widgets.arrivals import MOST_WAITING
from nostr_client.tui.widgets.list_messages import Failed, Filled, Unseen
from nostr_client.tui.widgets.list_place import ListPlace, ListStart
from nostr_client.tui.widgets.note_list import NoteList
from nostr_client.tui.widgets.pager import PAGE
from nostr_client.tui.widgets.static_text import StillText
from nostr_client.tui.workers import start_worker

MOST_REFRESHED = 60
"""Notes in view that are looked at again at most."""


class NoteFeed(Vertical):
    """One timeline, read by `read`; what arrives is handed in by `arrive`."""

    BINDINGS: ClassVar[list[BindingType]] = OPEN_FEED.bindings()

    def __init__(
        self,
        title: str,
        read: ReadPage,
        renderer: NoteRenderer,
        *,
        empty: str,
        muted_too: bool = False,
        acquaintances: Acquaintances | None = None,
    ) -> None:
        """`empty`: what to say when there is nothing to show; `muted_too`: what is muted stays.

        `acquaintances`: anybody can write into this feed, and these are not strangers.
        """
        super().__init__()
        self._title = title
        """Empty where the screen says already what this is."""
        self._read = read
        self._muted_too = muted_too
        self._acquaintances = acquaintances
        self._known_only = False
        self._empty = empty
        self._state = ""
        self._unseen = 0
        self._opened = False
        self._stale = False
        self._head = StillText(title, classes="head")
        self._nothing = StillText(empty, classes="empty")
        self._kept: ListPlace | None = None
        self._seen_at = 0
        """The second (unix) of the newest entry that was in view."""
        self.notes = NoteList(renderer)

    def compose(self) -> ComposeResult:
        yield self._head
        yield self._nothing
        yield self.notes

    def on_mount(self) -> None:
        self._nothing.display = False

    def open(self) -> None:
        """The pane is in front: read its list, if that was not done yet."""
        if not self._opened:
            self._opened = True
            self._begin(TimelineSource(self._page), self._kept)
        elif self._stale:
            self.notes.redraw()
        self._stale = False

    def resume(self, place: ListPlace) -> None:
        """Begin there, when the pane is opened for the first time."""
        self._kept = place

    @property
    def place(self) -> ListPlace | None:
        """Where one is in it; where one was, as long as it was not read."""
        place, top = self.notes.place, self.notes.top
        if place is None or top is None:
            return self._kept
        return msgspec.structs.replace(place, at=top.at, seen_at=self._seen_at)

    def _begin(self, source: TimelineSource, place: ListPlace | None) -> None:
        if place is None:
            self.notes.show(source)
            return
        self._seen_at = place.seen_at
        self.notes.show(source, start=ListStart(place, partial(source.at, place.at)))
        start_worker(self, partial(self._count_new, self._seen_at), "news")

    async def _count_new(self, seen_at: int) -> None:
        """How much has come since one was here last: it is above."""
        await self.notes.was_read.wait()
        keys: list[str] = []
        cursor: Cursor | None = None
        try:
            while len(keys) < MOST_WAITING:
                views = await self._page(cursor, PAGE)
                fresh = [view for view in views if view.at > seen_at]
                keys += [view.entry.id for view in fresh]
                if not fresh or len(fresh) < PAGE:
                    break
                cursor = fresh[-1].cursor
        except NostrError as error:
            self.post_message(Say(str(error), "error"))
        self.notes.count_unseen(keys)

    def read_anew(self) -> None:
        """What is to be shown is another list now: read it from its top."""
        self._opened, self._stale = True, False
        self.notes.show(TimelineSource(self._page))

    def redraw(self, *, now: bool) -> None:
        """Names or folds have changed: draw again, `now` or when the pane is opened next."""
        self._stale = not now
        if now:
            self.notes.redraw()

    def arrive(self, notes: list[NoteView]) -> None:
        """New entries; before the pane was opened they are left to the store."""
        if self._opened and self._known_only:
            start_worker(self, partial(self._arrive_known, notes), "arrivals")
        elif self._opened:
            self.notes.arrive(notes)

    # Strangers

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "known_only" or self._acquaintances is not None

    def action_known_only(self) -> None:
        """Leave out what strangers wrote, or show everybody again."""
        self._known_only = not self._known_only
        self.set_empty_text(self._empty)
        self._draw_head()
        self.read_anew()

    async def _page(self, until: Cursor | None, limit: int) -> list[NoteView]:
        if self._acquaintances is None or not self._known_only:
            return await self._read(until, limit)
        return await without(self._acquaintances.strangers, self._read)(until, limit)

    async def _arrive_known(self, notes: list[NoteView]) -> None:
        if self._acquaintances is not None:
            unknown = await self._acquaintances.strangers({note.entry.pubkey for note in notes})
            self.notes.arrive([note for note in notes if note.entry.pubkey not in unknown])

    async def refresh_notes(self, client: NostrClient) -> None:
        """Show counts, names and copies of what is in view as they are by now; what those notes
        name and lack is looked for behind it. Raises StoreError."""
        known = {note.entry.id: note for note in list(self.notes.in_view)[:MOST_REFRESHED]}
        views = await client.timeline.views(known)
        self._update(views, known)
        lacks = [view for view in views if missing_from(view)]

        async def complete() -> None:
            try:
                found = await client.timeline.complete(lacks)
            except NostrError as error:
                self.post_message(Say(str(error), "error"))
            else:
                self._update(found, {view.entry.id: view for view in lacks})

        if lacks:  # a function: a coroutine would be left over where the screen ends just now
            _: Worker[None] = start_worker(self, complete, "missing")

    def _update(self, views: Sequence[NoteView], known: Mapping[str, NoteView]) -> None:
        if self._muted_too:
            views = [replace(view, muted="") for view in views]
        for view in views:
            if view != known.get(view.entry.id):
                self.notes.update(view)

    def show_state(self, state: str) -> None:
        """What the background reading is doing; beside the title."""
        if state != self._state:
            self._state = state
            self._draw_head()

    def set_empty_text(self, words: str) -> None:
        """What stands there while the list is empty."""
        self._empty = words
        everybody = with_keys("Nothing of people you know. {feed.known_only} shows everybody.")
        self._nothing.update(everybody if self._known_only else words)

    def on_windowed_list_filled(self, message: Filled) -> None:
        message.stop()
        self._nothing.display = message.empty

    def on_windowed_list_unseen(self, message: Unseen) -> None:
        message.stop()
        self._seen_at = max([self._seen_at, *(note.at for note in self.notes.in_view)])
        if message.count != self._unseen:
            self._unseen = message.count
            self._draw_head()

    def on_windowed_list_failed(self, message: Failed) -> None:
        message.stop()
        self.post_message(Say(str(message.error), "error"))

    def _draw_head(self) -> None:
        parts = [self._title, "people you know" if self._known_only else "", self._state]
        if self._unseen:
            parts.append(f"▲ {self._unseen} new · {key_for('list.newest')} shows them")
        text = " · ".join(part for part in parts if part)
        self._head.update(text)
