"""What is typed at the `:` line is done: the app's commands, and the lines of this session."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from inspect import isawaitable
from typing import Any, Final

from textual.app import App

from nostr_client.client import NostrClient
from nostr_client.errors import InvalidData
from nostr_client.social.pointers import SecretPointer, pointed_at
from nostr_client.tui.commands import NamedCommand, by_name, everywhere, meant, of_focus
from nostr_client.tui.find_rows import target_at
from nostr_client.tui.keymap import key_for
from nostr_client.tui.screens.command_line import CommandLineScreen
from nostr_client.tui.user_interface import UserInterface

MOST_KEPT: Final = 100
"""Lines that are recalled."""


class CommandFlow:
    """Asks for a line and does what it says; `client` is that of the account that is open,
    `own` the commands of the person's own."""

    def __init__(
        self,
        app: App[Any],
        ui: UserInterface,
        client: Callable[[], NostrClient | None],
        own: Callable[[], Iterable[NamedCommand]],
    ) -> None:
        self._app = app
        self._ui = ui
        self._client = client
        self._own = own
        self._history: deque[str] = deque(maxlen=MOST_KEPT)

    async def ask(self) -> None:
        """Ask for a line, with all that can be done where the person is. Raises NostrError."""
        commands = by_name((*of_focus(self._app, self._app.screen), *self._always()))
        line = await self._ui.ask(CommandLineScreen(commands, self._history))
        if line:
            if line in self._history:
                self._history.remove(line)
            self._history.append(line)
            await self._do(commands, line)

    def _always(self) -> Iterator[NamedCommand]:
        app = self._app
        yield from self._own()
        yield from everywhere(app)
        where = "an npub, nevent, #tag, wss://…, name@domain or link"
        yield NamedCommand("open", f"Go to {where}", self._open, argument="…")
        yield NamedCommand(
            "theme",
            "The colours; kept for next time",
            self._theme,
            argument="NAME",
            values=lambda: sorted(app.available_themes),
        )

    async def _do(self, commands: list[NamedCommand], line: str) -> None:
        name, _, argument = line.partition(" ")
        command, argument = meant(commands, name), argument.strip()
        if command is None:
            self._ui.say(f"There is nothing called “{name[:40]}” to do here.", "warning")
        elif argument and not command.argument:
            self._ui.say(f":{command.name} takes nothing after it.", "warning")
        elif command.argument and not argument:
            self._ui.say(f":{command.name} {command.argument} wants to know what.", "warning")
        elif isawaitable(done := command.run(argument)):
            await done

    async def _open(self, text: str) -> None:
        client = self._client()
        if client is None:
            return
        pointer = pointed_at(text)
        target = None if pointer is None else target_at(pointer)
        if target is None and pointer is not None and not isinstance(pointer, SecretPointer):
            found = await client.search.resolve(text)
            target = None if found is None else target_at(found)
        if target is None:
            raise InvalidData(f"“{text[:60]}” points to nothing: {key_for('app.find')} finds words")
        self._ui.open(target)

    def _theme(self, name: str) -> None:
        if name not in self._app.available_themes:
            raise InvalidData(f"There is no theme “{name[:40]}”.")
        self._app.theme = name
