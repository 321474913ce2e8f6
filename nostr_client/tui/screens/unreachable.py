"""Somebody cannot be written to: why, and what can be done."""

from __future__ import annotations

from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from nostr_client.tui.keymap import Key, KeyGroup, hints
from nostr_client.tui.saying import Say
from nostr_client.tui.screens.dialogs import key_words

INVITATION: Final = (
    "I would like to write to you privately on Nostr (NIP-17), and cannot: your account names no "
    "relays for private messages yet (kind 10050). Please set one to three of them in your client, "
    "then I can."
)


KEYS: Final = KeyGroup(
    "Somebody cannot be written to",
    (
        Key("t", "dismiss(True)", "Try again", "try again", name="again"),
        Key("c", "copy", "Copy an invitation", "copy an invitation"),
        Key("escape,q", "dismiss(False)", "Back", "back", name="back"),
    ),
    "unreachable",
)


class UnreachableDialog(ModalScreen[bool]):
    """Dismissed with True to try again. `words` is shown as it is, never as markup."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(self, words: str) -> None:
        super().__init__()
        self._words = words

    def compose(self) -> ComposeResult:
        with Vertical(classes="card"):
            yield Static("No message can be sent yet", markup=False, classes="card-title")
            yield Static(self._words, markup=False, classes="card-text")
            yield Static(key_words(hints(KEYS)), markup=False, classes="card-keys")

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(INVITATION)
        self.post_message(Say("Copied: an invitation that you can send in another way."))
