"""A secret key, as its owner takes it away: hidden but for a moment, when a key is pressed."""

from __future__ import annotations

from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Static

from nostr_client.tui.keymap import Key, KeyGroup, keyed
from nostr_client.tui.saying import Say
from nostr_client.tui.screens.dialogs import key_words

SHOWN_FOR: Final = 20.0
"""Seconds after which it is hidden again."""
KEYS: Final = KeyGroup(
    "On a key that is exported",
    (
        Key("v", "reveal", "Show it for 20 seconds; hide it"),
        Key("y", "copy", "Copy it, if it is encrypted"),
        Key("escape,q", "dismiss", "Close"),
    ),
    "secret",
)


class SecretScreen(ModalScreen[None]):
    """Shows `secret`, an nsec or ncryptsec. While `is_shown` the app takes no picture."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(self, title: str, words: str, secret: str) -> None:
        """`title` and `words` are safe text."""
        super().__init__()
        self._title = title
        self._words = words
        self._secret = secret
        self._encrypted = secret.startswith("ncryptsec")
        self._hiding: Timer | None = None
        self.is_shown = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="card"):
            yield Static(self._title, markup=False, classes="card-title")
            yield Static(self._words, markup=False, classes="card-text")
            yield Static("", markup=False, id="secret", classes="card-text")
            copy = (("secret.copy", "copy"),) if self._encrypted else ()
            keys = keyed(("secret.reveal", "show it, hide it"), *copy, ("secret.dismiss", "close"))
            yield Static(key_words(keys), markup=False, classes="card-keys")

    def on_mount(self) -> None:
        self._show(False)

    def _show(self, shown: bool) -> None:
        self.is_shown = shown
        kind = self._secret.split("1", 1)[0]
        hidden = f"{kind}1{'•' * 12}"
        self.query_one("#secret", Static).update(self._secret if shown else hidden)
        if self._hiding is not None:
            self._hiding.stop()
            self._hiding = None
        if shown:
            self._hiding = self.set_timer(SHOWN_FOR, lambda: self._show(False))

    def action_reveal(self) -> None:
        self._show(not self.is_shown)

    def action_copy(self) -> None:
        if self._encrypted:
            self.app.copy_to_clipboard(self._secret)
            self.post_message(Say("Copied: it is worth nothing without its password."))
        else:
            self.post_message(Say("A bare key is not copied: others read the clipboard, too."))
