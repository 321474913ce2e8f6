"""The words of a flood of events, found by a process of its own: `words_worker`.

To find them takes 20 µs an event, all of it with Python's lock, for which whoever answers on the
loop would wait after each step of SQLite. The process runs at the lowest priority, is never more
than a pipe ahead of who reads, and dies with him. It only reads the file, so that it may be ended
at any moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import IO, Any, Final, cast

from nostr_client.errors import StoreError
from nostr_client.paths import environment_for_children
from nostr_client.safe_text import safe_line
from nostr_client.store.sqlite.index_batches import IndexBatch

END: Final = b"end\n"
"""What it says when it has come to the end of what is stored."""
_STALL: Final = 300.0
"""Seconds without a word after which it is given up: it may have to wait for a core."""
_COMMAND: Final = (
    # `-P`: the current folder holds no modules of ours. The package is found where this one was.
    "import sys; sys.path.append(sys.argv.pop(1));"
    " from nostr_client.store.sqlite.words_worker import main; main()"
)
_ROOT: Final = str(Path(__file__).resolve().parents[3])


async def batches(path: Path, place: int) -> AsyncGenerator[IndexBatch]:
    """All that was stored after `place`, in order, until there is no more.

    Raises StoreError where the process cannot be started, stalls, or ends before that.
    """
    with tempfile.TemporaryFile() as errors:
        process = await asyncio.to_thread(_start, path, place, errors)
        said = cast(IO[bytes], process.stdout)
        try:
            async with contextlib.aclosing(_lines(said)) as lines:
                async for line in lines:
                    if line == END:
                        return
                    before, after, rows = line.decode().split(" ", 2)
                    yield IndexBatch(int(before), int(after), rows)
        finally:
            process.kill()
            await asyncio.shield(asyncio.to_thread(process.__exit__, None, None, None))
        raise StoreError(f"the process that finds words {_last_words(process, errors)}")


async def _lines(said: IO[bytes]) -> AsyncGenerator[bytes]:
    """Whole lines, until there are no more, or not in time."""
    while True:
        try:
            async with asyncio.timeout(_STALL):
                line = await asyncio.to_thread(said.readline)
        except TimeoutError:
            return
        if not line.endswith(b"\n"):
            return
        yield line


def _start(path: Path, place: int, errors: IO[bytes]) -> subprocess.Popen[bytes]:
    """A session of its own keeps Ctrl-C away; no password in the environment is handed on."""
    detached: dict[str, Any]
    if sys.platform == "win32":
        detached = {
            "creationflags": subprocess.IDLE_PRIORITY_CLASS
            | subprocess.CREATE_NEW_PROCESS_GROUP
            | subprocess.CREATE_NO_WINDOW
        }
    else:
        detached = {"start_new_session": True}
    try:
        return subprocess.Popen(  # noqa: S603 - this interpreter, this package
            [sys.executable, "-P", "-c", _COMMAND, _ROOT, str(path.absolute()), str(place)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment_for_children(),
            **detached,
        )
    except OSError as error:
        raise StoreError(f"the process that finds words cannot be started: {error}") from error


def _last_words(process: subprocess.Popen[bytes], errors: IO[bytes]) -> str:
    errors.seek(0)
    words = errors.read().decode(errors="replace").split("\n")
    reason = next((safe_line(line) for line in reversed(words) if line.strip()), "")
    return f"ended with {process.returncode}{': ' if reason else ''}{reason}"
