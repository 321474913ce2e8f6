"""The tree of the client's commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nostr_client.cli import (
    account,
    audit,
    backup,
    blossom,
    bunker,
    copies,
    demo,
    dm,
    drafts,
    drill,
    evacuate,
    feed,
    history,
    keep,
    lists,
    notes,
    own_relay,
    people,
    plain,
    private_lists,
    relays,
    scheduling,
    search,
    web,
    why,
)
from nostr_client.cli.command import PLAIN, add_command
from nostr_client.command_line.run import run_command_line
from nostr_client.command_line.tree import Group
from nostr_client.exits import table
from nostr_client.version import __version__

if TYPE_CHECKING:
    from nostr_client.command_line.context import Context


def run_command(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit code."""
    return run_command_line(build(), "nostr-client", arguments)


def build() -> Group:
    """All commands."""
    root = Group(
        "A Nostr account that no host can remove. Without a command it opens the terminal client.",
        epilog=table(),
        version=f"nostr-client {__version__}",
    )
    for room in (
        account,
        backup,
        notes,
        drafts,
        scheduling,
        dm,
        feed,
        plain,
        search,
        people,
        private_lists,
        blossom,
        lists,
        relays,
        copies,
        evacuate,
        history,
        keep,
        audit,
        why,
        own_relay,
        bunker,
        web,
    ):
        room.add_to(root)
    add_command(root, "relay", _relay, PLAIN)
    demo.add_to(root)
    drill.add_to(root)
    return root


def _relay(context: Context) -> None:
    """Run a relay for yourself, friends or the public: run, import, export."""
