"""Small pictures kept on disk, so that one is not fetched again each time it comes into view.

Whoever is asked for a picture learns that somebody looks at it now; so does it only once. They are
a cache: bounded, and nothing is lost with them.
"""

from __future__ import annotations

import logging
import struct
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import InvalidData, StoreError
from nostr_client.paths import private_folder, write_private

log = logging.getLogger(__name__)

MOST_FILES: Final = 1000
_SPARED: Final = 800
"""Files that stay, the newest, where there are more than `MOST_FILES`."""
_MOST_BYTES: Final = 256 * 1024


class Pixels(msgspec.Struct, frozen=True):
    """A small picture: three bytes (red, green, blue) a pixel, row by row."""

    width: int
    height: int
    data: bytes

    def __post_init__(self) -> None:
        if not self.data or len(self.data) != 3 * self.width * self.height:
            raise InvalidData("these are not the pixels of a picture of this size")


class ThumbnailFolder:
    """The folder `path`, which need not exist. Every method blocks; none fails: what cannot be read
    or written is not there."""

    def __init__(self, path: Path, most_files: int = MOST_FILES) -> None:
        self._path = path
        self._most = most_files

    def get(self, url: str) -> Pixels | None:
        """The small picture of what lies at `url`; None where there is none here."""
        try:
            with self._file(url).open("rb") as file:
                data = file.read(_MOST_BYTES)
            width, height = struct.unpack_from(">HH", data)
            return Pixels(width, height, data[4:])
        except FileNotFoundError:
            return None
        except (OSError, struct.error, InvalidData) as error:
            log.warning("a picture that was kept was not read: %s", error)
            return None

    def keep(self, url: str, pixels: Pixels) -> None:
        """Have this one here; the oldest give way."""
        try:
            private_folder(self._path)
            head = struct.pack(">HH", pixels.width, pixels.height)
            write_private(self._file(url), head + pixels.data)
            self._make_room()
        except (OSError, StoreError) as error:
            log.warning("a picture was not kept: %s", error)

    def _make_room(self) -> None:
        files = list(self._path.iterdir())
        if len(files) <= self._most:
            return
        by_age = sorted((file.stat().st_mtime_ns, file) for file in files)
        for _, file in by_age[: len(files) - self._most * _SPARED // MOST_FILES]:
            file.unlink(missing_ok=True)

    def _file(self, url: str) -> Path:
        return self._path / sha256(url.encode()).hexdigest()
