"""A secret key at rest: ncryptsec, made with scrypt and XChaCha20-Poly1305 (NIP-49).

Slow (0.2 s and more) and hungry (64 MiB and more) on purpose: keep it off the event loop. The lock
of the interpreter is free meanwhile. The two libraries that it takes are loaded when a key is
sealed or opened, and not with every program that reads where keys rest.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from typing import Final

from nostr_client.errors import DecryptionFailed, InvalidCode, InvalidKey, SignerUnavailable
from nostr_client.protocol.bech32 import decode_bech32, encode_bech32
from nostr_client.protocol.keys import SecretKey

PREFIX: Final = "ncryptsec"
NCRYPTSEC: Final = re.compile("ncryptsec1[02-9ac-hj-np-z]{100,}")
"""Where one may stand in a text of small letters."""
DEFAULT_LOG_N: Final = 16
MAX_LOG_N: Final = 22
"""4 GiB of memory: what a stranger's code may make us use at most."""
HANDLED_INSECURELY, HANDLED_SECURELY, UNTRACKED = range(3)
"""The key security byte: was the key ever known to lie about unencrypted?"""

_VERSION: Final = 2
_SALT, _NONCE = 16, 24
_SIZE: Final = 2 + _SALT + _NONCE + 1 + 32 + 16
_LONGEST: Final = 200
"""Characters of a code: one is 162 long."""
_BLOCK: Final = 8
_MEMORY: Final = 128 * _BLOCK << MAX_LOG_N


def encrypt(
    key: SecretKey,
    password: str,
    log_n: int = DEFAULT_LOG_N,
    security: int = UNTRACKED,
    *,
    max_memory: int = _MEMORY,
) -> str:
    """The key as an ncryptsec, with a fresh salt. Takes 2**(log_n + 10) bytes; log_n is 1 to 22.

    Raises ValueError, and SignerUnavailable when that is more than `max_memory` bytes, or than
    the machine has.
    """
    if not 1 <= log_n <= MAX_LOG_N:
        raise ValueError(f"log_n is a number from 1 to {MAX_LOG_N}")
    if security not in (HANDLED_INSECURELY, HANDLED_SECURELY, UNTRACKED):
        raise ValueError("security is 0, 1 or 2")
    from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt

    salt, nonce = secrets.token_bytes(_SALT), secrets.token_bytes(_NONCE)
    mark = bytes((security,))
    derived = _derive(_normal(password), salt, log_n, max_memory)
    sealed = crypto_aead_xchacha20poly1305_ietf_encrypt(bytes(key), mark, nonce, derived)
    return encode_bech32(PREFIX, bytes((_VERSION, log_n)) + salt + nonce + mark + sealed)


def security_of(ncryptsec: str) -> int:
    """The key security byte of a code, which needs no password. Raises InvalidCode."""
    return min(_data_of(ncryptsec)[2 + _SALT + _NONCE], UNTRACKED)


def work_of(ncryptsec: str) -> int:
    """The work factor of a code, as a power of two (`log_n`). Raises InvalidCode."""
    return _data_of(ncryptsec)[1]


def decrypt(ncryptsec: str, password: str, *, max_memory: int = _MEMORY) -> SecretKey:
    """The key in an ncryptsec.

    Raises InvalidCode for what is none or asks for too much, DecryptionFailed for a wrong password
    or a damaged code (the two look alike), SignerUnavailable when it takes more than `max_memory`
    bytes, or than the machine has.
    """
    from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt
    from nacl.exceptions import CryptoError

    data = _data_of(ncryptsec)
    log_n, salt, rest = data[1], data[2 : 2 + _SALT], data[2 + _SALT :]
    nonce, mark, sealed = rest[:_NONCE], rest[_NONCE : _NONCE + 1], rest[_NONCE + 1 :]
    if not 1 <= log_n <= MAX_LOG_N:
        raise InvalidCode(f"its work factor is not one from 2**1 to 2**{MAX_LOG_N}")
    try:
        derived = _derive(_normal(password), salt, log_n, max_memory)
        return SecretKey(crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, mark, nonce, derived))
    except (CryptoError, InvalidKey, ValueError):
        raise DecryptionFailed("the password is wrong, or the code is damaged") from None


def _data_of(ncryptsec: str) -> bytes:
    text = ncryptsec.strip()
    if len(text) > _LONGEST:
        raise InvalidCode("too long for an ncryptsec")
    prefix, data = decode_bech32(text)
    if prefix != PREFIX or len(data) != _SIZE or data[0] != _VERSION:
        raise InvalidCode("not an ncryptsec of a version that is known here")
    return data


def _normal(password: str) -> bytes:
    """In NFKC, so that every keyboard spells it alike. Raises ValueError, without the password."""
    try:
        return unicodedata.normalize("NFKC", password).encode()
    except UnicodeEncodeError:
        raise ValueError("a password is made of whole characters") from None


def _derive(password: bytes, salt: bytes, log_n: int, max_memory: int) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    needed = 128 * _BLOCK << log_n
    try:
        if needed > max_memory:
            raise MemoryError
        return Scrypt(salt=salt, length=32, n=1 << log_n, r=_BLOCK, p=1).derive(password)
    except MemoryError:
        raise SignerUnavailable(f"this takes {needed >> 20} MiB of memory: too much here") from None
