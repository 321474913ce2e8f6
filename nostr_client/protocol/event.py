"""Events and drafts: form, id, signature (NIP-01).

An `Event` is made in one of two ways only: `Event.parse`, which checks form and id, and
`Draft.sign`.
The signature is a check of its own (`Event.verify`, or a batch of them in `signing.verifier`),
because it costs thirty times as much as all the others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
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

_is_hex192 = re.compile("[0-9a-f]{192}").fullmatch
_encode = msgspec.json.Encoder().encode
_MOST_REASON: Final = 300
"""Characters of a decoder's words: they name the path to what is wrong, however long that is."""
_AUTHORS: Final = 8192
"""Public keys of which there is one copy in memory, however many events each wrote."""
MALFORMED: Final = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)
"""What decoders raise on hostile JSON."""


# Short-lived and never part of a circle: the garbage collector has no business with it.


class _Fields(msgspec.Struct, frozen=True, gc=False):
    """The seven signed fields, in the order in which we write them."""

    id: str
    pubkey: str
    created_at: int
    kind: int
    tags: Tags
    content: str
    sig: str


class _EventHead(msgspec.Struct, frozen=True, gc=False):
    """What every event in memory has in hand."""

    id: str
    pubkey: str
    created_at: int
    kind: int


class _EventRest(msgspec.Struct, frozen=True, gc=False):
    """What is read from the JSON when it is asked for."""

    tags: Tags
    content: str
    sig: str


_decode = msgspec.json.Decoder(_Fields).decode
_decode_head = msgspec.json.Decoder(_EventHead).decode
_decode_rest = msgspec.json.Decoder(_EventRest).decode
_as_dict = msgspec.json.Decoder(dict[str, Any]).decode


