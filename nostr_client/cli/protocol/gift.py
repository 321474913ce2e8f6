"""`nostr-client gift`: gift wraps (NIP-59), made and opened; nothing is sent."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

from nostr_client.cli.command import UNLOCKING, add_command
from nostr_client.cli.protocol.json_lines import InputLines, Line
from nostr_client.command_line.tree import Argument, Group
from nostr_client.command_line.waiting import wait_for

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.nips.nip59 import Rumor
    from nostr_client.protocol.event import Event
    from nostr_client.signing.gift_wraps import Opened, Unopened
    from nostr_client.signing.signer import Signer

AT_ONCE: Final = 500
"""Wraps that the signer is asked about at once, at most."""


def wrap(
    context: ClientContext,
    who: Annotated[list[str], Argument("WHO", "For whom: npub, nprofile or hex.")],
) -> None:
    """Wrap events that stay unsigned: one gift wrap for each person and line, on standard output.

    A line is an event without a signature: kind, content, tags, and created_at, pubkey and id if
    they are to be said. It is sealed by your key. Nothing is sent.
    """
    from nostr_client.nips.nip19 import pubkey_of
    from nostr_client.signing.gift_wraps import wrapped_for

    people = list(dict.fromkeys(pubkey_of(one) for one in who))
    signer = context.signer()
    lines = InputLines(context)

    def written(data: bytes) -> Rumor:
        return _rumor(data, signer.pubkey, int(time.time()))

    async def work(signer: Signer) -> None:
        async with signer:
            async for batch in lines.coming():
                for line in batch:
                    if (rumor := lines.parsed(line, written)) is not None:
                        made = await wrapped_for(signer, rumor, people, int(time.time()))
                        context.out.emit_json([event.json for event in made.values()])

    wait_for(work(signer))
    lines.conclude()


def unwrap(context: ClientContext) -> None:
    """Open gift wraps, one a line, and print what was in each: an event without a signature.

    The wrap's signature and the seal's are checked, and that whoever sealed it wrote it.
    """
    signer = context.signer()
    lines = InputLines(context)

    async def work(signer: Signer) -> None:
        async with signer:
            async for batch in lines.coming():
                for start in range(0, len(batch), AT_ONCE):
                    await _open(context, signer, lines, batch[start : start + AT_ONCE])

    wait_for(work(signer))
    lines.conclude()


async def _open(
    context: ClientContext, signer: Signer, lines: InputLines, batch: Sequence[Line]
) -> None:
    from nostr_client.signing.gift_wraps import Opened, unwrap_many

    wraps = [(line[0], event) for line in batch if (event := lines.parsed(line, _wrap)) is not None]
    opened: list[Opened | Unopened] = await unwrap_many(signer, [event for _, event in wraps])
    for (number, _), one in zip(wraps, opened, strict=True):
        if isinstance(one, Opened):
            context.out.emit_json([one.rumor.json.encode()])
        else:
            lines.refuse(number, one.reason)


def _wrap(data: bytes) -> Event:
    """A gift wrap whose signature is right. Raises InvalidEvent."""
    from nostr_client.errors import InvalidEvent
    from nostr_client.protocol.event import Event
    from nostr_client.protocol.kinds import GIFT_WRAPS

    event = Event.parse(data)
    if event.kind not in GIFT_WRAPS:
        raise InvalidEvent("this is no gift wrap (kind 1059)")
    if not event.verify():
        raise InvalidEvent("the signature is wrong")
    return event


def _rumor(data: bytes, pubkey: str, now: int) -> Rumor:
    """The event of a line, by `pubkey`, of `now` if it says no time. Raises InvalidEvent."""
    import msgspec

    from nostr_client.errors import InvalidEvent
    from nostr_client.nips.nip59 import Rumor
    from nostr_client.protocol.event import MALFORMED, reason_of

    usual = {"pubkey": pubkey, "created_at": now, "tags": [], "content": ""}
    try:
        told = usual | msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        rumor = Rumor.parse(msgspec.json.encode(told))
    except InvalidEvent:
        raise
    except MALFORMED as error:
        raise InvalidEvent(reason_of(error)) from None
    if rumor.pubkey != pubkey:
        raise InvalidEvent("another's name stands in it: whoever opens it would refuse it")
    return rumor


def add_to(root: Group) -> None:
    """They stand in a group of their own."""
    group = root.group("gift", "Gift wraps (NIP-59): wrap, unwrap; JSON lines in, JSON lines out.")
    add_command(group, "wrap", wrap, UNLOCKING)
    add_command(group, "unwrap", unwrap, UNLOCKING)
