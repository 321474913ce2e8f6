"""`nostr-client why`: why a note is here, or why a relay is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from nostr_client.cli.command import CLIENT, add_command
from nostr_client.command_line.tree import Argument, Group
from nostr_client.command_line.waiting import wait_for
from nostr_client.safe_text import safe_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient
    from nostr_client.social.why import WhyNote, WhyRelay

Thing = Annotated[
    str, Argument(metavar="NOTE|RELAY", help="note1, nevent1 or hex; or the URL of a relay.")
]
_MOST: Final = 300


def why(context: ClientContext, thing: Thing) -> None:
    """Why a note is here, from which relays, or what a relay is for; no relay is asked."""
    account = context.must_act()

    async def work() -> None:
        async with context.reading(account, offline=True) as client:
            if "://" in thing:
                record, lines = await _of_relay(client, thing)
            else:
                record, lines = await _of_note(client, thing)
            context.out.emit(record, "\n".join(safe_line(line, _MOST) for line in lines))

    wait_for(work())


async def _of_note(client: NostrClient, text: str) -> tuple[dict[str, Any], list[str]]:
    from nostr_client.cli.note_refs import note_ref
    from nostr_client.exits import CommandError, Exit

    event = await client.store.get(note_ref(text).id)
    if event is None:
        raise CommandError("this note is not here", Exit.NOT_FOUND)
    found = await client.why.note(event)
    return _note_record(found), list(_note_lines(found))


def _note_record(found: WhyNote) -> dict[str, Any]:
    author = found.author
    return {
        "id": found.event.id,
        "author": author.pubkey,
        "because": [
            {
                "ground": one.ground.value,
                "people": list(one.people),
                "since": one.since or None,
                "topics": list(one.names),
            }
            for one in (*found.reasons, *author.reasons)
        ],
        "writes": list(author.writes),
        "relay_list_at": author.list_at or None,
        "from": [{"url": one.url, "at": one.at} for one in found.brought],
        "own_relay": found.own_relay,
        "checked": found.signed,
    }


def _note_lines(found: WhyNote) -> Iterator[str]:
    from nostr_client.cli.plain_lines import when

    grounds = [one.ground.value for one in (*found.reasons, *found.author.reasons)]
    yield f"because    {', '.join(grounds)}"
    yield f"writes to  {', '.join(found.author.writes) or 'nobody says where'}"
    for one in found.brought:
        yield f"came from  {one.url}  {when(one.at)}"
    yield f"checked    {'id and signature hold' if found.signed else 'it does NOT hold'}"


async def _of_relay(client: NostrClient, text: str) -> tuple[dict[str, Any], list[str]]:
    from nostr_client.protocol.urls import normalize_relay_url

    found = await client.why.relay(normalize_relay_url(text))
    known = found.came + found.lacked
    record = {
        "url": found.url,
        "roles": list(found.roles),
        "writers": found.writers,
        "followed": found.followed,
        "delivered": found.came / known if known else None,
        "blocked": found.blocked,
    }
    return record, list(_relay_lines(found, known))


def _relay_lines(found: WhyRelay, known: float) -> Iterator[str]:
    for words in ("you blocked it",) if found.blocked else found.roles:
        yield f"because    {words}"
    yield f"writers    {found.writers} of {found.followed} people you follow write there"
    if known:
        yield f"delivered  {found.came / known:.0%} of what is known of those who write there"


def add_to(root: Group) -> None:
    """The command."""
    add_command(root, "why", why, CLIENT)
