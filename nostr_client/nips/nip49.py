"""A secret key at rest: ncryptsec, scrypt and XChaCha20-Poly1305 (NIP-49).

Slow by design (0.1 s and more) and hungry (64 MiB and more): keep it off the event loop.
"""

from __future__ import annotations

import hashlib
import secrets
import unicodedata
from typing import Final

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from nostr_client.errors import DecryptionFailed, InvalidCode, InvalidKey
from nostr_client.nips.pynostr_bridge import decode_bech32, encode_bech32
from nostr_client.protocol.keys import SecretKey

PREFIX: Final = "ncryptsec"
DEFAULT_LOG_N: Final = 16
MAX_LOG_N: Final = 22
"""4 GiB of memory: what a stranger's code may make us use at most."""
HANDLED_INSECURELY, HANDLED_SECURELY, UNTRACKED = range(3)
"""The key security byte: was the key ever known to lie about unencrypted?"""

_VERSION: Final = 2
_SALT, _NONCE = 16, 24
_SIZE: Final = 2 + _SALT + _NONCE + 1 + 32 + 16
_BLOCK: Final = 8


def encrypt(
    key: SecretKey, password: str, log_n: int = DEFAULT_LOG_N, security: int = UNTRACKED
) -> str:
    """The key as an ncryptsec. Costs 2**(log_n + 10) bytes of memory; log_n from 1 to 22."""
    if not 1 <= log_n <= MAX_LOG_N:
        raise ValueError(f"log_n is not a number from 1 to {MAX_LOG_N}")
    salt, nonce = secrets.token_bytes(_SALT), secrets.token_bytes(_NONCE)
    mark = bytes((security,))
    sealed = crypto_aead_xchacha20poly1305_ietf_encrypt(
        bytes(key), mark, nonce, _derive(password, salt, log_n)
    )
    return encode_bech32(PREFIX, bytes((_VERSION, log_n)) + salt + nonce + mark + sealed)


def decrypt(ncryptsec: str, password: str) -> SecretKey:
    """The key in an ncryptsec.

    Raises InvalidCode for what is none or asks for too much memory, DecryptionFailed for a wrong
    password or a damaged code: the two look alike.
    """
    prefix, data = decode_bech32(ncryptsec.strip())
    if prefix != PREFIX or len(data) != _SIZE or data[0] != _VERSION:
        raise InvalidCode("not an ncryptsec of a version that is known here")
    log_n = data[1]
    if not 1 <= log_n <= MAX_LOG_N:
        raise InvalidCode(f"its work factor is beyond 2**{MAX_LOG_N}")
    salt, nonce = data[2 : 2 + _SALT], data[2 + _SALT : 2 + _SALT + _NONCE]
    mark, sealed = data[2 + _SALT + _NONCE :][:1], data[2 + _SALT + _NONCE + 1 :]
    try:
        secret = crypto_aead_xchacha20poly1305_ietf_decrypt(
            sealed, mark, nonce, _derive(password, salt, log_n)
        )
        return SecretKey(secret)
    except (CryptoError, InvalidKey):
        raise DecryptionFailed("the password is wrong, or the key is damaged") from None


def _derive(password: str, salt: bytes, log_n: int) -> bytes:
    """32 bytes; the password in NFKC, so that every keyboard spells it alike."""
    n = 2**log_n
    try:
        return hashlib.scrypt(
            unicodedata.normalize("NFKC", password).encode(),
            salt=salt,
            n=n,
            r=_BLOCK,
            p=1,
            maxmem=256 * _BLOCK * n,
            dklen=32,
        )
    except (MemoryError, UnicodeEncodeError):
        raise DecryptionFailed("not enough memory, or a password that is no text") from None
