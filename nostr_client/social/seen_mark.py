"""Up to when notifications were seen; kept on disk, for every process of the folder."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import StoreError
from nostr_client.paths import FileStamp, file_stamp, patient_lock, write_private

LOCK_LIMIT: Final = 3.0
"""Seconds for another process to let go of the file."""


class _Seen(msgspec.Struct, frozen=True):
    until: int


class SeenMark:
    """The mark in the file at `path`. It never goes backwards, whoever writes it.

    `begun` (seconds) is what counts where there is no mark yet: what is older is no news.
    """

    def __init__(self, path: Path, begun: int) -> None:
        self._path = path
        self._until = begun
        self._stamp: FileStamp | None = None
        self._is_kept = False

    @property
    def until(self) -> int:
        """Seconds since 1970. Looks at the file; one that is damaged is none."""
        stamp = file_stamp(self._path)
        if stamp is not None and stamp != self._stamp:
            self._stamp = stamp
            self._take(self._read())
        return self._until

    async def begin(self) -> None:
        """Write the mark down where there is none. Raises StoreError."""
        if file_stamp(self._path) is None:
            await self.move(self._until)

    async def move(self, until: int) -> None:
        """What is dated `until` or before is seen. Raises StoreError."""
        if until <= self.until and self._is_kept:
            return
        async with patient_lock(self._path.with_suffix(".lock"), LOCK_LIMIT):
            await asyncio.to_thread(self._write, until)

    def _take(self, found: int | None) -> None:
        if found is not None:
            # What is on disk counts, and not when this process began.
            self._until = max(self._until, found) if self._is_kept else found
            self._is_kept = True

    def _write(self, until: int) -> None:
        self._take(self._read())
        self._until = max(self._until, until)
        write_private(self._path, msgspec.json.encode(_Seen(self._until)))
        self._is_kept = True
        self._stamp = file_stamp(self._path)

    def _read(self) -> int | None:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Seen).until
        except (msgspec.MsgspecError, UnicodeDecodeError, FileNotFoundError):
            return None
        except OSError as error:
            raise StoreError(f"cannot read {self._path}: {error.strerror}") from error
