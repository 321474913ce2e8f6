"""`relay doctor` and `relay health`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

from relays.cli.common import add_data, data_of, on_loop

if TYPE_CHECKING:
    from relays.cli.common import Commands

ILL: Final = 1
"""The doctor found something bad; the relay is not well, or not running."""


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
    health = commands.add_parser("health", help="ask the running relay whether it is well")
    add_data(health)
    health.set_defaults(command=_health)


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


def _health(options: argparse.Namespace) -> int:
    words = on_loop(_ask(options))
    sys.stdout.write(f"{words}\n")
    return 0 if words == "ok" else ILL


async def _ask(options: argparse.Namespace) -> str:
    import ssl

    from nostr_client.net.http import get
    from relays.running import note_in

    note = note_in(data_of(options))
    if note is None:
        return "no relay is running"
    # It is on this machine, and its certificate is for another name.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    url = note.url.replace("ws", "http", 1) + "/health"
    answer = await get(url, allow_private=True, accept="text/plain", tls=context)
    return answer.body.decode("utf-8", "replace").strip()
