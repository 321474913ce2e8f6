"""What people type for a note: hex, note1, nevent1, with or without `nostr:`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nostr_client.cli.outcomes import login_hint, not_found
from nostr_client.nips import nip19

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient


class NoteRef(NamedTuple):
    """A note's id, the relays where it may be found, and its author (hex) if that is known."""

    id: str
    relays: tuple[str, ...] = ()
    author: str = ""


def note_ref(text: str) -> NoteRef:
    """The note that `text` names. Raises InvalidCode."""
    code = nip19.event_of(text)
    return NoteRef(code.id, code.relays, code.author or "")


async def find_note(context: ClientContext, client: NostrClient, note: NoteRef) -> str:
    """The note's id, once it is here; it is fetched if need be. Raises CommandError.

    The relays in a code are the word of whoever made it, not of the person who pastes it: they
    open no private address.
    """
    if await client.store.get(note.id) is None:
        client.book.policy.use_from_code(note.relays)
        authors = [note.author] if note.author else []
        asked = await client.courier.fetch_ids([note.id], near=note.relays, authors=authors)
        if await client.store.get(note.id) is None:
            hint = await login_hint(context, client, asked.ends.values())
            raise not_found("this note was not found", asked.ends, hint)
    return note.id
