"""`relay import` and `relay export`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

from relays.cli.common import add_config, add_data, config_of, data_of, on_loop

if TYPE_CHECKING:
    from relays.cli.common import Commands

REFUSED: Final = 3
"""An import went through, but some lines were refused: malformed, forged, beyond a limit."""


def add(commands: Commands) -> None:
    """Add the commands to the parser."""
    take = commands.add_parser("import", help="take in events from JSON lines")
    take.add_argument("files", nargs="+", metavar="FILE", help="a file, or - for standard input")
    take.set_defaults(command=_import)
    give = commands.add_parser("export", help="write all events as JSON lines")
    give.set_defaults(command=_export)
    add_data(take)
    add_data(give)
    add_config(take)


def _import(options: argparse.Namespace) -> int:
    from relays.transfer import import_files

    tally = on_loop(import_files(data_of(options), options.files, config_of(options)))
    return REFUSED if tally.refused else 0


def _export(options: argparse.Namespace) -> int:
    from relays.transfer import export_events

    on_loop(export_events(data_of(options), sys.stdout.buffer))
    return 0
