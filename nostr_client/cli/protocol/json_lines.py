"""JSON lines from standard input, many of them: read as they come, and never all held at once.

A blank line is none. One that is no JSON object of the right form is told on standard error with
its number, and counted: the others go on, and the exit code says that not all of it was taken.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar

from nostr_client.errors import InvalidData
from nostr_client.exits import Exit

if TYPE_CHECKING:
    from nostr_client.command_line.context import Context

T = TypeVar("T")
PIECE: Final = 256 * 1024
"""Bytes that are read at once, where so many are there."""
LONGEST: Final = 4 * 1024 * 1024
"""Bytes of a line."""
MOST_TOLD: Final = 20
"""Lines that are told of one by one; the others are counted."""
Line = tuple[int, bytes]
"""Its number, from 1 on, and what it holds."""


class InputLines:
    """The lines of `stream`, by default standard input, for one run of a command; `on_refused` is
    told of each that is no use, in their order: its number, and why."""

    def __init__(
        self,
        context: Context,
        stream: BinaryIO | None = None,
        *,
        on_refused: Callable[[int, str], None] = lambda number, why: None,
    ) -> None:
        self.refused = 0
        """Lines that were no use."""
        self._context = context
        self._stream: BinaryIO = sys.stdin.buffer if stream is None else stream
        self._number = 0
        self._rest = b""
        self._skipping = False
        self._on_refused = on_refused
        self._too_long = 0
        """The number of a line that is to be refused when those before it were seen."""

    def __iter__(self) -> Iterator[Line]:
        """One by one; each waits for standard input."""
        for batch in self.batches():
            yield from batch

    def batches(self) -> Iterator[list[Line]]:
        """What has come since the last one, at least one line."""
        while (batch := self._next_batch()) is not None:
            if batch:
                yield batch

    async def coming(self) -> AsyncIterator[list[Line]]:
        """The same on a loop, which goes on meanwhile. The next piece is read when it is asked for:
        whoever writes into the pipe waits until then."""
        while (batch := await _beside(self._next_batch)) is not None:
            if batch:
                yield batch

    def parsed(self, line: Line, parse: Callable[[bytes], T]) -> T | None:
        """What `parse` makes of a line, or None: then it was told why not."""
        try:
            return parse(line[1])
        except InvalidData as error:
            self.refuse(line[0], str(error))
            return None

    def refuse(self, number: int, why: str) -> None:
        """The line is no use."""
        self.refused += 1
        self._on_refused(number, why)
        if self.refused <= MOST_TOLD:
            told = {"line": number, "error": why}
            self._context.out.fault(f"line {number}: {why}", told)

    def conclude(self) -> None:
        """Say how many lines were no use, and have the exit code say so where no other does."""
        if self.refused > MOST_TOLD:
            told = {"lines_refused": self.refused}
            self._context.out.fault(f"{self.refused} lines could not be used", told)
        if self.refused and self._context.exit_code == Exit.DONE:
            self._context.exit_code = Exit.INCOMPLETE

    def _next_batch(self) -> list[Line] | None:
        """Blocks. None at the end."""
        if self._too_long:
            number, self._too_long = self._too_long, 0
            self.refuse(number, f"a line has at most {LONGEST} bytes")
        read = getattr(self._stream, "read1", self._stream.read)
        data = read(PIECE)
        if not data:
            last, self._rest = self._rest, b""
            return self._lines([last]) if last else None
        *whole, self._rest = (self._rest + data).split(b"\n") if self._rest else data.split(b"\n")
        batch = self._lines(whole)
        if len(self._rest) > LONGEST:
            if not self._skipping:
                self._too_long = self._number + 1
            self._skipping, self._rest = True, b""
        return batch

    def _lines(self, whole: list[bytes]) -> list[Line]:
        found: list[Line] = []
        for text in whole:
            self._number += 1
            if self._skipping:  # the end of one that was too long
                self._skipping = False
            elif text and not text.isspace():
                found.append((self._number, text))
        return found


async def _beside(work: Callable[[], T]) -> T:
    """What `work` gives, which blocks, in a thread that nobody waits for at the end: it may hang on
    a pipe that stays silent."""
    import asyncio
    import contextlib
    from threading import Thread

    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def give(result: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, failed = None, None
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            failed = error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(give, result, failed)

    Thread(target=run, daemon=True).start()
    return await done
