"""The help: every key there is, first those of what has the focus, and what the own relay is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen, Screen
from textual.widgets import Input, Static

from nostr_client.tui.help_rows import HelpRenderer, HelpRow, help_rows, opened_first
from nostr_client.tui.keymap import LIST, Key, KeyGroup, hints, keyed
from nostr_client.tui.own_keys import every_group
from nostr_client.tui.panes.registry import key_groups
from nostr_client.tui.screens.dialogs import key_words
from nostr_client.tui.widgets.inputs import LineInput
from nostr_client.tui.widgets.items import FixedItems
from nostr_client.tui.widgets.list_messages import Chosen
from nostr_client.tui.widgets.windowed_list import WindowedList

OWN_RELAY: Final = (
    "“own relay” in the status line is a relay on this machine, for your programs alone: whatever "
    "you write is kept there too, also while no other can be reached. It ends with the last "
    "program that uses it. `nostr-client own-relay start` keeps it running, `own-relay stop` ends "
    "it; with `own_relay = false` in config.toml there is none."
)
KEYS: Final = KeyGroup(
    "In this help",
    (
        Key("slash", "find", "Only lines with a word", "find"),
        Key("escape,q,question_mark,f1", "close", "Back", "close"),
    ),
    "help",
)


class HelpScreen(ModalScreen[None]):
    """Every key, from the one keymap. What works on the screen below comes first, and is open; the
    other parts are a line each, until they are opened."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(self, here: Sequence[KeyGroup], own_relay: str = "") -> None:
        """`own_relay`: on, off or failed, as the status line says it; empty before an account."""
        super().__init__()
        by_place: dict[str, KeyGroup] = {}
        for group in (*key_groups(here), *every_group()):
            by_place.setdefault(group.place, group)
        self._groups = tuple(by_place.values())
        state = f" ({own_relay})" if own_relay else ""
        self._texts = ((f"Your own relay{state}", OWN_RELAY),)
        self._opened = opened_first(here)
        self._line = LineInput(placeholder="a word, or a key", id="help-find")
        self._line.display = False
        self.rows: WindowedList[HelpRow] = WindowedList(HelpRenderer(), gap=0)

    def compose(self) -> ComposeResult:
        with Vertical(classes="card", id="help"):
            yield Static("Keys", markup=False, classes="card-title")
            yield self._line
            yield self.rows
            keys = keyed(("list.next", "move"), ("list.choose", "open, fold"))
            yield Static(key_words((*keys, *hints(KEYS))), markup=False, classes="card-keys")

    def on_mount(self) -> None:
        self._draw()
        self.rows.focus()

    def _draw(self) -> None:
        word = self._line.value.strip()
        rows = help_rows(self._groups, self._texts, self._opened, word)
        self.rows.renew(FixedItems(rows, self.rows.renderer.key))

    def on_windowed_list_chosen(self, message: Chosen) -> None:
        """Open or fold the part in which the cursor is."""
        message.stop()
        row: HelpRow = message.item
        if not self._line.value.strip():
            self._opened ^= {row.part}
            self._draw()
            self.rows.select(f"part {row.part}")

    def action_find(self) -> None:
        """Ask for a word."""
        self._line.display = True
        self._line.focus()

    def action_close(self) -> None:
        """All lines again, and then back."""
        if self._line.display:
            self._line.display = False
            self._line.value = ""
            self.rows.focus()
        else:
            self.dismiss(None)

    def on_input_submitted(self, message: Input.Submitted) -> None:
        message.stop()
        self.rows.focus()

    def on_input_changed(self, message: Input.Changed) -> None:
        message.stop()
        self._draw()
        self.rows.action_newest()


def groups_here(screen: Screen[Any]) -> list[KeyGroup]:
    """What the focus can do, then what is around it: the groups of keys that are bound there."""
    by_place: dict[str, KeyGroup] = {}
    for group in (*key_groups(), *every_group()):
        by_place.setdefault(group.place, group)
    found: dict[str, KeyGroup] = {}
    for active in screen.active_bindings.values():
        place = (active.binding.id or "").partition(".")[0]
        if place in by_place and active.node is not screen.app:
            found[place] = by_place[place]
    # What every list does comes after what this one does.
    return sorted(found.values(), key=lambda group: group.place == LIST.place)
