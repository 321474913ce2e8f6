"""A bare Textual program to compare with: an `OptionList` of 1,000 notes, and nothing else.

    python -m benchmarks.bare_list

Each option has as many lines as a short note in a timeline; enter opens another screen with an
`OptionList` of what might be answers.
"""

from __future__ import annotations

from textual import on
from textual.app import App, ComposeResult
from textual.screen import Screen
from textual.widgets import OptionList

ROWS = 1_000
TEXT = "what a note says, about as long as notes are and in words of the usual length, " * 2


def note(number: int) -> str:
    return f"somebody · {number} min\nn{number:07} {TEXT}\n"


class Opened(Screen[None]):
    """What is opened by enter."""

    BINDINGS = [("escape", "app.pop_screen")]  # noqa: RUF012

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def compose(self) -> ComposeResult:
        answers = (f"answer {n}\n{TEXT}\n" for n in range(5))
        yield OptionList(f"opened\n{note(self._number)}", *answers, markup=False)


class BareList(App[None]):
    """The list."""

    def compose(self) -> ComposeResult:
        yield OptionList(*(note(number) for number in range(ROWS)), markup=False)

    def on_mount(self) -> None:
        self.query_one(OptionList).highlighted = 0

    @on(OptionList.OptionSelected)
    def open(self, message: OptionList.OptionSelected) -> None:
        if not isinstance(self.screen, Opened):
            self.push_screen(Opened(message.option_index))


if __name__ == "__main__":
    BareList().run()
