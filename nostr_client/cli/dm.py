"""`nostr-client dm`: private messages (NIP-17)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Annotated

from nostr_client.cli.command import CLIENT, CONSENTING, add_command
from nostr_client.cli.dm_arguments import (
    Id,
    Limit,
    Maybe,
    Offline,
    Who,
    With,
    message_id,
    obstacle_code,
    room_of,
)
from nostr_client.cli.dm_writing import delete, edit, react, send
from nostr_client.cli.people import AllowEmpty, Without
from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient
    from nostr_client.social.messages.views import Conversation, PrivateMessage


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
            messages = await client.messages.messages(await room_of(client, who, also), limit=limit)
            await _show_messages(context, client, reversed(messages))
            return len(messages)
        read = client.messages.requests if requests else client.messages.conversations
        rooms = list(await read())
        await _show_rooms(context, client, rooms[:limit])
        if len(rooms) > limit:
            context.out.note(f"{limit} of {len(rooms)}: `--limit` shows more")
        if not requests:
            await _say_requests(context, client)
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
        from nostr_client.net.outcome import is_closed_to_us

        async with context.writing(signer) as client:
            seen = await await_messages(
                client.messages,
                lambda message: _show_messages(context, client, [message]),
                await room_of(client, who, also) if who else None,
                requests=requests,
                count=count,
                limit=timeout,
            )
            if not seen and not who and not requests:
                await _say_requests(context, client)
            if not seen:
                ends = client.messages.status.ends
                words = f"no message in {timeout} seconds"
                if is_closed_to_us(ends.values()):
                    words = "no message came, and none will"
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
            size = await client.messages.download(message_id(message), target)
            context.out.emit({"file": file, "bytes": size}, f"{size} bytes saved")

    wait_for(work())


def accept(context: ClientContext, who: Who, also: With = None) -> None:
    """Take a stranger's request among the conversations."""
    _do_offline(context, who, also, lambda client, room: client.messages.accept(room), "accepted")


def dismiss(
    context: ClientContext,
    who: Maybe = "",
    *,
    also: With = None,
    requests: Annotated[bool, Option("--requests", help="All that strangers wrote.")] = False,
) -> None:
    """See nothing more of what is in this room; what comes later is shown again."""
    if bool(who) == requests:
        raise CommandError("name a room, or say --requests", Exit.USAGE)
    if who:
        _do_offline(
            context, who, also, lambda client, room: client.messages.dismiss(room), "dismissed"
        )
        return
    signer = context.signer()

    async def work() -> None:
        async with context.writing(signer, earlier=0) as client:
            rooms = await client.messages.dismiss_requests()
            context.out.emit({"done": "dismissed", "rooms": rooms}, f"{rooms} dismissed")

    wait_for(work())


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
                raise CommandError(found.words + untold_hint(client), obstacle_code(found.obstacle))

    wait_for(work())


# How they are all done


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
            await act(client, await room_of(client, who, also))
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
            for words in status.left_out:
                context.out.note(words)
            if offline and not shown:
                raise CommandError(f"{nothing} here", Exit.NOT_FOUND)
            if not offline:
                await conclude(context, client, status.ends, shown=shown > 0, nothing=nothing)

    wait_for(work())


async def _say_requests(context: ClientContext, client: NostrClient) -> None:
    if waiting := sum(not room.muted for room in await client.messages.requests()):
        context.out.note(f"{waiting} of strangers: `nostr-client dm list --requests`")


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
        add_command(group, name, command, CONSENTING if command is relays else CLIENT)
