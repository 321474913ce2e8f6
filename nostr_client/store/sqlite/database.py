"""SQLite on threads of its own: one that writes, a few that read.

- The writer takes everything that waits and commits it at once (group commit), so that the cost of
  a durable commit is shared. A job that fails is undone alone; the others are run again without it.
- Readers stand at two lines. A query first gets a short time at the quick one; if it needs more it
  starts anew at the slow one, so that one broad query never holds up the many narrow ones.
- What is narrow may be read on the loop itself (`at_once`): to change threads costs more than that.
- Each SQLite step gives Python's lock away and must win it back, which beside a busy event loop
  costs up to a switch interval. So every job takes few steps: batches go in as statements of many
  rows, results come out aggregated. `sys.setswitchinterval` belongs to the process, not to us.
- Two processes may have the same file open. Whoever finds it locked tries again, for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from nostr_client.errors import QueryTimeout, StoreError, StoreFull
from nostr_client.store.contract import Priority
from nostr_client.store.reserve import Reserve
from nostr_client.store.sqlite import connections, schema
from nostr_client.store.sqlite.opening import (
    explained,
    is_locked,
    retry_locked,
    translated,
)

T = TypeVar("T")
_log = logging.getLogger(__name__)

WRITE_LIMIT: Final = 60.0
"""Seconds after which a caller is told that its write is stuck."""
QUICK_LIMIT: Final = 0.1
"""Seconds that a query may take at the quick line."""
GROUP_WEIGHT: Final = 4000
"""About so many rows go into one commit."""
_QUICK_READERS: Final = 2
_STEPS_BETWEEN_CHECKS: Final = 500_000
"""About 10 ms; each check must win Python's lock back."""
_STEPS_AT_ONCE: Final = 2000
"""The same on the loop: some 50 µs."""
_OF_THE_FILE: Final = frozenset(
    {
        *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR),
        *(sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_READONLY),
        *(sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM),
    }
)


