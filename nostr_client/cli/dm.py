"""`nostr-client dm`: private messages (NIP-17)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

from nostr_client.cli.command import CLIENT, add_command
from nostr_client.cli.people import AllowEmpty, Without
from nostr_client.cli.text_input import text_of
from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit
from nostr_client.protocol.keys import is_hex64

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient
    from nostr_client.social.messages.views import Conversation, Delivery, Obstacle, PrivateMessage

T = TypeVar("T")
DELIVER: Final = 15.0
"""Seconds that they have to take a message; what fails is tried again later."""

Who = Annotated[str, Argument(metavar="WHO", help="npub, nprofile, hex or name@domain.")]
Maybe = Annotated[str, Argument(metavar="[WHO]", help="With whom; default: everybody.")]
With = Annotated[
    list[str] | None,
    Option("--with", metavar="WHO", help="And with them, in one room; several times for several."),
]
Text = Annotated[
    str,
    Argument(metavar="[TEXT]", help="The text; - or nothing reads standard input, where no list "
             "of processes shows it."),
]  # fmt: skip
Id = Annotated[str, Argument(metavar="ID", help="A message's id, as `dm list` shows it.")]
Offline = Annotated[bool, Option("--offline", help="Only what is here.")]
Limit = Annotated[int, Option("--limit", least=1, most=10_000, help="How many at most.")]


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
    content, expires_in = text_of(text, "message"), _seconds(expires)

    async def work(client: NostrClient) -> PrivateMessage:
        room = await _room(client, who, also)
        return await client.messages.send(
            room,
            content,
            reply_to=_id(reply_to) if reply_to else "",
            subject=subject,
            expires_in=expires_in,
        )

    _write(context, work)


def edit(context: ClientContext, message: Id, text: Text = "-") -> None:
    """Put another text in place of a message of yours."""
    content = text_of(text, "message")
    _write(context, lambda client: client.messages.edit(_id(message), content))


def react(
    context: ClientContext,
    message: Id,
    sign: Annotated[str, Argument(metavar="[SIGN]", help="+, - or an emoji.")] = "+",
) -> None:
    """React to a message; only its room sees that."""
    _do(context, lambda client: client.messages.react(_id(message), sign))


def delete(context: ClientContext, message: Id) -> None:
    """Ask everybody in the room to remove a message of yours."""
    _do(context, lambda client: client.messages.delete(_id(message)))


def list_(
    context: ClientContext,
    who: Maybe = "",
    *,
    also: With = None,
    limit: Limit = 50,
    requests: Annotated[bool, Option("--requests", help="What strangers wrote.")] = False,
    offline: Offline = False,
) -> None:
    """List conversations; with WHO its messages, oldest first."""

    async def show(client: NostrClient) -> int:
        if who:
            messages = await client.messages.messages(await _room(client, who, also), limit=limit)
            await _show_messages(context, client, reversed(messages))
            return len(messages)
        read = client.messages.requests if requests else client.messages.conversations
        rooms = (await read())[:limit]
        if not requests and (waiting := len(await client.messages.requests())):
            context.out.note(f"{waiting} of strangers: `nostr-client dm list --requests`")
        await _show_rooms(context, client, rooms)
        return len(rooms)

    _read(context, show, offline=offline, nothing="no messages")


def search(
    context: ClientContext,
    words: Annotated[str, Argument(metavar="WORDS", help='All of them; "in quotes" side by side.')],
    limit: Limit = 50,
    offline: Offline = False,
) -> None:
    """Find messages by their words."""

    async def show(client: NostrClient) -> int:
        found = await client.messages.search(words, limit=limit)
        await _show_messages(context, client, reversed(found))
        return len(found)

    _read(context, show, offline=offline, nothing="no message has these words")


def await_(
    context: ClientContext,
    who: Maybe = "",
    *,
    also: With = None,
    requests: Annotated[
        bool, Option("--requests", help="Without WHO: also what strangers write.")
    ] = False,
    count: Annotated[int, Option("--count", least=1, most=100_000, help="How many.")] = 1,
    timeout: Annotated[
        int, Option("--timeout", metavar="SECONDS", least=1, most=86_400, help="How long at most.")
    ] = 300,
) -> None:
    """Print what others wrote and is unread, then what comes, and mark it as read."""
    signer = context.signer()

    async def work() -> None:
        from nostr_client.cli.message_await import await_messages
        from nostr_client.cli.outcomes import login_hint, not_found

        async with context.writing(signer) as client:
            seen = await await_messages(
                client.messages,
                lambda message: _show_messages(context, client, [message]),
                await _room(client, who, also) if who else None,
                requests=requests,
                count=count,
                limit=timeout,
            )
            if not seen:
                words = f"no message in {timeout} seconds"
                ends = client.messages.status.ends
                raise not_found(words, ends, await login_hint(context, client, ends.values()))
            if seen < count:
                context.out.note(f"{seen} of {count} came in {timeout} seconds")
                context.exit_code = Exit.INCOMPLETE

    wait_for(work())


def save(
    context: ClientContext,
    message: Id,
    file: Annotated[str, Argument(metavar="FILE", help="A new file; it is readable by you only.")],
) -> None:
    """Fetch the file of a message, check it, decrypt it and save it."""
    from pathlib import Path

    signer, target = context.signer(), Path(file)

    async def work() -> None:
        async with context.writing(signer, earlier=0) as client:
            size = await client.messages.download(_id(message), target)
            context.out.emit({"file": file, "bytes": size}, f"{size} bytes saved")

    wait_for(work())


def accept(context: ClientContext, who: Who, also: With = None) -> None:
    """Take a stranger's request among the conversations."""
    _do_offline(context, who, also, lambda client, room: client.messages.accept(room), "accepted")


