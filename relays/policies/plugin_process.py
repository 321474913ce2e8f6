"""The process of a plugin: in a group of its own, so that what it starts ends with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import Any, Final

from nostr_client.paths import environment_for_children
from nostr_client.processes import end_now

LONGEST_LINE: Final = 64 * 1024
"""Bytes of an answer, and of a line for the log."""
_END_LIMIT: Final = 2.0
"""Seconds that it has to end when it is asked to; then it is killed."""


async def start(command: str, folder: str | None) -> asyncio.subprocess.Process:
    """Start `command`, a line of the shell, in `folder` (None: here), on pipes. Raises OSError."""
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), asyncio.subprocess.PIPE)
    return await asyncio.create_subprocess_shell(
        command,
        **pipes,
        cwd=folder,
        limit=LONGEST_LINE,
        env=environment_for_children(),
        start_new_session=True,
    )


async def end(process: asyncio.subprocess.Process) -> None:
    """End a process and what it started, kindly first."""
    try:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                _ask_to_end(process)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_LIMIT):
                # Its end is seen only when its pipes have been read to theirs.
                await asyncio.gather(_rest_of(process.stdout), _rest_of(process.stderr))
                await process.wait()
    finally:
        await end_now(process)


async def _rest_of(stream: asyncio.StreamReader | None) -> None:
    with contextlib.suppress(OSError):
        while stream is not None and await stream.read(2**16):
            pass


def _ask_to_end(process: asyncio.subprocess.Process) -> None:
    if sys.platform == "win32":
        process.terminate()
    else:
        os.killpg(process.pid, signal.SIGTERM)


def pipe_of(stream: asyncio.StreamReader | None) -> asyncio.StreamReader:
    """A pipe of the process. Raises OSError where it has none."""
    if stream is None:
        raise OSError("the process has no pipe")
    return stream