class _Work(Generic[T]):
    """Something to do on a thread, and whom to tell. `weight`: rows of a write, which is `durable`
    or may be lost; `limit`: seconds that a read may take."""

    __slots__ = ("durable", "error", "future", "limit", "result", "run", "weight")

    def __init__(
        self,
        run: Callable[[sqlite3.Connection], T],
        future: asyncio.Future[T],
        weight: int,
        limit: float,
        *,
        durable: bool = True,
    ) -> None:
        self.run = run
        self.future = future
        self.weight = weight
        self.durable = durable
        self.limit = limit
        self.result: T | None = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        """On the loop's thread."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)  # type: ignore[arg-type]


_Queue = queue.SimpleQueue[_Work[Any] | None]


class Database:
    """The file `path` and the threads that work on it, from `Database.open` to `close`."""

    def __init__(
        self,
        path: Path,
        time_limit: float,
        *,
        read_only: bool = False,
        reserve: Reserve | None = None,
        caches: connections.Caches = connections.WIDE,
    ) -> None:
        self.path = path
        self.time_limit = time_limit
        self.read_only = read_only
        self.reserve = reserve
        self._caches = caches
        self._scarce = False
        self._loop = asyncio.get_running_loop()
        self._writes: _Queue = queue.SimpleQueue()
        self._quick_reads: _Queue = queue.SimpleQueue()
        self._slow_reads: _Queue = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._here: sqlite3.Connection
        self._here_until = 0.0
        self._closed = False

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        time_limit: float,
        read_only: bool = False,
        reserve: Reserve | None = None,
        caches: connections.Caches = connections.WIDE,
    ) -> Database:
        """Raises StoreError when the file cannot be used.

        `read_only`: it must be there, nothing is written, and `write` raises StoreError; but a file
        of an older version is first brought up to date. `reserve`: the room that is kept back.
        """
        self = cls(path, time_limit, read_only=read_only, reserve=reserve, caches=caches)
        writer, self._here, slow, *quick = await asyncio.to_thread(
            connections.open_all, path, 2 + _QUICK_READERS, read_only=read_only, caches=caches
        )
        self._here.set_progress_handler(lambda: time.monotonic() > self._here_until, _STEPS_AT_ONCE)
        self._start("writer", self._write_loop, writer)
        self._start("slow", self._read_loop, slow, self._slow_reads)
        for connection in quick:
            self._start("quick", self._read_loop, connection, self._quick_reads)
        return self

    def _start(self, name: str, loop: Callable[..., None], *given: object) -> None:
        thread = threading.Thread(target=loop, args=given, name=f"store-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    async def close(self) -> None:
        """Finish what was begun, then close the file."""
        self._closed = True
        self._writes.put(None)
        self._slow_reads.put(None)
        for _ in range(_QUICK_READERS):
            self._quick_reads.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join, WRITE_LIMIT)
            if thread.is_alive():
                _log.warning("%s: the thread %s does not end", self.path, thread.name)
        self._here.close()

    async def write(
        self,
        run: Callable[[sqlite3.Connection], T],
        *,
        weight: int = 1,
        frees: bool = False,
        durable: bool = True,
    ) -> T:
        """Run within a transaction that is durable when this returns. Raises StoreError.

        `frees`: it makes room, and may have the room that is kept back for that. Not `durable`: it
        is as soon as the next one is, and lost if the machine loses its power before.
        """
        if self.read_only:
            raise StoreError(f"{self.path.name} was opened to be read, and not to be written")
        if not frees or self.reserve is None:
            return await self._write(run, weight, durable)
        try:
            return await self._write(run, weight)
        except StoreFull:
            self.reserve.release()
        try:
            return await self._write(run, weight)
        except StoreFull:  # the log has taken it: what is in the log goes into the file
            await self.shorten_log()
        return await self._write(run, weight)

    async def shorten_log(self) -> None:
        """What was written goes from the log into the file, if those who read and write let it."""
        with contextlib.suppress(StoreFull):
            await self.apart(_shorten_log)

    @property
    def has_room(self) -> bool:
        """May more be stored? Not where no room is kept back."""
        return self.reserve is None or self.reserve.is_held

    async def _write(
        self, run: Callable[[sqlite3.Connection], T], weight: int, durable: bool = True
    ) -> T:
        job = self._submit(self._writes, run, weight=weight, durable=durable)
        try:
            async with asyncio.timeout(WRITE_LIMIT):
                return await job.future
        except TimeoutError:
            raise StoreError(
                f"{self.path.name}: a write took more than {WRITE_LIMIT:g} s"
            ) from None

    async def read(
        self,
        run: Callable[[sqlite3.Connection], T],
        priority: Priority = Priority.NORMAL,
        time_limit: float | None = None,
    ) -> T:
        """Run on a reader, for `time_limit` seconds of work at most (None: the store's own).

        Raises StoreError, or QueryTimeout when that is over, or the wait too long.
        """
        limit = self.time_limit if time_limit is None else min(time_limit, self.time_limit)
        try:
            async with asyncio.timeout(2 * self.time_limit):
                if priority is Priority.NORMAL:
                    quick = min(limit, QUICK_LIMIT)
                    try:
                        return await self._submit(self._quick_reads, run, limit=quick).future
                    except QueryTimeout:
                        if quick == limit:
                            raise
                return await self._submit(self._slow_reads, run, limit=limit).future
        except TimeoutError:
            raise QueryTimeout("the store is busy with other broad queries") from None

    def at_once(self, run: Callable[[sqlite3.Connection], T], seconds: float) -> T:
        """Run here and now, on the loop, for so long at most. Raises StoreError, QueryTimeout."""
        if self._closed:
            raise StoreError(f"{self.path.name}: the store is closed")
        self._here_until = time.monotonic() + seconds
        try:
            return run(self._here)
        except sqlite3.Error as error:
            raise explained(error, self.path, seconds) from error

    def _submit(
        self,
        line: _Queue,
        run: Callable[[sqlite3.Connection], T],
        *,
        weight: int = 1,
        limit: float = 0.0,
        durable: bool = True,
    ) -> _Work[T]:
        if self._closed:
            raise StoreError(f"{self.path.name}: the store is closed")
        job = _Work(run, self._loop.create_future(), weight, limit, durable=durable)
        line.put(job)
        return job

    def _settle(self, jobs: list[_Work[Any]]) -> None:
        def settle() -> None:
            for job in jobs:
                job.settle()

        with contextlib.suppress(RuntimeError):  # the loop is gone: nobody is waiting
            self._loop.call_soon_threadsafe(settle)

    async def apart(self, run: Callable[[sqlite3.Connection], T]) -> T:
        """Read on a connection of its own, without a time limit: for what is known to take long."""

        def work() -> T:
            with (
                translated(self.path),
                contextlib.closing(
                    connections.open_reader(
                        self.path, read_only=self.read_only, caches=self._caches
                    )
                ) as db,
            ):
                return _patiently(run, db)

        return await asyncio.to_thread(work)

    # The writer

    def _write_loop(self, db: sqlite3.Connection) -> None:
        try:
            while (job := self._writes.get()) is not None:
                self._mind_room(db)
                group, last = self._group(job)
                left = list(group)
                with connections.synced(db, any(job.durable for job in group)):
                    while left and (failed := self._commit(db, left)) is not None:
                        left.remove(failed)
                self._settle(group)
                if last:
                    break
        finally:
            db.close()

    def _mind_room(self, db: sqlite3.Connection) -> None:
        """Where there is little room, empty the log early: else it could hold more than the room
        that is kept back can take into the file, and nothing would make room any more."""
        if self.reserve is None:
            return
        scarce = self.reserve.is_scarce
        if scarce != self._scarce:
            self._scarce = scarce
            connections.keep_log(db, short=scarce)

    def _group(self, first: _Work[Any]) -> tuple[list[_Work[Any]], bool]:
        group, weight = [first], first.weight
        while weight < GROUP_WEIGHT:
            try:
                job = self._writes.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return group, True
            group.append(job)
            weight += job.weight
        return group, False

    def _commit(self, db: sqlite3.Connection, group: list[_Work[Any]]) -> _Work[Any] | None:
        """Run all and commit. The job that failed by its own fault, if any: then none is done."""
        running: _Work[Any] | None = None
        try:
            with translated(self.path):
                retry_locked(lambda: db.execute("BEGIN IMMEDIATE"))
                try:
                    schema.confirm(db)
                    for running in group:
                        running.result = running.run(db)
                    running = None
                    db.execute("COMMIT")
                finally:
                    if db.in_transaction:
                        db.execute("ROLLBACK")
        except BaseException as error:  # noqa: BLE001 - it is handed to whoever waits
            if running is not None and not _concerns_all(error):
                running.error = error
                return running
            for job in group:
                job.error = error
        return None

    # The readers

    def _read_loop(self, db: sqlite3.Connection, line: _Queue) -> None:
        deadline = 0.0
        db.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS_BETWEEN_CHECKS)
        try:
            while (job := line.get()) is not None:
                if job.future.cancelled():
                    continue
                deadline = time.monotonic() + job.limit
                try:
                    with translated(self.path, job.limit):
                        job.result = _patiently(job.run, db)
                except BaseException as error:  # noqa: BLE001 - it is handed to whoever waits
                    job.error = error
                self._settle([job])
        finally:
            db.close()


def _shorten_log(c: sqlite3.Connection) -> None:
    c.execute("PRAGMA busy_timeout = 2000")
    c.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def _patiently(run: Callable[[sqlite3.Connection], T], db: sqlite3.Connection) -> T:
    """Read, and again while the file is locked: as where another process mends the log of one that
    was killed in a commit."""
    try:
        return run(db)
    except sqlite3.OperationalError as error:
        if not is_locked(error):
            raise
        return retry_locked(lambda: run(db))


def _concerns_all(error: BaseException) -> bool:
    """Is it the file that failed, and not what was asked of it?"""
    cause = error.__cause__
    if not isinstance(cause, sqlite3.Error):
        return False
    return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _OF_THE_FILE
