"""Codes for people: npub, nsec, note, nprofile, nevent, naddr (NIP-19; `nostr:` is NIP-21's)."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import Final

import msgspec

from nostr_client.errors import InvalidCode, InvalidKey
from nostr_client.protocol.bech32 import decode_bech32, encode_bech32
from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import PublicKey, SecretKey, is_hex64
from nostr_client.protocol.kinds import MAX_KIND

MAX_IDENTIFIER: Final = 255
"""Bytes of the identifier in an address that has a code."""
MAX_CODE: Final = 5000
"""Characters of a code that anybody need read."""
NSEC: Final = re.compile("nsec1[02-9ac-hj-np-z]{58}")
"""Where one may stand in a text of small letters."""
NO_CODE: Final = "not an npub, nsec, note, nprofile, nevent or naddr"
_BEGINS: Final = re.compile("(?:nostr:)?(?:npub|nsec|note|nprofile|nevent|naddr|ncryptsec)1", re.I)
_NO_PERSON: Final = "this names no person: an npub, an nprofile or 64 hex digits do"
_NO_EVENT: Final = "this names no event: a note1, a nevent1 or 64 hex digits do"

_SPECIAL, _RELAY, _AUTHOR, _KIND = range(4)


class Npub(msgspec.Struct, frozen=True):
    """A person, by the public key."""

    pubkey: str


class Nsec(msgspec.Struct, frozen=True):
    """A secret key. It does not show itself."""

    key: SecretKey


class Note(msgspec.Struct, frozen=True):
    """An event, by its id."""

    id: str


class Nprofile(msgspec.Struct, frozen=True):
    """A person, and relays (as somebody wrote them) where he may be found."""

    pubkey: str
    relays: tuple[str, ...] = ()


class Nevent(msgspec.Struct, frozen=True):
    """An event, and where it may be found, by whom, of which kind, as far as it is said."""

    id: str
    relays: tuple[str, ...] = ()
    author: str | None = None
    kind: int | None = None


class Naddr(msgspec.Struct, frozen=True):
    """An addressable or replaceable event, and relays where it may be found."""

    kind: int
    pubkey: str
    identifier: str
    relays: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """`kind:pubkey:identifier`, as `a` tags have it."""
        return f"{self.kind}:{self.pubkey}:{self.identifier}"


Mention = Npub | Note | Nprofile | Nevent | Naddr
"""What a text may name (all but a secret key)."""
Code = Mention | Nsec


@functools.lru_cache(4096)
def encode_npub(pubkey: str) -> str:
    """The npub of a public key in hex. This and all others raise InvalidCode for what is no hex."""
    return encode_bech32("npub", _bytes32("a public key", pubkey))


def encode_nsec(key: SecretKey | str) -> str:
    """The nsec of a secret key (or of its hex digits): to be shown to its owner only."""
    secret = bytes(key) if isinstance(key, SecretKey) else _bytes32("a secret key", key)
    return encode_bech32("nsec", secret)


def encode_note(id: str) -> str:
    """The note of an event's id."""
    return encode_bech32("note", _bytes32("an event id", id))


def encode_nprofile(pubkey: str, relays: Iterable[str] = ()) -> str:
    """A person, with relays. Those that a code cannot carry (over 255 bytes each, or over 5,000
    characters together) are left out; they are hints."""
    return _encode("nprofile", [(_SPECIAL, _bytes32("a public key", pubkey))], relays)


def encode_nevent(
    id: str, relays: Iterable[str] = (), author: str | None = None, kind: int | None = None
) -> str:
    """An event, with relays (see `encode_nprofile`)."""
    items = [(_SPECIAL, _bytes32("an event id", id))]
    if author is not None:
        items.append((_AUTHOR, _bytes32("a public key", author)))
    if kind is not None:
        items.append((_KIND, _kind_bytes(kind)))
    return _encode("nevent", items, relays)


