"""Drafts and events as lines of JSON (NIP-01)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from nostr_client.errors import InvalidEvent
from nostr_client.protocol.event import MALFORMED, Draft, Event, reason_of

_DRAFT: Final = frozenset({"kind", "content", "tags", "created_at"})
_EVENT: Final = frozenset({"id", "pubkey", "sig"})
_object = msgspec.json.Decoder(dict[str, Any]).decode


def draft_or_event(data: bytes) -> Draft | Event:
    """An event where there is a signature, else a draft. Raises InvalidEvent."""
    return Event.parse(data) if b'"sig"' in data and "sig" in _read(data) else draft_of(data)


def draft_of(data: bytes, over: dict[str, Any] | None = None) -> Draft:
    """The draft of a line; id and pubkey count for nothing. What `over` has is put over it, its
    tags behind those of the line. Raises InvalidEvent."""
    value, more = _read(data), over or {}
    tags = value.get("tags", [])
    if not isinstance(tags, list):
        raise InvalidEvent("tags are a list of lists of strings")
    value |= more | {"tags": [*tags, *more.get("tags", [])]}
    if unknown := value.keys() - _DRAFT - _EVENT:
        raise InvalidEvent(f"not an element of an event: {', '.join(sorted(unknown))}")
    if type(value.get("kind", 1)) is not int:
        raise InvalidEvent("kind is a whole number")
    return Draft(
        value.get("kind", 1), value.get("content", ""), value["tags"], value.get("created_at")
    )


def _read(data: bytes) -> dict[str, Any]:
    try:
        return _object(data)
    except MALFORMED as error:
        raise InvalidEvent(reason_of(error)) from None
