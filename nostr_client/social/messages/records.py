"""What is kept of private messages beside the wraps themselves, as records in the order in which
things happened here: what a wrap held once it was opened, what was read, who was accepted. Pure.

They are encrypted where they lie (`sealed_log`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from nostr_client.protocol.event import MALFORMED, Tags


class Reason(StrEnum):
    """Why nothing is kept of an event that was opened, or was to be."""

    FAILED = "failed"
    """No retry opens it."""
    FORGED = "forged"
    """Who sealed it is not who is said to have written it, or an id or a signature is wrong."""
    OTHER_KEY = "other key"
    """It is for a separate encryption key (NIP-4E)."""
    NO_MESSAGE = "no message"
    """What it holds is none of ours to show: another kind, or without a room."""
    OVERFLOW = "overflow"
    """A stranger's, for whom there is no room left; opened again when there is."""
    GONE = "gone"
    """It was a message, which has expired, or was dismissed."""


class _Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    pass


class KeptRumor(_Record, tag="o", frozen=True, array_like=True, gc=False):
    """What an event of the store (`source`, an id) held: a rumor, or an old direct message.

    `expires_at` is 0 for never. `old`: by NIP-04.
    """

    source: str
    id: str
    author: str
    created_at: int
    kind: int
    tags: Tags
    content: str
    expires_at: int = 0
    old: bool = False

    def values(self, name: str) -> tuple[str, ...]:
        """The second element of every tag called `name`."""
        return tuple(tag[1] for tag in self.tags if len(tag) > 1 and tag[0] == name)

    def value(self, name: str) -> str:
        """The first of `values`, or ""."""
        return next(iter(self.values(name)), "")

    def emptied(self) -> KeptRumor:
        """The same without what it said: it was deleted. Who was in the room stays."""
        people = tuple(tag[:2] for tag in self.tags if tag[0] == "p")
        return msgspec.structs.replace(self, content="", tags=people)


class NotKept(_Record, tag="c", frozen=True, array_like=True, gc=False):
    """Nothing is kept of this event, and it is not opened again."""

    source: str
    why: Reason


class SentWraps(_Record, tag="w", frozen=True, array_like=True, gc=False):
    """The wraps of an own rumor: by recipient, the id of each."""

    rumor: str
    wraps: dict[str, str]


class Delivered(_Record, tag="s", frozen=True, array_like=True, gc=False):
    """Every member could fetch this own rumor long ago; where, is not known any more."""

    rumor: str


class ReadUpTo(_Record, tag="r", frozen=True, array_like=True, gc=False):
    """Everything in this room that is here by now, up to `at`, was read."""

    room: tuple[str, ...]
    at: int


class MarkedRead(_Record, tag="m", frozen=True, array_like=True, gc=False):
    """In this room these messages were read."""

    room: tuple[str, ...]
    ids: tuple[str, ...]


class StillUnread(_Record, tag="n", frozen=True, array_like=True, gc=False):
    """In this room these messages are not read yet, and all others are."""

    room: tuple[str, ...]
    ids: tuple[str, ...]


class Accepted(_Record, tag="a", frozen=True, array_like=True, gc=False):
    """The person takes what is written here."""

    room: tuple[str, ...]


class Dismissed(_Record, tag="d", frozen=True, array_like=True, gc=False):
    """The person wants to see nothing of what is in this room by now."""

    room: tuple[str, ...]


class Reopened(_Record, tag="u", frozen=True, array_like=True, gc=False):
    """There is room again for what overflowed."""


class KeyBrought(_Record, tag="k", frozen=True, array_like=True, gc=False):
    """A separate encryption key (NIP-4E) is here: what nothing opened is tried again, once."""

    pubkey: str


class Begun(_Record, tag="b", frozen=True, array_like=True, gc=False):
    """When this machine began to read the account's messages."""

    at: int


_Marks = ReadUpTo | MarkedRead | StillUnread | Accepted | Dismissed | Reopened | KeyBrought | Begun
Record = KeptRumor | NotKept | SentWraps | Delivered | _Marks

encode = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Record).decode


def decode(data: bytes) -> Record | None:
    """The record; None for one that this version does not know."""
    try:
        record: Record = _decode(data)
        return record
    except MALFORMED:
        return None
