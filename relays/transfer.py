"""Import and export: JSON lines, one event each, in and out of a relay's folder.

Both work beside a running relay, whose clients see what is imported. An import is the keeper's own
act: it passes the limits on age, never those on signatures, deletions and forms. One that was
interrupted goes on where it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import stat
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Final, NamedTuple

from nostr_client.errors import InvalidEvent, StoreError
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.store.events import EventStore
from relays.beside import beside
from relays.bookmarks import Bookmarks
from relays.config import RelayConfig
from relays.folder import opened
from relays.ingest import Verify
from relays.policies.verdict import Source
from relays.progress import Progress
from relays.rooms import ROOT
from relays.taking import Taker, Tally

BATCH: Final = 1000
"""Lines that are read, verified and saved at once."""
AHEAD: Final = 3
"""Batches that are read and verified while one is saved."""

_position = re.compile(r"(: line \d+ column \d+)? \((byte|char) \d+\)")
"""Where in a line a decoder stopped: left out, so that equal mistakes are counted together."""


class Batch(NamedTuple):
    """Some lines of a file, and where in it the next one begins."""

    lines: list[bytes]
    end: int


_Ahead = asyncio.Queue[tuple[list[Event], int, asyncio.Task[list[bool]]] | None]
Saved = Callable[[int], None]
"""Told of each place in a file up to which everything is stored."""


def _nothing(_place: int) -> None:
    pass


class Importer:
    """Carries lines into a store; `tally` says what became of them."""

    def __init__(self, taker: Taker, verify: Verify) -> None:
        self._taker = taker
        self._verify_all = verify
        self.tally = taker.tally

    async def lines(self, source: Iterator[Batch], saved: Saved = _nothing) -> None:
        """Take in every line of `source`: while a batch is saved, the next ones are verified."""
        ahead: _Ahead = asyncio.Queue(AHEAD)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._save_all(ahead, saved))
            while (batch := await asyncio.to_thread(next, source, None)) is not None:
                events = self._read(batch.lines)
                await ahead.put((events, batch.end, group.create_task(self._check(events))))
            await ahead.put(None)

    async def _check(self, events: list[Event]) -> list[bool]:
        return await self._verify_all(events)

    async def _save_all(self, ahead: _Ahead, saved: Saved) -> None:
        while (batch := await ahead.get()) is not None:
            events, end, check = batch
            verdicts = await check
            good = [event for event, ok in zip(events, verdicts, strict=True) if ok]
            self.tally.refuse("the signature is wrong", len(events) - len(good))
            await self._taker.save(good)
            saved(end)

    def _read(self, batch: list[bytes]) -> list[Event]:
        events: list[Event] = []
        for line in batch:
            try:
                event = Event.parse(line)
            except InvalidEvent as error:
                self.tally.refuse(f"invalid: {_position.sub('', str(error))}")
                continue
            if self._taker.admit(event):
                events.append(event)
        return events


async def import_files(
    data: Path,
    files: Sequence[str],
    config: RelayConfig,
    *,
    anew: bool = False,
    room: str | None = None,
) -> Tally:
    """Import `files` (`-`: standard input) into a room of the relay in the folder `data`.

    What an interrupted import has stored of a file is passed over, unless `anew`. Says on standard
    error how it goes. Raises ConfigError, StoreError, and OSError for a file that cannot be read
    (what came before it is stored).
    """
    started = time.monotonic()
    async with beside(config, data, room) as here:
        taker = Taker(here.store, here.judge, Source.IMPORT, consult=here.consult)
        importer = Importer(taker, here.verifier.verify_all)
        marks = Bookmarks(data, here.room.name)
        try:
            for name in files:
                await _import_file(importer, name, marks, config, anew)
        finally:
            seconds = time.monotonic() - started
            sys.stderr.write(f"{importer.tally}\nin {seconds:.1f} s\n")
    return importer.tally


async def _import_file(
    importer: Importer, name: str, marks: Bookmarks, config: RelayConfig, anew: bool
) -> None:
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(_opened(name))
        size = _size(file)
        begin = 0
        mark: Saved = _nothing
        if size is not None and name != "-":
            begin = 0 if anew else marks.find(Path(name), file)
            mark = stack.enter_context(marks.keep(Path(name), file))
        if begin:
            file.seek(begin)
            sys.stderr.write(f"{name}: going on after {begin:,} bytes that are stored\n")
        progress = stack.enter_context(Progress(size, start=begin))

        def saved(place: int) -> None:
            mark(place)
            progress.show(place, f"{importer.tally.lines:,} lines")

        await importer.lines(_batches(file, config.limits.message_bytes, begin), saved)


@contextlib.contextmanager
def _opened(name: str) -> Iterator[IO[bytes]]:
    if name == "-":
        yield sys.stdin.buffer
        return
    with Path(name).open("rb") as file:
        yield file


def _size(file: IO[bytes]) -> int | None:
    """Bytes of a regular file; None for a pipe and the like."""
    found = os.fstat(file.fileno())
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _batches(file: IO[bytes], most: int, place: int = 0) -> Iterator[Batch]:
    """Lines that are not empty, some at a time; of a line that is too long only its head.

    `place`: where in `file` it stands.
    """
    batch: list[bytes] = []
    size = 0
    while line := file.readline(most + 2):
        place += len(line)
        if len(line) > most and not line.endswith(b"\n"):
            while rest := file.readline(most):
                place += len(rest)
                if rest.endswith(b"\n"):
                    break
        line = line.strip()
        if line:
            batch.append(line)
            size += len(line)
        if len(batch) >= BATCH or size >= 8 * most:
            yield Batch(batch, place)
            batch, size = [], 0
    if batch:
        yield Batch(batch, place)


async def export_events(
    data: Path, out: IO[bytes], filters: Sequence[Filter] = (), *, room: str | None = None
) -> int:
    """Write what matches one of `filters` (none: everything) of a room (None: `/`) to `out`.

    Newest first; limits are not read. Returns how many. Raises StoreError when there is no relay
    in `data`, InvalidFilter, BrokenPipeError when nobody reads any more.
    """
    database = data / f"{room or ROOT}.db"
    count = 0
    with opened(data):
        if not database.exists():
            raise StoreError(f"there is no relay in {data}" + (f", room {room!r}" if room else ""))
        async with EventStore.open(database, read_only=True) as store:
            async for events in store.stream(list(filters) or [Filter()]):
                out.write(b"".join(event.json + b"\n" for event in events))
                count += len(events)
            out.flush()
    return count
