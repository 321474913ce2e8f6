"""`nostr-client schedule`: notes that go out at a time."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from nostr_client.cli.command import CLIENT, add_command
from nostr_client.cli.text_input import text_of
from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient
    from nostr_client.social.scheduled import ScheduledNote

At = Annotated[
    str, Option("--at", metavar="WHEN", help="Send it then: 18:30, 'tomorrow 9:00', 'in 2h'.")
]
Id = Annotated[str, Argument("ID", "Which one, by the beginning of its id.")]
When = Annotated[str, Argument("WHEN", "18:30, 'tomorrow 9:00', 2026-12-24 18:30, 'in 2h'.")]
Text = Annotated[str, Argument("[TEXT]", "The text; - or nothing reads standard input.")]
TOO_LATE = "it is being sent: that is too late"


def schedule_note(context: ClientContext, draft: str, at: str) -> None:
    """Have what a draft says (`draft_text`) go out at a time that the person typed."""
    from nostr_client.social.when import parse_when

    due = parse_when(at, time.time())

    async def act(client: NostrClient) -> None:
        writing = await client.completion.writing(draft)
        say_scheduled(context, await client.schedule.add(writing, due))

    _offline(context, act)


def say_scheduled(context: ClientContext, note: ScheduledNote) -> None:
    """What was scheduled, and what has to be so that it goes out."""
    from nostr_client.social.scheduled import HERE_ONLY

    context.out.emit(_record(note), _line(note))
    context.out.note(f"{HERE_ONLY} `nostr-client schedule send`, run by a timer, does it too.")


def list_notes(context: ClientContext) -> None:
    """List what goes out at a time, the next one first."""

    async def act(client: NostrClient) -> None:
        for note in await client.schedule.all():
            context.out.emit(_record(note), _line(note))

    _offline(context, act)


def move(context: ClientContext, note: Id, when: When) -> None:
    """Have one go out at another time."""
    from nostr_client.social.when import parse_when

    due = parse_when(when, time.time())

    async def act(client: NostrClient) -> None:
        changed = await client.schedule.change((await _found(client, note)).id, at=due)
        say_scheduled(context, _in_time(changed))

    _offline(context, act)


def edit(context: ClientContext, note: Id, text: Text = "-") -> None:
    """Have one say another thing."""
    content = text_of(text, "note")

    async def act(client: NostrClient) -> None:
        from nostr_client.social.draft_text import DraftText

        found = await _found(client, note)
        was = found.writing
        writing = await client.completion.writing(
            str(DraftText(content, was.warning)), reply_to=was.reply_to, quote=was.quote
        )
        say_scheduled(context, _in_time(await client.schedule.change(found.id, writing=writing)))

    _offline(context, act)


def cancel(
    context: ClientContext,
    note: Id,
    *,
    draft: Annotated[bool, Option("--draft", help="Keep the text as a draft.")] = False,
) -> None:
    """Take one back: it is not sent."""

    async def act(client: NostrClient) -> None:
        from nostr_client.social.taken_back import take_back

        found, kept = await _found(client, note), None
        withdraw = partial(client.schedule.take_back, found.id)
        if draft:
            kept = await take_back(client.paths, client.pubkey, found.writing, withdraw)
        if (kept if draft else await withdraw()) is None:
            raise CommandError(TOO_LATE)
        name = kept.file.name if kept is not None else ""
        words = f"taken back; it is the draft {name}" if name else "taken back"
        context.out.emit({**_record(found), "cancelled": True, "draft": name}, words)

    _offline(context, act)


def send(
    context: ClientContext,
    note: Annotated[str, Argument("[ID]", "Send this one now, however late or early.")] = "",
) -> None:
    """Send what is due, as a timer asks for it; or one of them, now."""
    from nostr_client.cli.json_records import posted_record
    from nostr_client.cli.plain_lines import posted_lines
    from nostr_client.cli.publish import own_url, reached_somebody

    signer = context.signer()

    async def work() -> None:
        async with context.writing(signer) as client:
            schedule = client.schedule
            if note:
                await schedule.send_now((await _found(client, note)).id)
            else:
                await schedule.send_due()
            own = await own_url(client)
            for posted in schedule.sent:  # the client that runs meanwhile sends, too
                context.out.emit(posted_record(posted, own), posted_lines(posted, own))
                if not reached_somebody(posted, own):
                    context.exit_code = Exit.NOT_ACCEPTED
            for left, problem in schedule.problems.items():
                context.out.note(f"{left}: {problem}", {"scheduled": left, "problem": problem})
                context.exit_code = Exit.NOT_ACCEPTED
            for late in await schedule.late():
                words = f"{_line(late)}: `schedule send {late.id}` sends it"
                context.out.note(words, {"scheduled": late.id, "late": True})

    wait_for(work())


def _offline(context: ClientContext, act: Callable[[NostrClient], Awaitable[None]]) -> None:
    """Do what concerns this machine alone; the account must be one that can sign."""
    account = context.must_hold_key()

    async def work() -> None:
        async with context.reading(account, offline=True) as client:
            await act(client)

    wait_for(work())


async def _found(client: NostrClient, beginning: str) -> ScheduledNote:
    from nostr_client.cli.by_beginning import named

    notes = {note.id: note for note in await client.schedule.all()}
    return notes[named(beginning, notes, "scheduled note")]


def _in_time(note: ScheduledNote | None) -> ScheduledNote:
    if note is None:
        raise CommandError(TOO_LATE)
    return note


def _record(note: ScheduledNote) -> dict[str, Any]:
    writing = note.writing
    return {
        "scheduled": note.id,
        "at": note.at,
        "text": writing.text,
        "reply_to": writing.reply_to,
        "quote": writing.quote,
        "warning": writing.warning,
        "late": note.is_late(time.time()),
        "signed": bool(note.event),
    }


def _line(note: ScheduledNote) -> str:
    from nostr_client.cli.plain_lines import WORDS, when
    from nostr_client.safe_text import first_lines, safe_line

    first = next(iter(first_lines(note.writing.text)), "")
    late = "late, waits for a word  " if note.is_late(time.time()) else ""
    return f"{note.id}  {when(note.at)}  {late}{safe_line(first, WORDS)}"


def add_to(root: Group) -> None:
    """They stand in a group of their own."""
    group = root.group("schedule", "Notes that go out at a time.", "list")
    add_command(group, "list", list_notes, CLIENT)
    add_command(group, "move", move, CLIENT)
    add_command(group, "edit", edit, CLIENT)
    add_command(group, "cancel", cancel, CLIENT)
    add_command(group, "send", send, CLIENT)
