"""`nostr-client event`: an event, made, signed, printed, and sent where relays are named."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

from nostr_client.cli.command import ASKING, add_command
from nostr_client.cli.protocol.filter_options import name_and_value, of_option, tag_value
from nostr_client.cli.protocol.relay_arguments import relays_given
from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.cli.protocol.json_lines import InputLines
    from nostr_client.cli.protocol.relay_tally import RelayTally
    from nostr_client.client import NostrClient
    from nostr_client.protocol.event import Draft, Event
    from nostr_client.signing.signer import Signer

PUBLISH_LIMIT: Final = 10.0
"""Seconds that a relay has to answer, unless `--timeout` says otherwise."""
MOST_BITS: Final = 48
"""Of proof of work: on one core, 2 ** 48 tries take years."""
TRIES: Final = 200_000
"""Tries between two looks at whether somebody wants it to end."""


class EventOptions(NamedTuple):
    """What the event says; over it goes nothing, below it what a line of standard input says."""

    kind: Annotated[int | None, Option("--kind", "N", "Which. [1]", 0, 65_535, short="-k")] = None
    content: Annotated[
        str | None,
        Option("--content", "TEXT", "What it says; - reads it from standard input.", short="-c"),
    ] = None
    tags: Annotated[
        list[str] | None,
        Option(
            "--tag",
            "NAME=VALUE",
            'A tag; of more than one value as JSON: \'["r","wss://a.example","read"]\'.',
            short="-t",
        ),
    ] = None
    e: Annotated[list[str] | None, Option("-e", "EVENT", "As --tag e=EVENT.")] = None
    p: Annotated[list[str] | None, Option("-p", "WHO", "As --tag p=WHO.")] = None
    d: Annotated[list[str] | None, Option("-d", "NAME", "As --tag d=NAME.")] = None
    created_at: Annotated[
        str, Option("--created-at", "WHEN", "When: 2d ago, 2026-01-31, or seconds. [now]")
    ] = ""

    @property
    def given(self) -> bool:
        return any(value not in (None, "", []) for value in self._asdict().values())

    def fields(self, now: float) -> dict[str, Any]:
        """As a line of JSON has them. Raises CommandError, InvalidCode, InvalidKey."""
        from nostr_client.cli import times
        from nostr_client.cli.text_input import text_of

        found: dict[str, Any] = {"tags": self._tags()}
        if self.kind is not None:
            found["kind"] = self.kind
        if self.content is not None:
            found["content"] = text_of("-", "text") if self.content == "-" else self.content
        if (at := times.since(self.created_at, now)) is not None:
            found["created_at"] = at
        return found

    def _tags(self) -> list[list[str]]:
        given = [
            ("--tag", _json_tag(text) if text.startswith("[") else list(name_and_value(text)))
            for text in self.tags or ()
        ]
        for name in ("e", "p", "d"):
            given += [(f"-{name}", [name, value]) for value in getattr(self, name) or ()]
        return [
            [name, *(of_option(option, v, partial(tag_value, name)) for v in rest[:1]), *rest[1:]]
            for option, (name, *rest) in given
        ]


def event(
    context: ClientContext,
    relays: Annotated[
        list[str] | None, Argument(metavar="[RELAY]...", help="Send it there. Default: nowhere.")
    ] = None,
    *,
    options: EventOptions,
    stdin: Annotated[
        bool,
        Option(
            "--stdin",
            help="Read drafts from standard input, one a line; the options hold for each. Without"
            " any option they are read where standard input is no terminal.",
        ),
    ] = False,
    pow_: Annotated[
        int, Option("--pow", "BITS", "Work for an id that begins so (NIP-13).", 0, MOST_BITS)
    ] = 0,
) -> None:
    """Make an event, sign it with your key, print it, and send it to relays that are named.

    A line that is signed already is checked, and passed on as it is. What is sent and is yours is
    brought to the relays of your account, too, by and by.
    """
    stdin = stdin or (not options.given and not sys.stdin.isatty())
    if stdin and options.content == "-":
        raise CommandError("standard input gives either the drafts or the content", Exit.USAGE)
    if not (stdin or options.given):
        raise CommandError("an empty event is not made: say what it is, as -c TEXT", Exit.USAGE)
    urls = relays_given(relays)
    fields = options.fields(time.time())
    signer = context.signer()

    async def work() -> None:
        async with AsyncExitStack() as stack:
            client = None
            if urls:
                client = await stack.enter_async_context(context.writing(signer, earlier=0))
                inside = client.signer or signer
            else:
                inside = await stack.enter_async_context(signer)
            making = _Making(context, inside, bits=pow_, client=client, urls=urls)
            await making.all(fields, stdin=stdin)

    wait_for(work())


class _Making:
    """One run of the command."""

    def __init__(
        self,
        context: ClientContext,
        signer: Signer,
        *,
        bits: int,
        client: NostrClient | None,
        urls: list[str],
    ) -> None:
        self._context = context
        self._signer = signer
        self._bits = bits
        self._client = client
        self._urls = urls

    async def all(self, fields: Mapping[str, Any], *, stdin: bool) -> None:
        """Make each, print it once it is signed, and send it."""
        from nostr_client.cli.protocol.draft_lines import draft_of
        from nostr_client.cli.protocol.json_lines import InputLines
        from nostr_client.cli.protocol.relay_tally import RelayTally

        lines, tally = InputLines(self._context) if stdin else None, RelayTally(self._context)
        if lines is None:
            await self._one(draft_of(b"{}", self._signer.pubkey, dict(fields)), 0, tally)
        else:
            async for batch in lines.coming():
                for line in batch:
                    found = lines.parsed(line, lambda data: self._read(data, fields))
                    if found is not None:
                        await self._next(lines, found, line[0], tally)
            lines.conclude()
        if self._client is not None:
            tally.conclude()

    def _read(self, data: bytes, fields: Mapping[str, Any]) -> Draft | Event:
        """A draft, or an event that is right and stays as it is. Raises InvalidEvent."""
        from nostr_client.cli.protocol.draft_lines import draft_or_event
        from nostr_client.errors import InvalidEvent
        from nostr_client.protocol.event import Event

        worked = bool(self._bits)
        found = draft_or_event(data, self._signer.pubkey, dict(fields), worked=worked)
        if isinstance(found, Event):
            if not found.verify():
                raise InvalidEvent("the signature is wrong")
            if worked or fields != {"tags": []}:
                raise InvalidEvent("it is signed: no option changes it")
        return found

    async def _next(
        self, lines: InputLines, what: Draft | Event, line: int, tally: RelayTally
    ) -> None:
        """One of many: what may not be signed or sent costs no other."""
        from nostr_client.errors import InvalidData, SigningRefused

        try:
            await self._one(what, line, tally)
        except (InvalidData, SigningRefused) as error:
            lines.refuse(line, str(error))

    async def _one(self, what: Draft | Event, line: int, tally: RelayTally) -> None:
        from nostr_client.protocol.event import Draft

        if isinstance(what, Draft):
            what = await self._worked(what)
        if self._client is None:
            made = await self._signed(what) if isinstance(what, Draft) else what
            self._context.out.emit_json([made.json])
            return
        limit = self._context.timeout or PUBLISH_LIMIT
        posted = await self._client.publish(what, relays=self._urls, timeout=limit)
        self._context.out.emit_json([posted.event.json])
        tally.count(posted, line)

    async def _signed(self, draft: Draft) -> Event:
        """Raises SigningRefused."""
        from nostr_client.protocol.kinds import REPOSTS
        from nostr_client.signing.gate import refuse_codes

        if draft.kind not in REPOSTS:  # they hold what others wrote
            refuse_codes(draft.content, *(item for tag in draft.tags for item in tag))
        return await self._signer.sign(draft)

    async def _worked(self, draft: Draft) -> Draft:
        """With as much work as is wanted: it takes as long as it takes, and can be interrupted."""
        import asyncio

        from nostr_client.nips.nip13 import mine
        from nostr_client.protocol.event import Draft

        if not self._bits:
            return draft
        at = int(time.time()) if draft.created_at is None else draft.created_at
        dated = Draft(draft.kind, draft.content, draft.tags, at)
        start, pubkey = 0, self._signer.pubkey
        while True:
            found = await asyncio.to_thread(
                mine, dated, pubkey, self._bits, start=start, tries=TRIES
            )
            if found is not None:
                return found
            start += TRIES
            self._tell(start)

    def _tell(self, tries: int) -> None:
        """Progress, on a terminal alone."""
        if sys.stderr.isatty() and not self._context.json:
            self._context.out.note(f"{tries:,} of about {2**self._bits:,} tries")


def _json_tag(text: str) -> list[str]:
    """A tag that is given as JSON. Raises CommandError."""
    import msgspec

    try:
        tag = msgspec.json.decode(text.encode(), type=list[str])
    except msgspec.DecodeError:
        tag = []
    if not tag:
        raise CommandError('a tag is NAME=VALUE, or a JSON list: ["t","nostr"]', Exit.USAGE)
    return tag


def add_to(root: Group) -> None:
    """It stands at the top level."""
    add_command(root, "event", event, ASKING)
