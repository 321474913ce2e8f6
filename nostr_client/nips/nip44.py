"""Encrypted payloads between two keys, version 2 (NIP-44): ECDH, HKDF, padding, ChaCha20, HMAC.

Any length up to `MAX_PLAINTEXT` is read; what is written stays under `EXTENDED_LENGTH` bytes, since
older programs cannot read more and nothing tells which the other one is.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from typing import Final

from nostr_client.errors import DecryptionFailed, PlaintextTooLong
from nostr_client.protocol.keys import PublicKey, SecretKey, ecdh, wipe

EXTENDED_LENGTH: Final = 65_536
"""Bytes of plaintext from which the length takes six bytes: the limit of what we write."""
MAX_PLAINTEXT: Final = 1024 * 1024
"""Bytes of plaintext that we read: the limit of an event, too."""
MAX_PAYLOAD: Final = (MAX_PLAINTEXT + 6 + 65 + 2) // 3 * 4
"""Characters of a payload that we read, checked before anything is decoded."""

_VERSION: Final = b"\x02"
_SALT: Final = b"nip44-v2"
_SHORTEST, _SMALLEST = 132, 99  # characters of a payload, bytes of it


def conversation_key(secret: SecretKey, peer: str) -> bytearray:
    """The 32 bytes that `secret` and the public key `peer` (hex) share, for the caller to wipe.

    Raises InvalidKey, SignerUnavailable.
    """
    shared = ecdh(secret, PublicKey(peer))
    try:
        return bytearray(hmac.digest(_SALT, shared, "sha256"))
    finally:
        wipe(shared)


def encrypt(
    plaintext: str,
    key: bytes | bytearray,
    *,
    nonce: bytes | None = None,
    limit: int = EXTENDED_LENGTH - 1,
) -> str:
    """The payload, in base64, of at most `limit` bytes of `plaintext`; `key` is a conversation key.

    Each payload takes a fresh random `nonce` (32 bytes); only a test gives one.
    Raises PlaintextTooLong, and ValueError for an empty plaintext or one that is no Unicode.
    """
    data = plaintext.encode()
    if not data:
        raise ValueError("there is nothing to encrypt")
    if len(data) > limit:
        raise PlaintextTooLong(len(data), limit)
    nonce = secrets.token_bytes(32) if nonce is None else nonce
    chacha_key, chacha_nonce, hmac_key = _message_keys(key, nonce)
    sealed = _chacha20(chacha_key, chacha_nonce, _pad(data))
    mac = hmac.digest(hmac_key, nonce + sealed, "sha256")
    return b64encode(_VERSION + nonce + sealed + mac).decode()


def decrypt(payload: str, key: bytes | bytearray) -> str:
    """What `payload` says; `key` is a conversation key. Raises DecryptionFailed only."""
    nonce, sealed, mac = _decoded(payload)
    chacha_key, chacha_nonce, hmac_key = _message_keys(key, nonce)
    if not hmac.compare_digest(hmac.digest(hmac_key, nonce + sealed, "sha256"), mac):
        raise DecryptionFailed("this was encrypted with another key, or it is damaged")
    try:
        return _unpad(_chacha20(chacha_key, chacha_nonce, sealed)).decode()
    except UnicodeDecodeError:
        raise DecryptionFailed("what was encrypted is no text") from None


def padded_length(length: int) -> int:
    """Bytes to which `length` bytes are padded: a step of a power of two, at least 32."""
    if length <= 32:
        return 32
    power: int = 1 << (length - 1).bit_length()
    chunk = 32 if power <= 256 else power // 8
    return chunk * ((length - 1) // chunk + 1)


def _decoded(payload: str) -> tuple[bytes, bytes, bytes]:
    """The nonce, the ciphertext and the MAC."""
    if payload.startswith("#"):
        raise DecryptionFailed("this encryption is newer than we know")
    if not _SHORTEST <= len(payload) <= MAX_PAYLOAD:
        raise DecryptionFailed(f"an encrypted text has {_SHORTEST} to {MAX_PAYLOAD} characters")
    try:
        data = a2b_base64(payload, strict_mode=True)
    except (Base64Error, ValueError):
        raise DecryptionFailed("this is no base64") from None
    if len(data) < _SMALLEST:
        raise DecryptionFailed("this is too short for an encrypted text")
    if data[:1] != _VERSION:
        raise DecryptionFailed(f"this is version {data[0]} of the encryption: we know version 2")
    return data[1:33], data[33:-32], data[-32:]


def _message_keys(key: bytes | bytearray, nonce: bytes) -> tuple[bytes, bytes, bytes]:
    """HKDF-expand to 76 bytes: ChaCha20's key and nonce, and the key of the HMAC."""
    if len(key) != 32 or len(nonce) != 32:
        raise ValueError("a conversation key and a nonce have 32 bytes each")
    first = hmac.digest(key, nonce + b"\x01", "sha256")
    second = hmac.digest(key, first + nonce + b"\x02", "sha256")
    third = hmac.digest(key, second + nonce + b"\x03", "sha256")
    return first, second[:12], second[12:] + third[:12]


def _chacha20(key: bytes, nonce: bytes, data: bytes) -> bytes:
    # Loaded with the first text: most programs that hold a key encrypt nothing.
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

    # The library's nonce is the counter, from 0, and then the nonce.
    return Cipher(ChaCha20(key, b"\0\0\0\0" + nonce), None).encryptor().update(data)


def _pad(data: bytes) -> bytes:
    size = len(data)
    prefix = size.to_bytes(2) if size < EXTENDED_LENGTH else b"\0\0" + size.to_bytes(4)
    return prefix + data + bytes(padded_length(size) - size)


def _unpad(padded: bytes) -> bytes:
    start, size = 2, int.from_bytes(padded[:2])
    if size == 0:
        start, size = 6, int.from_bytes(padded[2:6])
        if size < EXTENDED_LENGTH:
            raise DecryptionFailed("the padding is wrong")
    data = padded[start : start + size]
    if len(data) != size or len(padded) != start + padded_length(size):
        raise DecryptionFailed("the padding is wrong")
    return data
