"""A program in a pseudo-terminal: what it has painted, when, and in how many bytes.

The terminal knows synchronized output (mode 2026), so that the end of each frame is seen exactly.
A frame counts as painted when its last byte was read; what it looks like is worked out afterwards.
A slow line can be had: so many bytes a second, and so long each way.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import subprocess
import termios
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from struct import pack

import pyte

LIMIT = 60.0
"""Seconds for anything that must appear."""
READ = 65_536
FRAME_BEGIN = b"\x1b[?2026h"
FRAME_END = b"\x1b[?2026l"
ASKS_FOR_SYNC = b"\x1b[?2026$p"
HAS_SYNC = b"\x1b[?2026;2$y"
UNKNOWN_TO_PYTE = re.compile(
    rb"\x1b\[[<>=?][0-9;]*[a-ln-zA-Z$]+[a-z]?|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
)
"""Modes and titles: nothing of them is seen on the screen."""
CLOCK_OF_PROCESS = 2
"""What the number of a process's own clock ends with on Linux (CPUCLOCK_SCHED)."""


class PseudoTerminal:
    """`arguments` run in a terminal of `columns` by `rows`.

    `rate`: bytes a second that the line carries, 0 for as many as there are; `delay`: seconds that
    it takes each way.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        columns: int = 120,
        rows: int = 40,
        rate: float = 0,
        delay: float = 0,
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self.bytes = 0
        """Read so far."""
        self.frames: list[int] = []
        """For each frame so far: how many rows it wrote on."""
        self._stream = pyte.ByteStream(self.screen)
        self._rate, self._delay = rate, delay
        self._unseen = b""
        self._has_frames = False
        self._line: deque[tuple[float, bytes]] = deque()
        self._typed: deque[tuple[float, bytes]] = deque()
        self._free_at = 0.0
        self._fd, inside = pty.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, pack("HHHH", rows, columns, 0, 0))
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            arguments,
            stdin=inside,
            stdout=inside,
            stderr=inside,
            env={**environment, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
            start_new_session=True,
        )
        os.close(inside)

    def __enter__(self) -> PseudoTerminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Keys and screen

    def send(self, keys: str) -> float:
        """Type; returns when."""
        now = time.perf_counter()
        self._typed.append((now + self._delay, keys.encode()))
        self._type(now)
        return now

    def until(self, seen: Callable[[PseudoTerminal], bool], limit: float = LIMIT) -> float:
        """Read until a frame shows what is wanted; returns when its last byte was here.
        Raises TimeoutError."""
        end = time.perf_counter() + limit
        while (left := end - time.perf_counter()) > 0:
            if (painted := self._read(left)) and seen(self):
                return painted
        raise TimeoutError(f"it does not appear:\n{self.text}")

    def until_text(self, text: str, limit: float = LIMIT) -> float:
        """As `until`, for some text on one line."""
        return self.until(lambda terminal: text in terminal.text, limit)

    def settle(self, quiet: float = 0.5, limit: float = LIMIT) -> None:
        """Read until nothing was written for so many seconds. Raises TimeoutError."""
        end = time.perf_counter() + limit
        last, read = time.perf_counter(), self.bytes
        while time.perf_counter() - last < quiet:
            if time.perf_counter() > end:
                raise TimeoutError("it paints without end")
            self._read(quiet / 4)
            if self.bytes != read:
                last, read = time.perf_counter(), self.bytes

    def watch(self, seconds: float) -> int:
        """Read for so many seconds; returns how many bytes came."""
        before, end = self.bytes, time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self._read(left)
        return self.bytes - before

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    # The process

    @property
    def cpu(self) -> float:
        """Seconds of processor time that the program has taken, all of its threads, without its
        children: by the clock that clock_getcpuclockid(3) has for it, for /proc counts in 10 ms."""
        return time.clock_gettime(~self.process.pid << 3 | CLOCK_OF_PROCESS)

    @property
    def memory(self) -> float:
        """Megabytes that the program holds, without its children and without pages of files that
        it has mapped, which the system takes back as it likes."""
        return self._kilobytes("RssAnon") / 1e3

    @property
    def mapped(self) -> float:
        """Megabytes of files that are mapped: programs, libraries, the store."""
        return self._kilobytes("RssFile") / 1e3

    def _kilobytes(self, what: str) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in status if line.startswith(what))

    def close(self) -> None:
        """End the program."""
        self.process.terminate()
        with contextlib.suppress(OSError):  # a terminal whose program has ended
            while select.select([self._fd], [], [], 0.5)[0] and os.read(self._fd, READ):
                pass
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self._fd)

    # Inside

    def _read(self, limit: float) -> float:
        """Take what is there, at most so many seconds later; returns when, if a frame ended."""
        now = time.perf_counter()
        self._type(now)
        waits = [limit]
        if self._typed:
            waits.append(self._typed[0][0] - now)
        if self._line:
            waits.append(self._line[0][0] - now)
        if self._free_at > now:
            waits.append(self._free_at - now)
        taken = [] if self._free_at > now else [self._fd]
        if select.select(taken, [], [], max(min(waits), 0))[0]:
            most = READ if not self._rate else max(int(self._rate / 50), 1)
            try:
                data = os.read(self._fd, most)
            except OSError:
                raise EOFError(f"the program has ended:\n{self.text}") from None
            now = time.perf_counter()
            if self._rate:
                self._free_at = now + len(data) / self._rate
            self._line.append((now + self._delay, data))
        now, data = time.perf_counter(), b""
        while self._line and self._line[0][0] <= now:
            data += self._line.popleft()[1]
        return now if data and self._take(data) else 0.0

    def _take(self, data: bytes) -> bool:
        """Put it on the screen as far as whole frames go; did one end?"""
        self.bytes += len(data)
        if ASKS_FOR_SYNC in data:
            self.send(HAS_SYNC.decode())
        self._unseen += data
        *frames, rest = self._unseen.split(FRAME_END)
        self._has_frames |= FRAME_BEGIN in rest or bool(frames)
        if not self._has_frames:  # it was painted before it knew of frames
            frames, rest = [rest], b""
        self._unseen = rest
        for frame in frames:
            self.screen.dirty.clear()
            self._stream.feed(UNKNOWN_TO_PYTE.sub(b"", frame))
            self.frames.append(len(self.screen.dirty))
        return bool(frames)

    def _type(self, now: float) -> None:
        while self._typed and self._typed[0][0] <= now:
            os.write(self._fd, self._typed.popleft()[1])