class Event(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A signed event. `json` is its one encoding: what is stored and what is sent.

    `id` and `pubkey` are 64, `sig` 128 lowercase hex digits; `created_at` is in seconds.
    An event that was just checked or signed has all of it decoded; one from a store, or after
    `compact`, decodes `tags`, `content` and `sig` when one of them is first asked for.
    """

    id: str
    pubkey: str
    created_at: int
    kind: int
    json: bytes
    _rest: _Fields | _EventRest | None = None

    @property
    def tags(self) -> Tags:
        """Its tags, none of them empty."""
        return (self._rest or self._read_rest()).tags

    @property
    def content(self) -> str:
        """Its text, or whatever its kind has in that place."""
        return (self._rest or self._read_rest()).content

    @property
    def sig(self) -> str:
        """The signature: 128 lowercase hex digits."""
        return (self._rest or self._read_rest()).sig

    def _read_rest(self) -> _EventRest:
        rest = _decode_rest(self.json)
        msgspec.structs.force_setattr(self, "_rest", rest)
        return rest

    def compact(self) -> Event:
        """The same event, which has let go of what it can read again from its JSON: about half of
        what it took. For whoever holds many of them."""
        msgspec.structs.force_setattr(self, "_rest", None)
        return self

    def read_as(self, *, content: str, tags: Tags | None = None) -> Event:
        """The event with what its encrypted content says, or what was made of it, in its place.

        Nobody signed that: `id`, `sig` and `json` stay those of the event, and `compact` brings
        it back.
        """
        rest = _EventRest(self.tags if tags is None else tags, content, self.sig)
        return msgspec.structs.replace(self, _rest=rest)

    @classmethod
    def parse(cls, data: bytes | str | msgspec.Raw) -> Event:
        """An event from JSON of unknown origin; its id is recomputed, its signature NOT checked.

        Raises InvalidEvent.
        """
        try:
            event = _checked(_decode(data))
        except InvalidEvent:
            raise
        except MALFORMED as error:
            raise InvalidEvent(reason_of(error)) from None
        # No spelling of these values is shorter than ours: a decoder that takes neither bare
        # control characters nor `1e9` for a whole number leaves nothing to save. So with a key
        # that stands twice, or is none of the seven, the data is longer.
        size = len(data) if not isinstance(data, str) or data.isascii() else len(data.encode())
        if size != len(event.json):
            _refuse_doubled_keys(data if isinstance(data, str) else bytes(data))
        return event

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Event:
        """An event from a decoded JSON object; its id is recomputed, its signature NOT checked.

        Raises InvalidEvent.
        """
        try:
            return cls.parse(_encode(value))
        except InvalidEvent:
            raise
        except (*MALFORMED, TypeError) as error:
            raise InvalidEvent(reason_of(error)) from None

    @classmethod
    def from_trusted(cls, data: bytes) -> Event:
        """An event from bytes that this program checked and encoded before (`Event.json`)."""
        head = _decode_head(data)
        return cls(head.id, _shared(head.pubkey), head.created_at, head.kind, data)

    def to_dict(self) -> dict[str, Any]:
        """The decoded JSON object: its tags are lists, as `json.loads` gives them."""
        value: dict[str, Any] = _as_dict(self.json)
        return value

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
                return event_address(self.kind, self.pubkey)
            case KindClass.ADDRESSABLE:
                return event_address(self.kind, self.pubkey, self.value("d") or "")
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

    Tags may be given as lists; they are kept as tuples. Raises InvalidEvent for what the network
    would not agree on: a lone surrogate, an empty tag, or U+007F, which some relays write in
    another way, so that the id no longer fits.
    """

    kind: int
    content: str = ""
    tags: Tags = ()
    created_at: int | None = None

    def __post_init__(self) -> None:
        _check_numbers(0 if self.created_at is None else self.created_at, self.kind)
        _check_text(self.content)
        if type(self.tags) is not tuple or not all(type(tag) is tuple for tag in self.tags):
            msgspec.structs.force_setattr(self, "tags", _as_tuples(self.tags))
        _check_tags(self.tags)
        for tag in self.tags:
            for item in tag:
                _check_text(item)

    def sign(self, key: keys.SecretKey, now: int) -> Event:
        """The event signed by `key`; `now`, in seconds, stands in for a missing created_at."""
        pubkey = key.public_key.hex
        created_at = now if self.created_at is None else self.created_at
        _check_numbers(created_at, self.kind)
        kind, tags, content = self.kind, self.tags, self.content
        digest = event_digest(pubkey, created_at, kind, tags, content)
        id, sig = digest.hex(), key.sign(digest).hex()
        fields = _Fields(id, pubkey, created_at, kind, tags, content, sig)
        return Event(id, pubkey, created_at, kind, _encode(fields), fields)


def event_address(kind: int, pubkey: str, identifier: str = "") -> str:
    """NIP-01's address of an event that is replaced, as `a` tags have it; `identifier` is the `d`
    tag of an addressable one."""
    return f"{kind}:{pubkey}:{identifier}"


def event_digest(
    pubkey: str, created_at: int, kind: int, tags: Sequence[Sequence[str]], content: str
) -> bytes:
    """The 32 bytes that an event's id spells in hex.

    NIP-01 asks for all but seven characters verbatim; the network writes the other C0 controls
    as JSON must, `\\u00xx`, and so does this.
    """
    return sha256(_encode((0, pubkey, created_at, kind, tags, content))).digest()


def _checked(f: _Fields) -> Event:
    _check_numbers(f.created_at, f.kind)
    _check_tags(f.tags)
    if len(f.pubkey) != 64 or not _is_hex192(f.pubkey + f.sig):
        raise InvalidEvent("pubkey and sig are not 64 and 128 lowercase hex digits")
    signed = _encode((0, f.pubkey, f.created_at, f.kind, f.tags, f.content))
    if f.id != sha256(signed).hexdigest():
        raise InvalidEvent("id does not match the event")
    return Event(f.id, _shared(f.pubkey), f.created_at, f.kind, _encode(f), f)


@lru_cache(_AUTHORS)
def _shared(pubkey: str) -> str:
    """An equal string, the same one for all events of an author."""
    return pubkey


def _check_numbers(created_at: int, kind: int) -> None:
    if type(kind) is not int or not 0 <= kind <= MAX_KIND:
        raise InvalidEvent(f"kind is not a number from 0 to {MAX_KIND}")
    if type(created_at) is not int or not 0 <= created_at <= MAX_TIMESTAMP:
        raise InvalidEvent("created_at is not a number of seconds since 1970")


def _check_tags(tags: Tags) -> None:
    if not all(tags):
        raise InvalidEvent("a tag is empty")


def _as_tuples(tags: Any) -> Tags:
    if isinstance(tags, str) or not isinstance(tags, Iterable):
        raise InvalidEvent("tags are a list of lists of strings")
    tags = tuple(tags)
    if not all(isinstance(tag, list | tuple) for tag in tags):
        raise InvalidEvent("a tag is a list of strings")
    return tuple(tuple(tag) for tag in tags)


def _check_text(text: object) -> None:
    if type(text) is not str:
        raise InvalidEvent("content and tags are made of strings")
    if "\x7f" in text:
        raise InvalidEvent("a note cannot carry the control character U+007F")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidEvent("a note cannot carry half a character (a surrogate)") from None


def _refuse_doubled_keys(data: bytes | str) -> None:
    def unique(pairs: list[tuple[str, object]]) -> None:
        if len({name for name, _ in pairs}) != len(pairs):
            raise InvalidEvent("a key stands twice")

    try:
        json.loads(data, object_pairs_hook=unique)
    except InvalidEvent:
        raise
    except MALFORMED as error:
        raise InvalidEvent(reason_of(error)) from None


def reason_of(error: BaseException) -> str:
    """What a decoder's error, one of `MALFORMED`, means in a few words."""
    if isinstance(error, UnicodeError):
        return "not valid UTF-8"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return str(error)[:_MOST_REASON]
