"""What can be pointed at, and opened: one value for each sort of thing.

Whoever wants something shown posts `Open(target)`; `navigation` knows which screen shows it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from nostr_client.nips import nip19
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.social.referenced_events import reposted_by
from nostr_client.social.views import NoteView
from nostr_client.store.rules import read_address

ARTICLES: Final = frozenset({kinds.ARTICLE, kinds.ARTICLE_DRAFT, kinds.WIKI})
"""Kinds whose text is read on a screen of its own."""
FEEDS: Final = frozenset({kinds.FOLLOW_SET, kinds.STARTER_PACK, kinds.INTEREST_SET})
"""Lists of people or topics (NIP-51), which open as what these write."""


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

    @property
    def is_feed(self) -> bool:
        """Is it a list of people or topics?"""
        found = read_address(self.address)
        return found is not None and found[0] in FEEDS


@dataclass(frozen=True)
class PersonTarget:
    """A person (hex)."""

    pubkey: str
    relays: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class RoomTarget:
    """A private conversation: its members (hex), the account among them. `select` is the id of the
    message to be shown."""

    members: frozenset[str]
    select: str = field(default="", compare=False)


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
    | RoomTarget
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
    """What opens when a note in a list is opened: an article is read, a list of people is a feed,
    anything else is a thread."""
    place = _place_of(view.event)
    return place if place is not None and not view.missing else NoteTarget.of(view)


def target_of_event(event: Event) -> AddressTarget | NoteTarget:
    """What opens of an event that is here, and is only named where one is."""
    return _place_of(event) or NoteTarget(event.id, author=event.pubkey)


def _place_of(event: Event) -> AddressTarget | None:
    if event.kind in ARTICLES | FEEDS and event.address:
        return AddressTarget(event.address)
    return None
