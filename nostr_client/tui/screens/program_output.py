"""What a program of the person's own wrote: text, and nothing that a terminal would obey."""

from __future__ import annotations

from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from nostr_client.safe_text import safe_text
from nostr_client.tui.keymap import Key, KeyGroup, hints
from nostr_client.tui.programs import ProgramResult
from nostr_client.tui.screens.dialogs import key_words

KEYS: Final = KeyGroup(
    "On what a program wrote", (Key("escape,q", "dismiss", "Back", "back"),), "program"
)


class ProgramOutputScreen(ModalScreen[None]):
    """The output of the program `name`, to be scrolled."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(self, name: str, result: ProgramResult) -> None:
        super().__init__()
        state = result.ended or (f"ended with code {result.code}" if result.code else "")
        self._title = f"{name} · {state}" if state else name
        self._text = safe_text(result.output.decode(errors="replace"))

    def compose(self) -> ComposeResult:
        with Vertical(classes="card", id="log"):
            yield Static(self._title, markup=False, classes="card-title")
            with VerticalScroll(can_focus=True):
                yield Static(self._text, markup=False)
            yield Static(key_words((("↑↓", "scroll"), *hints(KEYS))), markup=False)
