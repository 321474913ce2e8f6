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
    """The key in the file `path`; None where there is no file. Raises StoreError, OSError."""
    try:
        with path.open("rb") as file:
            data = file.read(_LONGEST)
    except FileNotFoundError:
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
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise store_error(f"cannot read {path}", error) from error
    write_private(folder / path.name, data)
    return True
