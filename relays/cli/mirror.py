"""`relay mirror`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from relays.cli.common import add_config, add_data, config_of, data_of, on_loop
from relays.cli.sync import add_peer_options, filters_of

if TYPE_CHECKING:
    from relays.cli.common import Commands


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    mirror = commands.add_parser(
        "mirror",
        help="follow and feed other relays until stopped",
        description="A running relay does this by itself for the [[mirror]] of its configuration.",
    )
    mirror.add_argument(
        "peers", nargs="*", metavar="URL", help="other relays (those of the configuration)"
    )
    add_peer_options(mirror, direction="down")
    add_data(mirror)
    add_config(mirror)
    mirror.set_defaults(command=_mirror)


def _mirror(options: argparse.Namespace) -> int:
    from relays.config.relay_config import Mirror
    from relays.operations.mirror_process import mirror_until_stopped

    given = Mirror(
        urls=tuple(options.peers),
        direction=options.dir,
        filters=tuple(filters_of(options.filter)),
        proxy=options.proxy,
    )
    mirrors = [given] if options.peers else []
    on_loop(
        mirror_until_stopped(data_of(options), mirrors, config_of(options), sub_relay=options.room)
    )
    return 0
