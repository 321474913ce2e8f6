"""SIGTERM, SIGHUP and a terminal that is lost end the client as leaving does: drafts kept, terminal
given back.

Not everyone whose terminal goes away is told by SIGHUP: only the leader of its session is, and who
sits behind a pipe never. Textual would read the end of its input for ever, so it is looked for.

A terminal that is gone must not keep the client either. Textual writes from a thread of its own,
which dies with the terminal, and then waits for that thread for ever; so nothing is handed to a
dead one, and should anything hang all the same, the process ends after `END_LIMIT`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from textual.driver import Driver

NAMES = ("SIGTERM", "SIGHUP")
END_LIMIT = 8.0
"""Seconds from the signal to the end, however it comes about."""


LOOK_EVERY = 1.0
"""Seconds between two looks whether the terminal is still there."""
HUNG_UP = 1
"""The number of SIGHUP, also where there is no such signal."""


@contextlib.contextmanager
def exit_signals(leave: Callable[[int], None], terminal: int | None = None) -> Iterator[None]:
    """Call `leave` on the loop with the number of each signal that comes, until the block ends;
    with that of SIGHUP once nobody is at the other end of the file descriptor `terminal`.

    A signal that is ignored already (as under nohup) stays ignored. For the main thread.
    """
    loop = asyncio.get_running_loop()
    before: dict[int, Any] = {}
    looking: asyncio.TimerHandle | None = None

    def handle(number: int, frame: FrameType | None = None) -> None:
        # Not the loop's own handlers: they would wait for a loop that hangs.
        last_resort = threading.Timer(END_LIMIT, os._exit, (128 + number,))
        last_resort.daemon = True
        last_resort.start()
        loop.call_soon_threadsafe(leave, number)

    def look() -> None:
        nonlocal looking
        if terminal is not None and hung_up(terminal):
            handle(HUNG_UP)
        else:
            looking = loop.call_later(LOOK_EVERY, look)

    for name in NAMES:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, handle)
    look()
    try:
        yield
    finally:
        if looking is not None:
            looking.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


def standard_input() -> int | None:
    """The file descriptor that keys come from, if there is one."""
    try:
        return None if sys.__stdin__ is None else sys.__stdin__.fileno()
    except (OSError, ValueError):  # closed, or replaced by what is no file
        return None


def hung_up(descriptor: int) -> bool:
    """Is nobody at the other end of this terminal or pipe? Never where that cannot be asked."""
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(descriptor, 0)  # POLLHUP comes unasked
    return any(event & select.POLLHUP for _, event in poll.poll(0))


def tolerant_driver(driver: type[Driver]) -> type[Driver]:
    """A driver that drops what it would write to a terminal or a pipe that is gone (`exit_signals`
    sees to the end), and says how far one that is slow is `behind`."""

    class TolerantDriver(driver):  # type: ignore[misc,valid-type]
        @property
        def behind(self) -> int:
            """How many writes wait for the terminal to take those before them."""
            queue = getattr(getattr(self, "_writer_thread", None), "_queue", None)
            return 0 if queue is None else queue.qsize()

        def write(self, data: str) -> None:
            writer = getattr(self, "_writer_thread", None)
            if writer is None or writer.is_alive():
                with contextlib.suppress(BrokenPipeError):
                    super().write(data)

        def write_meta(self, data: dict[str, object]) -> None:
            """What Textual's driver for browsers says beside the picture."""
            with contextlib.suppress(BrokenPipeError):
                super().write_meta(data)

    return TolerantDriver
