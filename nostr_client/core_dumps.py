"""No picture of this process's memory, which may hold a secret key, reaches a disk."""

from __future__ import annotations

import contextlib
import sys
from typing import Final

_PR_SET_DUMPABLE: Final = 4


def forbid_core_dumps() -> None:
    """Have the system write no core dump of this process, and on Linux let no other process of the
    same person read its memory (ptrace). Programs that it starts inherit the limit of core dumps.

    The command line and the terminal client do this first of all; a script that holds a key may.
    """
    with contextlib.suppress(ImportError):  # Windows writes none by itself
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        import ctypes

        # The limit does not bind a program that the kernel hands its dumps to; this does.
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
