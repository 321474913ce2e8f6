"""Lists of notes, and what one can do with the selected one."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.message import Message

from nostr_client.social.views import NoteView
from nostr_client.tui.acts.registry import ACT_BY_ID, NOTE
from nostr_client.tui.app_messages import Open, Unfolded
from nostr_client.tui.article_renderer import ArticleRenderer, ArticleRow
from nostr_client.tui.note_renderer import STYLES, NoteRenderer, folds_of
from nostr_client.tui.targets import NoteTarget, target_of_view
from nostr_client.tui.thread_renderer import ThreadRenderer, ThreadRow
from nostr_client.tui.widgets.list_messages import Chosen
from nostr_client.tui.widgets.picture_list import PictureList

T = TypeVar("T")

AGES_EVERY = 30.0
"""Seconds after which the ages of notes, in minutes, are said anew."""


class _NoteKeys(PictureList[T]):
    """The keys on a note."""

    BINDINGS = NOTE.bindings()
    COMPONENT_CLASSES: ClassVar[set[str]] = set(STYLES)

    def on_mount(self) -> None:
        self.set_interval(AGES_EVERY, self.repaint)

    @property
    def note(self) -> NoteView | None:
        """The selected note."""
        raise NotImplementedError

    @property
    def unfolded(self) -> set[str]:
        raise NotImplementedError

    def action_act(self, id: str) -> None:
        """An act on the selected note; of a repost of what is not here, few can be done."""
        act = ACT_BY_ID[id]
        note = self.note if act.absent_too else self._present()
        if note is not None:
            self.post_message(act.on(note))

    def action_unfold(self) -> None:
        note = self.note
        folds = folds_of(note) if note is not None else set()
        if note is None or not folds:
            return
        if folds <= self.unfolded:
            self.unfolded.difference_update(folds)
        else:
            self.unfolded.update(folds)
        item = self.selected
        if item is not None:
            self.redraw(None if note.crowd else [self.renderer.key(item)])
        self.post_message(Unfolded())

    def _present(self) -> NoteView | None:
        """The selected note, unless it is a repost of something that is not here."""
        note = self.note
        return None if note is None or note.missing else note


class NoteList(_NoteKeys[NoteView]):
    """A timeline."""

    def __init__(self, renderer: NoteRenderer, id: str | None = None) -> None:
        super().__init__(renderer, gap=1, id=id)
        self._renderer = renderer

    @property
    def note(self) -> NoteView | None:
        return self.selected

    @property
    def unfolded(self) -> set[str]:
        return self._renderer.unfolded

    @property
    def notes_renderer(self) -> NoteRenderer:
        return self._renderer

    def view_of(self, item: NoteView) -> NoteView | None:
        return item

    def on_windowed_list_chosen(self, message: Chosen) -> None:
        message.stop()
        if self.note is not None:  # what is not here is looked for when it is opened
            self.post_message(Open(target_of_view(self.note)))


class ThreadList(_NoteKeys[ThreadRow]):
    """A thread as a tree."""

    def __init__(self, renderer: ThreadRenderer, id: str | None = None) -> None:
        super().__init__(renderer, gap=0, id=id)
        self._renderer = renderer

    @property
    def note(self) -> NoteView | None:
        return None if self.selected is None else self.selected.view

    @property
    def unfolded(self) -> set[str]:
        return self._renderer.notes.unfolded

    @property
    def notes_renderer(self) -> NoteRenderer:
        return self._renderer.notes

    def view_of(self, item: ThreadRow) -> NoteView | None:
        return item.view

    def action_unfold(self) -> None:
        """On the row that stands for strangers' answers it shows them."""
        if self.selected is not None and self.selected.fold:
            self.unfolded.add(self.selected.fold)
            self.post_message(Unfolded())
        else:
            super().action_unfold()

    def on_windowed_list_chosen(self, message: Chosen) -> None:
        message.stop()
        if self.selected is not None and self.selected.fold:
            self.action_unfold()
        elif self.selected is not None and self.selected.view is None:
            self.post_message(AskAgain())
        elif (note := self._present()) is not None:
            self.post_message(Open(target_of_view(note)))


class ArticleList(_NoteKeys[ArticleRow]):
    """An article with the comments on it; the keys on a note mean the article, or the comment."""

    def __init__(self, renderer: ArticleRenderer, id: str | None = None) -> None:
        super().__init__(renderer, gap=0, id=id)
        self._renderer = renderer

    @property
    def note(self) -> NoteView | None:
        row = self.selected
        if row is None:
            return None
        return row.answer.view if row.answer is not None else row.article

    @property
    def unfolded(self) -> set[str]:
        return self._renderer.notes.unfolded

    @property
    def notes_renderer(self) -> NoteRenderer:
        return self._renderer.notes

    def view_of(self, item: ArticleRow) -> NoteView | None:
        return None if item.answer is None else item.answer.view

    def action_unfold(self) -> None:
        row = self.selected
        if row is not None and row.answer is not None and row.answer.fold:
            self.unfolded.add(row.answer.fold)
            self.post_message(Unfolded())
        else:
            super().action_unfold()

    def on_windowed_list_chosen(self, message: Chosen) -> None:
        message.stop()
        row = self.selected
        if row is not None and row.answer is not None and row.answer.fold:
            self.action_unfold()
        if row is not None and row.answer is not None and row.answer.view is not None:
            self.post_message(Open(NoteTarget.of(row.answer.view)))


class AskAgain(Message):
    """What is missing from a thread is to be looked for once more."""
