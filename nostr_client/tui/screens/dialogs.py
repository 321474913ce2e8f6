"""Small screens over another one: a question before what cannot be undone, and one for a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from nostr_client.safe_text import safe_text
from nostr_client.tui.keymap import Key, KeyGroup, keyed
from nostr_client.tui.widgets.inputs import LineInput

QUESTION: Final = KeyGroup(
    "A question",
    (
        Key("y", "answer(True)", "Yes", name="yes"),
        Key("n,q,escape", "answer(False)", "No", name="no"),
    ),
    "question",
)


class ConfirmDialog(ModalScreen[bool]):
    """Asks before it happens: `y` does it, `n` or esc does not; enter does nothing by mistake.

    With `word` the person types that word instead, for what is lost for good. `question` and
    `detail` may hold text from anywhere: it is made safe here, and is never markup.
    """

    BINDINGS: ClassVar[list[BindingType]] = QUESTION.bindings()

    def __init__(self, question: str, detail: str = "", *, yes: str, word: str = "") -> None:
        super().__init__()
        self._question = safe_text(question)
        self._detail = safe_text(detail)
        self._yes = yes
        self._word = word

    def compose(self) -> ComposeResult:
        with Vertical(classes="card"):
            yield Static(self._question, markup=False, classes="card-title")
            if self._detail:
                yield Static(self._detail, markup=False, classes="card-text")
            if self._word:
                yield LineInput(placeholder=f"type: {self._word}", id="word")
                keys = keyed(("enter", self._yes), ("question.no", "no"))
            else:
                keys = keyed(("question.yes", self._yes), ("question.no", "no"))
            yield Static(key_words(keys), markup=False, classes="card-keys")

    def action_answer(self, yes: bool) -> None:
        if not (yes and self._word):
            self.dismiss(yes)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip() == self._word:
            self.dismiss(True)


LEAVING: Final = KeyGroup(
    "Leave?",
    (Key("ctrl+c", "answer(True)", "Leave: who presses it twice means it", name="leave"),),
    "leaving",
)


class QuitDialog(ConfirmDialog):
    """Asks before the client ends; ctrl+c once more does not mean to be asked again."""

    BINDINGS: ClassVar[list[BindingType]] = LEAVING.bindings()

    def __init__(self) -> None:
        super().__init__("Leave nostr-client?", "Drafts are kept.", yes="leave")


LINE_QUESTION: Final = KeyGroup(
    "A question that is answered in words",
    (Key("escape", "dismiss(None)", "Back", name="back"),),
    "line_question",
)


class PromptDialog(ModalScreen[str]):
    """Asks for one line of text; dismissed with it, or with None."""

    BINDINGS: ClassVar[list[BindingType]] = LINE_QUESTION.bindings()

    def __init__(
        self,
        question: str,
        hint: str,
        *,
        yes: str,
        offered: str = "",
        blank: bool = False,
        hidden: bool = False,
        detail: str = "",
    ) -> None:
        """`detail` is said below the question, both are made safe here; `offered` stands in the
        line already, to be taken or changed; `blank`: an empty line is an answer, too; `hidden`:
        what is typed is not shown, and taken as it is."""
        super().__init__()
        self._question = safe_text(question)
        self._hint = hint
        self._offered = offered
        self._yes = yes
        self._blank = blank
        self._hidden = hidden
        self._detail = safe_text(detail)

    def compose(self) -> ComposeResult:
        with Vertical(classes="card"):
            yield Static(self._question, markup=False, classes="card-title")
            if self._detail:
                yield Static(self._detail, markup=False, classes="card-text")
            line = LineInput(self._offered, placeholder=self._hint, id="line")
            line.password = self._hidden
            yield line
            keys = keyed(("enter", self._yes), ("line_question.back", "back"))
            yield Static(key_words(keys), markup=False, classes="card-keys")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        line = event.value if self._hidden else event.value.strip()
        self.dismiss(line if line or self._blank else None)


def key_words(keys: Sequence[tuple[str, str]]) -> Content:
    """`enter go   esc back`, as every card ends."""
    pieces = [
        Content.assemble((f"{key} ", "$text-primary"), (word, "$foreground 60%"))
        for key, word in keys
    ]
    return Content("   ").join(pieces)
