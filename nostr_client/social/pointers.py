"""What a typed or pasted text points to: codes (NIP-19, 21), names (NIP-05), relays, tags, links.

Pure: nobody is asked here. What hex digits name, and whom a name at a domain, `Search.resolve`
finds out. A secret key is known for one before anything else, so that it is neither searched for
nor sent to anybody.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from nostr_client.errors import InvalidCode, InvalidData
from nostr_client.nips import nip19
from nostr_client.protocol.keys import is_hex64
from nostr_client.protocol.urls import normalize_relay_url
from nostr_client.store.as_typed import hashtag

LONGEST: Final = nip19.MAX_CODE + 200
"""Characters of a text that may point somewhere."""
_SECRET: Final = re.compile("nsec1|ncryptsec1", re.I).search
_CODE: Final = re.compile(r"(?:npub|note|nprofile|nevent|naddr)1[02-9ac-hj-np-z]{6,5000}", re.I)
_URI: Final = re.compile("(?:web\\+)?nostr:(?://)?", re.I).match
_NAME: Final = re.compile(r"[\w.+-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+", re.I)
_HOST: Final = re.compile(
    r"[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*\.[a-z]{2,24}(?::\d+)?(?:/\S*)?", re.I
)
_HERE: Final = re.compile(r"(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?(?:/\S*)?", re.I)
"""This machine: nobody listens in on the way."""


class RelayPointer(msgspec.Struct, frozen=True):
    """A relay, by its URL in the one spelling."""

    url: str


class TagPointer(msgspec.Struct, frozen=True):
    """A hashtag, in small letters and without `#`."""

    tag: str


class NamePointer(msgspec.Struct, frozen=True):
    """Whoever a domain calls so: `name@domain` (NIP-05)."""

    name: str


class HexPointer(msgspec.Struct, frozen=True):
    """A person or an event: 64 hex digits alone do not say which."""

    digits: str


class LinkPointer(msgspec.Struct, frozen=True):
    """A page of the web."""

    url: str


class SecretPointer(msgspec.Struct, frozen=True):
    """A secret key, or one that is locked. It is not kept here."""


Pointer = (
    nip19.Nprofile
    | nip19.Nevent
    | nip19.Naddr
    | RelayPointer
    | TagPointer
    | NamePointer
    | HexPointer
    | LinkPointer
    | SecretPointer
)


def pointed_at(text: str) -> Pointer | None:
    """What `text`, all of it, points to; None for words to be searched for."""
    if _SECRET(text):
        return SecretPointer()
    text = text.strip()
    if not text or len(text) > LONGEST or len(text.split()) > 1:
        return None
    bare = text.lower()
    if is_hex64(bare):
        return HexPointer(bare)
    if bare.startswith(("http://", "https://")):
        return _in_link(text)
    if bare.startswith(("ws://", "wss://")):
        return _relay(text)
    if text.startswith("#"):
        tag = hashtag(text)
        return TagPointer(tag) if tag else None
    uri = _URI(text)
    code = text[uri.end() :] if uri else text.removeprefix("@")
    if found := _code(code):
        return found
    return NamePointer(bare) if _NAME.fullmatch(text) else None


def relay_meant(text: str) -> RelayPointer | None:
    """The relay that a bare host (`relay.example`; `127.0.0.1:7777` without TLS) or a URL may mean,
    to be offered."""
    text = text.strip()
    if text.lower().startswith(("ws://", "wss://")):
        return _relay(text)
    if _HERE.fullmatch(text):
        return _relay(f"ws://{text}")
    return _relay(f"wss://{text}") if _HOST.fullmatch(text) else None


def _code(text: str) -> nip19.Nprofile | nip19.Nevent | nip19.Naddr | None:
    try:
        code = nip19.decode(text)
    except InvalidCode:
        return None
    match code:
        case nip19.Npub(pubkey):
            return nip19.Nprofile(pubkey)
        case nip19.Note(id):
            return nip19.Nevent(id)
        case nip19.Nprofile() | nip19.Nevent() | nip19.Naddr():
            return code
    return None


def _in_link(url: str) -> Pointer:
    """A page that shows a person or a note names it: that is what is meant."""
    for match in _CODE.finditer(url.lower()):
        if found := _code(match[0]):
            return found
    return LinkPointer(url)


def _relay(text: str) -> RelayPointer | None:
    try:
        return RelayPointer(normalize_relay_url(text))
    except InvalidData:
        return None
