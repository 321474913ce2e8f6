"""What was uploaded from here, by its URL: so that a note that holds the URL says what is there.

The `imeta` tag (NIP-92) need not go with a draft, a schedule or another program: whoever writes
such a link, today or next year, has it tagged. What is kept is what was published: no secret.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import StoreError
from nostr_client.nips.nip92 import MediaItem, imeta_tag
from nostr_client.paths import FileStamp, FolderLock, file_stamp, translated, write_private
from nostr_client.protocol.event import MALFORMED, Tag

MOST: Final = 1_000
"""Files that are remembered: the newest."""
LOCK_LIMIT: Final = 5.0
"""Seconds to wait for another process that writes down an upload."""
_decode: Final = msgspec.json.Decoder(list[MediaItem]).decode


class UploadedFiles:
    """Kept in the file `path`, which need not exist. Every method blocks, and raises StoreError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[FileStamp | None, dict[str, MediaItem]] = (None, {})

    def add(self, item: MediaItem) -> None:
        """Remember this one, the newest of its URL."""
        with FolderLock(self._path.with_suffix(".lock"), LOCK_LIMIT):
            known = {url: kept for url, kept in self._items().items() if url != item.url}
            newest = [*known.values(), item][-MOST:]
            write_private(self._path, msgspec.json.encode(newest))

    def tag_of(self, url: str) -> Tag | None:
        """The `imeta` tag of what lies at `url`; None where nobody here put it there."""
        item = self._items().get(url)
        return None if item is None else imeta_tag(item)

    def _items(self) -> dict[str, MediaItem]:
        stamp = file_stamp(self._path)
        if stamp is None:
            return {}
        if stamp != self._read[0]:
            with translated(f"cannot read {self._path}"):
                data = self._path.read_bytes()
            try:
                self._read = stamp, {item.url: item for item in _decode(data)}
            except MALFORMED as error:
                raise StoreError(f"{self._path} is damaged: move it away") from error
        return self._read[1]
