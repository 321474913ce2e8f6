"""The worker process as its parent sees it: two pipes, and a thread for each.

Threads and not asyncio's pipes, because the loop that feeds the worker is the one that is busy
when there is much to check: a thread in `write` or `read` needs nobody's turn, so that the worker
always finds its next records. All that the loop hears comes through `call_soon_threadsafe`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final, cast

from nostr_client.paths import environment_for_children

_COMMAND: Final = (
    # `-P`: the current folder holds no modules of ours. The package is found where this one was.
    "import sys; sys.path.append(sys.argv[1]); from nostr_client.signing.worker import main; main()"
)
_ROOT: Final = str(Path(__file__).resolve().parents[2])
_READ: Final = 1 << 16
_GRACE: Final = 5.0
"""Seconds that the process may take to end once its output has."""


class Child:
    """One worker process. Started at once, on a thread of its own; `on_verdicts` and `on_end` are
    called on `loop`, `on_end` once and last, with what is known of the reason.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_verdicts: Callable[[bytes], None],
        on_end: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._on_verdicts = on_verdicts
        self._on_end = on_end
        # Bounded by the caller, who sends no more than he wants to have in flight.
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False
        threading.Thread(target=self._run, name="verify-write", daemon=True).start()

    @property
    def pid(self) -> int | None:
        """The process, once it runs."""
        return None if self._process is None else self._process.pid

    def send(self, records: bytes) -> None:
        """Have these checked too. Never blocks."""
        self._outbox.put(records)

    def close(self) -> None:
        """Let it end after what was sent."""
        self._outbox.put(None)

    def kill(self) -> None:
        """End it now."""
        self._killed = True
        if self._process is not None:
            self._process.kill()

    def _run(self) -> None:
        try:
            with tempfile.TemporaryFile() as errors:
                process = _start(errors)
                self._attend(process)
                reason = _last_words(process, errors)
        except OSError as error:
            reason = f"cannot start: {error.strerror or error}"
        self._tell(self._on_end, reason)

    def _attend(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        if self._killed:
            process.kill()
        reader = threading.Thread(
            target=self._read, args=(process,), name="verify-read", daemon=True
        )
        reader.start()
        self._write(cast(IO[bytes], process.stdin))
        reader.join()

    def _write(self, pipe: IO[bytes]) -> None:
        fd = pipe.fileno()
        going_on = True
        # A pipe that breaks is the end of the process, which the reader sees too.
        with pipe, contextlib.suppress(OSError):
            while going_on:
                parts: list[bytes] = []
                while not parts or not self._outbox.empty():
                    part = self._outbox.get()
                    if part is None:
                        going_on = False
                        break
                    parts.append(part)
                left = memoryview(b"".join(parts))
                while left:
                    left = left[os.write(fd, left) :]

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        with cast(IO[bytes], process.stdout) as pipe:
            while verdicts := os.read(pipe.fileno(), _READ):
                self._tell(self._on_verdicts, verdicts)
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._outbox.put(None)

    def _tell(self, listener: Callable[[Any], None], what: object) -> None:
        try:
            self._loop.call_soon_threadsafe(listener, what)
        except RuntimeError:  # the loop is closed: nobody listens any more
            self._killed = True
            if self._process is not None:
                self._process.kill()


def _start(errors: IO[bytes]) -> subprocess.Popen[bytes]:
    """A session of its own keeps Ctrl-C away; no password in the environment is handed on."""
    detached: dict[str, Any]
    if sys.platform == "win32":
        detached = {
            "creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        }
    else:
        detached = {"start_new_session": True}
    return subprocess.Popen(  # noqa: S603 - this interpreter, this package
        [sys.executable, "-P", "-c", _COMMAND, _ROOT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        bufsize=0,
        env=environment_for_children(),
        **detached,
    )


def _last_words(process: subprocess.Popen[bytes], errors: IO[bytes]) -> str:
    errors.seek(0, os.SEEK_END)
    errors.seek(max(0, errors.tell() - 500))
    words = " ".join(errors.read().decode(errors="replace").split())
    return f"ended with {process.returncode}{': ' if words else ''}{words}"
