"""`nostr-client search`: people, hashtags and notes, here and at relays that search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from nostr_client.cli.command import CLIENT, add_command
from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.social.search import Findings

MOST_LINES = 6
"""Lines of one note."""


def search(
    context: ClientContext,
    words: Annotated[list[str], Argument(metavar="WORDS", help="Or the beginning of a name.")],
    limit: Annotated[int, Option("--limit", least=1, most=200, help="How many notes.")] = 20,
    offline: Annotated[bool, Option("--offline", help="Only what is here.")] = False,
) -> None:
    """Find people, hashtags and notes; relays that search (NIP-50) are asked, too."""
    from nostr_client.cli.outcomes import conclude

    account = context.acting()
    text = " ".join(words)

    async def work() -> None:
        async with context.reading(account, offline=offline) as client:
            found = await client.search.find(text, limit=limit, ask=not offline)
            shown = _show(context, found)
            if found.local.behind:
                context.out.note(
                    f"{found.local.behind} of what was stored last is not searched yet"
                )
            if found.local.problem:
                context.out.note(found.local.problem)
            if offline and not shown:
                raise CommandError("nothing here has all of this", Exit.NOT_FOUND)
            known = found.relays.ends
            nothing = "nothing was found" if known else "nothing here, and none known that searches"
            if not offline and (found.relays.ends or not shown):
                await conclude(context, client, found.relays.ends, shown=shown, nothing=nothing)

    wait_for(work())


def _show(context: ClientContext, found: Findings) -> bool:
    from nostr_client.cli.json_records import note_record, profile_record
    from nostr_client.cli.plain_lines import note_lines
    from nostr_client.safe_text import safe_line

    for person in found.people:
        profile = person.profile
        record = {"found": "person", "followed": person.followed, "known": person.known}
        told = "  ".join(filter(None, (profile.npub, profile.label, person.words)))
        context.out.emit({**record, **profile_record(profile)}, told)
    for tag in found.tags:
        record = {"found": "tag", "tag": tag.tag, "notes": tag.notes}
        context.out.emit(record, f"#{safe_line(tag.tag, 60)}  {tag.notes} here")
    for note in found.notes:
        lines = "" if context.json else note_lines(note, 0, context.width, MOST_LINES)
        context.out.emit({"found": "note", **note_record(note)}, lines)
    return bool(found.people or found.tags or found.notes)


def add_to(root: Group) -> None:
    """The command of this file stands at the top level."""
    add_command(root, "search", search, CLIENT)
