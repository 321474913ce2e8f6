"""The thread where there is no room beside the list."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from nostr_client.client import NostrClient
from nostr_client.social.views import NoteView
from nostr_client.tui.keymap import LIST, NOTE, hints
from nostr_client.tui.note_renderer import NoteRenderer
from nostr_client.tui.panes.registry import EVERYWHERE
from nostr_client.tui.widgets.hint_line import HintLine
from nostr_client.tui.widgets.thread import ThreadPanel


class ThreadScreen(Screen[None]):
    """One thread, whole."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "dismiss", "Back", show=False)]

    def __init__(self, client: NostrClient, renderer: NoteRenderer, note: NoteView) -> None:
        super().__init__()
        self.first = note
        self.panel = ThreadPanel(client, renderer, id="panel")

    def compose(self) -> ComposeResult:
        yield self.panel
        yield HintLine(hints(LIST, NOTE, EVERYWHERE), id="hints")

    def on_mount(self) -> None:
        self.panel.show(self.first, at_once=True)
        self.panel.notes.focus()
