"""`nostr-client feed`, `thread`: what others write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from nostr_client.cli.command import CLIENT, add_command
from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient
    from nostr_client.net.outcome import End
    from nostr_client.social.views import NoteView

CATCH_UP = 10.0
"""Seconds that relays have to send what is new before the feed is shown."""


PASSING = 2.0
"""Seconds for those on whom nothing depends, once all others have sent it."""
PAUSE = 0.1
MOST_LINES = 60
"""Lines of one note in a feed; a thread shows all."""
NAMES_LIMIT = 4.0


def feed(
    context: ClientContext,
    limit: Annotated[int, Option("--limit", least=1, most=1000, help="How many notes.")] = 20,
    follow: Annotated[bool, Option("--follow", help="Stay, and show new notes.")] = False,
    offline: Annotated[bool, Option("--offline", help="Only what is here.")] = False,
) -> None:
    """Read the home timeline, oldest first; with --json each line is the event itself."""
    from nostr_client.cli.outcomes import login_hint, not_found, say_missed
    from nostr_client.net.outcome import is_closed_to_us

    account = context.must_act()

    async def work() -> None:
        async with context.reading(account, offline=offline) as client:
            ends = {} if offline else await catch_up(client)
            newest = await client.timeline.home(limit=limit)
            if not offline:
                newest = await client.timeline.complete(newest)
                if await _learn_names(client, newest):
                    newest = await client.timeline.home(limit=limit)
            for note in reversed(newest):
                _show(context, note, most=MOST_LINES)
            if newest:
                say_missed(context, ends, await login_hint(context, client, ends.values()))
            else:
                problem = await _nothing_to_read(context, client, ends, offline)
                if not follow or is_closed_to_us(ends.values()):
                    raise problem
                context.out.note(str(problem), problem.record)
            if follow and is_closed_to_us(ends.values()):
                raise not_found("nobody is left who could send more", ends)
            if follow:
                async for note in client.timeline.watch(newest):
                    whole = (
                        [note] if offline else await client.timeline.complete([note], limit=PASSING)
                    )
                    _show(context, whole[0], most=MOST_LINES)

    wait_for(work())


def notifications(
    context: ClientContext,
    tab: Annotated[
        Literal["all", "mentions", "reactions", "follows", "zaps"],
        Option("--tab", help="Only one sort."),
    ] = "all",
    limit: Annotated[int, Option("--limit", least=1, most=1000, help="How many rows.")] = 20,
    offline: Annotated[bool, Option("--offline", help="Only what is here.")] = False,
) -> None:
    """What people said to you, and did with what you wrote, oldest first; strangers are marked.

    Nothing is marked as seen by that. Amounts of zaps are claimed ones here: nobody was asked.
    """
    from nostr_client.cli.json_records import notification_record
    from nostr_client.cli.plain_lines import notification_line
    from nostr_client.social.notification_views import NotificationTab, unfolded

    account = context.must_act()

    async def work() -> None:
        async with context.reading(account, offline=offline) as client:
            if not offline:
                await catch_up(client, everything=True)
            page = await client.notifications.page(NotificationTab(tab))
            rows = list(unfolded(page.rows))
            while len(rows) < limit and page.until is not None:
                page = await client.notifications.page(NotificationTab(tab), until=page.until)
                rows += unfolded(page.rows)
            seen = client.notifications.seen_until
            newest = sorted(rows, key=lambda one: one[0].at)[-limit:]
            people = await client.profiles.get_many({row.people[0] for row, _ in newest})
            for row, strange in newest:
                record = notification_record(row, stranger=strange, new=row.at > seen)
                context.out.emit(record, notification_line(row, people[row.people[0]], strange))
            if not rows:
                raise CommandError("nothing has come for you yet", Exit.NOT_FOUND)

    wait_for(work())


def thread(
    context: ClientContext,
    note: Annotated[str, Argument(metavar="ID", help="note1, nevent1, nostr: or hex.")],
    offline: Annotated[bool, Option("--offline", help="Only what is here.")] = False,
) -> None:
    """Read a conversation; with --json each line is the event itself."""
    from nostr_client.cli.note_refs import note_ref
    from nostr_client.cli.outcomes import conclude
    from nostr_client.cli.plain_lines import missing_words

    ref = note_ref(note)
    account = context.acting()

    async def work() -> None:
        async with context.reading(account, offline=offline) as client:
            if not offline:
                client.book.policy.use_from_code(ref.relays)
                view = await client.threads.fetch(ref.id, relays=ref.relays, author=ref.author)
            else:
                view = await client.threads.load(ref.id)
            if not view.items and offline:
                raise CommandError("this note is not here", Exit.NOT_FOUND)
            for depth, item in view.items:
                _show(context, item, depth)
            if view.items and view.missing and not context.json:
                context.out.note(missing_words(view))
            if view.hidden and not context.json:
                context.out.note(
                    f"{view.hidden} further answers are not shown: {len(view.items)} are the most"
                )
            shown, nothing = bool(view.items), "this note was not found"
            await conclude(context, client, view.ends, shown=shown, nothing=nothing)

    wait_for(work())


async def catch_up(client: NostrClient, *, everything: bool = False) -> Mapping[str, End]:
    """Wait until the timeline is complete (`SyncStatus.is_complete`), or `everything` that is read;
    how each relay ended."""
    import asyncio
    import contextlib

    client.start_reading()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CATCH_UP):
            patience = PASSING
            while patience > 0:
                status = client.feed_sync.status
                if status.is_caught_up or (status.is_complete and not everything):
                    break
                patience = patience - PAUSE if status.is_settled else PASSING
                await asyncio.sleep(PAUSE)
    return client.feed_sync.status.ends


async def _nothing_to_read(
    context: ClientContext, client: NostrClient, ends: Mapping[str, End], offline: bool
) -> CommandError:
    """Why the feed is empty."""
    from nostr_client.cli.outcomes import login_hint, not_found, outcome_record

    if offline:
        return CommandError("there is nothing to read here yet", Exit.NOT_FOUND)
    problem = not_found("nothing to read", ends, await login_hint(context, client, ends.values()))
    if problem.code is Exit.NOT_FOUND and not await client.follows.pubkeys():
        words = "nothing to read yet: `nostr-client follow WHO` changes that"
        return CommandError(words, problem.code, outcome_record(ends.values(), found=False))
    return problem


async def _learn_names(client: NostrClient, notes: Sequence[NoteView]) -> bool:
    """Ask for the profiles of the authors that are not known yet; is there something new?"""
    shown = [person for note in notes for person in (note.author, note.reposted_by)]
    shown += [quote.author for note in notes for quote in note.quotes]
    strangers = {person.pubkey for person in shown if person and person.event is None}
    if not strangers:
        return False
    return (await client.profiles.fetch(strangers, limit=NAMES_LIMIT, in_passing=True)).new > 0


def _show(context: ClientContext, note: NoteView, depth: int = 0, most: int = 0) -> None:
    from nostr_client.cli.json_records import note_record
    from nostr_client.cli.plain_lines import note_lines

    plain = "" if context.json else note_lines(note, depth, context.width, most)
    context.out.emit(note_record(note), plain)


def add_to(root: Group) -> None:
    """The commands of this file stand at the top level."""
    add_command(root, "feed", feed, CLIENT)
    add_command(root, "notifications", notifications, CLIENT)
    add_command(root, "thread", thread, CLIENT)
