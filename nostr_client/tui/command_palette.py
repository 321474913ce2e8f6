"""The command palette: every command has a key as well, but for the themes.

Textual reads markup in what a provider offers, so nothing from the network is offered here. There
is one provider for all: those of an app are a set, and each run would show them in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from rich.text import Text
from textual.command import DiscoveryHit, Hit, Hits, Provider

from nostr_client.tui.commands import everywhere, of_focus


class PaletteCommand(NamedTuple):
    """What one can do: its name, what it does, and a line of help, if the name is too short."""

    name: str
    run: Callable[[], Any]
    help: str | None = None


class Commands(Provider):
    """What the focus offers, the keymap everywhere, and the themes."""

    async def discover(self) -> Hits:
        for command in self._commands():
            yield DiscoveryHit(Text(command.name), command.run, command.name, command.help)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for command in self._commands():
            score = matcher.match(command.name)
            if score > 0:
                yield Hit(score, Text(command.name), command.run, command.name, command.help)

    def _commands(self) -> Iterator[PaletteCommand]:
        """All of them: those of what has the focus, then the keymap's, in its order."""
        for each in (*of_focus(self.app, self.screen), *everywhere(self.app)):
            keys = f"  ({each.keys})" if each.keys else ""
            yield PaletteCommand(f"{each.says}{keys}", partial(each.run, ""))
        themes = self.app.search_themes
        yield PaletteCommand("Theme", themes, "Choose the colours; kept for next time")
