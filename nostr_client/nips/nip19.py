"""Codes that people pass on: npub, nsec, note, nprofile, nevent, naddr (NIP-19, NIP-21)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from nostr_client.errors import InvalidCode, InvalidKey
from nostr_client.nips import bech32
from nostr_client.protocol.keys import SecretKey
from nostr_client.protocol.kinds import MAX_KIND

_SPECIAL, _RELAY, _AUTHOR, _KIND = range(4)
_KEY_SIZE: Final = 32
URI_PREFIX: Final = "nostr:"


class Npub(msgspec.Struct, frozen=True):
    """A person."""

    pubkey: str


class Nsec(msgspec.Struct, frozen=True):
    """A secret key; it does not show itself."""

    key: SecretKey


class Note(msgspec.Struct, frozen=True):
    """An event, by its id alone."""

    id: str


class Nprofile(msgspec.Struct, frozen=True):
    """A person, and relays where to look."""

    pubkey: str
    relays: tuple[str, ...] = ()


class Nevent(msgspec.Struct, frozen=True):
    """An event, and what is known of it."""

    id: str
    relays: tuple[str, ...] = ()
    author: str | None = None
    kind: int | None = None


class Naddr(msgspec.Struct, frozen=True):
    """A replaceable (identifier empty) or addressable event, whatever its version."""

    kind: int
    pubkey: str
    identifier: str
    relays: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """`kind:pubkey:identifier`, as tags write it."""
        return f"{self.kind}:{self.pubkey}:{self.identifier}"


Mention = Npub | Note | Nprofile | Nevent | Naddr
"""What a text may name."""
Code = Mention | Nsec


def encode_npub(pubkey: str) -> str:
    """`pubkey` is 64 hex digits, as in the next two. Raises InvalidCode."""
    return bech32.encode("npub", _bytes32(pubkey))


def encode_note(event_id: str) -> str:
    return bech32.encode("note", _bytes32(event_id))


def encode_nsec(key: SecretKey) -> str:
    """The secret itself, as text: for the owner's eyes only."""
    return bech32.encode("nsec", bytes(key))


def encode_nprofile(pubkey: str, relays: Iterable[str] = ()) -> str:
    """Raises InvalidCode, as the next two do."""
    return bech32.encode("nprofile", _tlv(_SPECIAL, _bytes32(pubkey)) + _relays(relays))


def encode_nevent(
    event_id: str,
    relays: Iterable[str] = (),
    author: str | None = None,
    kind: int | None = None,
) -> str:
    data = _tlv(_SPECIAL, _bytes32(event_id)) + _relays(relays)
    if author is not None:
        data += _tlv(_AUTHOR, _bytes32(author))
    if kind is not None:
        data += _tlv(_KIND, _kind_bytes(kind))
    return bech32.encode("nevent", data)


def encode_naddr(kind: int, pubkey: str, identifier: str, relays: Iterable[str] = ()) -> str:
    data = _tlv(_SPECIAL, identifier.encode()) + _relays(relays)
    data += _tlv(_AUTHOR, _bytes32(pubkey)) + _tlv(_KIND, _kind_bytes(kind))
    return bech32.encode("naddr", data)


def decode(text: str) -> Code:
    """What a code says, with or without `nostr:` before it. Raises InvalidCode."""
    prefix, data = bech32.decode(text.strip().removeprefix(URI_PREFIX))
    match prefix:
        case "npub":
            return Npub(_hex32(data))
        case "note":
            return Note(_hex32(data))
        case "nsec":
            try:
                return Nsec(SecretKey(data))
            except InvalidKey:
                raise InvalidCode("this nsec is not a secret key") from None
        case "nprofile":
            items = _items(data)
            return Nprofile(_hex32(_one(items, _SPECIAL)), _relay_texts(items))
        case "nevent":
            items = _items(data)
            author, kind = _maybe(items, _AUTHOR), _maybe(items, _KIND)
            return Nevent(
                _hex32(_one(items, _SPECIAL)),
                _relay_texts(items),
                None if author is None else _hex32(author),
                None if kind is None else _kind(kind),
            )
        case "naddr":
            items = _items(data)
            try:
                identifier = _one(items, _SPECIAL).decode()
            except UnicodeDecodeError:
                raise InvalidCode("the identifier is not text") from None
            author, kind = _one(items, _AUTHOR), _one(items, _KIND)
            return Naddr(_kind(kind), _hex32(author), identifier, _relay_texts(items))
    raise InvalidCode("a code of another kind than npub, nsec, note, nprofile, nevent and naddr")


def _tlv(type_: int, value: bytes) -> bytes:
    if len(value) > 255:
        raise InvalidCode("longer than the 255 bytes that a code can carry")
    return bytes((type_, len(value))) + value


def _items(data: bytes) -> list[tuple[int, bytes]]:
    return list(_scan(data))


def _scan(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        end = at + 2 + (data[at + 1] if at + 1 < len(data) else 1)
        if end > len(data):
            raise InvalidCode("the code breaks off")
        yield data[at], data[at + 2 : end]
        at = end


def _maybe(items: list[tuple[int, bytes]], type_: int) -> bytes | None:
    return next((value for found, value in items if found == type_), None)


def _one(items: list[tuple[int, bytes]], type_: int) -> bytes:
    value = _maybe(items, type_)
    if value is None:
        raise InvalidCode("the code lacks a part that it must have")
    return value


def _relays(relays: Iterable[str]) -> bytes:
    try:
        return b"".join(_tlv(_RELAY, url.encode("ascii")) for url in relays)
    except UnicodeEncodeError:
        raise InvalidCode("a relay URL in a code is ASCII") from None


def _relay_texts(items: list[tuple[int, bytes]]) -> tuple[str, ...]:
    """Hints only, so that one that cannot be read is left out and spoils nothing."""
    return tuple(
        value.decode() for found, value in items if found == _RELAY and value.isascii() and value
    )


def _bytes32(text: str) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if len(data) != _KEY_SIZE or len(text) != 2 * _KEY_SIZE:
        raise InvalidCode("a key or an id has 64 hex digits")
    return data


def _hex32(data: bytes) -> str:
    if len(data) != _KEY_SIZE:
        raise InvalidCode(f"a key or an id has {_KEY_SIZE} bytes")
    return data.hex()


def _kind_bytes(kind: int) -> bytes:
    if not 0 <= kind <= MAX_KIND:
        raise InvalidCode(f"kind is not a number from 0 to {MAX_KIND}")
    return kind.to_bytes(4)


def _kind(data: bytes) -> int:
    kind = int.from_bytes(data)
    if len(data) != 4 or kind > MAX_KIND:
        raise InvalidCode("the code names no kind that there is")
    return kind
