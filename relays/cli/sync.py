"""`relay sync`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

from relays.cli.common import add_config, add_data, add_json, config_of, data_of, on_loop

if TYPE_CHECKING:
    from nostr_client.protocol.filters import Filter
    from relays.cli.common import Commands

REFUSED: Final = 3
"""It went through, but some events were refused, here or there."""
INCOMPLETE: Final = 9
"""It went through, but the other relay has more than it showed."""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    sync = commands.add_parser("sync", help="fetch what another relay has, and send what it lacks")
    sync.add_argument("peer", metavar="URL", help="the other relay")
    add_peer_options(sync, direction="both")
    sync.add_argument(
        "--anew",
        action="store_true",
        help="fetch also what came before and was not kept: after a ban was lifted, for example",
    )
    add_data(sync)
    add_config(sync)
    add_json(sync)
    sync.set_defaults(command=_sync)


def add_peer_options(command: argparse.ArgumentParser, *, direction: str) -> None:
    """`--filter`, `--dir`, `--proxy` and `--room`; `direction` is the usual one."""
    command.add_argument(
        "--filter",
        action="append",
        default=[],
        metavar="JSON",
        help="only these events: a filter, or a list of them (all)",
    )
    command.add_argument(
        "--dir",
        choices=("down", "up", "both"),
        default=direction,
        help=f"fetch (down), send (up), or both ({direction})",
    )
    command.add_argument("--proxy", metavar="URL", help="socks5h://host:port or http://host:port")
    command.add_argument("--room", metavar="NAME", help="one of the profile's further relays")


def filters_of(texts: list[str]) -> list[Filter]:
    """The filters in `--filter`; one for everything where there is none. Raises ConfigError."""
    import msgspec

    from nostr_client.errors import ConfigError, InvalidData
    from nostr_client.protocol.filters import Filter

    found: list[Filter] = []
    for text in texts:
        try:
            value: Any = msgspec.json.decode(text)
            for one in value if isinstance(value, list) else [value]:
                if not isinstance(one, dict):
                    raise InvalidData("a filter is an object")
                found.append(Filter.from_dict(one))
        except (msgspec.DecodeError, UnicodeEncodeError, InvalidData) as error:
            raise ConfigError(f"--filter: {error}") from None
    return found or [Filter()]


def _sync(options: argparse.Namespace) -> int:
    from relays.operations.sync_once import sync_once

    outcome = on_loop(
        sync_once(
            data_of(options),
            options.peer,
            filters_of(options.filter),
            config_of(options),
            down=options.dir != "up",
            up=options.dir != "down",
            proxy=options.proxy,
            sub_relay=options.room,
            anew=options.anew,
        )
    )
    if options.json:
        from nostr_client.output import Output

        Output(True).emit(outcome, "")
    if outcome.incomplete:
        return INCOMPLETE
    return REFUSED if outcome.refused else 0
