"""`nostr-client relay`, for the help alone: `nostr_client.main` hands it over before that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nostr_client.cli.command import PLAIN, add_command
from nostr_client.command_line.tree import Group

if TYPE_CHECKING:
    from nostr_client.command_line.context import Context


def relay(context: Context) -> None:
    """Run a relay for yourself, friends or the public: run, import, export."""


def add_to(root: Group) -> None:
    """It stands at the top level."""
    add_command(root, "relay", relay, PLAIN)
