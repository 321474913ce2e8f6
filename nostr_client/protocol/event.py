"""Events and drafts: form, id, signature (NIP-01).

An `Event` is made in one of two ways only: `Event.parse`, which checks form and id, and `Draft.sign`.
The signature is a check of its own (`Event.verify`, or a batch of them in `signing.verifier`),
because it costs thirty times as much as all the others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec

from nostr_client.errors import InvalidEvent
from nostr_client.protocol import keys
from nostr_client.protocol.kinds import MAX_KIND, KindClass, kind_class

Tag = tuple[str, ...]
Tags = tuple[Tag, ...]

MAX_TIMESTAMP: Final = 2**63 - 1
"""The last created_at, in seconds: stores keep signed 64-bit integers."""

_is_hex64 = re.compile("[0-9a-f]{64}").fullmatch
_is_hex128 = re.compile("[0-9a-f]{128}").fullmatch
_encode = msgspec.json.Encoder().encode
MALFORMED: Final = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)
"""What decoders raise on hostile JSON."""


class _Fields(msgspec.Struct, frozen=True):
    """The seven signed fields, in the order in which we write them."""

    id: str
    pubkey: str
    created_at: int
    kind: int
    tags: Tags
    content: str
    sig: str


_decode = msgspec.json.Decoder(_Fields).decode


class Event(msgspec.Struct, frozen=True, eq=False, weakref=True):
    """A signed event. `json` is its one encoding: what is stored and what is sent.

    `id` and `pubkey` are 64, `sig` 128 lowercase hex digits; `created_at` is in seconds.
    """

    id: str
    pubkey: str
    created_at: int
    kind: int
    tags: Tags
    content: str
    sig: str
    json: bytes

    @classmethod
    def parse(cls, data: bytes | str) -> Event:
        """An event from JSON of unknown origin; its id is recomputed, its signature NOT checked.

        Raises InvalidEvent.
        """
        try:
            fields = _decode(data)
            event = _checked(fields)
        except MALFORMED as error:
            raise InvalidEvent(_reason(error)) from None
        # Our encoding is the shortest there is, so equal lengths leave no room for a doubled key.
        size = len(data) if isinstance(data, bytes) else len(data.encode())
        if size != len(event.json):
            _refuse_doubled_keys(data)
        return event

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Event:
        """An event from a decoded JSON object. Raises InvalidEvent."""
        try:
            return cls.parse(_encode(value))
        except (TypeError, UnicodeEncodeError, OverflowError) as error:
            raise InvalidEvent(_reason(error)) from None

    @classmethod
    def from_trusted(cls, data: bytes) -> Event:
        """An event from bytes that this program checked and encoded before (`Event.json`)."""
        f = _decode(data)
        return cls(f.id, f.pubkey, f.created_at, f.kind, f.tags, f.content, f.sig, data)

    def verify(self) -> bool:
        """Is the signature that of `pubkey` over `id` (BIP-340)?"""
        return keys.verify(
            bytes.fromhex(self.pubkey), bytes.fromhex(self.id), bytes.fromhex(self.sig)
        )

    def values(self, name: str) -> Iterator[str]:
        """The second element of every tag called `name`."""
        return (tag[1] for tag in self.tags if len(tag) > 1 and tag[0] == name)

    def value(self, name: str) -> str | None:
        """The first of `values`, if any."""
        return next(self.values(name), None)

    @property
    def address(self) -> str | None:
        """`kind:pubkey:d` for replaceable (d empty) and addressable events, else None."""
        match kind_class(self.kind):
            case KindClass.REPLACEABLE:
                return f"{self.kind}:{self.pubkey}:"
            case KindClass.ADDRESSABLE:
                return f"{self.kind}:{self.pubkey}:{self.value('d') or ''}"
        return None

    @property
    def expiration(self) -> int | None:
        """When it expires, in seconds (NIP-40); None without a readable tag."""
        text = self.value("expiration")
        if text is None or not (text.isascii() and text.isdigit() and len(text) <= 19):
            return None
        return min(int(text), MAX_TIMESTAMP)

    @property
    def is_protected(self) -> bool:
        """Only its author may publish it (NIP-70)."""
        return any(tag[0] == "-" for tag in self.tags)

    @property
    def order(self) -> tuple[int, str]:
        """Sort key of every listing: newest first, then lowest id."""
        return -self.created_at, self.id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Event) and self.json == other.json

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<Event kind={self.kind} id={self.id[:12]} by={self.pubkey[:12]}>"


class Draft(msgspec.Struct, frozen=True):
    """An event not signed yet. Without `created_at` it takes the time of signing.

    Raises InvalidEvent for what the network would not agree on: a lone surrogate, an empty tag,
    or U+007F, which some relays write in another way, so that the id no longer fits.
    """

    kind: int
    content: str = ""
    tags: Tags = ()
    created_at: int | None = None

    def __post_init__(self) -> None:
        _check_numbers(0 if self.created_at is None else self.created_at, self.kind)
        _check_tags(self.tags)
        for text in (self.content, *(item for tag in self.tags for item in tag)):
            if not isinstance(text, str):
                raise InvalidEvent("content and tags are made of strings")
            if "\x7f" in text:
                raise InvalidEvent("a note cannot carry the control character U+007F")
            try:
                text.encode()
            except UnicodeEncodeError:
                raise InvalidEvent("a note cannot carry half a character (a surrogate)") from None

    def sign(self, key: keys.SecretKey, now: int) -> Event:
        """The event signed by `key`; `now`, in seconds, stands in for a missing created_at."""
        pubkey = key.public_key.hex
        created_at = now if self.created_at is None else self.created_at
        _check_numbers(created_at, self.kind)
        digest = event_digest(pubkey, created_at, self.kind, self.tags, self.content)
        sig = key.sign(digest).hex()
        return _build(digest.hex(), pubkey, created_at, self.kind, self.tags, self.content, sig)


def event_digest(
    pubkey: str, created_at: int, kind: int, tags: Sequence[Sequence[str]], content: str
) -> bytes:
    """The 32 bytes that an event's id spells in hex.

    NIP-01 asks for all but seven characters verbatim; the network writes the other C0 controls
    as JSON must, `\\u00xx`, and so does this.
    """
    return sha256(_encode((0, pubkey, created_at, kind, tags, content))).digest()


def _build(
    id: str, pubkey: str, created_at: int, kind: int, tags: Tags, content: str, sig: str
) -> Event:
    encoded = _encode(_Fields(id, pubkey, created_at, kind, tags, content, sig))
    return Event(id, pubkey, created_at, kind, tags, content, sig, encoded)


def _checked(f: _Fields) -> Event:
    _check_numbers(f.created_at, f.kind)
    _check_tags(f.tags)
    if not _is_hex64(f.pubkey):
        raise InvalidEvent("pubkey is not 64 lowercase hex digits")
    if not _is_hex128(f.sig):
        raise InvalidEvent("sig is not 128 lowercase hex digits")
    if f.id != event_digest(f.pubkey, f.created_at, f.kind, f.tags, f.content).hex():
        raise InvalidEvent("id does not match the event")
    return Event(f.id, f.pubkey, f.created_at, f.kind, f.tags, f.content, f.sig, _encode(f))


def _check_numbers(created_at: int, kind: int) -> None:
    if type(kind) is not int or not 0 <= kind <= MAX_KIND:
        raise InvalidEvent(f"kind is not a number from 0 to {MAX_KIND}")
    if type(created_at) is not int or not 0 <= created_at <= MAX_TIMESTAMP:
        raise InvalidEvent("created_at is not a number of seconds since 1970")


def _check_tags(tags: Tags) -> None:
    if not all(tags):
        raise InvalidEvent("a tag is empty")


def _refuse_doubled_keys(data: bytes | str) -> None:
    def unique(pairs: list[tuple[str, object]]) -> None:
        if len({name for name, _ in pairs}) != len(pairs):
            raise InvalidEvent("a key stands twice")

    try:
        json.loads(data, object_pairs_hook=unique)
    except MALFORMED as error:
        raise InvalidEvent(_reason(error)) from None


def _reason(error: BaseException) -> str:
    if isinstance(error, UnicodeError):
        return "not valid UTF-8"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return str(error)