def dismiss(context: ClientContext, who: Who, also: With = None) -> None:
    """See nothing more of what is in this room; what comes later is shown again."""
    _do_offline(context, who, also, lambda client, room: client.messages.dismiss(room), "dismissed")


def read(context: ClientContext, who: Who, also: With = None) -> None:
    """Mark all in this room as read."""
    _do_offline(context, who, also, lambda client, room: client.messages.mark_read(room), "read")


def relays(
    context: ClientContext,
    urls: Annotated[
        list[str] | None,
        Option("--set", metavar="URL", help="Publish these, 1 to 3, in place of the list."),
    ] = None,
    without: Without = None,
    start_empty: AllowEmpty = False,
) -> None:
    """Show, or set, the relays where you read private messages (kind 10050)."""
    if urls:
        from nostr_client.cli.publish import publish
        from nostr_client.routing.list_reading import Waiver

        waiver = Waiver(allow_empty=start_empty, without=without or ())
        publish(
            context,
            lambda client: client.messages.set_relays(urls, waiver),
            unchanged="they are your message relays already",
        )
        return

    async def work() -> None:
        from nostr_client.cli.outcomes import untold_hint

        async with context.reading(context.must_act()) as client:
            reach = await client.messages.relays.reach([client.pubkey], fresh=True)
            found = reach[client.pubkey]
            for url in found.relays:
                context.out.emit({"relay": url}, url)
            if not found:
                raise CommandError(found.words + untold_hint(client), _code(found.obstacle))

    wait_for(work())


# How they are all done


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
            _judge(context, client, message.delivery)

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
            _judge(context, client, delivery)

    wait_for(work())


@contextmanager
def _warned(context: ClientContext) -> Iterator[None]:
    """How far it is may stay unknown: it is written, and must not be written again."""
    from nostr_client.errors import StoreError

    try:
        yield
    except StoreError as error:
        context.out.note(f"it is on its way, but how far is not known: {error}")


def _judge(context: ClientContext, client: NostrClient, delivery: Delivery) -> None:
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
    if hint := untold_hint(client):
        context.out.note(f"not every relay took it{hint}")


def _do_offline(
    context: ClientContext,
    who: str,
    also: list[str] | None,
    act: Callable[[NostrClient, frozenset[str]], Awaitable[None]],
    done: str,
) -> None:
    signer = context.signer()

    async def work() -> None:
        async with context.writing(signer, earlier=0) as client:
            await act(client, await _room(client, who, also))
            context.out.emit({"done": done}, done)

    wait_for(work())


