"""A secret key as people and other programs keep it.

An nsec (NIP-19), an ncryptsec (NIP-49), 64 hex digits, twelve to twenty-four words (NIP-06), or a
text that holds exactly one of them: what other clients export is a line, a few labelled lines, or
JSON. Nothing that is raised here quotes what was read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from nostr_client.errors import InvalidKey, SignerUnavailable
from nostr_client.nips import nip06, nip19, nip49
from nostr_client.nips.nip19 import NSEC
from nostr_client.nips.nip49 import NCRYPTSEC
from nostr_client.protocol.bech32 import unfolded
from nostr_client.protocol.keys import SecretKey, is_hex64

MOST: Final = 64 * 1024
"""Characters that are searched for a key."""

_labelled_hex = re.compile(
    r"(?:sec(?:ret)?|priv(?:ate)?|nsec)[^\n:=]{0,24}[:=]\s*[\"']?([0-9a-f]{64})\b"
)


@dataclass(frozen=True, slots=True)
class ImportedKey:
    """`key`, and how well it was handled before it came here: NIP-49's key security byte."""

    key: SecretKey
    security: int


def is_encrypted(text: str) -> bool:
    """Does what `text` holds need the password of a backup? Raises InvalidKey for several keys."""
    return _code_in(text).startswith("ncryptsec1")


def read_key(text: str, password: str | None = None, passphrase: str = "") -> ImportedKey:
    """The key that `text` holds. What came unencrypted was handled insecurely from then on.

    `password` opens an ncryptsec, which takes up to seconds: call it off the loop. `passphrase`
    goes with words (BIP-39). Raises InvalidKey, DecryptionFailed, or SignerUnavailable for an
    ncryptsec without a password.
    """
    code = _code_in(text)
    if code.startswith("ncryptsec1"):
        if password is None:
            raise SignerUnavailable("this key is encrypted: it needs the password of the backup")
        return ImportedKey(nip49.decrypt(code, password), nip49.security_of(code))
    if nip06.looks_like_words(code):
        return ImportedKey(nip06.secret_key(code, passphrase), nip49.HANDLED_INSECURELY)
    return ImportedKey(SecretKey.parse(code), nip49.HANDLED_INSECURELY)


def _code_in(text: str) -> str:
    """The one code in `text`, or `text` itself where it is of no form known here."""
    if len(text) > MOST:
        raise InvalidKey(f"this is too long to be searched for a key: {MOST} characters at most")
    if nip06.looks_like_words(text):
        return text
    whole = unfolded(text).removeprefix("nostr:")
    if NSEC.fullmatch(whole) or NCRYPTSEC.fullmatch(whole) or is_hex64(whole.lower()):
        return whole
    found = set(_codes(text.casefold()))
    if len(found) > 1:
        raise InvalidKey("this holds several keys: give the one that is meant")
    return found.pop() if found else whole


def _codes(text: str) -> Iterator[str]:
    for pattern in (NSEC, NCRYPTSEC):
        yield from (found[0] for found in pattern.finditer(text))
    for found in _labelled_hex.finditer(text):
        yield nip19.encode_nsec(found[1])
