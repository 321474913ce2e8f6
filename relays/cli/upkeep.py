"""`relay doctor`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

from relays.cli.common import add_data, data_of, on_loop

if TYPE_CHECKING:
    from relays.cli.common import Commands

ILL: Final = 1
"""The doctor found something bad."""


def add(commands: Commands) -> None:
    """Add the commands to the parser."""
    doctor = commands.add_parser("doctor", help="look at everything a relay needs")
    add_data(doctor)
    doctor.add_argument("--config", metavar="FILE", help="settings, in TOML")
    doctor.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="URL",
        help="a relay to compare clocks with; may be given more than once",
    )
    doctor.set_defaults(command=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    return on_loop(_examine(options))


async def _examine(options: argparse.Namespace) -> int:
    from pathlib import Path

    from relays.upkeep.doctor import examine

    bad = False
    path = Path(options.config) if options.config else None
    async for found in examine(data_of(options), path, peers=tuple(options.peer)):
        sys.stdout.write(f"{found}\n")
        sys.stdout.flush()
        bad = bad or found.level == "bad"
    return ILL if bad else 0
