"""Secret keys in texts, however they are written there.

A key is found as an nsec or in hex, in capitals, in full-width letters, behind JSON's escapes, and
broken by line ends, spaces, hyphens or anything else that is neither letter nor digit. Whose it is
is told by deriving its public key, some 50 µs for each place in a run of hex digits where a key may
begin: so there is a bound.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from nostr_client.errors import InvalidData
from nostr_client.nips import nip19
from nostr_client.nips.nip19 import NSEC
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import SecretKey

MOST_TRIES: Final = 20_000
"""Places where a key may begin that are tried in one text."""
MOST_TRIES_RECEIVED: Final = 64
"""Those that are tried in one event of anybody's: some 3 ms."""
MOST_UNESCAPED: Final = 4
"""How deep JSON in JSON is unescaped: a repost holds an event, which may hold a profile."""

HEX_RUN: Final = re.compile("[0-9a-f]{64,}")
_plain_hex = re.compile("(?<![0-9a-fA-F])[0-9a-fA-F]{64}(?![0-9a-fA-F])")
_between = re.compile(r"[\W_]+")
_escape = re.compile(r'\\(?:u([0-9a-fA-F]{4})|([nrtbf"\\/]))')


class TooManyPlaces(Exception):
    """More places where a key may begin than are tried."""


def owners_of_keys(
    forms: Iterable[str], watched: Collection[str], most: int = MOST_TRIES, *, cut: bool = False
) -> set[str]:
    """Which of the public keys `watched` (hex) have their secret key in `forms` (see `forms_of`).

    Raises TooManyPlaces past `most` places, or with `cut` gives what was found in those.
    """
    found: set[str] = set()
    tried: set[str] = set()
    for candidate in (each for form in forms for each in _keys_in(form)):
        if candidate in tried:
            continue
        if len(tried) == most:
            if cut:
                break
            raise TooManyPlaces
        tried.add(candidate)
        owner = _public_key_of(candidate)
        if owner in watched:
            found.add(owner)
    return found


def leaked_by(event: Event, watched: Collection[str]) -> set[str]:
    """Which of `watched` (public keys in hex) have their secret key in `event`.

    An nsec counts wherever it stands, hex digits in the content alone, and not where that is an
    event: elsewhere they are ids and public keys. Of a wall of digits the beginning is searched.
    """
    if not may_hold_key(event):
        return set()
    texts = [event.content, *(item for tag in event.tags for item in tag)]
    forms = [HEX_RUN.sub("", form) for text in texts for form in forms_of(text) if "nsec1" in form]
    if event.kind not in kinds.REPOSTS:
        forms += [found[0].lower() for found in _plain_hex.finditer(event.content)]
    return owners_of_keys(forms, watched, MOST_TRIES_RECEIVED, cut=True)


def may_hold_key(event: Event) -> bool:
    """A quick look: is there anything in `event` to search for a key?"""
    return (
        b"nsec1" in event.json
        or b"NSEC1" in event.json
        or (event.kind not in kinds.REPOSTS and bool(_plain_hex.search(event.content)))
    )


def forms_of(text: str) -> Iterator[str]:
    """`text` as letters and digits alone, in one case: as it stands, and each layer unescaped."""
    for _ in range(MOST_UNESCAPED):
        plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
        yield _between.sub("", plain.casefold())
        if "\\" not in text:
            return
        text = _escape.sub(_unescaped, text)


def _unescaped(found: re.Match[str]) -> str:
    if found[1]:
        return chr(int(found[1], 16))
    return {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}.get(found[2], found[2])


def _keys_in(form: str) -> Iterator[str]:
    """What may be a secret key: an nsec, or 64 hex digits anywhere in a run of them."""
    yield from nsecs_in(form)
    for run in HEX_RUN.finditer(form):
        for start in range(run.start(), run.end() - 63):
            yield form[start : start + 64]


def nsecs_in(form: str) -> Iterator[str]:
    if "nsec1" in form:
        yield from (found[0] for found in NSEC.finditer(form))


def is_nsec(code: str) -> bool:
    try:
        return isinstance(nip19.decode(code), nip19.Nsec)
    except InvalidData:
        return False


def _public_key_of(candidate: str) -> str:
    try:
        if candidate.startswith("nsec1"):
            code = nip19.decode(candidate)
            return code.key.public_key.hex if isinstance(code, nip19.Nsec) else ""
        return SecretKey.from_hex(candidate).public_key.hex
    except InvalidData:
        return ""
