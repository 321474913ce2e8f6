"""Lines on the terminal, whatever is piped, without holding up the loop."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from typing import Final

MOST_TYPED: Final = 4096


def write_terminal(text: str) -> None:
    """Write on the terminal, whatever is piped."""
    if sys.platform == "win32":
        sys.stderr.write(text)
        sys.stderr.flush()
        return
    terminal = os.open("/dev/tty", os.O_WRONLY | os.O_NOCTTY)
    try:
        os.write(terminal, text.encode(errors="replace"))
    finally:
        os.close(terminal)


async def typed_line() -> str | None:
    """One line from the terminal, None where its input ends; without a thread, which would have to
    be waited for."""
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str | None] = loop.create_future()
    if sys.platform == "win32":

        def read() -> None:
            text = sys.stdin.readline()
            loop.call_soon_threadsafe(lambda: line.done() or line.set_result(text or None))

        threading.Thread(target=read, daemon=True).start()
        return await line
    import termios

    terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    try:
        termios.tcflush(terminal, termios.TCIFLUSH)

        def readable() -> None:
            text = os.read(terminal, MOST_TYPED).decode(errors="replace")
            if not line.done():
                line.set_result(text or None)

        loop.add_reader(terminal, readable)
        try:
            return await line
        finally:
            loop.remove_reader(terminal)
    finally:
        os.close(terminal)
