"""The relay's own key: it signs the log and what the relay itself publishes (NIP-11's `self`).

It is in a file of its own, `relay.key`, for its owner only, and is made when it is first needed. A
keeper may put one there before: 64 hex digits or an nsec. Whose key it was is written down in
`keeper.db`; a relay that has lost its key says so, and does not become somebody else.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from nostr_client.errors import InvalidData, StoreError
from nostr_client.nips.nip19 import Nsec, decode
from nostr_client.paths import write_private
from nostr_client.protocol.keys import SecretKey

FILE: Final = "relay.key"
_LONGEST: Final = 200
"""Bytes of the file that are read."""


def own_key(db: sqlite3.Connection, folder: Path, *, read_only: bool = False) -> SecretKey:
    """The key of the relay in `folder`. Within a transaction, so that two processes make one key.

    `read_only`: none is made, nor is anything written down. Raises StoreError when the file is no
    key, is gone, or is another one than before.
    """
    path = folder / FILE
    row = db.execute("SELECT value FROM setting WHERE name = 'self'").fetchone()
    try:
        key = _read(path)
    except FileNotFoundError:
        if row is not None:
            raise StoreError(
                f"{path} is gone: it held the key of {row[0]}; put it back from a backup"
            ) from None
        if read_only:
            raise StoreError(f"{path}: there is no key yet; the relay makes one") from None
        key = SecretKey.generate()
        write_private(path, f"{bytes(key).hex()}\n".encode())
    if row is None and read_only:
        return key
    if row is None:
        db.execute("INSERT INTO setting VALUES ('self', ?)", (key.public_key.hex,))
    elif row[0] != key.public_key.hex:
        raise StoreError(
            f"{path} holds the key of {key.public_key.hex}, and this relay was {row[0]} so far"
        )
    return key


def _read(path: Path) -> SecretKey:
    with path.open("rb") as file:
        data = file.read(_LONGEST)
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
