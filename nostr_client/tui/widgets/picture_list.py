"""A list of notes whose pictures are fetched when they come into view, and stay there a moment."""

from __future__ import annotations

from functools import partial
from typing import TypeVar

from nostr_client.social.views import NoteView
from nostr_client.tui.app_messages import OpenPicture
from nostr_client.tui.note_renderer import NoteRenderer
from nostr_client.tui.pictures import pictures_of
from nostr_client.tui.saying import Say
from nostr_client.tui.widgets.fetching_list import FetchingList, Load

T = TypeVar("T")


class PictureList(FetchingList[T]):
    """`notes_renderer` draws its notes, `view_of` gives that of an item, if it shows one."""

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

    @property
    def fetches(self) -> bool:  # type: ignore[override]
        return self.notes_renderer.pictures is not None

    def wanted_by(self, item: T) -> Load | None:
        view, pictures = self.view_of(item), self.notes_renderer.pictures
        if view is None or pictures is None or self.notes_renderer.is_closed(view):
            return None
        missing = pictures.missing(view)
        return partial(pictures.load, view, missing[0]) if missing else None
