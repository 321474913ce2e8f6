"""`nostr-client relay mirror`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from nostr_client.command_line.tree import Argument, Group
from relays.cli.command import LASTING, FilterTexts, SubRelay, add_command
from relays.cli.sync import Direction, Proxy, filters_of

if TYPE_CHECKING:
    from relays.cli.context import RelayContext


def mirror(
    context: RelayContext,
    peers: Annotated[list[str], Argument("[URL...]", "Other relays (those of the configuration).")],
    *,
    filter: FilterTexts,
    dir: Direction = "down",
    proxy: Proxy = None,
    room: SubRelay = None,
) -> None:
    """Follow and feed other relays until stopped.

    A running relay does this by itself for the [[mirror]] of its configuration.
    """
    from relays.cli.context import on_loop
    from relays.config.relay_config import Mirror
    from relays.operations.mirror_process import mirror_until_stopped

    given = Mirror(urls=tuple(peers), direction=dir, filters=tuple(filters_of(filter)), proxy=proxy)
    mirrors, config = [given] if peers else [], context.load_config()
    on_loop(mirror_until_stopped(context.folder, mirrors, config, sub_relay=room))


def add_to(root: Group) -> None:
    """It stands at the top level."""
    add_command(root, "mirror", mirror, LASTING)
