"""Writing a note: the text, the draft that is kept behind it, and the meter when it goes out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Static, TextArea

from nostr_client.errors import SignerUnavailable, SigningRefused, StoreError
from nostr_client.social.views import NoteView
from nostr_client.tui.app_messages import Say
from nostr_client.tui.drafts import SAVE_AFTER, DraftSaver, SealedDraftSaver
from nostr_client.tui.keymap import WRITING
from nostr_client.tui.screens.dialogs import key_words
from nostr_client.tui.widgets.inputs import NoteTextArea
from nostr_client.tui.widgets.send_progress import Sending, SendProgress
from nostr_client.tui.widgets.static_text import set_text
from nostr_client.tui.workers import start_worker

TRY_AGAIN = 2.0
"""Seconds before a draft that could not be kept, or opened, is tried again."""
Submit = Callable[[str, DraftSaver], Sending]
"""Starts sending a text, off this screen, which may close meanwhile; drops the draft once kept."""


class ComposeScreen(ModalScreen[None]):
    """Writes one note. Closing it in any way keeps the draft; only a note that is kept ends it."""

    BINDINGS: ClassVar[list[BindingType]] = WRITING.bindings()

    def __init__(
        self,
        saver: DraftSaver,
        submit: Submit,
        *,
        title: str,
        answered: str = "",
        reply_to: NoteView | None = None,
    ) -> None:
        """`title` and `answered` (the note `reply_to`) are safe text, shown as they are."""
        super().__init__()
        self.saver = saver
        self.reply_to = reply_to
        self._submit = submit
        self._title = title
        self._answered = answered
        self.text = NoteTextArea(id="text")
        self._sending: Sending | None = None
        self._timer: Timer | None = None
        self._text = ""
        """The text that the draft's file has, or will have."""
        self._trouble = ""
        """Why the draft is not on disk, as it was said."""
        self.takes_keys = asyncio.Event()
        """Not before the draft is there: what is typed right after `c` comes behind it."""

    @property
    def is_writing(self) -> bool:
        """Is the text the person's still, and not on its way?"""
        return self._sending is None

    @property
    def is_private(self) -> bool:
        """Does its draft rest encrypted?"""
        return isinstance(self.saver, SealedDraftSaver)

    def compose(self) -> ComposeResult:
        with Vertical(id="compose"):
            with Horizontal(classes="line"):
                yield Static(self._title, markup=False, classes="card-title", id="title")
                yield Static("", markup=False, id="kept")
            if self._answered:
                yield Static(self._answered, markup=False, id="answered")
            yield self.text
            yield Static("", markup=False, id="said")
            yield SendProgress(id="meter")
            yield Static("", markup=False, id="count")

    def on_mount(self) -> None:
        self._show_sending(False)
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
            self.text.load_text(draft)
            self.text.move_cursor(self.text.document.end)
        self._trouble = ""
        set_text(self, "#kept", "your draft" if draft else "")
        self.text.disabled = False
        self.text.focus()
        self._count()
        self.takes_keys.set()

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
    def _typed(self) -> None:
        self._count()
        if self._sending is not None or self.text.text == self._text:
            return
        self._text = self.text.text
        self.saver.typed(self.text.text)
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
        if self._sending is None:
            kept = f"draft kept {time.strftime('%H:%M')}" if self.text.text.strip() else ""
            set_text(self, "#kept", kept)
        return True

    def _count(self) -> None:
        count = len(self.text.text)
        words = "1 character" if count == 1 else f"{count} characters"
        keys = (("ctrl+s", "send"), ("esc", "keep as draft" if count else "close"))
        line = key_words(((words, ""), *keys))
        set_text(self, "#count", line)

    def action_send(self) -> None:
        """Send once; while it is on its way, and after, the key does nothing more."""
        text = self.text.text.strip()
        if self._sending is not None:
            return
        if not text:
            self.post_message(Say("There is nothing to send yet."))
            return
        self._sending = self._submit(text, self.saver)
        self._sending.on_change = self._show
        self.query_one("#said", Static).update(text)
        self._show_sending(True)
        self._show()

    def _show_sending(self, sending: bool) -> None:
        for name, shown in (("#text", not sending), ("#said", sending), ("#meter", sending)):
            self.query_one(name).display = shown

    def _show(self) -> None:
        sending = self._sending
        if sending is None or not self.query("#title"):
            return
        self.query_one("#meter", SendProgress).refresh_from(sending)
        if sending.problem:
            # Not kept: the text is the person's again.
            self._sending = None
            self._show_sending(False)
            self.query_one("#title", Static).update(self._title)
            self.query_one("#meter").display = True
            self.text.focus()
            self.saver.typed(self.text.text)
            self._keep_draft()
            self._count()
            return
        title = (
            "Sent" if sending.done and sending.accepted else "Kept" if sending.done else "Sending"
        )
        self.query_one("#title", Static).update(title)
        self.query_one("#kept", Static).update("")
        self.query_one("#count", Static).update(key_words((("esc", "close"),)))

    async def action_keep(self) -> None:
        """Close; the draft stays, unless its note was sent."""
        sending = self._sending
        if sending is not None:
            sending.on_change = lambda: None
        else:
            self._trouble = ""  # who wants to leave hears it again
            if not await self._flush():
                return
        self.dismiss(None)
