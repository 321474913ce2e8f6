"""SIGTERM and SIGHUP end the client as leaving does: drafts kept, terminal given back.

A terminal that is gone must not keep it either. Textual writes from a thread of its own, which dies
with the terminal, and then waits for that thread for ever; so nothing is handed to a dead one, and
should anything hang all the same, the process ends after `END_LIMIT`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from textual.driver import Driver

NAMES = ("SIGTERM", "SIGHUP")
END_LIMIT = 8.0
"""Seconds from the signal to the end, however it comes about."""


@contextlib.contextmanager
def exit_signals(leave: Callable[[int], None]) -> Iterator[None]:
    """Call `leave` on the loop with the number of each signal that comes, until the block ends.

    A signal that is ignored already (as under nohup) stays ignored. For the main thread.
    """
    loop = asyncio.get_running_loop()
    before: dict[int, Any] = {}

    def handle(number: int, frame: FrameType | None) -> None:
        # Not the loop's own handlers: they would wait for a loop that hangs.
        last_resort = threading.Timer(END_LIMIT, os._exit, (128 + number,))
        last_resort.daemon = True
        last_resort.start()
        loop.call_soon_threadsafe(leave, number)

    for name in NAMES:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def tolerant_driver(driver: type[Driver]) -> type[Driver]:
    """A driver that drops what it would write to a terminal that is gone, and says how far one
    that is slow is `behind`."""

    class TolerantDriver(driver):  # type: ignore[misc,valid-type]
        @property
        def behind(self) -> int:
            """How many writes wait for the terminal to take those before them."""
            queue = getattr(getattr(self, "_writer_thread", None), "_queue", None)
            return 0 if queue is None else queue.qsize()

        def write(self, data: str) -> None:
            writer = getattr(self, "_writer_thread", None)
            if writer is None or writer.is_alive():
                super().write(data)

    return TolerantDriver
