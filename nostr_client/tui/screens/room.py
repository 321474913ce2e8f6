"""A private conversation where there is no room for it beside the list."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult

from nostr_client.client import NostrClient
from nostr_client.tui.keymap import HELP, LIST, WAY, KeyGroup, hints
from nostr_client.tui.names import NameCache
from nostr_client.tui.room_panel import KEYS, RoomPanel
from nostr_client.tui.screens.target_screen import TargetScreen
from nostr_client.tui.targets import RoomTarget
from nostr_client.tui.widgets.hint_line import HintLine


class RoomScreen(TargetScreen):
    """One conversation, whole. What is written here rests encrypted."""

    key_groups: ClassVar[tuple[KeyGroup, ...]] = (KEYS, LIST)

    def __init__(self, client: NostrClient, names: NameCache, target: RoomTarget) -> None:
        super().__init__(target)
        self._first = target
        self.panel = RoomPanel(client, names)

    def compose(self) -> ComposeResult:
        yield self.panel
        yield HintLine(hints(KEYS, WAY, HELP), id="hints")

    def on_mount(self) -> None:
        self.panel.show(self._first, at_once=True)
        self.panel.messages.focus()

    def on_screen_resume(self) -> None:
        """Somebody may have been muted on a screen that lay over this one."""
        self.panel.look_again()
