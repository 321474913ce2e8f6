"""The tree of the relay's commands.

What is heavy is imported once it is known to be needed, so that `--help` and `--version` are quick.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from nostr_client.command_line.run import run_command_line
from nostr_client.command_line.tree import Group
from nostr_client.exits import table
from nostr_client.version import __version__
from relays.cli import (
    audit_log,
    backup,
    bans,
    config,
    doctor,
    import_export,
    init,
    members,
    mirror,
    reports,
    run,
    sync,
)

_ROOMS: Final = (
    *(run, init, config, import_export, backup, doctor, sync, mirror),
    *(bans, reports, audit_log, members),
)


def run_command(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit code."""
    return run_command_line(build(), "nostr-client relay", arguments)


def build() -> Group:
    """All commands."""
    root = Group("A Nostr relay.", epilog=table(), version=__version__)
    for room in _ROOMS:
        room.add_to(root)
    return root
