"""`relay.key`: the relay's own key in a file of its own, for its owner only.

A keeper may put one there before the relay makes one: 64 hex digits or an nsec.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from nostr_client.errors import InvalidData, StoreError
from nostr_client.nips.nip19 import Nsec, decode
from nostr_client.paths import store_error, write_private
from nostr_client.protocol.keys import SecretKey

FILE: Final = "relay.key"
_LONGEST: Final = 200
"""Bytes of the file that are read."""


def read(path: Path) -> SecretKey | None:
    """The key in the file `path`; None where there is no file. Raises StoreError."""
    data = _bytes_of(path, _LONGEST)
    if data is None:
        return None
    try:
        text = data.decode("ascii").strip()
        if len(text) == 64:
            return SecretKey.from_hex(text)
        code = decode(text)
    except (InvalidData, UnicodeDecodeError):
        code = None
    if not isinstance(code, Nsec):
        raise StoreError(f"{path} holds no secret key: neither 64 hex digits nor an nsec")
    return code.key


def write(path: Path, key: SecretKey) -> None:
    """Raises StoreError."""
    write_private(path, f"{bytes(key).hex()}\n".encode())


def copy(path: Path, folder: Path) -> bool:
    """Into the new file of its name in `folder`; False where there is none. Raises StoreError."""
    data = _bytes_of(path)
    if data is None:
        return False
    write_private(folder / path.name, data)
    return True


def _bytes_of(path: Path, most: int = -1) -> bytes | None:
    """What is in the file, as far as it is wanted; None where there is none. Raises StoreError."""
    try:
        with path.open("rb") as file:
            return file.read(most)
    except FileNotFoundError:
        return None
    except OSError as error:  # named here: whoever asks names the file of the tables
        raise store_error(f"cannot read {path}", error) from error
