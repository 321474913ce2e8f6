"""Import and export: JSON lines, one event each, in and out of a relay's folder.

Both work beside a running relay, whose clients see what is imported. An import is the keeper's own
act: it passes the limits on age, never those on signatures, deletions and forms.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from nostr_client.errors import InvalidEvent, StoreError
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.signing.verifier import Verifier
from nostr_client.store.events import EventStore
from relays.config import RelayConfig
from relays.ingest import Verify
from relays.policies.events import for_imports
from relays.policies.verdict import Policy, Source
from relays.running import DATABASE, note_in, service_urls
from relays.taking import Taker, Tally

BATCH: Final = 1000
"""Lines that are read, verified and saved at once."""
AHEAD: Final = 3
"""Batches that are read and verified while one is saved."""
_SAY_EVERY: Final = 1.0
"""Seconds between two words on how it goes."""


_place = re.compile(r"(: line \d+ column \d+)? \((byte|char) \d+\)")
"""Where in a line a decoder stopped: left out, so that equal mistakes are counted together."""

_Ahead = asyncio.Queue[tuple[list[Event], asyncio.Task[list[bool]]] | None]


class Importer:
    """Carries lines into a store; `tally` says what became of them."""

    def __init__(self, store: EventStore, verify: Verify, judge: Policy) -> None:
        self._taker = Taker(store, judge, Source.IMPORT)
        self._verify_all = verify
        self.tally = self._taker.tally

    async def lines(self, source: Iterator[list[bytes]]) -> None:
        """Take in every line of `source`: while a batch is saved, the next ones are verified."""
        ahead: _Ahead = asyncio.Queue(AHEAD)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._save_all(ahead))
            while batch := await asyncio.to_thread(_next, source):
                events = self._read(batch)
                await ahead.put((events, group.create_task(self._check(events))))
            await ahead.put(None)

    async def _check(self, events: list[Event]) -> list[bool]:
        return await self._verify_all(events)

    async def _save_all(self, ahead: _Ahead) -> None:
        while (batch := await ahead.get()) is not None:
            events, check = batch
            verdicts = await check
            good = [event for event, ok in zip(events, verdicts, strict=True) if ok]
            self.tally.refuse("the signature is wrong", len(events) - len(good))
            await self._taker.save(good)

    def _read(self, batch: list[bytes]) -> list[Event]:
        events: list[Event] = []
        for line in batch:
            try:
                event = Event.parse(line)
            except InvalidEvent as error:
                self.tally.refuse(f"invalid: {_place.sub('', str(error))}")
                continue
            if self._taker.admit(event):
                events.append(event)
        return events


async def import_files(data: Path, files: list[str], config: RelayConfig) -> Tally:
    """Import `files` (`-`: standard input) into the relay of the folder `data`.

    Says on standard error how it goes. Raises StoreError, and OSError for a file that cannot be
    read (what came before it is stored).
    """
    note = note_in(data)
    urls = service_urls(note.url if note else f"ws://{config.host}:{config.port}", config.urls)
    started = time.monotonic()
    async with (
        EventStore.open(data / DATABASE, service_urls=urls) as store,
        Verifier() as verifier,
    ):
        importer = Importer(store, verifier.verify_all, for_imports(config.limits))
        try:
            for name in files:
                with _opened(name) as file:
                    source = _batches(file, config.limits.message_bytes)
                    await importer.lines(_with_progress(source, importer.tally, started))
        finally:
            seconds = time.monotonic() - started
            sys.stderr.write(f"{importer.tally}\nin {seconds:.1f} s\n")
    return importer.tally


def _next(source: Iterator[list[bytes]]) -> list[bytes]:
    return next(source, [])


@contextlib.contextmanager
def _opened(name: str) -> Iterator[IO[bytes]]:
    if name == "-":
        yield sys.stdin.buffer
        return
    with Path(name).open("rb") as file:
        yield file


def _batches(file: IO[bytes], most: int) -> Iterator[list[bytes]]:
    """Lines that are not empty, some at a time; of a line that is too long only its head."""
    batch: list[bytes] = []
    size = 0
    while line := file.readline(most + 2):
        if len(line) > most and not line.endswith(b"\n"):
            while (rest := file.readline(most)) and not rest.endswith(b"\n"):
                pass
        line = line.strip()
        if line:
            batch.append(line)
            size += len(line)
        if len(batch) >= BATCH or size >= 8 * most:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _with_progress(
    source: Iterator[list[bytes]], tally: Tally, started: float
) -> Iterator[list[bytes]]:
    said = time.monotonic()
    for batch in source:
        yield batch
        now = time.monotonic()
        if now - said >= _SAY_EVERY and sys.stderr.isatty():
            said = now
            rate = tally.lines / (now - started)
            sys.stderr.write(f"\r{tally.lines:,} lines, {rate:,.0f} a second ")
            sys.stderr.flush()


async def export_events(data: Path, out: IO[bytes]) -> int:
    """Write every event of the relay in `data` to `out`, newest first; returns how many.

    Raises StoreError when there is no relay in `data`, BrokenPipeError when nobody reads any more.
    """
    if not (data / DATABASE).exists():
        raise StoreError(f"there is no relay in {data}")
    count = 0
    async with EventStore.open(data / DATABASE) as store:
        async for events in store.stream([Filter()]):
            out.write(b"".join(event.json + b"\n" for event in events))
            count += len(events)
        out.flush()
    return count
