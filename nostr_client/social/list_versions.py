"""Versions of a list side by side: what changed between two, and how three become one. Pure.

A version is what it holds, item by item: the tags in public, those of its private part, and the
fields of its content, where that is a JSON object (a profile, or the relays in an old follow list).
Content that is something else, and a private part that nobody could open, count as one item.

**Merging.** `base` is what both sides began with. What one side alone changed, it has changed;
where both changed the same item, each in its own way, that is a conflict: mine stands, unless I
took it out and they changed it, for nothing is lost by a merge. Mine gives the order, and what they
have beyond it stands behind what it stood behind with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from nostr_client.errors import DecryptionFailed
from nostr_client.protocol import kinds
from nostr_client.protocol.event import MALFORMED, Draft, Event, Tag, Tags
from nostr_client.routing.private_part import content_of

NAMES: Final = {
    "profile": kinds.METADATA,
    "follows": kinds.FOLLOWS,
    "mutes": kinds.MUTES,
    "relays": kinds.RELAY_LIST,
    "bookmarks": kinds.BOOKMARKS,
    "blocked-relays": kinds.BLOCKED_RELAYS,
    "search-relays": kinds.SEARCH_RELAYS,
    "private-relays": kinds.PRIVATE_RELAYS,
    "dm-relays": kinds.DM_RELAYS,
    "media-servers": kinds.MEDIA_SERVERS,
}
"""The lists of an account, by what people call them."""
HAS_NO_PRIVATE_PART: Final = frozenset({kinds.METADATA, kinds.FOLLOWS})

UNREADABLE: Final = (
    "one of these versions holds something that cannot be read here: it cannot be put together with"
    " another"
)

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class ItemPlace(StrEnum):
    """Where an item stands in its version."""

    PUBLIC = "public"
    PRIVATE = "private"
    FIELD = "field"
    """Of a content that is a JSON object: its name, and its value in JSON."""
    CONTENT = "content"
    """All of a content that is something else, or that cannot be read here."""


class ListItem(NamedTuple):
    """One item of a version: a tag, or the name and the value of a field."""

    place: ItemPlace
    tag: Tag

    @property
    def key(self) -> Tag:
        """What it is about; two items with one key are versions of each other."""
        if self.place in (ItemPlace.FIELD, ItemPlace.CONTENT):
            return (self.place, *self.tag[:1])
        return ("tag", *self.tag[:2])


Items = tuple[ListItem, ...]
_Group = tuple[ListItem, ...]
"""All items of one key, in their order."""


def items_of(version: Event | Draft, private: Tags | None = None) -> Items:
    """What a version holds. `private` are the tags of its private part; None where it has none, or
    nobody could open it."""
    items = [ListItem(ItemPlace.PUBLIC, tag) for tag in version.tags]
    if private is not None:
        return (*items, *(ListItem(ItemPlace.PRIVATE, tag) for tag in private))
    if not version.content:
        return tuple(items)
    try:
        fields = _fields(version.content) if version.kind in HAS_NO_PRIVATE_PART else None
    except MALFORMED:
        fields = None
    if fields is None:
        return (*items, ListItem(ItemPlace.CONTENT, ("", version.content)))
    found = ((name, bytes(value).decode()) for name, value in fields.items())
    return (*items, *(ListItem(ItemPlace.FIELD, field) for field in found))


def draft_of(kind: int, items: Iterable[ListItem]) -> Draft:
    """A new version that holds these, its private part opened.

    Raises PlaintextTooLong, and DecryptionFailed where an item that cannot be read here would have
    to go beside others.
    """
    each = list(items)
    tags = tuple(item.tag for item in each if item.place is ItemPlace.PUBLIC)
    private = tuple(item.tag for item in each if item.place is ItemPlace.PRIVATE)
    fields = {item.tag[0]: item.tag[1] for item in each if item.place is ItemPlace.FIELD}
    whole = [item.tag[1] for item in each if item.place is ItemPlace.CONTENT]
    if whole and (private or fields):
        raise DecryptionFailed(UNREADABLE)
    if private:
        content = content_of(private, kind)
    elif fields:
        raw = {name: msgspec.Raw(value.encode()) for name, value in fields.items()}
        content = msgspec.json.encode(raw).decode()
    else:
        content = whole[0] if whole else ""
    return Draft(kind, content, tags)


class ItemChange(NamedTuple):
    """What became of the items of one key; one side is empty where they came or went."""

    before: Items
    after: Items


def changes_between(before: Sequence[ListItem], after: Sequence[ListItem]) -> list[ItemChange]:
    """What is different in `after`, in the order of `before`, then what is new."""
    old, new = _groups(before), _groups(after)
    return [
        ItemChange(old.get(key, ()), new.get(key, ()))
        for key in dict.fromkeys((*old, *new))
        if old.get(key) != new.get(key)
    ]


def is_fork(base: Sequence[ListItem], mine: Sequence[ListItem], theirs: Sequence[ListItem]) -> bool:
    """Were `mine` and `theirs` both made from `base`, to all appearance? Each changed something,
    and `theirs`, the later one, knows nothing of what mine did."""
    my, their = (
        {(change.before or change.after)[0].key for change in changes_between(base, side)}
        for side in (mine, theirs)
    )
    return bool(my and their) and my.isdisjoint(their)


class MergedItems(NamedTuple):
    """One version out of three. `conflicts`: what both sides changed, as mine and theirs."""

    items: Items
    conflicts: tuple[ItemChange, ...] = ()


def merge(
    base: Sequence[ListItem], mine: Sequence[ListItem], theirs: Sequence[ListItem]
) -> MergedItems:
    """What `mine` and `theirs`, both made from `base`, come to together."""
    if theirs in (mine, base):
        return MergedItems(tuple(mine))
    if mine == base:
        return MergedItems(tuple(theirs))
    was, ours, others = _groups(base), _groups(mine), _groups(theirs)
    merged: dict[Tag, _Group] = {}
    conflicts: list[ItemChange] = []
    for key in dict.fromkeys((*was, *ours, *others)):
        old, my, their = was.get(key, ()), ours.get(key, ()), others.get(key, ())
        merged[key] = their if my == old else my
        if my != their and old not in (my, their):
            conflicts.append(ItemChange(my, their))
            merged[key] = my or their
    order = _with_theirs(list(ours), list(others))
    return MergedItems(tuple(i for key in order for i in merged[key]), tuple(conflicts))


def _groups(items: Iterable[ListItem]) -> Mapping[Tag, _Group]:
    groups: dict[Tag, list[ListItem]] = {}
    for item in items:
        groups.setdefault(item.key, []).append(item)
    return {key: tuple(group) for key, group in groups.items()}


def _with_theirs(mine: list[Tag], theirs: Sequence[Tag]) -> list[Tag]:
    """The keys of `mine`, in their order; those that only they have come behind what stood before
    them there."""
    known = set(mine)
    before: Tag | None = None
    behind: dict[Tag | None, list[Tag]] = {}
    for key in theirs:
        if key in known:
            before = key
        else:
            behind.setdefault(before, []).append(key)
    return [*behind.get(None, ()), *(k for key in mine for k in (key, *behind.get(key, ())))]
