"""`nostr-client own-relay`: the relay of your own on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from nostr_client.cli.command import PLAIN, add_command, group_with_default
from nostr_client.cli.waiting import wait_for
from nostr_client.exits import Exit

if TYPE_CHECKING:
    from nostr_client.cli.run import Run
    from nostr_client.resilience.own_relay import OwnRelayStatus

app = typer.Typer(
    cls=group_with_default("status"),
    help="The relay of your own, which keeps your notes at home: status, start, stop.",
)


def status(run: Run) -> None:
    """Is it running, and where?"""
    from nostr_client.resilience.own_relay import OwnRelay

    found = wait_for(OwnRelay(run.paths).status())
    run.out.emit(_record(found), _line(found))
    if not found.running:
        run.exit_code = Exit.NOT_FOUND


def start(run: Run) -> None:
    """Start it, if it does not run, and keep it until `own-relay stop`."""
    from nostr_client.resilience.own_relay import OwnRelay

    async def work() -> OwnRelayStatus:
        own = OwnRelay(run.paths)
        await own.keep()
        return await own.status()

    found = wait_for(work())
    run.out.emit(_record(found), _line(found))


def stop(run: Run) -> None:
    """End it, if it runs."""
    from nostr_client.resilience.own_relay import OwnRelay

    ended = wait_for(OwnRelay(run.paths).stop())
    run.out.emit({"stopped": ended}, "stopped" if ended else "it was not running")


def _record(found: OwnRelayStatus) -> dict[str, Any]:
    return {
        "running": found.running,
        "url": found.url,
        "pid": found.pid,
        "started": found.started,
        "version": found.version,
        "problem": found.problem,
        "data": str(found.data),
        "log": str(found.log),
    }


def _line(found: OwnRelayStatus) -> str:
    if not found.running:
        return f"not running: {found.problem}"
    return f"{found.url}  process {found.pid}, keeps {found.data}"


for function in (status, start, stop):
    add_command(app, function.__name__, function, PLAIN)
