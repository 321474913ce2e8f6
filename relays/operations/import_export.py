"""Import and export: JSON lines, one event each, in and out of a relay's folder.

Both work beside a running relay, whose clients see what is imported. An import is the keeper's own
act: it passes the limits on age, never those on signatures, deletions and forms. Files may be
compressed (gzip, zstd). An import of a plain one that was interrupted goes on where it was.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import gzip
import io
import os
import re
import stat
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, cast

from nostr_client.errors import InvalidEvent, StoreError
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.safe_text import safe_line
from nostr_client.store.contract import StoreOptions
from relays.config.relay_config import RelayConfig
from relays.config.sub_relays import ROOT
from relays.engine.importing import EventImporter, ImportReport
from relays.engine.ingest import Verify
from relays.operations.import_progress import ImportProgress
from relays.operations.progress_bar import ProgressBar
from relays.policies.verdict import SourceType
from relays.process.folder import open_folder
from relays.process.offline import open_offline

BATCH: Final = 1000
"""Lines that are read, verified and saved at once."""
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
AHEAD: Final = 3
"""Batches that are read and verified while one is saved."""

_position = re.compile(r"(: line \d+ column \d+)? \((byte|char) \d+\)")
"""Where in a line a decoder stopped: left out, so that equal mistakes are counted together."""


class Batch(NamedTuple):
    """Some lines of a file with their numbers, and where in it the next one begins."""

    lines: list[tuple[int, bytes]]
    end: int


_Ahead = asyncio.Queue[tuple[list[Event], int, asyncio.Task[list[bool]]] | None]
Saved = Callable[[int], None]
"""Told of each place in a file up to which everything is stored."""


def _nothing(_place: int) -> None:
    pass


class LineImporter:
    """Carries lines into a store; `tally` says what became of them."""

    def __init__(self, importer: EventImporter, verify: Verify) -> None:
        self._importer = importer
        self._verify_all = verify
        self.tally = importer.tally
        self._name = ""
        self._under_way: dict[int, int] = {}
        """The line of each event, by its `id()`: one and the same may stand in a file twice."""
        importer.place_of = lambda event: self._place(self._under_way[id(event)])

    async def lines(self, source: Iterator[Batch], saved: Saved = _nothing, name: str = "") -> None:
        """Take in every line of `source`: while a batch is saved, the next ones are verified.

        `name`: of the file, for those who look for a line that was refused.
        """
        self._name = name
        ahead: _Ahead = asyncio.Queue(AHEAD)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._save_all(ahead, saved))
            failure: Exception | None = None
            while True:
                try:
                    batch = await asyncio.to_thread(next, source, None)
                except _failures() as error:
                    failure, batch = error, None  # what came before is to be stored
                if batch is None:
                    break
                events = self._read(batch.lines)
                await ahead.put((events, batch.end, group.create_task(self._check(events))))
            await ahead.put(None)
        if failure is not None:
            raise failure

    async def _check(self, events: list[Event]) -> list[bool]:
        return await self._verify_all(events)

    async def _save_all(self, ahead: _Ahead, saved: Saved) -> None:
        while (batch := await ahead.get()) is not None:
            events, end, check = batch
            verdicts = await check
            good = [event for event, ok in zip(events, verdicts, strict=True) if ok]
            for event, is_right in zip(events, verdicts, strict=True):
                if not is_right:
                    self._importer.refuse(event, "the signature is wrong")
            await self._importer.save(good)
            for event in events:
                del self._under_way[id(event)]
            saved(end)

    def _place(self, number: int) -> str:
        return f"{self._name}:{number}" if self._name else f"line {number}"

    def _read(self, batch: list[tuple[int, bytes]]) -> list[Event]:
        events: list[Event] = []
        for number, line in batch:
            try:
                event = Event.parse(line)
            except InvalidEvent as error:
                reason = f"invalid: {_position.sub('', str(error))}"
                self.tally.refuse(reason, self._place(number))
                continue
            self._under_way[id(event)] = number
            if self._importer.admit(event):
                events.append(event)
            else:
                del self._under_way[id(event)]
        return events


async def import_files(
    data: Path,
    files: Sequence[str],
    config: RelayConfig,
    *,
    anew: bool = False,
    sub_relay: str | None = None,
    say: Callable[[str], None],
) -> ImportReport:
    """Import `files` (`-`: standard input) into a sub-relay of the relay in the folder `data`.

    What an interrupted import has stored of a file is passed over, unless `anew`; `say` is told
    how it goes. Raises ConfigError, StoreError, and OSError for a file that cannot be
    read (what came before it is stored).
    """
    started = time.monotonic()
    async with open_offline(config, data, sub_relay) as here:
        events = EventImporter(here.store, here.rules, SourceType.IMPORT)
        importer = LineImporter(events, here.verifier.verify_all)
        marks = ImportProgress(data, here.sub_relay.name)
        try:
            for name in files:
                await _import_file(importer, name, marks, config, anew=anew, say=say)
        finally:
            seconds = time.monotonic() - started
            say(f"{importer.tally}\nin {seconds:.1f} s")
    return importer.tally


async def _import_file(
    importer: LineImporter,
    name: str,
    marks: ImportProgress,
    config: RelayConfig,
    *,
    anew: bool,
    say: Callable[[str], None],
) -> None:
    with contextlib.ExitStack() as stack:
        file, compressed = stack.enter_context(_open_file(name))
        size = None if compressed else _size(file)
        begin = first = 0
        mark: Saved = _nothing
        if size is not None and name != "-":
            begin = 0 if anew else marks.find(Path(name), file)
            mark = stack.enter_context(marks.keep(Path(name), file))
        if begin:
            first = _lines_before(file, begin)
            say(f"{name}: going on after {begin:,} bytes that are stored")
        progress = stack.enter_context(ProgressBar(size, start=begin))

        def saved(place: int) -> None:
            mark(place)
            progress.show(place, f"{importer.tally.lines:,} lines")

        shown = "" if name == "-" else safe_line(name)
        batches = _batches(file, config.limits.message_bytes, begin, first)
        try:
            await importer.lines(batches, saved, shown)
        except _damage():
            words = f"{shown or 'standard input'}: the compressed data is damaged or ends too early"
            raise StoreError(f"{words}; what came before is stored") from None


@contextlib.contextmanager
def _open_file(name: str) -> Iterator[tuple[IO[bytes], bool]]:
    """The lines of a file, and whether they are compressed in it."""
    with contextlib.ExitStack() as stack:
        file = sys.stdin.buffer if name == "-" else stack.enter_context(Path(name).open("rb"))
        head = cast(io.BufferedReader, file).peek(len(_ZSTD))
        if head.startswith(_GZIP):
            yield cast(IO[bytes], stack.enter_context(gzip.open(file))), True
        elif head.startswith(_ZSTD):
            yield stack.enter_context(_zstd().open(file)), True
        else:
            yield file, False


def _zstd() -> Any:
    """It comes with Python from 3.14 on."""
    from backports import zstd

    return zstd


def _damage() -> tuple[type[Exception], ...]:
    """What is raised where compressed data is no such thing."""
    zstd = sys.modules.get("backports.zstd")
    own = () if zstd is None else (zstd.ZstdError,)
    return (EOFError, gzip.BadGzipFile, zlib.error, *own)


def _failures() -> tuple[type[Exception], ...]:
    """What may be raised where a file is read."""
    return (OSError, *_damage())


def _lines_before(file: IO[bytes], place: int) -> int:
    """How many lines end before `place`, where `file` stands then."""
    file.seek(0)
    count, left = 0, place
    while left and (part := file.read(min(left, 2**20))):
        count += part.count(b"\n")
        left -= len(part)
    return count


def _size(file: IO[bytes]) -> int | None:
    """Bytes of a regular file; None for a pipe and the like."""
    found = os.fstat(file.fileno())
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _batches(file: IO[bytes], most: int, place: int = 0, number: int = 0) -> Iterator[Batch]:
    """Lines that are not empty, some at a time; of a line that is too long only its head.

    `place`: where in `file` it stands, after `number` lines. What is raised comes after what was
    read before.
    """
    batch: list[tuple[int, bytes]] = []
    size = 0
    try:
        for line, length in _lines(file, most):
            begun = line.removeprefix(codecs.BOM_UTF8) if place == 0 else line
            place += length
            number += 1
            if text := begun.strip():
                batch.append((number, text))
                size += len(text)
            if len(batch) >= BATCH or size >= 8 * most:
                yield Batch(batch, place)
                batch, size = [], 0
    except Exception:
        if batch:
            yield Batch(batch, place)
        raise
    if batch:
        yield Batch(batch, place)


def _lines(file: IO[bytes], most: int) -> Iterator[tuple[bytes, int]]:
    """Each line, of one that is too long its head, and how many bytes the whole one takes."""
    while line := file.readline(most + 2):
        length = len(line)
        if len(line) > most and not line.endswith(b"\n"):
            while rest := file.readline(most):
                length += len(rest)
                if rest.endswith(b"\n"):
                    break
        yield line, length


async def export_events(
    data: Path,
    out: IO[bytes],
    filters: Sequence[Filter] = (),
    *,
    sub_relay: str | None = None,
    database: str = "",
) -> int:
    """Write what matches one of `filters` (none: everything) of a sub-relay (None: `/`) to `out`.

    Newest first; limits are not read. `database`: the URL of the one that has the relay, instead of
    the folder. Returns how many. Raises StoreError when there is no relay, InvalidFilter,
    BrokenPipeError when nobody reads any more.
    """
    name = f"{sub_relay or ROOT}.db"
    count = 0
    with open_folder(data, database) as stores:
        if not await stores.has(name):
            room = f", room {sub_relay!r}" if sub_relay else ""
            raise StoreError(f"there is no relay in {stores.place}{room}")
        async with stores.open(name, StoreOptions(read_only=True)) as store:
            async for events in store.stream(list(filters) or [Filter()]):
                out.write(b"".join(event.json + b"\n" for event in events))
                count += len(events)
            out.flush()
    return count
