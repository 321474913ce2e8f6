"""Writing a note: the text, and the draft that is kept behind it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Static, TextArea

from nostr_client.errors import SignerUnavailable, SigningRefused, StoreError
from nostr_client.social.drafts import SAVE_AFTER, DraftSaver, SealedDraftSaver, put_before
from nostr_client.tui.keymap import WRITING, keyed
from nostr_client.tui.saying import Say
from nostr_client.tui.screens.dialogs import key_words
from nostr_client.tui.widgets.inputs import NoteTextArea
from nostr_client.tui.widgets.message_line import MessageLine
from nostr_client.tui.widgets.static_text import set_text
from nostr_client.tui.workers import start_worker

TRY_AGAIN = 2.0
"""Seconds before a draft that could not be kept, or opened, is tried again."""
Submit = Callable[[str, DraftSaver], object]
"""Starts sending a text, off this screen, which closes; drops the draft once kept."""


class ComposeScreen(ModalScreen[None]):
    """Writes one note. Closing it in any way keeps the draft; only a note that is kept ends it."""

    BINDINGS: ClassVar[list[BindingType]] = WRITING.bindings()
    MORE_KEYS: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Named beside those that every composer has."""

    def __init__(
        self,
        saver: DraftSaver,
        submit: Submit,
        *,
        title: str,
        answered: str = "",
        start: str = "",
    ) -> None:
        """`title` and `answered`, what it is about, are safe text, shown as they are. `start` is a
        text that comes before what the draft holds."""
        super().__init__()
        self.saver = saver
        self._submit = submit
        self._title = title
        self._answered = answered
        self.text = NoteTextArea(id="text")
        self._start = start
        self._sent = False
        self._timer: Timer | None = None
        self._text = ""
        """The text that the draft's file has, or will have."""
        self._trouble = ""
        """Why the draft is not on disk, as it was said."""
        self.takes_keys = asyncio.Event()
        """Not before the draft is there: what is typed right after `c` comes behind it."""

    def writes(self, saver: DraftSaver) -> bool:
        """Is what is written here the draft of `saver`, and going to be written over it?"""
        return self.saver.path == saver.path and not self._sent

    @property
    def is_private(self) -> bool:
        """Does its draft rest encrypted?"""
        return isinstance(self.saver, SealedDraftSaver)

    def compose(self) -> ComposeResult:
        yield MessageLine()  # above what is written: the keys below it stay to be read
        with Vertical(id="compose"):
            with Horizontal(classes="line"):
                yield Static(self._title, markup=False, classes="card-title", id="title")
                yield Static("", markup=False, id="kept")
            if self._answered:
                yield Static(self._answered, markup=False, id="answered")
            yield self.text
            yield Static("", markup=False, id="count")

    def on_mount(self) -> None:
        self.text.disabled = True  # until the draft is there, or what is typed would replace it
        start_worker(self, self._load, "load")

    async def _load(self) -> None:
        """Show what was kept of it; only then the keys are the text's."""
        try:
            draft = await self._opened()
        except SigningRefused as error:
            self.post_message(Say(f"Your draft stays closed, as it is: {error}", "error"))
            self.dismiss(None)
            return
        except StoreError as error:
            self.post_message(Say(str(error), "error"))
            draft = ""
        if self.saver.aside is not None and draft:
            words = (
                f"Not all of the draft could be read; as it was it is kept as {self.saver.aside}"
            )
            self.post_message(Say(words, "error"))
        if draft:
            self._text = draft
            self._put(await self.read(draft))
        self._trouble = ""
        set_text(self, "#kept", "your draft" if draft else "")
        self.text.disabled = False
        self.text.focus()
        if self._start:
            await self.give_back(self._start)
        self._count()
        self.takes_keys.set()

    async def read(self, draft: str) -> str:
        """What of a draft stands in the text."""
        return draft

    @property
    def draft(self) -> str:
        """What is kept and sent of what stands here."""
        return self.text.text

    def _put(self, text: str) -> None:
        self.text.load_text(text)
        self.text.move_cursor(self.text.document.end)

    async def give_back(self, draft: str) -> None:
        """A draft that could not be sent, nor kept, stands before what is written here."""
        text = await self.read(draft)
        self._put(put_before(text, self.text.text))

    async def _opened(self) -> str:
        """The draft; a signer that is away is waited for. Raises SigningRefused, StoreError."""
        while True:
            try:
                return await self.saver.load()
            except SignerUnavailable as error:
                set_text(self, "#kept", "your draft waits for the signer")
                if str(error) != self._trouble:
                    self._trouble = str(error)
                    self.post_message(Say(f"The draft cannot be opened yet: {error}", "warning"))
            await asyncio.sleep(TRY_AGAIN)

    @on(TextArea.Changed)
    def changed(self) -> None:
        """What is written has changed: it is kept soon."""
        self._count()
        draft = self.draft
        if draft == self._text:
            return
        self._text = draft
        self.saver.typed(draft)
        self._keep_later(SAVE_AFTER)

    def _keep_later(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(seconds, self._keep_draft)

    def _keep_draft(self) -> None:
        start_worker(self, self._flush, "draft")

    async def _flush(self) -> bool:
        try:
            await self.saver.flush()
        except StoreError as error:
            if str(error) != self._trouble:  # once; meanwhile it is tried again
                self._trouble = str(error)
                self.post_message(Say(f"The draft is not kept: {error}", "error"))
            if set_text(self, "#kept", "draft NOT kept"):
                self._keep_later(TRY_AGAIN)
            return False
        self._trouble = ""
        kept = f"draft kept {time.strftime('%H:%M')}" if self.text.text.strip() else ""
        set_text(self, "#kept", kept)
        return True

    def _count(self) -> None:
        written = bool(self.text.text)
        keys = (("writing.send", "send"), ("writing.keep", "keep as draft" if written else "close"))
        first, room = ((self.counted, ""), *keyed(*keys)), self.query_one("#count").size.width
        more = tuple(keyed(*self.MORE_KEYS))
        words = key_words((*first, *more))
        if room and words.cell_length > room:  # the second line begins with a key
            words = Content("\n").join((key_words(first), key_words(more)))
        set_text(self, "#count", words)

    def on_resize(self) -> None:
        self.call_after_refresh(self._count)

    @property
    def counted(self) -> str:
        """How much stands here, in words."""
        count = len(self.text.text)
        return "1 character" if count == 1 else f"{count:,} characters"

    def action_send(self) -> None:
        """Send, and close at once: how it goes is said elsewhere."""
        if not self.text.text.strip():
            self.post_message(Say("There is nothing to send yet."))
        elif not self._sent:
            self._sent = True
            self._submit(self.draft.strip(), self.saver)
            self.dismiss(None)

    async def action_keep(self) -> None:
        """Close; the draft stays."""
        self._trouble = ""  # who wants to leave hears it again
        if await self._flush():
            self.dismiss(None)
