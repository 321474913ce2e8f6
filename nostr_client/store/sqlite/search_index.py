# ruff: noqa: S608 - SQL is made of constants; values are always bound
"""The index that searches are answered from, and how it keeps up.

SQLite's FTS5 keeps, for each of the words of `words` and `as_typed`, in which events and where it
stands; the text itself is in `event` alone. Events are indexed in the order of their commits, some
time after them: a few batches of them whenever nothing is being saved or asked, or, where that
never happens, from `PATIENCE` on one at a time for a share of the time; a gentle index
(`StoreOptions.gentle`) takes one at a time, and a share of the time when it is idle, too.

Nobody is to notice, so: the words of a flood are found by another process (`words_process`); to
insert them takes the writer a millisecond or two, and no step of Python; and nobody waits for that
to be on the disk, since what is lost with the machine's power is found anew.

`state.indexed` says up to which seq, in the transaction of the batch, so that nothing is left out
or indexed twice, whichever process dies or does the same; one at a time does it
(`EventStore.run_alone`), so as not to do it in vain. What is taken out of `event` is taken out here
in the same transaction, by the words that its text still gives.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from typing import Final

from nostr_client.errors import StoreError
from nostr_client.protocol.event import Event
from nostr_client.store import words
from nostr_client.store.contract import ReadSince
from nostr_client.store.sqlite import index_batches, words_process
from nostr_client.store.sqlite.database import Database
from nostr_client.store.sqlite.index_batches import IndexBatch

_log = logging.getLogger(__name__)

QUIET: Final = 0.1
"""Seconds without a save or a question after which the store is idle."""
PATIENCE: Final = 15.0
"""Seconds that the index waits for an idle moment while it is behind."""
BUSY_SHARE: Final = 0.1
"""At most so much of the time goes into the index while others save or ask."""
GENTLE_SHARE: Final = 0.3
"""At most so much of the time goes into a gentle index while nothing else happens."""
FIRST: Final = 4.0
"""Seconds after its opening in which a gentle store indexes nothing."""
_LOOK_EVERY: Final = 1.0
_DELETED_AT_ONCE: Final = 100
FLOOD: Final = 2000
"""Events behind from which another process finds the words."""
_TOGETHER: Final = 4
"""Batches of one transaction while nobody saves or asks: each save waits for it."""
_LOSSES: Final = 3
"""So often that process may fail before it is done without."""
_AFTER_SAVE: Final = 0.01
"""Seconds in which those who wait for a save have heard of it."""


def prepare(db: sqlite3.Connection) -> None:
    """Make the index, empty, if there is none. Within a transaction. Raises StoreError."""
    if _indexed(db) is not None:
        return
    try:
        db.execute("CREATE VIRTUAL TABLE words USING fts5(text, content='', tokenize='ascii')")
    except sqlite3.OperationalError as error:
        raise StoreError(f"search needs SQLite with FTS5, which is not here ({error})") from error
    db.execute("CREATE VIRTUAL TABLE word_terms USING fts5vocab(words, row)")
    # Merging is done in even portions, by us: FTS5's own would now and then take 30 ms and more.
    db.execute("INSERT INTO words (words, rank) VALUES ('automerge', 0), ('crisismerge', 256)")
    db.execute("UPDATE state SET indexed = 0")


def forget(db: sqlite3.Connection, events: Mapping[int, Event]) -> None:
    """Take events out of the index that are being taken out of the store."""
    searched = {seq: event for seq, event in events.items() if words.is_searched(event)}
    indexed = _indexed(db) if searched else None
    if indexed is None:
        return
    rows = list(
        index_batches.texts((seq, event) for seq, event in searched.items() if seq <= indexed)
    )
    for start in range(0, len(rows), _DELETED_AT_ONCE):
        part = rows[start : start + _DELETED_AT_ONCE]
        places = ",".join(["('delete', ?, ?)"] * len(part))
        db.execute(
            f"INSERT INTO words (words, rowid, text) VALUES {places}",
            [value for row in part for value in row],
        )


class Indexer:
    """Keeps the index up with one store. `worked` and `rested`: seconds of its own work in this
    process, and of the pauses that it made for that."""

    def __init__(self, db: Database, read_since: ReadSince, *, gentle: bool = False) -> None:
        self._db = db
        self._read_since = read_since
        self._first = FIRST if gentle else 0.0
        self._share = GENTLE_SHARE if gentle else 1.0
        self._wake = asyncio.Event()
        self._busy_at = 0.0
        self._behind_since: float | None = None
        self._losses = 0
        self._to_rest = 0.0
        self.worked = self.rested = 0.0

    def saved(self) -> None:
        """Something was saved just now."""
        self._busy_at = time.monotonic()
        self._wake.set()

    def asked(self) -> None:
        """Something is being asked."""
        self._busy_at = time.monotonic()

    async def lag(self) -> int:
        """How many of the last commits are not in the index yet."""
        seq, indexed = await self._state()
        return seq - indexed

    async def run(self) -> None:
        """Work until cancelled."""
        failed = ""
        await asyncio.sleep(self._first)
        while True:
            self._wake.clear()
            try:
                await self._catch_up(politely=True)
                failed = ""
            except StoreError as error:
                if str(error) != failed:  # said once: on a full disk, logs only make it worse
                    _log.warning("the search index could not be brought up, try again: %s", error)
                failed = str(error)
                await asyncio.sleep(_LOOK_EVERY)
            try:  # another process may have saved something
                async with asyncio.timeout(_LOOK_EVERY):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def finish(self) -> None:
        """Index all that is stored now, without waiting for an idle moment."""
        await self._catch_up(politely=False)

    async def _catch_up(self, *, politely: bool) -> None:
        while self._db.has_room:
            if politely:
                await self._idle()
            seq, place = await self._state()
            if place >= seq:
                self._behind_since = None
                return
            flood = seq - place >= FLOOD and self._losses < _LOSSES
            found = self._found_elsewhere(place) if flood else self._found_here(place)
            async with contextlib.aclosing(found) as batches:
                await self._take(batches, politely=politely)

    async def _state(self) -> tuple[int, int]:
        """The last commit, and up to which one the index has come."""
        sql = "SELECT seq, coalesce(indexed, 0) FROM state"
        state: tuple[int, int] = await self._db.read(lambda c: c.execute(sql).fetchone())
        return state

    async def _found_here(self, place: int) -> AsyncGenerator[IndexBatch]:
        """The next batches after `place`: a slice of what was stored since."""
        batches = index_batches.batches(await self._read_since(place))
        while True:
            batch, work = await asyncio.to_thread(_timed_next, batches)
            if batch is None:
                return
            self._to_rest += work
            yield batch

    async def _found_elsewhere(self, place: int) -> AsyncGenerator[IndexBatch]:
        """The same, of all that was stored since. Raises StoreError as long as that may be a
        matter of luck."""
        try:
            async with contextlib.aclosing(words_process.batches(self._db.path, place)) as batches:
                async for batch in batches:
                    yield batch
        except StoreError:
            self._losses += 1
            raise
        self._losses = 0

    async def _take(self, batches: AsyncGenerator[IndexBatch], *, politely: bool) -> None:
        """Index them, until there are no more, or another process does the same."""
        while self._db.has_room:
            if politely:
                await self._idle()
            alone = politely and (self._share < 1 or not self._quiet())
            group = [batch async for batch in _first(batches, 1 if alone else _TOGETHER)]
            if not group:
                return
            if politely and not self._quiet():
                await self._gap()
            now, work = await self._db.write(index_batches.insertion(group), durable=False)
            if now != group[-1].after:
                return
            await self._rest(work, politely=politely)

    async def _rest(self, work: float, *, politely: bool) -> None:
        """After so many seconds of work, and what finding the words took here."""
        work += self._to_rest
        self._to_rest = 0.0
        self.worked += work
        if politely:
            share = self._share if self._quiet() else BUSY_SHARE
            pause = work * (1 / share - 1)
            self.rested += pause
            await asyncio.sleep(pause)

    async def _gap(self) -> None:
        """Wait until a save is just over: the next one is then farther away than at any moment."""
        self._wake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(QUIET):
                await self._wake.wait()
                await asyncio.sleep(_AFTER_SAVE)

    def _quiet(self) -> bool:
        return time.monotonic() - self._busy_at >= QUIET

    async def _idle(self) -> None:
        """Wait until nothing has been saved for a moment, as long as there is patience."""
        if self._behind_since is None:
            self._behind_since = time.monotonic()
        patient_until = self._behind_since + PATIENCE
        while True:
            if self._quiet() or time.monotonic() >= patient_until:
                return
            await asyncio.sleep(QUIET)


def _timed_next(batches: Iterator[IndexBatch]) -> tuple[IndexBatch | None, float]:
    """The next batch, and how many seconds of work it was to make."""
    started = time.thread_time()
    batch = next(batches, None)
    return batch, time.thread_time() - started


async def _first(batches: AsyncIterator[IndexBatch], count: int) -> AsyncIterator[IndexBatch]:
    for _ in range(count):
        batch = await anext(batches, None)
        if batch is None:
            return
        yield batch


def _indexed(db: sqlite3.Connection) -> int | None:
    indexed: int | None = db.execute("SELECT indexed FROM state").fetchone()[0]
    return indexed
