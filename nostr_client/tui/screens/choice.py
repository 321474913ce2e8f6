"""A small screen that asks to choose: one thing of several, or some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from nostr_client.safe_text import safe_line
from nostr_client.tui.keymap import Key, KeyGroup, keyed
from nostr_client.tui.screens.dialogs import key_words

MOST: Final = 200
"""Characters of a choice that are shown."""
LETTERS: Final = "123456789abcdefghilmoprstuvwxyz"
"""Given to choices that bring no key, in this order; j, k, n and q mean something in lists."""


@dataclass(frozen=True, slots=True)
class Offered:
    """What can be chosen: what the dialog is dismissed with, and raw words; `key` is its key."""

    value: str
    words: str
    key: str = ""


KEYS: Final = KeyGroup(
    "A choice",
    (
        Key("escape,q", "dismiss(None)", "Back", name="back"),
        Key("j", "move(1)", "Down", name="down"),
        Key("k", "move(-1)", "Up", name="up"),
        Key("space", "mark", "Mark, where several can be chosen"),
    ),
    "choice",
)


class ChoiceDialog(ModalScreen[tuple[str, ...]]):
    """Asks to choose; dismissed with the values, or None. Texts are made safe here.

    Of `many` as many can be chosen as one likes: a key marks, enter is done; `chosen` are marked
    from the beginning. Else a key, or enter, chooses one.
    """

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(
        self,
        question: str,
        choices: Sequence[Offered],
        detail: str = "",
        *,
        many: bool = False,
        chosen: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self._question = question
        self._detail = detail
        self._many = many
        self._chosen = dict.fromkeys(chosen)
        free = iter([key for key in LETTERS if key not in {choice.key for choice in choices}])
        self._choices = [(choice.key or next(free, ""), choice) for choice in choices]

    def compose(self) -> ComposeResult:
        with Vertical(classes="card"):
            yield Static(safe_line(self._question, MOST), markup=False, classes="card-title")
            if self._detail:
                yield Static(safe_line(self._detail, MOST), markup=False, classes="card-text")
            yield OptionList(*self._options(), compact=True)
            many = (("choice.mark", "mark"), ("enter", "done"))
            keys = (*(many if self._many else (("enter", "choose"),)), ("choice.back", "back"))
            yield Static(key_words(keyed(*keys)), markup=False, classes="card-keys")

    def on_mount(self) -> None:
        self.query_one(OptionList).focus()

    def on_key(self, event: events.Key) -> None:
        place = next((n for n, (key, _) in enumerate(self._choices) if key == event.character), -1)
        if event.character and place >= 0:
            event.stop()
            self._take(place)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if self._many:
            self.dismiss(tuple(self._chosen))
        else:
            self._take(event.option_index)

    def action_move(self, by: int) -> None:
        choices = self.query_one(OptionList)
        (choices.action_cursor_down if by > 0 else choices.action_cursor_up)()

    def action_mark(self) -> None:
        place = self.query_one(OptionList).highlighted
        if place is not None and self._many:
            self._take(place)

    def _take(self, place: int) -> None:
        value = self._choices[place][1].value
        if not self._many:
            self.dismiss((value,))
            return
        if value in self._chosen:
            del self._chosen[value]
        else:
            self._chosen[value] = None
        shown = self.query_one(OptionList)
        shown.replace_option_prompt_at_index(place, self._options()[place].prompt)

    def _options(self) -> list[Option]:
        return [Option(self._prompt(key, choice)) for key, choice in self._choices]

    def _prompt(self, key: str, choice: Offered) -> Content:
        mark = ("[x] " if choice.value in self._chosen else "[ ] ") if self._many else ""
        return Content.assemble(
            (f"{key or ' '} ", "$text-primary"), mark, safe_line(choice.words, MOST)
        )
