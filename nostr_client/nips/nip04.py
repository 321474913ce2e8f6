"""Encrypted texts of old (NIP-04): AES-256-CBC under the shared point, with no authentication.

They are read; we write them for nobody but a program that asks our bunker to (NIP-46).
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from typing import TYPE_CHECKING, Final

from nostr_client.errors import DecryptionFailed
from nostr_client.protocol.keys import PublicKey, SecretKey, ecdh

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.modes import CBC
    from cryptography.hazmat.primitives.padding import PKCS7

MAX_PAYLOAD: Final = 2 * 1024 * 1024
"""Characters of a payload that we read, checked before anything is decoded."""
_MARK: Final = "?iv="


def shared_key(secret: SecretKey, peer: str) -> bytearray:
    """The 32 bytes that `secret` and the public key `peer` (hex) share, for the caller to wipe.

    Raises InvalidKey, SignerUnavailable.
    """
    return ecdh(secret, PublicKey(peer))


def encrypt(plaintext: str, key: bytes | bytearray) -> str:
    """The payload, `<base64>?iv=<base64>`; `key` is a shared key."""
    iv = secrets.token_bytes(16)
    cipher, padding = _cipher(key, iv)
    padder = padding.padder()
    data = padder.update(plaintext.encode()) + padder.finalize()
    sealed = cipher.encryptor().update(data)
    return f"{b64encode(sealed).decode()}{_MARK}{b64encode(iv).decode()}"


def is_payload(text: str) -> bool:
    """Is it of NIP-04's form, which NIP-44 never has?"""
    return _MARK in text


def decrypt(payload: str, key: bytes | bytearray) -> str:
    """What `payload` says; `key` is a shared key. Raises DecryptionFailed, and nothing else."""
    if len(payload) > MAX_PAYLOAD:
        raise DecryptionFailed(f"an encrypted text has at most {MAX_PAYLOAD} characters")
    sealed, mark, iv = payload.partition(_MARK)
    try:
        if not mark:
            raise DecryptionFailed("this is no encrypted text of NIP-04")
        data, start = a2b_base64(sealed, strict_mode=True), a2b_base64(iv, strict_mode=True)
        if len(start) != 16 or not data or len(data) % 16:
            raise DecryptionFailed("this encrypted text is damaged")
        cipher, padding = _cipher(key, start)
        unpadder = padding.unpadder()
        padded = cipher.decryptor().update(data)
        return (unpadder.update(padded) + unpadder.finalize()).decode()
    except (Base64Error, ValueError):
        # One word for all: which check failed would tell an attacker about the plaintext.
        raise DecryptionFailed("this was encrypted with another key, or it is damaged") from None


def _cipher(key: bytes | bytearray, iv: bytes) -> tuple[Cipher[CBC], PKCS7]:
    # Loaded with the first text: most programs that hold a key never read one of these.
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES256
    from cryptography.hazmat.primitives.ciphers.modes import CBC
    from cryptography.hazmat.primitives.padding import PKCS7

    return Cipher(AES256(key), CBC(iv)), PKCS7(128)
