"""Versions of lists, and what is in them, in words: the same on the command line and in the
terminal client. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from nostr_client.nips import nip19
from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import is_hex64
from nostr_client.safe_text import safe_line
from nostr_client.social.list_versions import (
    ItemChange,
    ItemPlace,
    ListItem,
    changes_between,
    items_of,
)

WIDTH: Final = 200
"""Characters of an item that are shown."""


class VersionSize(msgspec.Struct, frozen=True):
    """How much one version holds, and how it differs from the one that it took the place of. What
    stands in a private part that is closed counts as one thing."""

    entries: int
    private_part: bool
    added: int
    removed: int
    changed: int

    @property
    def noun(self) -> str:
        """As their number has it."""
        return "entry" if self.entries == 1 else "entries"

    @property
    def signs(self) -> str:
        """`+2 -1 ~3`, or nothing."""
        each = (("+", self.added), ("-", self.removed), ("~", self.changed))
        return " ".join(f"{sign}{count}" for sign, count in each if count)


def size_of(event: Event, before: Event | None) -> VersionSize:
    """That of a version; `before` is the one that it took the place of."""
    items = items_of(event)
    changes = changes_between(items_of(before) if before else (), items)
    return VersionSize(
        entries=sum(item.place is not ItemPlace.CONTENT for item in items),
        private_part=any(item.place is ItemPlace.CONTENT for item in items),
        added=sum(not change.before for change in changes),
        removed=sum(not change.after for change in changes),
        changed=sum(bool(change.before and change.after) for change in changes),
    )


def item_line(item: ListItem, name: Callable[[str], str] = nip19.encode_npub) -> str:
    """One line of it; `name` gives that of a pubkey."""
    if item.place is ItemPlace.CONTENT:
        return f"{item.place.value:7}  {len(item.tag[1])} characters that cannot be read here"
    first, *values = item.tag
    shown = [_value(first, value, name) for value in values]
    return safe_line(f"{item.place.value:7}  {'  '.join((first, *shown))}", WIDTH).rstrip()


def _value(tag: str, value: str, name: Callable[[str], str]) -> str:
    if tag == "p" and is_hex64(value):
        return name(value)
    if tag == "e" and is_hex64(value):
        return nip19.encode_note(value)
    return value


def change_lines(change: ItemChange, name: Callable[[str], str] = nip19.encode_npub) -> list[str]:
    """`+` came, `-` went; `~` before both where it was changed."""
    sign = "~" if change.before and change.after else ""
    lines = [f"{sign}- {item_line(item, name)}" for item in change.before]
    return [*lines, *(f"{sign}+ {item_line(item, name)}" for item in change.after)]
