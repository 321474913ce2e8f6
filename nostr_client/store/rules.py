"""The rules of keeping events, without a database: NIP-01, 09, 40 and 62.

An event that has expired is as if it were not there. Of a replaceable or addressable event only
the newest version counts; of two of the same second, the one with the lowest id. A deletion removes
what it names by id, whatever its age, and what it names by address up to its own second; only the
author's own, or a gift wrap addressed to him; never a deletion or a request to vanish. A request
to vanish removes all that its author wrote, and the gift wraps for him, up to its own second.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple

from nostr_client.errors import InvalidData
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import is_hex64
from nostr_client.protocol.kinds import (
    DELETION,
    GIFT_WRAPS,
    MAX_KIND,
    VANISH,
    KindClass,
    is_replaceable,
    kind_class,
)
from nostr_client.protocol.urls import place_of

UNDELETABLE: Final = frozenset({DELETION, VANISH})
ALL_RELAYS: Final = "ALL_RELAYS"
SMALL: Final = 4096
"""Bytes of a deletion that may have the room that is kept back, whatever it takes out."""
_is_kind = re.compile("0|[1-9][0-9]{0,4}").fullmatch


class Version(NamedTuple):
    """One version of a replaceable or addressable event."""

    created_at: int
    id: str

    def supersedes(self, other: Version) -> bool:
        """Newest wins, then the lowest id (NIP-01)."""
        return (-self.created_at, self.id) < (-other.created_at, other.id)


class Deletion(NamedTuple):
    """What a kind 5 event asks for: ids, and addresses of its own author."""

    ids: frozenset[str]
    addresses: frozenset[str]


def deletion_of(event: Event) -> Deletion:
    """The targets of a kind 5 event; what is malformed or another author's is left out."""
    ids = frozenset(value for value in event.values("e") if is_hex64(value))
    named = (read_address(value) for value in event.values("a"))
    own = frozenset(
        f"{kind}:{pubkey}:{d}" for kind, pubkey, d in filter(None, named) if pubkey == event.pubkey
    )
    return Deletion(ids, own)


def read_address(text: str) -> tuple[int, str, str] | None:
    """Kind, pubkey and `d` of an address; None when it can belong to no event.

    Many write the address of a replaceable event without its last colon; so it is read, too.
    """
    number, _, rest = text.partition(":")
    pubkey, _, d = rest.partition(":")
    if not _is_kind(number) or not is_hex64(pubkey) or int(number) > MAX_KIND:
        return None
    match kind_class(int(number)):
        case KindClass.REPLACEABLE if not d:
            return int(number), pubkey, ""
        case KindClass.ADDRESSABLE if len(rest) > len(pubkey):
            return int(number), pubkey, d
    return None


def address_filter(address: str) -> Filter | None:
    """What asks for the event at an address; None for what can be no event's."""
    found = read_address(address)
    if found is None:
        return None
    kind, pubkey, d = found
    tags = {"d": frozenset({d})} if kind_class(kind) is KindClass.ADDRESSABLE else {}
    return Filter(authors=frozenset({pubkey}), kinds=frozenset({kind}), tags=tags)


def deleters(event: Event) -> frozenset[str]:
    """Who may delete `event`: its author, and whom a gift wrap is for."""
    if event.kind in UNDELETABLE:
        return frozenset()
    if event.kind in GIFT_WRAPS:
        return frozenset((event.pubkey, *event.values("p")))
    return frozenset((event.pubkey,))


def vanish_subjects(event: Event) -> frozenset[str]:
    """Whose request to vanish would remove `event`."""
    if event.kind in GIFT_WRAPS:
        return frozenset((event.pubkey, *event.values("p")))
    return frozenset((event.pubkey,))


def is_vanished(event: Event, until: Mapping[str, int]) -> bool:
    """Is `event` covered by a request to vanish? `until` gives its second, by pubkey.

    The request itself is not: it is kept as the record of what was asked.
    """
    for subject in vanish_subjects(event):
        limit = until.get(subject)
        if limit is None or event.created_at > limit:
            continue
        if not (event.kind == VANISH and event.created_at == limit):
            return True
    return False


def vanish_reaches(event: Event, places: Collection[str]) -> bool:
    """Does a kind 62 event speak to a relay at one of these places (`place_of`), or to everyone?"""
    if not places:
        return False
    for value in event.values("relay"):
        if value == ALL_RELAYS:
            return True
        try:
            if place_of(value) in places:
                return True
        except InvalidData:
            continue
    return False


def is_expired(expires: int | None, now: float) -> bool:
    """NIP-40: over from that second on."""
    return expires is not None and expires <= now


def deletion_frees_room(deletion: Event, named: Iterable[Event], versions: Iterable[Event]) -> bool:
    """Would a kind 5 event take out more than it takes itself, or be small? `named`: what is held
    of what it names by id, `versions`: at its own addresses."""
    gone = [event for event in named if deletion.pubkey in deleters(event)]
    gone += [event for event in versions if event.created_at <= deletion.created_at]
    freed = sum(len(event.json) for event in gone)
    return freed > 0 and len(deletion.json) <= max(SMALL, freed)


def is_evictable(kind: int) -> bool:
    """May an event of this kind ever be taken out for its age, or for want of room?"""
    return not is_replaceable(kind) and kind not in UNDELETABLE


def quota_target(limit: int, wanted: int) -> int:
    """What may stay so that `wanted` bytes fit, and that it is not all done again at once."""
    return max(0, min(limit * 3 // 4, limit - wanted))
