"""The help: every key there is, first those of what has the focus, and what the own relay is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Input, Static

from nostr_client.tui.keymap import LIST, Key, KeyGroup, hints, with_keys
from nostr_client.tui.own_keys import every_group
from nostr_client.tui.panes.registry import key_groups
from nostr_client.tui.screens.dialogs import key_words
from nostr_client.tui.widgets.inputs import LineInput

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
    """Every key, from the one keymap; what works on the screen below comes first."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(self, here: Sequence[KeyGroup], own_relay: str = "") -> None:
        """`own_relay`: on, off or failed, as the status line says it; empty before an account."""
        super().__init__()
        self._own_relay = own_relay
        self._groups = key_groups(here)
        self._line = LineInput(placeholder="a word, or a key", id="help-find")
        self._line.display = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="card", id="help"):
            yield Static("Keys", markup=False, classes="card-title")
            yield self._line
            with VerticalScroll(can_focus=True):
                for group in self._groups:
                    yield Static(_lines(group), markup=False, classes="help-part")
                state = f" ({self._own_relay})" if self._own_relay else ""
                title = Content.styled(f"Your own relay{state}", "bold $text-primary")
                yield Static(title, markup=False)
                yield Static(OWN_RELAY, markup=False, classes="help-text")
            keys = (("↑↓", "scroll"), *hints(KEYS))
            yield Static(key_words(keys), markup=False, classes="card-keys")

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def action_find(self) -> None:
        """Ask for a word."""
        self._line.display = True
        self._line.focus()

    def action_close(self) -> None:
        """All lines again, and then back."""
        if self._line.display:
            self._line.display = False
            self._line.value = ""
            self.query_one(VerticalScroll).focus()
        else:
            self.dismiss(None)

    def on_input_submitted(self, message: Input.Submitted) -> None:
        message.stop()
        self.query_one(VerticalScroll).focus()

    def on_input_changed(self, message: Input.Changed) -> None:
        message.stop()
        for group, part in zip(self._groups, self.query(".help-part").results(Static), strict=True):
            shown = _lines(group, message.value.strip())
            part.display = bool(shown)
            part.update(shown)


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


def _lines(group: KeyGroup, word: str = "") -> Content:
    """A line for each key, of those that hold `word`; nothing where none does."""
    lines = [
        Content.assemble(
            (f"  {key.shown:<18} ", "$text-accent"), (with_keys(key.says), "$foreground")
        )
        for key in group.keys
        if key.bound
        and (word.casefold() in with_keys(key.says).casefold() or word in key.shown.split())
    ]
    title = Content.styled(group.title, "bold $text-primary")
    return Content("\n").join([title, *lines]) if lines else Content("")
