"""Room on the disk that is kept back: for what makes room.

On a full disk SQLite can delete no more than it can save: what it changes, it writes first. So a
file takes up some room while there is plenty. It is given up for deletions and bans alone; until it
is there again, nothing else is stored, by whichever process.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from pathlib import Path
from typing import Final

SIZE: Final = 8 * 2**20
"""Bytes that are kept back."""
_SPARE: Final = 2**20
"""Bytes that are free beside it when it is taken: what is taken must not be the last."""
_SCARCE: Final = 64 * 2**20
_PIECE: Final = 2**18
_CANNOT: Final = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)


class Reserve:
    """The file `path`, of which all who write beside it know. Small: it may be asked on a loop."""

    def __init__(self, path: Path, size: int = SIZE) -> None:
        self.path = path
        self._size = size

    @property
    def is_held(self) -> bool:
        """Is the room kept back now?"""
        try:
            return self.path.stat().st_size == self._size
        except OSError:
            return False

    @property
    def is_scarce(self) -> bool:
        """Is there so little room that the disk may be full soon?"""
        try:
            return shutil.disk_usage(self.path.parent).free < _SCARCE
        except OSError:
            return True

    def take(self) -> bool:
        """Keep the room back, if there is so much; is it held now?"""
        if self.is_held:
            return True
        try:
            if shutil.disk_usage(self.path.parent).free < self._size + _SPARE:
                return False
            self._fill()
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> None:
        """Give the room up."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def make_way(self) -> None:
        """Give it up where hardly anything is free beside it: even to open files takes room."""
        with contextlib.suppress(OSError):
            if shutil.disk_usage(self.path.parent).free < _SPARE:
                self.release()

    def _fill(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        fd = os.open(self.path, flags, 0o600)
        try:
            if _allocated(fd, self._size):
                return
            left = self._size
            while left > 0:  # no zeros: some file systems would keep no room for them
                left -= os.write(fd, os.urandom(min(left, _PIECE)))
            os.fsync(fd)
        finally:
            os.close(fd)


def _allocated(fd: int, size: int) -> bool:
    """Does the file take up so much room now? Not every file system can do that by itself, nor
    does every C library help it out."""
    if not hasattr(os, "posix_fallocate"):
        return False
    try:
        os.posix_fallocate(fd, 0, size)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        return False
    return True
