"""Versions of lists, and what is in them, as lines and records of the command line."""

from __future__ import annotations

from typing import Any

import msgspec

from nostr_client.cli.plain_lines import when
from nostr_client.protocol.event import Event
from nostr_client.social.list_versions import ItemChange, ListItem
from nostr_client.social.list_words import VersionSize


def version_record(number: int, event: Event, size: VersionSize) -> dict[str, Any]:
    """One version; 1 is the newest."""
    fields = msgspec.structs.asdict(size)
    return {"version": number, "id": event.id, "created_at": event.created_at, **fields}


def version_line(number: int, event: Event, size: VersionSize) -> str:
    """One line of it."""
    private = ", and a private part" if size.private_part else ""
    return (
        f"{number:>3}  {event.id[:12]}  {when(event.created_at)}  "
        f"{size.entries} {size.noun}{private}  {size.signs}"
    ).rstrip()


def item_record(item: ListItem) -> dict[str, Any]:
    """A field as its name and its value in JSON, all else as the tag that it is."""
    return {"place": item.place.value, "entry": list(item.tag)}


def change_record(change: ItemChange) -> dict[str, Any]:
    """What was there, and what is."""
    what = "changed" if change.before and change.after else "removed" if change.before else "added"
    return {
        "change": what,
        "before": [item_record(item) for item in change.before],
        "after": [item_record(item) for item in change.after],
    }
