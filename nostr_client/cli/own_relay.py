"""`nostr-client own-relay`: the relay of your own on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nostr_client.cli.command import PLAIN, add_command
from nostr_client.command_line.tree import Group
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.resilience.own_relay import OwnRelayStatus


def status(context: ClientContext) -> None:
    """Is it running, and where?"""
    from nostr_client.resilience.own_relay import OwnRelay

    found = wait_for(OwnRelay(context.paths).status())
    context.out.emit(_record(found), _line(found))
    if not found.running:
        context.exit_code = Exit.NOT_FOUND


def start(context: ClientContext) -> None:
    """Start it, if it does not run, and keep it until `own-relay stop`."""
    from nostr_client.resilience.own_relay import OwnRelay

    async def work() -> OwnRelayStatus:
        own = OwnRelay(context.paths)
        await own.keep()
        return await own.status()

    found = wait_for(work())
    context.out.emit(_record(found), _line(found))


def stop(context: ClientContext) -> None:
    """End it, if it runs."""
    from nostr_client.resilience.own_relay import OwnRelay

    ended = wait_for(OwnRelay(context.paths).stop())
    context.out.emit({"stopped": ended}, "stopped" if ended else "it was not running")


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


def add_to(root: Group) -> None:
    """They stand in a group of their own."""
    group = root.group(
        "own-relay",
        "The relay of your own, which keeps your notes at home: status, start, stop.",
        default="status",
    )
    for function in (status, start, stop):
        add_command(group, function.__name__, function, PLAIN)
