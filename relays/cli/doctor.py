"""`nostr-client relay doctor` and `health`: is all well?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from nostr_client.command_line.tree import Group, Option
from nostr_client.exits import Exit
from relays.cli.command import FOLDER, STORES, add_command

if TYPE_CHECKING:
    from relays.cli.context import RelayContext


def doctor(
    context: RelayContext,
    *,
    peer: Annotated[list[str], Option("--peer", "URL", "A relay to compare clocks with.")],
) -> None:
    """Look at everything a relay needs."""
    from relays.cli.context import on_loop
    from relays.operations.doctor import examine

    async def work() -> None:
        async for found in examine(
            context.folder, context.config, peers=tuple(peer), database=context.given_store() or ""
        ):
            context.out.emit(found, str(found))
            if found.level == "bad":
                context.exit_code = Exit.ERROR

    on_loop(work())


def health(context: RelayContext) -> None:
    """Ask the running relay whether it is well."""
    from relays.cli.context import on_loop

    words = on_loop(_ask(context.folder))
    well = words == "ok" or words.startswith("ok: ")
    context.out.emit({"well": well, "words": words}, words)
    if not well:
        context.exit_code = Exit.ERROR


async def _ask(folder: Path) -> str:
    import ssl

    from nostr_client.net.dial import DialOptions
    from nostr_client.net.http import get
    from relays.process.folder import running_relay

    note = running_relay(folder)
    if note is None:
        return "no relay is running"
    # It is on this machine, and its certificate is for another name.
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    url = note.url.replace("ws", "http", 1) + "/health"
    answer = await get(url, DialOptions(proxy=None, private=True, tls=tls), accept="text/plain")
    return answer.body.decode("utf-8", "replace").strip()


def add_to(root: Group) -> None:
    """They stand at the top level."""
    add_command(root, "doctor", doctor, STORES)
    add_command(root, "health", health, FOLDER)
