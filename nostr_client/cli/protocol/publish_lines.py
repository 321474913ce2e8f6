"""`nostr-client publish`: events and drafts from standard input to relays."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Final

from nostr_client.cli.command import ASKING, add_command
from nostr_client.cli.protocol.relay_arguments import relays_given
from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.cli.protocol.json_lines import InputLines
    from nostr_client.cli.protocol.relay_tally import RelayTally
    from nostr_client.client import NostrClient
    from nostr_client.protocol.event import Draft, Event
    from nostr_client.social.views import NotPosted, Posted

PUBLISH_LIMIT: Final = 10.0
"""Seconds that a relay has to answer to one event, unless `--timeout` says otherwise."""
REPORTED: Final = 200
"""Reports that are printed at once while others are under way."""
MOST_WAITING: Final = 20_000
"""Lines that wait for one before them, after which no more are read."""


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
    to. Each is stored here first; what no relay took is sent again as long as a client runs. Events
    of yours are brought to the relays of your account, too, by and by.
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
    from nostr_client.cli.progress import progress
    from nostr_client.cli.protocol.json_lines import InputLines
    from nostr_client.cli.protocol.relay_tally import RelayTally
    from nostr_client.cli.publish import own_url

    own = await own_url(client)
    tally = RelayTally(context, own)
    reports = _LineReports(context, tally, own)
    lines = InputLines(context, on_refused=reports.refuse)
    drafts = _Drafts(context, client)
    done = 0
    async with progress(context, lambda: f"{done:,} events are through"):
        async for result in client.publish_many(
            _given(lines, drafts, reports),
            relays=urls or None,
            timeout=context.timeout or PUBLISH_LIMIT,
            in_flight=in_flight,
            ordered=True,
        ):
            done += 1
            reports.take(result)
            await reports.tell()
    await reports.tell()
    tally.conclude()
    lines.conclude()
    if drafts.unsigned:
        context.exit_code = Exit.LOCKED


async def _given(
    lines: InputLines, drafts: _Drafts, reports: _LineReports
) -> AsyncIterator[Draft | Event]:
    """What the lines hold; each is expected by `reports`."""
    async for batch in lines.coming():
        for line in batch:
            if (found := lines.parsed(line, drafts.read)) is not None:
                reports.expect(line[0])
                yield found
        await reports.tell()
        await reports.room()


class _Drafts:
    """Reads lines, and knows whether a draft can be signed in this run."""

    def __init__(self, context: ClientContext, client: NostrClient) -> None:
        self.unsigned = 0
        """Drafts that nobody could sign."""
        self._pubkey = client.signer.pubkey if client.signer is not None else None
        self._why = "" if self._pubkey else context.why_no_signer()

    def read(self, data: bytes) -> Draft | Event:
        """Raises InvalidEvent, also for a draft where nothing signs."""
        from nostr_client.cli.protocol.draft_lines import draft_or_event
        from nostr_client.errors import InvalidEvent
        from nostr_client.protocol.event import Draft

        found = draft_or_event(data, self._pubkey)
        if self._pubkey is None and isinstance(found, Draft):
            self.unsigned += 1
            raise InvalidEvent(self._why)
        return found


class _LineReports:
    """Prints what became of each line, in their order, also of those that are no use."""

    def __init__(self, context: ClientContext, tally: RelayTally, own: str) -> None:
        self._context = context
        self._tally = tally
        self._own = own
        self._lines = deque[tuple[int, bytes | None]]()
        """By number what is to be printed of each; None while it is under way."""
        self._records: list[bytes] = []
        self._printing = asyncio.Lock()
        self._taken = asyncio.Event()

    def expect(self, line: int) -> None:
        """The event of this line is under way."""
        self._lines.append((line, None))

    def refuse(self, line: int, why: str) -> None:
        """This line is no use."""
        from nostr_client.cli.protocol.relay_tally import refused_record
        from nostr_client.output import json_line

        self._lines.append((line, json_line(refused_record(line, why)).encode()))

    def take(self, result: Posted | NotPosted) -> None:
        """What became of the first that is under way."""
        from nostr_client.cli.protocol.relay_tally import published_record
        from nostr_client.output import json_line

        self._pass_refused()
        line, _ = self._lines.popleft()
        self._taken.set()
        self._tally.count(result, line)
        self._records.append(json_line(published_record(result, line, self._own)).encode())

    async def tell(self) -> None:
        """What is known, once it is much or nothing is under way."""
        async with self._printing:
            self._pass_refused()
            if self._records and (len(self._records) >= REPORTED or not self._lines):
                printed, self._records = self._records, []
                await asyncio.to_thread(self._context.out.emit_json, printed)

    async def room(self) -> None:
        """Wait while too many lines stand behind one that is under way."""
        while len(self._lines) > MOST_WAITING:
            self._taken.clear()
            await self._taken.wait()

    def _pass_refused(self) -> None:
        while self._lines and (record := self._lines[0][1]) is not None:
            self._lines.popleft()
            self._records.append(record)


def add_to(root: Group) -> None:
    """It stands at the top level."""
    add_command(root, "publish", publish, ASKING)
