"""What can be pointed at, and opened: one value for each sort of thing.

Whoever wants something shown posts `Open(target)`; `navigation` knows which screen shows it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from nostr_client.nips import nip19
from nostr_client.protocol import kinds
from nostr_client.social.referenced_events import reposted_by
from nostr_client.social.views import NoteView

ARTICLES: Final = frozenset({kinds.ARTICLE, kinds.ARTICLE_DRAFT, kinds.WIKI})
"""Kinds whose text is read on a screen of its own."""


@dataclass(frozen=True)
class SectionTarget:
    """A section of the main screen."""

    name: str


@dataclass(frozen=True)
class NoteTarget:
    """An event, in its thread. `relays` and `author` (hex) are what a code says of it; `view` is
    the note as it was shown, where it was."""

    id: str
    relays: tuple[str, ...] = field(default=(), compare=False)
    author: str = field(default="", compare=False)
    view: NoteView | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, view: NoteView) -> NoteTarget:
        """The note that a view shows: also one that is reposted and not here yet."""
        if not view.missing:
            return cls(view.event.id, author=view.event.pubkey, view=view)
        named = reposted_by(view.entry)
        author = named.authors[0] if named and named.authors else ""
        return cls(view.missing, tuple(named.relays) if named else (), author, view)


@dataclass(frozen=True)
class AddressTarget:
    """An addressable event, whatever its version: `kind:pubkey:identifier`, as `a` tags have it."""

    address: str
    relays: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class PersonTarget:
    """A person (hex)."""

    pubkey: str
    relays: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class TagTarget:
    """A hashtag, in lower case, without its sign."""

    tag: str


@dataclass(frozen=True)
class RelayTarget:
    """What a relay has to read."""

    url: str


@dataclass(frozen=True)
class WebTarget:
    """A page of the web."""

    url: str


@dataclass(frozen=True)
class WhyTarget:
    """Why something is here: a note, a person, a connection to a relay; of a section, what it still
    waits for."""

    about: NoteTarget | PersonTarget | RelayTarget | SectionTarget


Target = (
    SectionTarget
    | NoteTarget
    | AddressTarget
    | PersonTarget
    | TagTarget
    | RelayTarget
    | WebTarget
    | WhyTarget
)


def target_of(code: nip19.Code) -> Target | None:
    """What a NIP-19 code points to; None for a secret key."""
    match code:
        case nip19.Npub(pubkey=pubkey):
            return PersonTarget(pubkey)
        case nip19.Nprofile(pubkey=pubkey, relays=relays):
            return PersonTarget(pubkey, tuple(relays))
        case nip19.Note(id=id):
            return NoteTarget(id)
        case nip19.Nevent(id=id, relays=relays, author=author):
            return NoteTarget(id, tuple(relays), author or "")
        case nip19.Naddr(address=address, relays=relays):
            return AddressTarget(address, tuple(relays))
    return None


def target_of_view(view: NoteView) -> Target:
    """What opens when a note in a list is opened: an article is read, anything else is a thread."""
    event = view.event
    if event.kind in ARTICLES and event.address and not view.missing:
        return AddressTarget(event.address)
    return NoteTarget.of(view)
