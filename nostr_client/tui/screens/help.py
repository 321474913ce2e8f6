"""The help: every key there is, and what the own relay is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import ModalScreen
from textual.widgets import Static

from nostr_client.tui.keymap import LIST, KeyGroup
from nostr_client.tui.panes.registry import key_groups
from nostr_client.tui.screens.dialogs import key_words

OWN_RELAY: Final = (
    "“own relay” in the status line is a relay on this machine, for your programs alone: whatever "
    "you write is kept there too, also while no other can be reached. It ends with the last "
    "program that uses it. `nostr-client own-relay start` keeps it running, `own-relay stop` ends "
    "it; with `own_relay = false` in config.toml there is none."
)


def groups_at(focus: DOMNode) -> tuple[KeyGroup, ...]:
    """The keys that work where the focus is: those of its widget, of what is around it, of its
    screen; what moves in any list comes last."""
    found: dict[KeyGroup, None] = {}
    for node in focus.ancestors_with_self:
        if isinstance(node, App):
            break
        for kind in type(node).__mro__:
            bound = {b.action for b in vars(kind).get("BINDINGS", ()) if isinstance(b, Binding)}
            for group in key_groups():
                actions = {key.action for key in group.keys}
                if len(actions & bound) * 2 > len(actions):  # a form may leave some out
                    found[group] = None
    return tuple(sorted(found, key=lambda group: group is LIST))


class HelpScreen(ModalScreen[None]):
    """Every key, from the one keymap; what works where the focus is comes first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1", "dismiss", "Close", show=False)
    ]

    def __init__(self, here: Sequence[KeyGroup], own_relay: str = "") -> None:
        """`own_relay`: on, off or failed, as the status line says it; empty before an account."""
        super().__init__()
        self._own_relay = own_relay
        self._groups = key_groups(here)

    def compose(self) -> ComposeResult:
        with Vertical(classes="card", id="help"):
            yield Static("Keys", markup=False, classes="card-title")
            with VerticalScroll(can_focus=True):
                for group in self._groups:
                    yield Static(self._keys(group), markup=False, classes="help-part")
                state = f" ({self._own_relay})" if self._own_relay else ""
                title = Content.styled(f"Your own relay{state}", "bold $text-primary")
                yield Static(title, markup=False)
                yield Static(OWN_RELAY, markup=False, classes="help-text")
            keys = (("↑↓", "scroll"), ("esc", "close"))
            yield Static(key_words(keys), markup=False, classes="card-keys")

    @staticmethod
    def _keys(group: KeyGroup) -> Content:
        lines = (
            Content.assemble((f"  {key.shown:<18} ", "$text-accent"), (key.says, "$foreground"))
            for key in group.keys
        )
        return Content("\n").join([Content.styled(group.title, "bold $text-primary"), *lines])
