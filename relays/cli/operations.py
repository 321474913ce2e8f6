"""`relay backup`, `restore`, `compact`, `doctor` and `health`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from relays.cli.common import add_data, add_json, data_of, on_loop

if TYPE_CHECKING:
    from relays.cli.common import Commands

ILL: Final = 1
"""The doctor found something bad; the relay is not well, or not running."""


def add(commands: Commands) -> None:
    """Add the commands to the parser."""
    backup = commands.add_parser("backup", help="copy the whole relay, and read the copy back")
    backup.add_argument("place", type=Path, metavar="FOLDER", help="a folder that is not there yet")
    add_data(backup)
    backup.set_defaults(command=_backup)
    restore = commands.add_parser("restore", help="put a backup back, where there is no relay")
    restore.add_argument("place", type=Path, metavar="FOLDER", help="the backup's")
    add_data(restore)
    restore.set_defaults(command=_restore)
    compact = commands.add_parser("compact", help="give free space back to the disk")
    add_data(compact)
    compact.set_defaults(command=_compact)
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
    for command in (backup, restore, compact, doctor, health):
        add_json(command)


def _backup(options: argparse.Namespace) -> int:
    from relays.operations.backup import back_up
    from relays.web.status import size_text

    made = on_loop(back_up(data_of(options), options.place))
    _done(
        options,
        {"folder": str(options.place), "events": made.events, "bytes": made.size},
        f"{options.place}: {made.events:,} events, {size_text(made.size)}; read back and sound."
        " It holds the relay's secret key: keep it where nobody else reads it.",
    )
    return 0


def _restore(options: argparse.Namespace) -> int:
    from relays.operations.backup import restore

    made, data = on_loop(restore(options.place, data_of(options))), data_of(options)
    record = {"folder": str(data), "events": made.events, "bytes": made.size}
    _done(options, record, f"{data}: {made.events:,} events are back; read and sound.")
    return 0


def _done(options: argparse.Namespace, record: dict[str, object], plain: str) -> None:
    """What became of it: for programs on standard output, for people beside it."""
    from nostr_client.output import Output

    output = Output(options.json)
    if options.json:
        output.emit(record, plain)
    output.note(plain)


def _compact(options: argparse.Namespace) -> int:
    return on_loop(_compact_all(options))


async def _compact_all(options: argparse.Namespace) -> int:
    from relays.operations.compact import compact
    from relays.web.status import size_text

    async for done in compact(data_of(options)):
        sizes = f"{size_text(done.before)} before, {size_text(done.after)} now"
        _done(options, done._asdict(), f"{done.name}: {sizes}")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    return on_loop(_examine(options))


async def _examine(options: argparse.Namespace) -> int:
    from nostr_client.output import Output
    from relays.operations.doctor import examine

    bad, output = False, Output(options.json)
    path = Path(options.config) if options.config else None
    async for found in examine(data_of(options), path, peers=tuple(options.peer)):
        output.emit(found, str(found))
        bad = bad or found.level == "bad"
    return ILL if bad else 0


def _health(options: argparse.Namespace) -> int:
    words = on_loop(_ask(options))
    well = words == "ok"
    from nostr_client.output import Output

    Output(options.json).emit({"well": well, "words": words}, words)
    return 0 if well else ILL


async def _ask(options: argparse.Namespace) -> str:
    import ssl

    from nostr_client.net.http import get
    from relays.process.folder import running_relay

    note = running_relay(data_of(options))
    if note is None:
        return "no relay is running"
    # It is on this machine, and its certificate is for another name.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    url = note.url.replace("ws", "http", 1) + "/health"
    answer = await get(url, allow_private=True, accept="text/plain", tls=context)
    return answer.body.decode("utf-8", "replace").strip()
