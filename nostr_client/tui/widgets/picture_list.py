"""A list of notes whose pictures are fetched when they come into view, and stay there a moment."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final, TypeVar

from textual.timer import Timer
from textual.worker import Worker

from nostr_client.nips.nip92 import MediaItem
from nostr_client.social.views import NoteView
from nostr_client.tui.app_messages import OpenPicture, Say
from nostr_client.tui.note_renderer import NoteRenderer
from nostr_client.tui.pictures import pictures_of
from nostr_client.tui.widgets.windowed_list import WindowedList
from nostr_client.tui.workers import start_worker

T = TypeVar("T")

SETTLED: Final = 0.15
"""Seconds without movement after which what is in view is looked at: who scrolls by fetches
nothing."""
AT_ONCE: Final = 3
"""Pictures that one list waits for: one host that says nothing does not hold up the others."""


class PictureList(WindowedList[T]):
    """`notes_renderer` draws its notes, `view_of` gives that of an item, if it shows one."""

    _due: Timer | None = None
    _fetchers: Sequence[Worker[None]] = ()

    @property
    def notes_renderer(self) -> NoteRenderer:
        raise NotImplementedError

    def view_of(self, item: T) -> NoteView | None:
        raise NotImplementedError

    def action_pictures(self) -> None:
        """Show those of the selected note; where they are shown, one of them large."""
        item, pictures = self.selected, self.notes_renderer.pictures
        view = None if item is None else self.view_of(item)
        if item is None or view is None or pictures is None or self.notes_renderer.is_closed(view):
            return
        if not pictures_of(view):
            self.post_message(Say("This note has no pictures."))
        elif not pictures.may_be_shown:
            self.post_message(Say(pictures.hint))
        elif pictures.is_shown(view) and not pictures.has_failed(view):
            self.post_message(OpenPicture(view))
        else:
            pictures.ask(view)
            self.redraw([self.renderer.key(item)])
            self._look()

    def _resized(self, shift: int) -> None:
        super()._resized(shift)
        self._look_soon()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self._look_soon()

    def _look_soon(self) -> None:
        if self.notes_renderer.pictures is None or not self.is_attached:
            return
        if self._due is not None:
            self._due.stop()
        self._due = self.set_timer(SETTLED, self._look)

    def _look(self) -> None:
        """Fetch what is in view and is to be shown."""
        self._fetchers = [worker for worker in self._fetchers if not worker.is_finished]
        if self._next() is not None and len(self._fetchers) < AT_ONCE:
            fetcher = start_worker(self, self._fetch, "pictures")
            self._fetchers = [*self._fetchers, fetcher]

    async def _fetch(self) -> None:
        """One after the other, as long as there is something; others fetch beside this."""
        pictures = self.notes_renderer.pictures
        while pictures is not None and (wanted := self._next()) is not None:
            key, view, media = wanted
            await pictures.load(view, media, partial(self._changed, key))

    def _changed(self, key: str) -> None:
        if self.is_attached:
            self.redraw([key])

    def _next(self) -> tuple[str, NoteView, MediaItem] | None:
        """The first picture in view that nobody fetches."""
        pictures = self.notes_renderer.pictures
        if pictures is None or not self.is_attached or not self.display:
            return None
        for item in self.in_view:
            view = self.view_of(item)
            if view is None or self.notes_renderer.is_closed(view):
                continue
            if missing := pictures.missing(view):
                return self.renderer.key(item), view, missing[0]
        return None
