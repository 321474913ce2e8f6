"""How far a file was imported: `imports.json` in the relay's folder.

An entry lasts until its file is through. It is written at most once a second, and never says more
than what is stored; so what comes twice after a crash is a second's worth of duplicates.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final

import msgspec

from nostr_client.paths import write_private
from relays.config.sub_relays import ROOT

FILE: Final = "imports.json"
_EVERY: Final = 1.0
"""Seconds between two notes."""
_HEAD: Final = 64 * 1024
"""Bytes by which a file is known again."""
_MOST: Final = 100
"""Interrupted imports that are remembered."""


class ImportPosition(msgspec.Struct, frozen=True):
    """All before `place`, where a line begins, is stored; `head` is a hash of the file's head."""

    place: int
    head: str


class ImportProgress:
    """Of one sub-relay of the relay in the folder `data`."""

    def __init__(self, data: Path, room: str = ROOT) -> None:
        self._path = data / FILE
        self._room = room
        self._marks = self._read()

    def _read(self) -> dict[str, ImportPosition]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, ImportPosition])
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return {}  # then the import begins anew, and finds duplicates

    def find(self, name: Path, file: IO[bytes]) -> int:
        """Where an import of `file`, which is at its beginning, may go on; 0: at the beginning."""
        mark = self._marks.get(self._key(name))
        if mark is None or mark.place < 1 or mark.head != _hash(file, mark.place):
            return 0
        file.seek(mark.place - 1)
        follows = file.read(1) == b"\n"
        file.seek(0)
        return mark.place if follows else 0

    @contextlib.contextmanager
    def keep(self, name: Path, file: IO[bytes]) -> Iterator[Callable[[int], None]]:
        """Gives a function to call with each place up to which all is stored.

        When the block ends as it should, the file is through; otherwise the last place is noted.
        """
        key, noted = self._key(name), time.monotonic()
        last = 0

        def mark(place: int) -> None:
            nonlocal noted, last
            last = place
            now = time.monotonic()
            if now - noted >= _EVERY:
                noted = now
                self._note(key, ImportPosition(place, _hash_again(file, place)))

        try:
            yield mark
        except BaseException:
            if last:
                self._note(key, ImportPosition(last, _hash_again(file, last)))
            raise
        if self._marks.pop(key, None) is not None:
            self._write()

    def _key(self, name: Path) -> str:
        return f"{self._room} {name.absolute()}"

    def _note(self, key: str, mark: ImportPosition) -> None:
        self._marks.pop(key, None)
        self._marks[key] = mark
        while len(self._marks) > _MOST:
            del self._marks[next(iter(self._marks))]
        self._write()

    def _write(self) -> None:
        write_private(self._path, msgspec.json.encode(self._marks))


def _hash(file: IO[bytes], place: int) -> str:
    """Of the beginning of `file`, as far as it was read by `place`."""
    file.seek(0)
    digest = hashlib.sha256(file.read(min(place, _HEAD))).hexdigest()
    file.seek(0)
    return digest


def _hash_again(file: IO[bytes], place: int) -> str:
    # Another thread reads `file` meanwhile: its position must not move.
    with Path(file.name).open("rb") as own:
        return _hash(own, place)
