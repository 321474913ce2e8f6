"""The private messages that a search found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Static

from nostr_client.safe_text import safe_line
from nostr_client.social.messages.views import PrivateMessage
from nostr_client.tui.keymap import LIST, Key, KeyGroup, hints
from nostr_client.tui.message_renderer import MessageRenderer
from nostr_client.tui.widgets.hint_line import HintLine
from nostr_client.tui.widgets.items import FixedItems
from nostr_client.tui.widgets.list_messages import Chosen
from nostr_client.tui.widgets.windowed_list import WindowedList

KEYS: Final = KeyGroup(
    "Among found messages", (Key("escape,q", "dismiss(None)", "Back", "back"),), "found_messages"
)


class FoundMessagesScreen(Screen[PrivateMessage]):
    """Dismissed with the one that was chosen, or with None."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(
        self, words: str, found: Sequence[PrivateMessage], me: str, names: Callable[[str], str]
    ) -> None:
        super().__init__()
        self._title = f"{len(found)} found: {safe_line(words, 80)}"
        self._found = found
        self._list: WindowedList[PrivateMessage] = WindowedList(MessageRenderer(me, names))

    def compose(self) -> ComposeResult:
        yield Static(self._title, markup=False, classes="head")
        if not self._found:
            yield Static("No message here has all of this.", markup=False, classes="empty")
        yield self._list
        yield HintLine(hints(LIST, KEYS), id="hints")

    def on_mount(self) -> None:
        self._list.renew(FixedItems(self._found, self._list.renderer.key))
        self._list.focus()

    def on_windowed_list_chosen(self, message: Chosen) -> None:
        self.dismiss(message.item)
