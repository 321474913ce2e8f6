"""SIGTERM and SIGHUP end the client as leaving does: drafts kept, terminal restored."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator

NAMES = ("SIGTERM", "SIGHUP")


@contextlib.contextmanager
def heeding(leave: Callable[[int], None]) -> Iterator[None]:
    """Call `leave` with the signal's number, once for each that comes, until the block ends.

    Where the loop takes no handlers (Windows) signals do what they do there anyway.
    """
    loop = asyncio.get_running_loop()
    heeded: list[int] = []
    for name in NAMES:
        number = getattr(signal, name, None)
        if number is None:
            continue
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, leave, int(number))
            heeded.append(number)
    try:
        yield
    finally:
        for number in heeded:
            loop.remove_signal_handler(number)
