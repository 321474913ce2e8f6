"""Small screens over another one: a question before something that cannot be undone, the help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from nostr_client.tui.keymap import Where, keys_of
from nostr_client.tui.widgets.inputs import LineInput

OWN_RELAY: Final = (
    "“own relay” in the status line is a relay on this machine, for your programs alone: whatever "
    "you write is kept there too, also while no other can be reached. It ends with the last "
    "program that uses it. `nostr-client own-relay start` keeps it running, `own-relay stop` ends "
    "it; with `own_relay = false` in config.toml there is none."
)


class ConfirmDialog(ModalScreen[bool]):
    """Asks before it happens: `y` does it, `n` or esc does not; enter does nothing by mistake.

    With `word` the person types that word instead, for what is lost for good. `question` and
    `detail` are shown as they are, never as markup.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes", show=False),
        Binding("n,q,escape", "answer(False)", "No", show=False),
    ]

    def __init__(self, question: str, detail: str = "", *, yes: str, word: str = "") -> None:
        super().__init__()
        self._question = question
        self._detail = detail
        self._yes = yes
        self._word = word

    def compose(self) -> ComposeResult:
        with Vertical(classes="card"):
            yield Static(self._question, markup=False, classes="card-title")
            if self._detail:
                yield Static(self._detail, markup=False, classes="card-text")
            if self._word:
                yield LineInput(placeholder=f"type: {self._word}", id="word")
                keys = (("enter", self._yes), ("esc", "no"))
            else:
                keys = (("y", self._yes), ("n", "no"))
            yield Static(key_words(keys), markup=False, classes="card-keys")

    def action_answer(self, yes: bool) -> None:
        if not (yes and self._word):
            self.dismiss(yes)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip() == self._word:
            self.dismiss(True)


class QuitDialog(ConfirmDialog):
    """Asks before the client ends; ctrl+c once more does not mean to be asked again."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "answer(True)", "Leave", show=False)]

    def __init__(self) -> None:
        super().__init__("Leave nostr-client?", "Drafts are kept.", yes="leave")


class PromptDialog(ModalScreen[str]):
    """Asks for one line of text; dismissed with it, or with None."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "No", show=False)]

    def __init__(self, question: str, hint: str, *, yes: str) -> None:
        super().__init__()
        self._question = question
        self._hint = hint
        self._yes = yes

    def compose(self) -> ComposeResult:
        with Vertical(classes="card"):
            yield Static(self._question, markup=False, classes="card-title")
            yield LineInput(placeholder=self._hint, id="line")
            keys = (("enter", self._yes), ("esc", "back"))
            yield Static(key_words(keys), markup=False, classes="card-keys")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.dismiss(event.value.strip() or None)


class HelpScreen(ModalScreen[None]):
    """Every key, from the one keymap; what works on the screen below comes first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1", "dismiss", "Close", show=False)
    ]

    def __init__(self, here: Sequence[Where], own_relay: str = "") -> None:
        """`own_relay`: on, off or failed, as the status line says it; empty before an account."""
        super().__init__()
        self._own_relay = own_relay
        self._places = [*here, *(place for place in Where if place not in here)]

    def compose(self) -> ComposeResult:
        with Vertical(classes="card", id="help"):
            yield Static("Keys", markup=False, classes="card-title")
            with VerticalScroll(can_focus=True):
                for place in self._places:
                    yield Static(self._keys(place), markup=False, classes="help-part")
                state = f" ({self._own_relay})" if self._own_relay else ""
                title = Content.styled(f"Your own relay{state}", "bold $text-primary")
                yield Static(title, markup=False)
                yield Static(OWN_RELAY, markup=False, classes="help-text")
            keys = (("↑↓", "scroll"), ("esc", "close"))
            yield Static(key_words(keys), markup=False, classes="card-keys")

    @staticmethod
    def _keys(place: Where) -> Content:
        lines = (
            Content.assemble((f"  {key.shown:<18} ", "$text-accent"), (key.says, "$foreground"))
            for key in keys_of(place)
        )
        return Content("\n").join([Content.styled(place.value, "bold $text-primary"), *lines])


def key_words(keys: Sequence[tuple[str, str]]) -> Content:
    """`enter go   esc back`, as every card ends."""
    pieces = [
        Content.assemble((f"{key} ", "$text-primary"), (word, "$foreground 60%"))
        for key, word in keys
    ]
    return Content("   ").join(pieces)
