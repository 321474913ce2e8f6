"""How a process that was started here is ended for good."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import Process
from typing import Final

END_LIMIT: Final = 5.0
"""Seconds in which the system ends what was killed; on a busy machine it is no moment."""


async def end_now(process: Process) -> None:
    """Kill a process that leads a group of its own, and what it started; close its pipes.

    Its end is seen only when its pipes are at theirs, and those may be full, or be held for ever by
    who has left the group: so they are closed first. Waits at most `END_LIMIT` seconds.
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
    transport: asyncio.SubprocessTransport = process._transport  # type: ignore[attr-defined]
    for number in range(3):
        if pipe := transport.get_pipe_transport(number):
            pipe.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(END_LIMIT):
            await process.wait()
    transport.close()
