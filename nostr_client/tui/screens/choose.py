"""A short list to choose from: by its digit, or by the arrows and enter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Generic, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from nostr_client.tui.keymap import WAY, Key, KeyGroup, hints
from nostr_client.tui.screens.dialogs import key_words
from nostr_client.tui.widgets.items import FixedItems, ItemRenderer, Styles
from nostr_client.tui.widgets.list_messages import Chosen
from nostr_client.tui.widgets.windowed_list import WindowedList

T = TypeVar("T")
KEYS: Final = KeyGroup(
    "Choosing",
    (
        Key("enter", "choose", "Take it", "take it"),
        Key("y", "copy", "Copy it", "copy"),
        Key("escape,q", "dismiss(None)", "Back", "back"),
    ),
)


@dataclass(frozen=True)
class Choice(Generic[T]):
    """One of several: `words` on one safe line, `sort` a short word before them; `copied` is what
    the copy key copies, if anything."""

    value: T
    words: str
    sort: str = ""
    copied: str = ""


class ChoiceRenderer(ItemRenderer[tuple[int, Choice[T]]]):
    """Number, sort, words."""

    def key(self, item: tuple[int, Choice[T]]) -> str:
        return str(item[0])

    def lines(self, item: tuple[int, Choice[T]], width: int, style: Styles) -> list[Content]:
        number, choice = item
        dim = style("list--dim")
        shown = Content.assemble(
            (f"{number:>2} ", style("list--strong")), (f"{choice.sort:<7}", dim), choice.words
        )
        return shown.wrap(width)[:3] or [shown]


class ChooseScreen(ModalScreen[T]):
    """Dismissed with the value that was chosen, or None."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings(without=("choose",))

    def __init__(self, title: str, choices: Sequence[Choice[T]]) -> None:
        super().__init__()
        self._title = title
        self._choices = list(enumerate(choices, 1))
        self._list: WindowedList[tuple[int, Choice[T]]] = WindowedList(ChoiceRenderer(), gap=0)

    def compose(self) -> ComposeResult:
        with Vertical(classes="card choose"):
            yield Static(self._title, markup=False, classes="card-title")
            yield self._list
            digits = (("1-9", "take it"),)
            yield Static(key_words((*digits, *hints(WAY, KEYS))), markup=False, classes="card-keys")

    def on_mount(self) -> None:
        self._list.styles.height = min(max(2 * len(self._choices), 2), 20)
        self._list.renew(FixedItems(self._choices, self._list.renderer.key))
        self._list.focus()

    def on_key(self, event: events.Key) -> None:
        if event.character and event.character in "123456789":
            event.stop()
            number = int(event.character)
            if number <= len(self._choices):
                self.dismiss(self._choices[number - 1][1].value)

    def on_windowed_list_chosen(self, message: Chosen) -> None:
        message.stop()
        self.dismiss(message.item[1].value)

    def action_copy(self) -> None:
        item = self._list.selected
        if item is not None and item[1].copied:
            self.app.copy_to_clipboard(item[1].copied)
            self.dismiss(None)
