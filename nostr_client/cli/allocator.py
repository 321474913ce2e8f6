"""What a command's threads take from the system's memory, and give back."""

from __future__ import annotations

import contextlib
import sys
from typing import Final

_M_ARENA_MAX: Final = -8


def share_one_heap() -> None:
    """Have all threads of this process share one heap, where the C library is glibc.

    It gives each thread one of its own: what the thread of a store takes and another gives back
    (pages of a database, answers) stays in pieces in both, and a command through which lines pass
    grows by some 300 bytes for each of them. To be called before there are threads.
    """
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
