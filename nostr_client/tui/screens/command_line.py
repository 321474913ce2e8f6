"""The `:` line at the bottom: everything by its name, completed as one types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from nostr_client.social.pointers import SecretPointer, pointed_at
from nostr_client.tui.commands import NamedCommand, matching, meant
from nostr_client.tui.completing import Offer
from nostr_client.tui.keymap import Key, KeyGroup
from nostr_client.tui.saying import Say
from nostr_client.tui.widgets.completion_list import CompletionList
from nostr_client.tui.widgets.inputs import LineInput

KEYS: Final = KeyGroup(
    "At the : line",
    (
        Key("tab", "complete(1)", "Complete; the next choice", priority=True),
        Key(
            "shift+tab",
            "complete(-1)",
            "The choice before",
            priority=True,
            name="complete_backwards",
        ),
        Key("up,ctrl+p", "recall(-1)", "An earlier command", priority=True, name="earlier"),
        Key("down,ctrl+n", "recall(1)", "A later one", priority=True, name="later"),
        Key("enter", "go", "Do it"),
        Key("escape", "leave", "Back", priority=True),
    ),
    "command_line",
)
NOT_KEPT: Final = (
    "That was a SECRET key. It went nowhere, and nothing of it is kept. Whoever has seen it can "
    "write as you."
)
MOST_OFFERED: Final = 8


class CommandLineScreen(ModalScreen[str]):
    """Dismissed with the line that was typed. `history`: earlier lines, the last one at the end."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(self, commands: Sequence[NamedCommand], history: Sequence[str]) -> None:
        super().__init__()
        self._commands = commands
        self._history = (*history, "")
        self._at = len(history)
        self._input = LineInput(id="command")
        self._list = CompletionList(id="commands")
        self._completed = ""
        """What completion has put into the line: the offers stay those for what was typed."""

    def compose(self) -> ComposeResult:
        with Vertical(id="command-box"):
            yield self._list
            with Horizontal(id="command-line"):
                yield Static(":", markup=False, id="command-sign")
                yield self._input

    def on_mount(self) -> None:
        self._input.focus()
        self._offer("")

    def on_input_changed(self, message: Input.Changed) -> None:
        message.stop()
        line = message.value
        secret = isinstance(pointed_at(line.rpartition(" ")[2]), SecretPointer)
        self._input.password = bool(line) and (secret or self._input.password)
        if line != self._completed:
            self._offer(line)

    def on_input_submitted(self, message: Input.Submitted) -> None:
        message.stop()
        line = message.value.strip().removeprefix(":").strip()
        if self._input.password:
            self.post_message(Say(NOT_KEPT, "error"))
            line = ""
        self.dismiss(line or None)

    def _offer(self, line: str) -> None:
        self._completed = ""
        self._list.offer(offers(self._commands, line)[:MOST_OFFERED])

    def action_complete(self, by: int) -> None:
        """Put the choice into the line; once more: the next one."""
        if not self._list.is_open:
            return
        if self._completed:
            self._list.move(by)
        chosen = self._list.chosen
        if chosen is not None:
            self._completed = chosen.text
            self._input.value = chosen.text
            self._input.cursor_position = len(chosen.text)

    def action_recall(self, by: int) -> None:
        """Go through what was typed before."""
        self._at = min(max(self._at + by, 0), len(self._history) - 1)
        line = self._history[self._at]
        self._input.value = line
        self._input.cursor_position = len(line)

    def action_leave(self) -> None:
        self.dismiss(None)


def offers(commands: Sequence[NamedCommand], line: str) -> list[Offer]:
    """What may stand in the line, whole: names, or what can follow a name."""
    name, blank, argument = line.lstrip().removeprefix(":").partition(" ")
    if not blank:
        return [_named(each) for each in matching(commands, name)]
    command = meant(commands, name)
    if command is None:
        return []
    argument = argument.strip().casefold()
    values = [value for value in command.values() if argument in value.casefold()]
    values.sort(key=lambda value: not value.casefold().startswith(argument))
    return [Offer(f"{command.name} {value}", command.says) for value in values]


def _named(command: NamedCommand) -> Offer:
    keys = f"  ({command.keys})" if command.keys else ""
    more = f" {command.argument}" if command.argument else ""
    return Offer(command.name, f"{more.strip() + ': ' if more else ''}{command.says}{keys}")
