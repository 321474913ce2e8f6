"""Drafts and events as lines of JSON (NIP-01)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from nostr_client.errors import InvalidEvent
from nostr_client.protocol.event import MALFORMED, Draft, Event, event_digest, reason_of
from nostr_client.protocol.kinds import CHAT_MESSAGE, FILE_MESSAGE

_DRAFT: Final = frozenset({"kind", "content", "tags", "created_at"})
_CLAIMS: Final[tuple[str, ...]] = ("id", "pubkey", "sig")
"""What a draft may say, too: it is checked, and an empty one says nothing."""
NEVER_SIGNED: Final = frozenset({CHAT_MESSAGE, FILE_MESSAGE})
"""Private messages, which travel in gift wraps alone (NIP-17)."""
_object = msgspec.json.Decoder(dict[str, Any]).decode


def draft_or_event(
    data: bytes, pubkey: str | None, over: dict[str, Any] | None = None, *, worked: bool = False
) -> Draft | Event:
    """An event where there is a signature, of which form and id are checked; else a draft, as
    `draft_of` makes it. Raises InvalidEvent."""
    if not _read(data).get("sig"):
        return draft_of(data, pubkey, over, worked=worked)
    event = Event.parse(data)
    _refuse_private(event.kind)
    return event


def draft_of(
    data: bytes, pubkey: str | None, over: dict[str, Any] | None = None, *, worked: bool = False
) -> Draft:
    """The draft of a line, to be signed by `pubkey` (None: by nobody who is known). What `over` has
    is put over it, its tags behind those of the line; `worked`: it gets another id (NIP-13).

    Raises InvalidEvent, also for one that says it is by another, or has an id that is not its.
    """
    value, more = _read(data), over or {}
    claims = {name: value.pop(name) for name in _CLAIMS if name in value}
    tags = value.get("tags", [])
    if not isinstance(tags, list):
        raise InvalidEvent("tags are a list of lists of strings")
    value |= more | {"tags": [*tags, *more.get("tags", [])]}
    if unknown := value.keys() - _DRAFT:
        raise InvalidEvent(f"not an element of an event: {', '.join(sorted(unknown))}")
    if not (value["tags"] or "kind" in value or "content" in value):
        raise InvalidEvent("an empty event is not made: it has neither kind, content nor tags")
    if type(value.get("kind", 1)) is not int:
        raise InvalidEvent("kind is a whole number")
    draft = Draft(
        value.get("kind", 1), value.get("content", ""), value["tags"], value.get("created_at")
    )
    _refuse_private(draft.kind)
    if pubkey is not None:
        _check_claims(claims, draft, pubkey, worked=worked)
    return draft


def _check_claims(claims: dict[str, Any], draft: Draft, pubkey: str, *, worked: bool) -> None:
    if claims.get("pubkey") and claims["pubkey"] != pubkey:
        raise InvalidEvent("another's name stands in it (pubkey): your key signs your own alone")
    if not claims.get("id"):
        return
    id, at = "", draft.created_at
    if at is not None and not worked:
        id = event_digest(pubkey, at, draft.kind, draft.tags, draft.content).hex()
    if claims["id"] != id:
        raise InvalidEvent("its id is not that of what would be signed")


def _refuse_private(kind: int) -> None:
    if kind in NEVER_SIGNED:
        raise InvalidEvent(
            f"kind {kind} is a private message and is not signed as it is: `dm send` sends one,"
            " `gift wrap` wraps one"
        )


def _read(data: bytes) -> dict[str, Any]:
    try:
        return _object(data)
    except MALFORMED as error:
        raise InvalidEvent(reason_of(error)) from None