def _read(
    context: ClientContext,
    show: Callable[[NostrClient], Awaitable[int]],
    *,
    offline: bool,
    nothing: str,
) -> None:
    """Bring what relays have, then show what is here, and say what is missing."""

    signer = context.signer()

    async def work() -> None:
        from nostr_client.cli.message_await import CATCH_UP
        from nostr_client.cli.outcomes import conclude

        async with context.writing(signer, earlier=0) as client:
            if not offline:
                await client.messages.sync(CATCH_UP)
            shown = await show(client)
            status = client.messages.status
            if status.waiting:
                why = status.signer_problem or "the time ran out"
                context.out.note(f"{status.waiting} are not opened yet: {why}")
                context.exit_code = Exit.INCOMPLETE
            if status.damaged:
                context.out.note(
                    f"{status.damaged} places in the file of opened messages cannot be read: what "
                    "stood there is opened again"
                )
            if status.other_key:
                context.out.note(
                    f"{status.other_key} are encrypted for a separate key of yours (NIP-4E), "
                    "which is not here"
                )
            if offline and not shown:
                raise CommandError(f"{nothing} here", Exit.NOT_FOUND)
            if not offline:
                await conclude(context, client, status.ends, shown=shown > 0, nothing=nothing)

    wait_for(work())


async def _obstacles(client: NostrClient, act: Awaitable[T]) -> T:
    """Why somebody cannot be written to, with an exit code for each reason."""
    from nostr_client.cli.outcomes import untold_hint
    from nostr_client.errors import MessageNotSent

    try:
        return await act
    except MessageNotSent as error:
        reasons = {pubkey: reach.obstacle for pubkey, reach in error.obstacles.items()}
        code = next(iter(map(_code, reasons.values())), Exit.NOT_ACCEPTED)
        record = {"obstacles": {pubkey: str(why) for pubkey, why in reasons.items()}}
        raise CommandError(f"{error}{untold_hint(client)}", code, record) from error


def _code(obstacle: Obstacle) -> Exit:
    from nostr_client.social.messages.views import Obstacle

    return {
        Obstacle.NO_LIST: Exit.NOT_FOUND,
        Obstacle.NOT_FOUND_YET: Exit.NO_ANSWER,
        Obstacle.NO_USABLE_RELAY: Exit.NOT_ACCEPTED,
        Obstacle.TOO_MANY: Exit.USAGE,
        Obstacle.NO_KEY: Exit.LOCKED,
    }.get(obstacle, Exit.ERROR)


async def _room(client: NostrClient, who: str, also: list[str] | None) -> frozenset[str]:
    """The keys of a room: the people named, and the account itself."""
    found = [await client.profiles.resolve(each) for each in (who, *(also or ()))]
    return frozenset({*found, client.pubkey})


async def _show_messages(
    context: ClientContext, client: NostrClient, messages: Iterable[PrivateMessage]
) -> None:
    from nostr_client.cli.message_output import message_lines, message_record

    each = list(messages)
    people = await client.profiles.get_many({message.author for message in each})
    for message in each:
        plain = "" if context.json else message_lines(message, people, client.pubkey, context.width)
        context.out.emit(message_record(message), plain)


async def _show_rooms(
    context: ClientContext, client: NostrClient, rooms: Iterable[Conversation]
) -> None:
    from nostr_client.cli.message_output import conversation_line, conversation_record

    each = list(rooms)
    people = await client.profiles.get_many({who for room in each for who in room.members})
    for room in each:
        plain = "" if context.json else conversation_line(room, people, client.pubkey)
        context.out.emit(conversation_record(room), plain)


def _id(text: str) -> str:
    if not is_hex64(text):
        raise CommandError("a message's id has 64 hex digits, as `dm list` shows it", Exit.USAGE)
    return text


_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_duration = re.compile(r"([1-9]\d{0,6})([smhdw]?)")


def _seconds(text: str) -> float | None:
    """`30m` in seconds; None for nothing. Raises CommandError."""
    if not text:
        return None
    found = _duration.fullmatch(text)
    if found is None:
        raise CommandError("a time is a number of s, m, h, d or w, as 12h", Exit.USAGE)
    return float(int(found[1]) * _UNITS[found[2] or "s"])


def add_to(root: Group) -> None:
    """They stand in a group of their own."""
    group = root.group("dm", "Private messages: write, read, wait for them.")
    for name, command in (
        ("send", send),
        ("list", list_),
        ("await", await_),
        ("search", search),
        ("save", save),
        ("react", react),
        ("edit", edit),
        ("delete", delete),
        ("read", read),
        ("accept", accept),
        ("dismiss", dismiss),
        ("relays", relays),
    ):
        add_command(group, name, command, CLIENT)
