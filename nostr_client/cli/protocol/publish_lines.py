"""`nostr-client publish`: events and drafts from standard input to relays."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Final

from nostr_client.cli.command import ASKING, add_command
from nostr_client.cli.protocol.relay_arguments import relays_given
from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.command_line.waiting import wait_for

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.cli.protocol.json_lines import InputLines
    from nostr_client.client import NostrClient
    from nostr_client.protocol.event import Draft, Event

PUBLISH_LIMIT: Final = 10.0
"""Seconds that a relay has to answer to one event, unless `--timeout` says otherwise."""
REPORTED: Final = 200
"""Reports that are printed at once, at most."""


def publish(
    context: ClientContext,
    relays: Annotated[
        list[str] | None,
        Argument(
            metavar="[RELAY]...", help="Default: where its author writes, and whom it names reads."
        ),
    ] = None,
    *,
    in_flight: Annotated[
        int, Option("--in-flight", "N", "Events under way at once, at most.", 1, 100_000)
    ] = 1024,
) -> None:
    """Send events, one a line of standard input, to relays; a line without a signature is signed.

    Prints what became of each, in the order of the lines, and says at the end what each relay came
    to. Each is stored here first; what no relay took is sent again as long as a client runs.
    """
    urls = relays_given(relays)
    signer = context.signer_at_hand()

    async def work() -> None:
        opening = context.writing(signer, earlier=0) if signer else context.asking()
        async with opening as client:
            await _publish_all(context, client, urls, in_flight)

    wait_for(work())


async def _publish_all(
    context: ClientContext, client: NostrClient, urls: list[str], in_flight: int
) -> None:
    import asyncio

    from nostr_client.cli.protocol.json_lines import InputLines
    from nostr_client.cli.protocol.relay_tally import RelayTally, published_record
    from nostr_client.cli.publish import own_url
    from nostr_client.output import json_line

    lines, numbers, own = InputLines(context), deque[int](), await own_url(client)
    tally = RelayTally(context, own)
    records: list[bytes] = []

    async def print_reports() -> None:
        printed, records[:] = list(records), []
        if printed:
            await asyncio.to_thread(context.out.emit_json, printed)

    async for result in client.publish_many(
        _given(lines, numbers),
        relays=urls or None,
        timeout=context.timeout or PUBLISH_LIMIT,
        in_flight=in_flight,
        ordered=True,
    ):
        line = numbers.popleft()
        tally.count(result, line)
        records.append(json_line(published_record(result, line, own)).encode())
        if len(records) >= REPORTED or not numbers:
            await print_reports()
    await print_reports()
    tally.conclude()
    lines.conclude()


async def _given(lines: InputLines, numbers: deque[int]) -> AsyncIterator[Draft | Event]:
    """What the lines hold; the number of each goes into `numbers`."""
    from nostr_client.cli.protocol.draft_lines import draft_or_event

    async for batch in lines.coming():
        for line in batch:
            if (found := lines.parsed(line, draft_or_event)) is not None:
                numbers.append(line[0])
                yield found


def add_to(root: Group) -> None:
    """It stands at the top level."""
    add_command(root, "publish", publish, ASKING)
