"""The three streams of a program, which may be closed, and words on one of them.

With nothing loaded but these, a version is said as soon as Python can say anything.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # what `typing` would say, which takes longer to load than all of this
    from typing import Literal, TextIO


def open_closed_streams() -> None:
    """Whoever is started with `<&-` or `>&-` has no such stream at all. Then there is nothing to
    read, and nobody to complain to; that a result cannot be written is an error, as on a full disk.
    """
    if sys.stdin is None:
        sys.stdin = _null(os.O_RDONLY, "r")
    if sys.stdout is None:
        sys.stdout = _null(os.O_RDONLY, "w")  # so that writing fails
    if sys.stderr is None:
        sys.stderr = _null(os.O_WRONLY, "w")


def _null(flags: int, mode: Literal["r", "w"]) -> TextIO:
    return os.fdopen(os.open(os.devnull, flags), mode, encoding="utf-8")


def write_words(words: str) -> int:
    """Help or a version. What writes results is loaded only if this goes wrong."""
    try:
        sys.stdout.write(f"{words}\n")
        sys.stdout.flush()
    except OSError as error:
        from nostr_client.output import Output, drop, not_written

        drop(sys.stdout)
        if not isinstance(error, BrokenPipeError):
            return Output(json=False).fail(not_written(error))
    return 0
