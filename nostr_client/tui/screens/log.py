"""What the client said, the newest first: a message that went too fast is looked up here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from nostr_client.tui.keymap import Key, KeyGroup, hints
from nostr_client.tui.message_log import Said
from nostr_client.tui.news import COLOURS
from nostr_client.tui.screens.dialogs import key_words

KEYS: Final = KeyGroup(
    "On what was said", (Key("escape,q,ctrl+n", "dismiss", "Back", "back"),), "log"
)
NOTHING: Final = "Nothing was said yet."


class LogScreen(ModalScreen[None]):
    """The messages, `said` oldest first, as they were when it was opened."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(self, said: Sequence[Said]) -> None:
        super().__init__()
        self._said = said

    def compose(self) -> ComposeResult:
        with Vertical(classes="card", id="log"):
            yield Static("What was said", markup=False, classes="card-title")
            with VerticalScroll(can_focus=True):
                lines = [_line(said) for said in reversed(self._said)] or [Content(NOTHING)]
                yield Static(Content("\n").join(lines), markup=False, id="log-lines")
            yield Static(key_words((("↑↓", "scroll"), *hints(KEYS))), markup=False)


def _line(said: Said) -> Content:
    when = time.strftime("%H:%M:%S", time.localtime(said.at))
    return Content.assemble(
        (f"{when}  ", "$foreground 55%"), (said.words.replace("\n", " "), COLOURS[said.severity])
    )
