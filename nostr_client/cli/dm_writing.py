"""`nostr-client dm send`, `edit`, `react`, `delete`: what is written, and how far it comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

from nostr_client.cli.dm_arguments import Id, Text, Who, With, message_id, obstacle_code, room_of
from nostr_client.cli.text_input import text_of
from nostr_client.cli.times import seconds
from nostr_client.command_line.tree import Argument, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient
    from nostr_client.social.messages.views import Delivery, MemberCopies, PrivateMessage

T = TypeVar("T")
DELIVER: Final = 15.0
"""Seconds that they have to take a message; what fails is tried again later."""


def send(
    context: ClientContext,
    who: Who,
    text: Text = "-",
    *,
    also: With = None,
    subject: Annotated[str, Option("--subject", help="Name the conversation.")] = "",
    reply_to: Annotated[str, Option("--reply-to", metavar="ID", help="Answer a message.")] = "",
    expires: Annotated[
        str, Option("--expires", metavar="TIME", help="Have it vanish after 30m, 12h, 7d, 4w.")
    ] = "",
) -> None:
    """Write to somebody, or to several in one room."""
    content, expires_in = text_of(text, "message"), seconds(expires)

    async def work(client: NostrClient) -> PrivateMessage:
        room = await room_of(client, who, also)
        return await client.messages.send(
            room,
            content,
            reply_to=message_id(reply_to) if reply_to else "",
            subject=subject,
            expires_in=expires_in,
        )

    _write(context, work)


def edit(context: ClientContext, message: Id, text: Text = "-") -> None:
    """Put another text in place of a message of yours."""
    content = text_of(text, "message")
    _write(context, lambda client: client.messages.edit(message_id(message), content))


def react(
    context: ClientContext,
    message: Id,
    sign: Annotated[str, Argument(metavar="[SIGN]", help="+, - or an emoji.")] = "+",
) -> None:
    """React to a message; only its room sees that."""
    _do(context, lambda client: client.messages.react(message_id(message), sign))


def delete(context: ClientContext, message: Id) -> None:
    """Ask everybody in the room to remove a message of yours."""
    _do(context, lambda client: client.messages.delete(message_id(message)))


# How they are done


def _write(context: ClientContext, act: Callable[[NostrClient], Awaitable[PrivateMessage]]) -> None:
    """Write a message, wait for its relays, and say how far it is."""
    signer = context.signer()

    async def work() -> None:
        from nostr_client.cli.message_output import DELIVERED, message_record

        async with context.writing(signer) as client:
            message = await _obstacles(client, act(client))
            with _warned(context):
                message = await client.messages.delivered(message.id, DELIVER)
            told = DELIVERED[message.delivery]
            context.out.emit(message_record(message), f"{message.id}  {told}")
            await _judge(context, client, message.id, message.delivery)

    wait_for(work())


def _do(context: ClientContext, act: Callable[[NostrClient], Awaitable[str]]) -> None:
    """The same for a reaction or a deletion, which `act` gives the id of."""
    signer = context.signer()

    async def work() -> None:
        from nostr_client.cli.message_output import DELIVERED
        from nostr_client.social.messages.views import Delivery

        async with context.writing(signer) as client:
            written = await _obstacles(client, act(client))
            delivery = Delivery.STORED
            with _warned(context):
                delivery = await client.messages.delivery(written, DELIVER)
            record = {"id": written, "delivery": str(delivery)}
            context.out.emit(record, f"{written}  {DELIVERED[delivery]}")
            await _judge(context, client, written, delivery)

    wait_for(work())


@contextmanager
def _warned(context: ClientContext) -> Iterator[None]:
    """How far it is may stay unknown: it is written, and must not be written again."""
    from nostr_client.errors import StoreError

    try:
        yield
    except StoreError as error:
        context.out.note(f"it is on its way, but how far is not known: {error}")


async def _judge(
    context: ClientContext, client: NostrClient, written: str, delivery: Delivery
) -> None:
    """Say what went wrong on the way, and end with the code for it."""
    from nostr_client.cli.outcomes import untold_hint
    from nostr_client.social.messages.views import Delivery

    if problem := client.messages.status.problem:
        context.out.note(f"it is on its way, but here: {problem}")
    if delivery in (Delivery.STORED, Delivery.REFUSED):
        context.exit_code = Exit.NOT_ACCEPTED
    elif delivery is Delivery.PARTLY:
        context.exit_code = Exit.INCOMPLETE
    else:
        return
    with _warned(context):
        for member in await client.messages.copies(written):
            _say_refusals(context, client, member)
    if hint := untold_hint(client):
        context.out.note(f"not every relay took it{hint}")


def _say_refusals(context: ClientContext, client: NostrClient, member: MemberCopies) -> None:
    """Why a member's relays have not taken it, relay by relay, where none has."""
    from nostr_client.nips import nip19
    from nostr_client.safe_text import safe_line
    from nostr_client.store.contract import CopyState

    if any(copy.state is CopyState.CONFIRMED for copy in member.copies):
        return
    who = "you" if member.pubkey == client.pubkey else nip19.encode_npub(member.pubkey)[:16] + "…"
    for copy in member.copies:
        words = ": ".join(filter(None, (copy.prefix, copy.reason))) or "not tried yet"
        context.out.note(
            f"for {who}, {safe_line(copy.url, 200)}: {safe_line(words, 200)}",
            {"relay": copy.url, "for": member.pubkey, "problem": words},
        )


async def _obstacles(client: NostrClient, act: Awaitable[T]) -> T:
    """Why somebody cannot be written to, with an exit code for each reason."""
    from nostr_client.cli.outcomes import untold_hint
    from nostr_client.errors import MessageNotSent

    try:
        return await act
    except MessageNotSent as error:
        reasons = {pubkey: reach.obstacle for pubkey, reach in error.obstacles.items()}
        code = next(iter(map(obstacle_code, reasons.values())), Exit.NOT_ACCEPTED)
        record = {"obstacles": {pubkey: str(why) for pubkey, why in reasons.items()}}
        raise CommandError(f"{error}{untold_hint(client)}", code, record) from error
