"""`relay import` and `relay export`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

from relays.cli.common import add_config, add_data, add_json, config_of, data_of, on_loop

if TYPE_CHECKING:
    from relays.cli.common import Commands

REFUSED: Final = 3
"""An import went through, but some lines were refused: malformed, forged, beyond a limit."""


def add(commands: Commands) -> None:
    """Add the commands to the parser."""
    take = commands.add_parser("import", help="take in events from JSON lines, as strfry's too")
    take.add_argument("files", nargs="+", metavar="FILE", help="a file, or - for standard input")
    take.add_argument(
        "--anew", action="store_true", help="from the beginning, also after an interruption"
    )
    take.set_defaults(command=_import)
    give = commands.add_parser("export", help="write events as JSON lines, newest first")
    give.add_argument(
        "--filter",
        action="append",
        default=[],
        metavar="JSON",
        help="only what matches (NIP-01); may be given more than once",
    )
    give.add_argument("--since", type=int, metavar="SECONDS", help="not older than this")
    give.add_argument("--until", type=int, metavar="SECONDS", help="not newer than this")
    give.set_defaults(command=_export)
    for command in (take, give):
        command.add_argument("--room", metavar="NAME", help="one of the profile's further relays")
        add_data(command)
        add_json(command)
    add_config(take)


def _import(options: argparse.Namespace) -> int:
    from relays.operations.import_export import import_files

    work = import_files(
        data_of(options),
        options.files,
        config_of(options),
        anew=options.anew,
        sub_relay=options.room,
    )
    tally = on_loop(work)
    if options.json:
        from nostr_client.output import Output

        Output(True).emit(tally, "")
    return REFUSED if tally.refused else 0


def _export(options: argparse.Namespace) -> int:
    from relays.cli.sync import filters_of
    from relays.operations.import_export import export_events

    filters = filters_of(options.filter)
    for bound in ("since", "until"):
        value = getattr(options, bound)
        if value is not None:
            filters = [one.changed(**{bound: value}) for one in filters]
    on_loop(export_events(data_of(options), sys.stdout.buffer, filters, sub_relay=options.room))
    return 0
