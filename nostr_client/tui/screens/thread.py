"""The thread where there is no room beside the list."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult

from nostr_client.client import NostrClient
from nostr_client.tui.acts.registry import NOTE
from nostr_client.tui.keymap import LIST, KeyGroup, hints
from nostr_client.tui.note_renderer import NoteRenderer
from nostr_client.tui.panes.registry import EVERYWHERE
from nostr_client.tui.screens.target_screen import TargetScreen
from nostr_client.tui.targets import NoteTarget
from nostr_client.tui.widgets.hint_line import HintLine
from nostr_client.tui.widgets.thread import ThreadPanel


class ThreadScreen(TargetScreen):
    """One thread, whole."""

    key_groups: ClassVar[tuple[KeyGroup, ...]] = (LIST, NOTE)

    def __init__(self, client: NostrClient, renderer: NoteRenderer, target: NoteTarget) -> None:
        super().__init__(target)
        self._first = target
        self.panel = ThreadPanel(client, renderer, id="panel")

    def compose(self) -> ComposeResult:
        yield self.panel
        yield HintLine(hints(LIST, NOTE, EVERYWHERE), id="hints")

    def on_mount(self) -> None:
        self.show(self._first)
        self.panel.notes.focus()

    def show(self, target: NoteTarget) -> None:
        """Another note, or another place in the thread."""
        self.target = target
        self.panel.show(target, at_once=True)
