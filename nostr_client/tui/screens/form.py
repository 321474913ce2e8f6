"""What the screens of the first run share: a calm page of text and fields."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input, Static

from nostr_client.errors import NostrError
from nostr_client.safe_text import safe_line
from nostr_client.tui.keymap import FORM, keyed
from nostr_client.tui.screens.dialogs import key_words
from nostr_client.tui.widgets.inputs import LineInput
from nostr_client.tui.workers import Work, start_worker

T = TypeVar("T")


class FormScreen(Screen[T]):
    """A page with a title, its parts, a line for problems and one for keys.

    A subclass gives `HEADING`, `body`, `go` and `KEYS`, by the ids of their bindings; `busy` is
    true while work that `start` began runs, and meanwhile neither enter nor esc does anything.
    """

    BINDINGS: ClassVar[list[BindingType]] = FORM.bindings(without=("key_store",))
    HEADING = ""
    KEYS: tuple[tuple[str, str], ...] = (("form.go", "go on"), ("form.leave", "back"))

    def __init__(self) -> None:
        super().__init__()
        self.busy = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="page"):
            yield Static(self.HEADING, markup=False, classes="page-title")
            yield from self.body()
            yield Static("", markup=False, id="problem", classes="problem")
            yield Static(key_words(keyed(*self.KEYS)), markup=False, id="keys", classes="card-keys")

    def body(self) -> Iterable[Widget]:
        """The widgets between title and keys."""
        return ()

    def go(self) -> None:
        """Enter was pressed."""

    def value(self, field: str) -> str:
        """What stands in an input."""
        return self.query_one(f"#{field}", Input).value

    def problem(self, text: str) -> None:
        """Say what is wrong; safe text, shown as it is. Empty when nothing is."""
        self.query_one("#problem", Static).update(safe_line(text, 400))

    def start(self, work: Work, saying: str) -> None:
        """Run `work` off the keys' path, saying so; what it raises of ours is shown."""
        self.busy = True
        self.problem(saying)
        start_worker(self, partial(self._guarded, work), "page")

    async def _guarded(self, work: Work) -> None:
        try:
            await work()
        except NostrError as error:
            self.problem(str(error))
        finally:
            self.busy = False

    def action_go(self) -> None:
        if not self.busy:
            self.go()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_go()

    def action_leave(self) -> None:
        if not self.busy:
            self.dismiss(None)


def field(
    label: str, name: str, *, hidden: bool = False, hint: str = "", value: str = ""
) -> Widget:
    """A labelled input with the id `name`."""
    return Horizontal(
        Static(label, markup=False, classes="field-label"),
        LineInput(value, password=hidden, placeholder=hint, id=name, compact=True),
        classes="field",
        id=f"{name}-row",
    )


def prose(text: str = "", id: str | None = None) -> Static:
    """A paragraph."""
    return Static(text, markup=False, classes="prose", id=id)
