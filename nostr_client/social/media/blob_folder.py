"""Files by their hashes, on this disk: copies of what was uploaded, so that no host is the last.

They are what was published: no secret. Nothing in here is ever thrown away by itself; where the
folder has `MOST_BYTES`, no more is kept, and whoever asked is told.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from pathlib import Path
from typing import Final

from nostr_client.errors import InvalidData
from nostr_client.paths import private_folder, translated, write_private
from nostr_client.protocol.keys import is_hex64

MOST_BYTES: Final = 2 * 2**30
"""Bytes of all files in the folder."""


class BlobFolder:
    """The folder `path`, which need not exist. Every method blocks, and raises StoreError."""

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES) -> None:
        self._path = path
        self._most = most_bytes

    def keep(self, data: bytes) -> bool:
        """Have a copy of `data` here; False where there is no room for it."""
        target = self.path_of(sha256(data).hexdigest())
        if self.get(target.name) is not None:
            return True
        private_folder(self._path)
        if self.size() + len(data) > self._most:
            return False
        write_private(target, data)
        return True

    def get(self, digest: str) -> bytes | None:
        """The file of that hash, which was checked; None where it is not here, or damaged."""
        with translated(f"cannot read {self._path}"):
            try:
                data = self.path_of(digest).read_bytes()
            except FileNotFoundError:
                return None
        return data if hmac.compare_digest(sha256(data).hexdigest(), digest) else None

    def path_of(self, digest: str) -> Path:
        """Where the file of that hash is, or would be. Raises InvalidData."""
        if not is_hex64(digest):
            raise InvalidData("not a SHA-256 in hex")
        return self._path / digest

    def size(self) -> int:
        """Bytes of all that is here."""
        with translated(f"cannot read {self._path}"):
            if not self._path.is_dir():
                return 0
            return sum(file.stat().st_size for file in self._path.iterdir() if file.is_file())
