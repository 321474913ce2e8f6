# ruff: noqa: S608 - SQL is made of constants; values are always bound
"""The index that searches are answered from, and how it keeps up.

SQLite's FTS5 keeps, for each of the words of `words` and `as_typed`, in which events and where it
stands; the text itself is in `event` alone. Events are indexed in the order of their commits, some
time after them: a batch of them whenever nothing is being saved or asked, or, where that never
happens, from `PATIENCE` on for a share of the time; a gentle index (`StoreOptions.gentle`) takes
smaller batches, and a share of the time when it is idle, too. `state.indexed` says up to which seq,
in the transaction of the batch, so that nothing is left out or indexed twice, whichever process
dies or does the same. What is taken out of `event` is taken out here in the same transaction, by
the words that its text still gives.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from nostr_client.errors import StoreError
from nostr_client.protocol.event import Event
from nostr_client.store import as_typed, words
from nostr_client.store.contract import ReadSince, Stored
from nostr_client.store.sqlite.database import Database

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
_AT_ONCE: Final = 100
_WORDS_AT_ONCE: Final = 4000
"""Of one transaction: a few milliseconds."""
_MERGED_AT_ONCE: Final = 32
"""Pages: more than a batch adds on all levels together, so that no level grows for ever."""
_AFTER_SAVE: Final = 0.01
"""Seconds in which those who wait for a save have heard of it."""
_BUSY_PART: Final = 4
"""While others save or ask, a transaction has this part of all that: each save waits for it."""
_Rows = list[tuple[int, str]]
_Batch = tuple[int, _Rows]


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
    rows = list(_rows((seq, event) for seq, event in searched.items() if seq <= indexed))
    for start in range(0, len(rows), _AT_ONCE):
        part = rows[start : start + _AT_ONCE]
        places = ",".join(["('delete', ?, ?)"] * len(part))
        db.execute(
            f"INSERT INTO words (words, rowid, text) VALUES {places}",
            [value for row in part for value in row],
        )


class Indexer:
    """Keeps the index up with one store."""

    def __init__(self, db: Database, read_since: ReadSince, *, gentle: bool = False) -> None:
        self._db = db
        self._read_since = read_since
        self._first = FIRST if gentle else 0.0
        self._share = GENTLE_SHARE if gentle else 1.0
        self._wake = asyncio.Event()
        self._busy_at = 0.0
        self._behind_since: float | None = None

    def saved(self) -> None:
        """Something was saved just now."""
        self._busy_at = time.monotonic()
        self._wake.set()

    def asked(self) -> None:
        """Something is being asked."""
        self._busy_at = time.monotonic()

    async def lag(self) -> int:
        """How many of the last commits are not in the index yet."""
        sql = "SELECT seq - coalesce(indexed, 0) FROM state"
        behind: int = await self._db.read(lambda c: c.execute(sql).fetchone()[0])
        return behind

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
        place = await self._place()
        while self._db.has_room:
            if politely:
                await self._idle()
            stored = await self._read_since(place)
            if stored.after <= place:
                self._behind_since = None
                return
            place = await self._index(stored, politely=politely)

    async def _place(self) -> int:
        place: int = await self._db.read(
            lambda c: c.execute("SELECT indexed FROM state").fetchone()[0]
        )
        return place

    async def _index(self, stored: Stored, *, politely: bool) -> int:
        """Index a part of the order of commits; up to where the index has come then."""
        place = stored.before
        gentle = self._share < 1
        part = 1 if not politely or (self._quiet() and not gentle) else _BUSY_PART
        batches = _batches(stored, part)
        while True:
            if politely:
                await self._idle()
            batch, reading = await asyncio.to_thread(_timed_next, batches)
            if batch is None:
                break
            after, rows = batch
            if part > 1 and not self._quiet():
                await self._gap()
            now, writing = await self._db.write(_insertion(place, after, rows, part))
            if now != after:
                return now  # another process does the same
            place = after
            if politely:
                share = self._share if self._quiet() else BUSY_SHARE
                await asyncio.sleep((reading + writing) * (1 / share - 1))
        return place

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


def _timed_next(batches: Iterator[_Batch]) -> tuple[_Batch | None, float]:
    """The next batch, and how many seconds of work it was to make."""
    started = time.thread_time()
    batch = next(batches, None)
    return batch, time.thread_time() - started


def _batches(stored: Stored, part: int) -> Iterator[_Batch]:
    """What goes into one transaction each: up to which seq, and the rows."""
    rows: _Rows = []
    size, place = 0, stored.before
    for seq, event in stored.events:
        for row in _rows([(seq, event)]):
            rows.append(row)
            size += row[1].count(" ") + 1
        if len(rows) >= _AT_ONCE // part or size >= _WORDS_AT_ONCE // part:
            yield seq, rows
            rows, size, place = [], 0, seq
    if place < stored.after:
        yield stored.after, rows


def _rows(
    events: Iterator[tuple[int, Event]] | Sequence[tuple[int, Event]],
) -> Iterator[tuple[int, str]]:
    for seq, event in events:
        if found := as_typed.entries_of(event):
            yield seq, " ".join(found)


def _insertion(
    before: int, after: int, rows: _Rows, part: int
) -> Callable[[sqlite3.Connection], tuple[int, float]]:
    """A job that indexes these, unless somebody else went on from `before`.

    It says up to where the index has come then, and how many seconds that took.
    """

    def run(db: sqlite3.Connection) -> tuple[int, float]:
        started = time.monotonic()
        indexed = _indexed(db)
        if indexed is None or indexed != before:
            return indexed or 0, 0
        listed = json.dumps([seq for seq, _ in rows])
        sql = "SELECT seq FROM event WHERE seq IN (SELECT value FROM json_each(?))"
        held = {row[0] for row in db.execute(sql, (listed,))}
        there = [row for row in rows if row[0] in held]
        if there:
            places = ",".join(["(?, ?)"] * len(there))
            db.execute(
                f"INSERT INTO words (rowid, text) VALUES {places}",
                [value for row in there for value in row],
            )
            db.execute(
                "INSERT INTO words (words, rank) VALUES ('merge', ?)", (_MERGED_AT_ONCE // part,)
            )
        db.execute("UPDATE state SET indexed = ?", (after,))
        return after, time.monotonic() - started

    return run


def _indexed(db: sqlite3.Connection) -> int | None:
    indexed: int | None = db.execute("SELECT indexed FROM state").fetchone()[0]
    return indexed
