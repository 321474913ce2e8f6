"""A secret key as people and other programs keep it.

An nsec (NIP-19), an ncryptsec (NIP-49), 64 hex digits, twelve to twenty-four words (NIP-06), or a
text that holds exactly one key: what other clients export is a line, a few labelled lines, or JSON.
Hex digits say nothing of themselves: they are a secret key by their label ("secret", "privkey",
"key"), or because their public key stands beside them. A key whose npub is not the one beside it is
refused. Nothing that is raised here quotes what was read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from nostr_client.errors import InvalidCode, InvalidKey, SignerUnavailable
from nostr_client.nips import nip06, nip19, nip49
from nostr_client.nips.nip19 import NSEC
from nostr_client.nips.nip49 import NCRYPTSEC
from nostr_client.protocol.bech32 import unfolded
from nostr_client.protocol.keys import SecretKey, is_hex64

MOST: Final = 64 * 1024
"""Characters that are searched for a key."""

_NPUB: Final = re.compile("npub1[02-9ac-hj-np-z]{58}")
_HEX: Final = re.compile(r"(?<![0-9a-z])[0-9a-f]{64}(?![0-9a-z])")
_LABEL: Final = re.compile(r"([^\n:=,{}\[\]]{1,64})[:=]\s{0,8}[\\\"']{0,2}\Z")
"""What stands before a value, as `"key": "`."""
_of_public = re.compile("pub").search
_of_secret = re.compile(r"sec|priv|(?:^|\W)(?:key|sk)\W*\Z").search
_LIST: Final = re.compile(
    r"(?:uint8array\(32\)\s*)?\[\s*(\d{1,3}(?:\s*,\s*\d{1,3}){31})\s*,?\s*\]", re.IGNORECASE
)
_INDEXED: Final = re.compile(r'\{(\s*"0"\s*:\s*\d{1,3}(?:\s*,\s*"\d{1,2}"\s*:\s*\d{1,3}){31}\s*)\}')
"""How JavaScript writes a Uint8Array as JSON."""


@dataclass(frozen=True, slots=True)
class ImportedKey:
    """`key`, and how well it was handled before it came here: NIP-49's key security byte."""

    key: SecretKey
    security: int


@dataclass(frozen=True, slots=True)
class _Code:
    """The one code in a text, or the text where it is of no form known here; `beside` are the
    public keys (hex) that are named with it."""

    code: str
    beside: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return "<_Code>"


def is_encrypted(text: str) -> bool:
    """Does what `text` holds need the password of a backup? Raises InvalidKey for several keys."""
    return _code_in(text).code.startswith("ncryptsec1")


def read_key(text: str, password: str | None = None, passphrase: str = "") -> ImportedKey:
    """The key that `text` holds. What came unencrypted was handled insecurely from then on.

    `password` opens an ncryptsec, which takes up to seconds: call it off the loop. `passphrase`
    goes with words (BIP-39). Raises InvalidKey, DecryptionFailed, or SignerUnavailable for an
    ncryptsec without a password.
    """
    found = _code_in(text)
    imported = _opened(found.code, password, passphrase)
    if found.beside and imported.key.public_key.hex not in found.beside:
        raise InvalidKey("the public key beside this secret key is another's: give the key alone")
    return imported


def _opened(code: str, password: str | None, passphrase: str) -> ImportedKey:
    if code.startswith("ncryptsec1"):
        if password is None:
            raise SignerUnavailable("this key is encrypted: it needs the password of the backup")
        return ImportedKey(nip49.decrypt(code, password), nip49.security_of(code))
    if nip06.looks_like_words(code):
        return ImportedKey(nip06.secret_key(code, passphrase), nip49.HANDLED_INSECURELY)
    return ImportedKey(SecretKey.parse(code), nip49.HANDLED_INSECURELY)


def _code_in(text: str) -> _Code:
    """Raises InvalidKey where there are several, or where it cannot be told."""
    if len(text) > MOST:
        raise InvalidKey(f"this is too long to be searched for a key: {MOST} characters at most")
    if nip06.looks_like_words(text):
        return _Code(text)
    text = _INDEXED.sub(_as_hex, _LIST.sub(_as_hex, text))
    whole = unfolded(text).removeprefix("nostr:")
    if NSEC.fullmatch(whole) or NCRYPTSEC.fullmatch(whole) or is_hex64(whole.lower()):
        return _Code(whole)
    shaped = text.casefold()
    public, secret, bare = _hex_by_label(shaped)
    public |= {key for found in _NPUB.finditer(shaped) if (key := _public_key(found[0]))}
    bare -= public
    proven = {digits for digits in bare if _public_of(digits) in public | bare}
    codes = {nip19.encode_nsec(digits) for digits in secret | proven}
    codes |= {found[0] for pattern in (NSEC, NCRYPTSEC) for found in pattern.finditer(shaped)}
    if len(codes) > 1:
        raise InvalidKey("this holds several keys: give the one that is meant")
    if codes:
        return _Code(codes.pop(), frozenset(public))
    if bare:
        raise InvalidKey(
            "nothing says whether these hex digits are a secret key: give them alone, or with "
            "the npub to which they belong"
        )
    return _Code(whole)


def _hex_by_label(text: str) -> tuple[set[str], set[str], set[str]]:
    """The runs of 64 hex digits: those called public, those called secret, and all others."""
    public: set[str] = set()
    secret: set[str] = set()
    bare: set[str] = set()
    for found in _HEX.finditer(text):
        before = _LABEL.search(text, max(0, found.start() - 80), found.start())
        label = before[1] if before else ""
        kind = public if _of_public(label) else secret if _of_secret(label) else bare
        kind.add(found[0])
    return public, secret, bare


def _as_hex(found: re.Match[str]) -> str:
    """32 numbers as hex digits; what are no bytes, or not in their order, stays."""
    numbers = [int(number) for number in re.findall(r"\d+", found[1])]
    if len(numbers) == 64:
        places, numbers = numbers[::2], numbers[1::2]
        if places != list(range(32)):
            return found[0]
    return bytes(numbers).hex() if max(numbers) < 256 else found[0]


def _public_key(npub: str) -> str:
    try:
        return nip19.pubkey_of(npub)
    except (InvalidCode, InvalidKey):
        return ""


def _public_of(digits: str) -> str:
    try:
        return SecretKey.from_hex(digits).public_key.hex
    except InvalidKey:
        return ""