def encode_naddr(kind: int, pubkey: str, identifier: str, relays: Iterable[str] = ()) -> str:
    """An address, with relays (see `encode_nprofile`). An identifier has at most 255 bytes."""
    try:
        name = identifier.encode()
    except UnicodeEncodeError:
        raise InvalidCode("an identifier holds half a character (a surrogate)") from None
    if len(name) > MAX_IDENTIFIER:
        raise InvalidCode("an identifier of more than 255 bytes has no code")
    author = (_AUTHOR, _bytes32("a public key", pubkey))
    return _encode("naddr", [(_SPECIAL, name), author, (_KIND, _kind_bytes(kind))], relays)


def encode_event(event: Event, relays: Iterable[str] = ()) -> str:
    """What names an event to everybody: its address where it has one that a code can carry, so that
    a newer version is found, else itself; with relays (see `encode_nprofile`)."""
    if event.address:
        try:
            return encode_naddr(event.kind, event.pubkey, event.address.split(":", 2)[2], relays)
        except InvalidCode:  # whoever wrote it chose a name too long for a code
            pass
    return encode_nevent(event.id, relays, event.pubkey, event.kind)


def encode(code: Code) -> str:
    """The text of a code, the opposite of `decode`. Raises InvalidCode."""
    match code:
        case Npub(pubkey):
            return encode_npub(pubkey)
        case Nsec(key):
            return encode_nsec(key)
        case Note(id):
            return encode_note(id)
        case Nprofile(pubkey, relays):
            return encode_nprofile(pubkey, relays)
        case Nevent(id, relays, author, kind):
            return encode_nevent(id, relays, author, kind)
        case Naddr(kind, pubkey, identifier, relays):
            return encode_naddr(kind, pubkey, identifier, relays)


def profile_of(text: str) -> Nprofile:
    """The person that `text` names: an npub, an nprofile, with or without `nostr:`, or 64 hex
    digits in either case.

    Raises InvalidCode, and InvalidKey for what is no point on the curve; neither quotes `text`.
    """
    bare = text.strip().lower()
    if is_hex64(bare):
        found = Nprofile(bare)
    elif not is_like_code(text):
        raise InvalidCode(_NO_PERSON)
    else:
        match decode(text):
            case Npub(pubkey):
                found = Nprofile(pubkey)
            case Nprofile() as found:
                pass
            case Nsec():
                raise InvalidCode("this is a SECRET key: never show it to anybody")
            case _:
                raise InvalidCode(_NO_PERSON)
    PublicKey(found.pubkey)
    return found


def pubkey_of(text: str) -> str:
    """The public key, in hex, of `profile_of`. Raises as that does."""
    return profile_of(text).pubkey


def pubkey_in(text: str) -> str | None:
    """`pubkey_of`, or None where `text` names nobody by itself. Raises InvalidKey."""
    try:
        return pubkey_of(text)
    except InvalidCode:
        return None


def event_of(text: str) -> Nevent:
    """The event that `text` names: a note1, a nevent1, with or without `nostr:`, or 64 hex digits.

    Raises InvalidCode, which never quotes `text`.
    """
    bare = text.strip().lower()
    if is_hex64(bare):
        return Nevent(bare)
    if not is_like_code(text):
        raise InvalidCode(_NO_EVENT)
    match decode(text):
        case Note(id):
            return Nevent(id)
        case Nevent() as found:
            return found
        case Nsec():
            raise InvalidCode("this is a SECRET key: never show it to anybody")
    raise InvalidCode(_NO_EVENT)


def is_like_code(text: str) -> bool:
    """Does `text` begin as a code does, whatever comes then?"""
    return _BEGINS.match(text.strip()) is not None


def decode(text: str) -> Code:
    """What a code says. `nostr:` may stand before it, but not before an nsec (NIP-21).

    Raises InvalidCode, which never quotes `text`: it may be a secret.
    """
    text = text.strip()
    if len(text) > MAX_CODE:
        raise InvalidCode(f"a code has at most {MAX_CODE} characters")
    if not is_like_code(text):
        raise InvalidCode(NO_CODE)
    is_uri = text[:6].lower() == "nostr:"
    prefix, data = decode_bech32(text[6:] if is_uri else text)
    match prefix:
        case "npub":
            return Npub(_hex32(data))
        case "note":
            return Note(_hex32(data))
        case "nsec" if not is_uri:
            return _nsec(data)
        case "nprofile":
            items = _items(data)
            return Nprofile(_hex32(_first(items, _SPECIAL)), _relays(items))
        case "nevent":
            return _nevent(_items(data))
        case "naddr":
            return _naddr(_items(data))
        case "ncryptsec":
            raise InvalidCode("this is a key locked with a password (ncryptsec)")
    raise InvalidCode(NO_CODE)


