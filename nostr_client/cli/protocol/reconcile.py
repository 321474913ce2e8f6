"""`nostr-client reconcile`: a set of events here and that of a relay made alike (NIP-77)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from nostr_client.cli.command import ASKING, add_command
from nostr_client.cli.protocol.filter_options import FilterOptions
from nostr_client.cli.protocol.filter_source import FilterSource
from nostr_client.cli.protocol.relay_arguments import Auth, relays_given
from nostr_client.command_line.tree import Argument, FieldsLeftOut, Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient
    from nostr_client.client.reconciling import Reconciled
    from nostr_client.protocol.filters import Filter

LIMIT: Final = 900.0
"""Seconds for each relay, unless `--timeout` says otherwise."""


def reconcile(
    context: ClientContext,
    relays: Annotated[list[str], Argument(metavar="RELAY...", help="One after the other.")],
    *,
    options: Annotated[FilterOptions, FieldsLeftOut(("limit", "search"))],
    down: Annotated[bool, Option("--down", help="Bring here what only the relay has.")] = False,
    up: Annotated[bool, Option("--up", help="Send the relay what only we have.")] = False,
    both: Annotated[bool, Option("--both", help="Both of that.")] = False,
    file: Annotated[
        Path | None,
        Option("--file", "FILE", "Compare events of this file, one a line, and not of the store."),
    ] = None,
    auth: Auth = False,
) -> None:
    """Compare the events here with those of relays (negentropy), and bring or send what is missing.

    Without --down, --up or --both it only says how they differ. With --file, what only a relay has
    is printed, one event a line, and what only the file has is sent.
    """
    urls = relays_given(relays)
    source = FilterSource(context, options, may_read=False)
    ways = (down or both, up or both)
    login = context.signer() if auth else None

    async def work() -> None:
        from nostr_client.cli.protocol.asking import asking

        async with asking(context, urls, login) as client:
            [wanted] = await source.all(client)
            if file is not None:
                from nostr_client.cli.protocol.file_reconciling import FileSet

                held = await FileSet.read(file, wanted)
                await held.compare(context, client, urls, down=ways[0], up=ways[1])
            else:
                await _with_store(context, client, wanted, urls, ways)

    wait_for(work())


async def _with_store(
    context: ClientContext,
    client: NostrClient,
    wanted: Filter,
    urls: list[str],
    ways: tuple[bool, bool],
) -> None:
    from nostr_client.cli.progress import progress, started

    names = {(True, True): "both", (True, False): "down", (False, True): "up"}
    direction = names.get(ways, "none")
    limit = context.timeout or LIMIT
    done: list[Reconciled] = []
    came = started(client, urls)
    async with progress(context, lambda: f"{len(done)} of {len(urls)} relays done{came()}"):
        async for one in client.reconcile(wanted, relays=urls, direction=direction, timeout=limit):
            context.out.emit(_record(one), _line(one))
            done.append(one)
    heard = [one for one in done if one.compared.end.answered]
    if not heard:
        context.exit_code = Exit.NO_ANSWER
    elif any(one.refused for one in done):
        context.exit_code = Exit.NOT_ACCEPTED
    elif len(heard) < len(done) or not all(one.complete for one in done):
        context.exit_code = Exit.INCOMPLETE


def _record(one: Reconciled) -> dict[str, Any]:
    compared = one.compared
    return {
        "relay": one.url,
        "how": compared.end.how.value,
        "problem": compared.end.words,
        "road": compared.road.value,
        "why": compared.why,
        "both": compared.both,
        "only_here": len(compared.here),
        "only_there": len(compared.there),
        "brought": one.brought,
        "sent": one.sent,
        "refused": one.refused,
        "withheld": one.withheld,
        "complete": one.complete,
    }


def _line(one: Reconciled) -> str:
    from nostr_client.safe_text import safe_line

    compared = one.compared
    if not compared.end.answered:
        return safe_line(str(compared.end), 300)
    words = [f"{compared.both} in both", f"{len(compared.here)} only here"]
    words += [f"{len(compared.there)} only there", f"{one.brought} brought", f"{one.sent} sent"]
    words += [f"{one.refused} refused"] if one.refused else []
    words += [f"{one.withheld} not offered"] if one.withheld else []
    return f"{one.url}: {', '.join(words)}; {compared.road.value}"


def add_to(root: Group) -> None:
    """It stands at the top level."""
    add_command(root, "reconcile", reconcile, ASKING)
