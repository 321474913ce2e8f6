"""The command palette: every command has a key as well, but for the themes and what is rarely done.

Textual reads markup in what a provider offers, so nothing from the network is offered here. There
is one provider for all: those of an app are a set, and each run would show them in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from rich.text import Text
from textual.app import App
from textual.command import DiscoveryHit, Hit, Hits, Provider

from nostr_client.tui.acts.act import AccountAct
from nostr_client.tui.acts.registry import ACTS
from nostr_client.tui.panes.registry import EVERYWHERE, PANES

_LEFT_OUT = frozenset({"command_palette", "back", "app.focus_next", "ask_quit"})


class PaletteCommand(NamedTuple):
    """What one can do: its name, what it does, and a line of help, if the name is too short."""

    name: str
    run: Callable[[], Any]
    help: str | None = None


class Commands(Provider):
    """What the keymap offers everywhere, and the themes."""

    async def discover(self) -> Hits:
        for command in commands(self.app):
            yield DiscoveryHit(Text(command.name), command.run, command.name, command.help)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for command in commands(self.app):
            score = matcher.match(command.name)
            if score > 0:
                yield Hit(score, Text(command.name), command.run, command.name, command.help)


def commands(app: App[Any]) -> Iterator[PaletteCommand]:
    """All of them, in the keymap's order."""
    for key in EVERYWHERE.keys:
        if key.action not in _LEFT_OUT:
            yield PaletteCommand(f"{key.says}  ({key.shown})", _runner(app, key.action))
    for pane in PANES:
        if not pane.key:
            yield PaletteCommand(pane.says, _runner(app, pane.action))
    for act in ACTS:
        if isinstance(act, AccountAct):
            yield PaletteCommand(act.says, partial(app.post_message, act.on(None)))
    yield PaletteCommand("Theme", app.search_themes, "Choose the colours; kept for next time")


def _runner(app: App[Any], action: str) -> Callable[[], Any]:
    return lambda: app.run_action(action)