def relays_in(text: str) -> tuple[str, ...]:
    """The relays (hints) that a code names; none where `text` is no code, or one without any."""
    try:
        code = decode(text)
    except InvalidCode:
        return ()
    return code.relays if isinstance(code, Nprofile | Nevent | Naddr) else ()


# Items: type (1 byte), length (1 byte), value

_Items = list[tuple[int, bytes]]


def _encode(prefix: str, items: _Items, relays: Iterable[str]) -> str:
    """`items`, with the relays after the first one, as most programs write it."""
    size = sum(2 + len(value) for _, value in items)
    most = (MAX_CODE - len(prefix) - 7) * 5 // 8
    hints: _Items = []
    for url in relays:
        if not url.isascii() or len(url) > 255 or size + 2 + len(url) > most:
            continue
        size += 2 + len(url)
        hints.append((_RELAY, url.encode()))
    return encode_bech32(
        prefix,
        b"".join(
            bytes((kind, len(value))) + value for kind, value in items[:1] + hints + items[1:]
        ),
    )


def _items(data: bytes) -> _Items:
    items: _Items = []
    place = 0
    while place < len(data):
        kind, length = data[place], data[place + 1] if place + 1 < len(data) else 256
        value = data[place + 2 : place + 2 + length]
        if len(value) != length:
            raise InvalidCode("the code ends too early")
        items.append((kind, value))
        place += 2 + length
    return items


def _first(items: _Items, wanted: int) -> bytes:
    for kind, value in items:
        if kind == wanted:
            return value
    raise InvalidCode("the code lacks what it is to name")


def _relays(items: _Items) -> tuple[str, ...]:
    """Hints: those that are no text are passed over."""
    return tuple(value.decode() for kind, value in items if kind == _RELAY and value.isascii())


def _nevent(items: _Items) -> Nevent:
    given = {kind for kind, _ in items}
    author = _first(items, _AUTHOR) if _AUTHOR in given else b""
    return Nevent(
        _hex32(_first(items, _SPECIAL)),
        _relays(items),
        author.hex() if len(author) == 32 else None,  # a hint as well
        _kind_of(_first(items, _KIND)) if _KIND in given else None,
    )


def _naddr(items: _Items) -> Naddr:
    try:
        identifier = _first(items, _SPECIAL).decode()
    except UnicodeDecodeError:
        raise InvalidCode("the identifier in this code is no text") from None
    kind, author = _first(items, _KIND), _first(items, _AUTHOR)
    return Naddr(_kind_of(kind), _hex32(author), identifier, _relays(items))


def _nsec(data: bytes) -> Nsec:
    try:
        return Nsec(SecretKey(data))
    except InvalidKey:
        raise InvalidCode("this nsec holds no secret key") from None


def _kind_of(value: bytes) -> int:
    kind = int.from_bytes(value, "big")
    if len(value) != 4 or kind > MAX_KIND:
        raise InvalidCode(f"the kind in this code is not a number from 0 to {MAX_KIND}")
    return kind


def _kind_bytes(kind: int) -> bytes:
    if not 0 <= kind <= MAX_KIND:
        raise InvalidCode(f"a kind is a number from 0 to {MAX_KIND}")
    return kind.to_bytes(4, "big")


def _hex32(data: bytes) -> str:
    if len(data) != 32:
        raise InvalidCode("a key or id in this code does not have 32 bytes")
    return data.hex()


def _bytes32(what: str, text: str) -> bytes:
    if not is_hex64(text):
        raise InvalidCode(f"{what} has 64 lowercase hex digits")
    return bytes.fromhex(text)
