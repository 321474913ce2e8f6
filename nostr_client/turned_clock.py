"""A clock that one process turns and another goes by: for tests, where both share a small file.

Nothing that serves people reads one: `python -m relays.rehearsed` alone does.
"""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path
from typing import Final

_NUMBER: Final = struct.Struct("=d")
_AHEAD, _STANDS_AT = 0, 8
"""Where in the file the two numbers are; each is written at once."""
_SIZE: Final = 16


class TurnedClock:
    """Called, it says the time: seconds since 1970. The machine's, unless somebody turned it."""

    def __init__(self, file: Path) -> None:
        """Over `file`, which is made where it is not there. Raises OSError."""
        self.file = file
        with file.open("a+b") as opened:
            if opened.seek(0, 2) < _SIZE:
                opened.write(bytes(_SIZE))
                opened.flush()
            self._shared = mmap.mmap(opened.fileno(), _SIZE)

    def __call__(self) -> float:
        stands_at = self._get(_STANDS_AT)
        return stands_at or time.time() + self._get(_AHEAD)

    def turn(self, seconds: float) -> None:
        """Set it forward, or back: what goes by it has that time at once."""
        if stands_at := self._get(_STANDS_AT):
            self._put(_STANDS_AT, stands_at + seconds)
        else:
            self._put(_AHEAD, self._get(_AHEAD) + seconds)

    def set(self, at: float) -> None:
        """Have it say `at`, and go on from there."""
        self._put(_AHEAD, at - time.time())
        self._put(_STANDS_AT, 0.0)

    def stop(self, at: float | None = None) -> None:
        """Have it stand, at `at` or where it is, until it is `set`; `turn` moves it still."""
        self._put(_STANDS_AT, self() if at is None else at)

    def close(self) -> None:
        """Let go of the file."""
        self._shared.close()

    def _get(self, place: int) -> float:
        return float(_NUMBER.unpack_from(self._shared, place)[0])

    def _put(self, place: int, number: float) -> None:
        _NUMBER.pack_into(self._shared, place, number)
