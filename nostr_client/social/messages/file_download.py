"""Files of messages (kind 15): fetched, checked and decrypted, and saved where the person says.

The bytes come over https within bounds, encrypted; their hash (`x`) is checked before anything is
decrypted (AES-GCM), and that of the file itself (`ox`) where the message names it. Nothing is
fetched before it is asked for, and nothing of the clear text is written anywhere else.
"""

from __future__ import annotations

import asyncio
import hmac
from hashlib import sha256
from pathlib import Path
from typing import Final

from nostr_client.errors import DecryptionFailed, InvalidData, NostrError, RelayError
from nostr_client.net import http
from nostr_client.net.dial import DialOptions
from nostr_client.paths import write_private
from nostr_client.social.messages.views import MessageFile

MOST_BYTES: Final = 64 * 2**20
"""Bytes of an encrypted file: it is held in memory until it is checked."""
FILE_LIMIT: Final = 120.0
"""Seconds for one address."""


async def download(file: MessageFile, target: Path, dial: DialOptions) -> int:
    """Save the file that `file` points to as `target`, which must not exist; its size in bytes.

    The addresses are asked in turn until one gives what the hash says. Raises InvalidData for what
    cannot be checked or decrypted by us, or is too large; RelayError where no address answered;
    DecryptionFailed, StoreError.
    """
    _check(file, target)
    problem: NostrError = InvalidData("the message names no address")
    for url in dict.fromkeys((file.url, *file.fallbacks)):
        try:
            data = await _fetch(url, file, dial)
        except (RelayError, InvalidData) as error:
            problem = error
            continue
        plain = await asyncio.to_thread(_decrypted, data, file)
        await asyncio.to_thread(write_private, target, plain)
        return len(plain)
    raise problem


def _check(file: MessageFile, target: Path) -> None:
    if file.algorithm != "aes-gcm":
        raise InvalidData("this file is encrypted in a way that we do not know")
    if not (file.key and file.nonce):
        raise InvalidData("the message does not hold the key of its file")
    if not file.sha256:
        raise InvalidData("the message does not say what its file must be (x): it is not fetched")
    if file.size > MOST_BYTES:
        raise InvalidData(f"this file has {file.size} bytes: at most {MOST_BYTES} are fetched")
    if target.exists():
        raise InvalidData(f"{target} is there already")


async def _fetch(url: str, file: MessageFile, dial: DialOptions) -> bytes:
    """The encrypted bytes, which are those that the message means."""
    most = file.size or MOST_BYTES
    data = await http.fetch_file(url, dial, max_bytes=most, timeout=FILE_LIMIT)
    digest = await asyncio.to_thread(lambda: sha256(data).hexdigest())
    if not hmac.compare_digest(digest, file.sha256):
        raise InvalidData("what lies there is not the file that the message means")
    return data


def _decrypted(data: bytes, file: MessageFile) -> bytes:
    # Loaded with the first file: most programs open none.
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        plain = AESGCM(file.key).decrypt(file.nonce, data, None)
    except (InvalidTag, ValueError):
        raise DecryptionFailed("the file does not open with the key of the message") from None
    if file.sha256_plain and sha256(plain).hexdigest() != file.sha256_plain:
        raise DecryptionFailed("the file is another one than the message says")
    return plain
