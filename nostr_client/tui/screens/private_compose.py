"""Writing a private message: as a note is written, with a subject and an end."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Final

from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static

from nostr_client.safe_text import safe_line
from nostr_client.social.drafts import DraftSaver
from nostr_client.tui.keymap import WRITING, Key, KeyGroup, keyed
from nostr_client.tui.screens.compose import ComposeScreen, Submit
from nostr_client.tui.screens.dialogs import PromptDialog, key_words
from nostr_client.tui.time_format import DAY, HOUR
from nostr_client.tui.workers import start_worker

LONGEST_SUBJECT: Final = 200
LIVES: Final = (
    (None, "never"),
    (HOUR, "in an hour"),
    (DAY, "in a day"),
    (7 * DAY, "in a week"),
    (30 * DAY, "in 30 days"),
)
"""Seconds after which a message expires, and how that is said."""
KEYS: Final = KeyGroup(
    "Writing a private message",
    (
        Key("ctrl+t", "subject", "The room's subject, sent along", priority=True),
        Key("ctrl+o", "life", "When it expires: the next choice", priority=True),
    ),
    "private",
)


@dataclass
class MessageOptions:
    """What goes along with the next message of a room. `life` is an index of `LIVES`."""

    subject: str = ""
    life: int = 0

    @property
    def expires_in(self) -> float | None:
        """Seconds."""
        return LIVES[self.life][0]


class PrivateComposeScreen(ComposeScreen):
    """Writes one private message; `options` are changed by it."""

    BINDINGS: ClassVar[list[BindingType]] = [*WRITING.bindings(), *KEYS.bindings()]

    def __init__(
        self,
        saver: DraftSaver,
        submit: Submit,
        options: MessageOptions | None,
        *,
        title: str,
        answered: str = "",
        start: str = "",
    ) -> None:
        """Without `options` there is nothing to choose: an edit keeps what the message had."""
        super().__init__(saver, submit, title=title, answered=answered, start=start)
        self._options = options
        self._line = Static("", markup=False, id="options")

    def on_mount(self) -> None:
        if self._options is not None:
            self.query_one("#compose", Vertical).mount(self._line, before="#count")
            self._show_options(self._options)

    def _show_options(self, options: MessageOptions) -> None:
        subject = safe_line(options.subject, 30) or "none"
        words = f"expires {LIVES[options.life][1]}"
        line = keyed(("private.subject", f"subject: {subject}"), ("private.life", words))
        self._line.update(key_words(line))

    def action_life(self) -> None:
        if self._options is not None:
            self._options.life = (self._options.life + 1) % len(LIVES)
            self._show_options(self._options)

    def action_subject(self) -> None:
        if self._options is not None:
            start_worker(self, partial(self._ask_subject, self._options), "subject")

    async def _ask_subject(self, options: MessageOptions) -> None:
        dialog = PromptDialog(
            "What is it about?", "empty: none", yes="take it", offered=options.subject, blank=True
        )
        subject = await self.app.push_screen_wait(dialog)
        if subject is not None:
            options.subject = subject[:LONGEST_SUBJECT]
            self._show_options(options)
