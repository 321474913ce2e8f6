"""The tree of the client's commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module

from nostr_client.cli.index import INDEX, SECTIONS
from nostr_client.command_line.run import run_command_line
from nostr_client.command_line.tree import Command, Group
from nostr_client.exits import table
from nostr_client.version import __version__


def run_command(arguments: Sequence[str], relay: Callable[[], Group] | None = None) -> int:
    """Run the command line; returns the exit code. `relay` brings the tree of the relay's commands,
    which are handed over elsewhere, for whoever tells of all."""
    return run_command_line(build(relay), "nostr-client", arguments)


def build(relay: Callable[[], Group] | None = None) -> Group:
    """All commands."""
    root = Group(
        "A Nostr account that no host can remove. Without a command it opens the terminal client.",
        epilog=table(),
        version=f"nostr-client {__version__}",
        examples=_examples,
        sections=SECTIONS,
    )
    for file, lines in INDEX.items():
        for name, help in lines.items():
            root.later(name, help, partial(_load, file, name))
    if relay is not None:
        root.later("relay", INDEX["relay"]["relay"], relay)
    return root


def _load(file: str, name: str) -> Command | Group:
    """The command or group `name`, of a file within `nostr_client.cli`."""
    loaded = Group("")
    import_module(f"nostr_client.cli.{file}").add_to(loaded)
    return loaded.members[name]


def _examples() -> Mapping[str, str]:
    from nostr_client.cli.examples import EXAMPLES

    return EXAMPLES
