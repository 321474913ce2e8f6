"""The commands of `nostr-client app`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nostr_client.cli.command import CLIENT, PLAIN, UNLOCKING, add_command
from nostr_client.cli.releases import checks, making, neighbours, updates

if TYPE_CHECKING:
    from nostr_client.command_line.tree import Group


def add_to(root: Group) -> None:
    """One group."""
    group = root.group("app", "Releases of this program: check, update, carry, share, publish.")
    for name, function, options in (
        ("show", checks.show, PLAIN),
        ("verify", checks.verify, CLIENT),
        ("update", updates.update, CLIENT),
        ("rollback", updates.rollback, PLAIN),
        ("trust", updates.trust, PLAIN),
        ("carry", neighbours.carry, CLIENT),
        ("share", neighbours.share, PLAIN),
        ("publish", making.publish, CLIENT),
        ("change-key", making.change_key, UNLOCKING),
    ):
        add_command(group, name, function, options)
