"""An event as it was signed."""

from __future__ import annotations

from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from nostr_client.safe_text import safe_text
from nostr_client.tui.keymap import Key, KeyGroup, hints
from nostr_client.tui.screens.dialogs import key_words

KEYS: Final = KeyGroup(
    "On a raw event",
    (
        Key("y", "copy", "Copy it", "copy"),
        Key("escape,q,J", "dismiss(False)", "Back", "back"),
    ),
)
MOST_SHOWN: Final = 100_000
"""Characters."""


class RawEventScreen(ModalScreen[bool]):
    """The JSON `raw` of an event; dismissed with whether it is to be copied."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(self, raw: str) -> None:
        super().__init__()
        self._raw = raw

    def compose(self) -> ComposeResult:
        with Vertical(classes="card wide"):
            yield Static("The event as it was signed", markup=False, classes="card-title")
            with VerticalScroll(can_focus=True):
                yield Static(safe_text(self._raw[:MOST_SHOWN]), markup=False)
            yield Static(key_words(hints(KEYS)), markup=False, classes="card-keys")

    def action_copy(self) -> None:
        self.dismiss(True)
