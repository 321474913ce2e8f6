"""`nostr-client relay sync`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.exits import Exit
from relays.cli.command import CONFIGURED, FilterTexts, SubRelay, add_command

if TYPE_CHECKING:
    from nostr_client.protocol.filters import Filter
    from relays.cli.context import RelayContext

Direction = Annotated[
    Literal["down", "up", "both"], Option("--dir", help="Fetch (down), send (up), or both.")
]
Proxy = Annotated[
    str | None, Option("--proxy", "URL", "tor://HOST:PORT, socks5h://... or http://...")
]


def sync(
    context: RelayContext,
    peer: Annotated[str, Argument("URL", "The other relay.")],
    *,
    filter: FilterTexts,
    dir: Direction = "both",
    proxy: Proxy = None,
    room: SubRelay = None,
    anew: Annotated[
        bool,
        Option(
            "--anew",
            help="Fetch also what came before and was not kept: after a ban was lifted, say.",
        ),
    ] = False,
) -> None:
    """Fetch what another relay has, and send what it lacks."""
    from relays.cli.context import on_loop
    from relays.operations.sync_once import SyncTask, sync_once

    task = SyncTask(
        url=peer,
        filters=filters_of(filter),
        down=dir != "up",
        up=dir != "down",
        sub_relay=room,
        proxy=proxy,
        anew=anew,
    )
    report = on_loop(sync_once(context.folder, task, context.load_config(), say=context.out.note))
    if context.json:
        context.out.emit(report, "")
    if report.incomplete:
        context.exit_code = Exit.INCOMPLETE
    elif report.refused:
        context.exit_code = Exit.NOT_ACCEPTED


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


def add_to(root: Group) -> None:
    """It stands at the top level."""
    add_command(root, "sync", sync, CONFIGURED)
