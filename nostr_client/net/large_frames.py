"""Messages that are too large to be kept, so that one of them costs neither memory nor the rest of
what its relay says (pure).

A message of more than `LARGE_FRAME` bytes is kept only where it was asked for by id, or is by the
account itself; of any other the beginning is read and the rest thrown away as it comes. What is
left out so makes a reading incomplete: "there is none" cannot be said of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from typing import Final

from websockets.streams import StreamReader

LARGE_FRAME: Final = 1024 * 1024
"""Bytes past which a message is kept only where it is wanted in particular."""
BEGINNING: Final = 256
"""Bytes that are read of a message to find out whether it is."""
_subscription = re.compile(rb'\s*\[\s*"EVENT"\s*,\s*"([^"\\]{1,64})"')


class LeftOut(bytes):
    """The beginning of a message that was not kept."""

    @property
    def subscription(self) -> str:
        """Whose event it was; empty for anything else."""
        return subscription_of(self)


def subscription_of(beginning: bytes) -> str:
    """The subscription of an EVENT that begins so; empty for any other message."""
    found = _subscription.match(beginning)
    return found[1].decode(errors="replace") if found else ""


def _nothing(beginning: bytes) -> bool:
    return False


class FrameReader(StreamReader):
    """What `websockets` reads frames with. `keeps` says from the beginning of a large one whether
    it is kept, up to `most` bytes; up to `large` bytes all are."""

    large = LARGE_FRAME
    most = LARGE_FRAME
    keeps: Callable[[bytes], bool] = staticmethod(_nothing)

    def read_exact(self, n: int) -> Generator[None, None, bytearray]:
        """`n` bytes, or a `Skipped` in their place."""
        return super().read_exact(n) if n <= self.large else self._read_large(n)

    def _read_large(self, n: int) -> Generator[None, None, bytearray]:
        while len(self.buffer) < BEGINNING:
            if self.eof:
                raise EOFError("the stream ends in a large frame")
            yield
        beginning = Skipped(self.buffer[:BEGINNING])
        if n <= self.most and self.keeps(bytes(beginning)):
            return (yield from super().read_exact(n))
        while True:
            taken = min(n, len(self.buffer))
            del self.buffer[:taken]
            n -= taken
            if not n:
                return beginning
            if self.eof:
                raise EOFError("the stream ends in a large frame")
            yield


class Skipped(bytearray):
    """The beginning of a frame whose rest was thrown away."""
