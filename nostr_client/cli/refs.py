"""What people type for a note: hex, note1, nevent1, with or without `nostr:`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from nostr_client.cli.exits import CommandError, Exit
from nostr_client.errors import InvalidCode
from nostr_client.nips import nip19
from nostr_client.protocol.filters import Filter

if TYPE_CHECKING:
    from nostr_client.client import NostrClient

_is_hex64 = re.compile("[0-9a-f]{64}").fullmatch


class NoteRef(NamedTuple):
    """A note's id, and the relays where it may be found."""

    id: str
    relays: tuple[str, ...]


def note_ref(text: str) -> NoteRef:
    """The note that `text` names. Raises InvalidCode."""
    text = text.strip()
    if _is_hex64(text.lower()):
        return NoteRef(text.lower(), ())
    code = nip19.decode(text)
    if isinstance(code, nip19.Note):
        return NoteRef(code.id, ())
    if isinstance(code, nip19.Nevent):
        return NoteRef(code.id, tuple(code.relays))
    raise InvalidCode("this code does not name a note: a note1, a nevent1 or 64 hex digits do")


async def find_note(client: NostrClient, note: NoteRef) -> str:
    """The note's id, once it is here; it is fetched if need be. Raises CommandError.

    The relays in a code are the word of whoever made it, not of the person who pastes it: they
    open no private address.
    """
    if await client.store.get(note.id) is None:
        wanted = Filter(ids=frozenset({note.id}))
        await client.fetch(wanted)
        if note.relays and await client.store.get(note.id) is None:
            policy = client.book.policy
            near = [url for hint in note.relays if (url := policy.from_stranger(hint))]
            await client.courier.fetch([wanted], near)
        if await client.store.get(note.id) is None:
            raise CommandError("no relay that answered has this note", Exit.NOT_FOUND)
    return note.id
