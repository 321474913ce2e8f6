"""The person's own commands are run: on what is selected, off the keys' path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from textual.app import App

from nostr_client.errors import ConfigError
from nostr_client.safe_text import safe_text
from nostr_client.social.views import NoteView
from nostr_client.tui import programs
from nostr_client.tui.commands import NamedCommand
from nostr_client.tui.external_editor import run_in_terminal
from nostr_client.tui.keymap import key_name
from nostr_client.tui.own_commands import MOST_INPUT, OwnCommand, arguments, values_of
from nostr_client.tui.screens.program_output import ProgramOutputScreen
from nostr_client.tui.targets import PersonTarget
from nostr_client.tui.user_interface import UserInterface


class OwnCommandFlow:
    """Runs `commands` for the app, which binds their keys."""

    def __init__(self, app: App[Any], ui: UserInterface, commands: Sequence[OwnCommand]) -> None:
        self._app = app
        self._ui = ui
        self._commands = {each.name: each for each in commands}

    def bind(self) -> None:
        """Have their keys work everywhere."""
        for each in self._commands.values():
            if each.keys:
                action = f"own_command('{each.name}')"
                self._app.bind(",".join(each.keys), action, description=each.says, show=False)

    def named(self) -> Iterator[NamedCommand]:
        """The commands at the `:` line."""
        for each in self._commands.values():
            keys = " ".join(key_name(key) for key in each.keys)
            yield NamedCommand(each.name, each.says, partial(self._run_now, each), keys)

    def run(self, name: str) -> None:
        """Run one of them on what is selected now."""
        self._run_now(self._commands[name])

    def _run_now(self, command: OwnCommand, argument: str = "") -> None:
        note, person = self._selected()
        if command.config.on == "note" and note is None:
            self._ui.say(f"{command.name}: select a note first.", "warning")
        elif command.config.on == "person" and not person:
            self._ui.say(f"{command.name}: select a person, or a note of theirs, first.", "warning")
        else:
            self._ui.start(partial(self._run, command, note, person), "own command")

    def _selected(self) -> tuple[NoteView | None, str]:
        """The selected note, unless it is not here, and whose profile or note that is (hex)."""
        note = getattr(self._app.focused, "note", None)
        if not isinstance(note, NoteView) or note.missing:
            note = None
        target = getattr(self._app.screen, "target", None)
        if isinstance(target, PersonTarget):
            return note, target.pubkey
        return note, note.event.pubkey if note is not None else ""

    async def _run(self, command: OwnCommand, note: NoteView | None, person: str) -> None:
        """Raises ConfigError, InvalidData: whoever started it says so."""
        config = command.config
        argv = arguments(config.run, values_of(note, person))
        if config.terminal:
            code = await run_in_terminal(self._app, argv)
            if code:
                raise ConfigError(f"{command.name} ended with code {code}")
            return
        given = None
        if config.stdin == "text" and note is not None:
            given = safe_text(note.event.content[:MOST_INPUT]).encode()
        self._ui.say(f"{command.name} runs.")
        result = await programs.run(argv, given, config.seconds, heard=config.output)
        if result.output.strip():
            await self._ui.ask(ProgramOutputScreen(command.name, result))
        elif result.ended or result.code:
            why = result.ended or f"it ended with code {result.code}"
            raise ConfigError(f"{command.name}: {why}")
        else:
            self._ui.say(f"{command.name} is done.")
