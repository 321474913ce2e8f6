"""The command palette: every command has a key as well; the themes are Textual's own commands.

Textual reads markup in what a provider offers, so nothing from the network is offered here.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine

from rich.text import Text
from textual.command import DiscoveryHit, Hit, Hits, Provider

from nostr_client.tui.panes.registry import EVERYWHERE

_LEFT_OUT = frozenset({"command_palette", "back", "app.focus_next", "ask_quit"})


class KeymapCommands(Provider):
    """What the keymap offers everywhere."""

    async def discover(self) -> Hits:
        for words, action in _commands():
            yield DiscoveryHit(Text(words), self._runner(action), words)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for words, action in _commands():
            score = matcher.match(words)
            if score > 0:
                yield Hit(score, Text(words), self._runner(action), words)

    def _runner(self, action: str) -> Callable[[], Coroutine[None, None, bool]]:
        return lambda: self.app.run_action(action)


def _commands() -> list[tuple[str, str]]:
    return [
        (f"{key.says}  ({key.shown})", key.action)
        for key in EVERYWHERE.keys
        if key.action not in _LEFT_OUT
    ]
