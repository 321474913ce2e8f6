"""Versions of lists, and what is in them, on lines and as records."""

from __future__ import annotations

from typing import Any, Final

from nostr_client.cli.plain_lines import when
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


def version_record(number: int, event: Event, before: Event | None) -> dict[str, Any]:
    """`before` is the version that it took the place of."""
    items = items_of(event)
    changes = changes_between(items_of(before) if before else (), items)
    return {
        "version": number,
        "id": event.id,
        "created_at": event.created_at,
        "entries": sum(item.place is not ItemPlace.CONTENT for item in items),
        "private_part": any(item.place is ItemPlace.CONTENT for item in items),
        "added": sum(not change.before for change in changes),
        "removed": sum(not change.after for change in changes),
        "changed": sum(bool(change.before and change.after) for change in changes),
    }


def version_line(record: dict[str, Any]) -> str:
    """One line of it."""
    private = ", and a private part" if record["private_part"] else ""
    signs = (("+", "added"), ("-", "removed"), ("~", "changed"))
    changes = " ".join(f"{sign}{record[name]}" for sign, name in signs if record[name])
    return (
        f"{record['version']:>3}  {record['id'][:12]}  {when(record['created_at'])}  "
        f"{record['entries']} entries{private}  {changes}"
    ).rstrip()


def item_record(item: ListItem) -> dict[str, Any]:
    """A field as its name and its value in JSON, all else as the tag that it is."""
    return {"place": item.place.value, "entry": list(item.tag)}


def item_line(item: ListItem) -> str:
    """One line of it."""
    if item.place is ItemPlace.CONTENT:
        return f"{item.place.value:7}  {len(item.tag[1])} characters that cannot be read here"
    name, *values = item.tag
    shown = [_value(name, value) for value in values]
    return safe_line(f"{item.place.value:7}  {'  '.join((name, *shown))}", WIDTH).rstrip()


def _value(name: str, value: str) -> str:
    if name == "p" and is_hex64(value):
        return nip19.encode_npub(value)
    if name == "e" and is_hex64(value):
        return nip19.encode_note(value)
    return value


def change_record(change: ItemChange) -> dict[str, Any]:
    """What was there, and what is."""
    what = "changed" if change.before and change.after else "removed" if change.before else "added"
    return {
        "change": what,
        "before": [item_record(item) for item in change.before],
        "after": [item_record(item) for item in change.after],
    }


def change_lines(change: ItemChange) -> str:
    """`+` came, `-` went; `~` before both where it was changed."""
    sign = "~" if change.before and change.after else ""
    lines = [f"{sign}- {item_line(item)}" for item in change.before]
    lines += [f"{sign}+ {item_line(item)}" for item in change.after]
    return "\n".join(lines)
