"""`keeper.db`, a file of its own beside the events: what was decided, by whom, when, and why.

SQLite on one thread, so that neither the loop nor the store's own writer waits for it: a
transaction's steps go to it one by one, and nobody else's come between them. Any number of
processes may have the file open.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Self, TypeVar

from nostr_client.errors import StoreError, StoreFull
from nostr_client.store.reserve import Reserve
from nostr_client.store.sqlite.opening import (
    connect,
    connect_to_read,
    copy_out,
    make_file,
    retry_locked,
    translated,
)
from relays.moderation import key_file, records
from relays.moderation.records import Area, RecordTables
from relays.moderation.sqlite import schema
from relays.moderation.sqlite.tables import tables_of

S = TypeVar("S")
T = TypeVar("T")

FILE: Final = "keeper.db"
_SETTINGS: Final = ("foreign_keys = 1",)


class SqliteRecords:
    """Opened by `async with SqliteRecords.open(folder) as records`."""

    def __init__(
        self, folder: Path, thread: ThreadPoolExecutor, *, read_only: bool, reserve: Reserve | None
    ) -> None:
        self.path = folder / FILE
        self.read_only = read_only
        self._key = folder / key_file.FILE
        self._reserve = reserve
        self._thread = thread
        self._alone = asyncio.Lock()
        """Held by whoever has a transaction or a snapshot on the one connection."""
        self._db: sqlite3.Connection

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, folder: Path, *, read_only: bool = False, reserve: Reserve | None = None
    ) -> AsyncIterator[Self]:
        """The records in `folder`, which are made if they are missing. Raises StoreError.

        `read_only`: they must be there, and nothing is written. `reserve`: room that is kept back.
        """
        thread = ThreadPoolExecutor(1, thread_name_prefix="keeper")
        self = cls(folder, thread, read_only=read_only, reserve=reserve)
        try:
            async with self._in_time():
                await self._run(self._connect)
            try:
                yield self
            finally:
                async with self._in_time():
                    await self._run(self._db.close)
        finally:
            thread.shutdown(wait=False)

    async def write(self, act: Callable[[RecordTables], Awaitable[T]], *, frees: bool = False) -> T:
        if self.read_only:
            raise StoreError(f"{self.path.name} was opened to be read, and not to be written")
        try:
            return await self._transaction("BEGIN IMMEDIATE", act, "COMMIT")
        except StoreFull:
            if not frees or self._reserve is None:
                raise
            self._reserve.release()
        return await self._transaction("BEGIN IMMEDIATE", act, "COMMIT")

    async def read(self, ask: Callable[[RecordTables], Awaitable[T]]) -> T:
        return await self._transaction("BEGIN", ask, "ROLLBACK")

    async def counters(self) -> Mapping[Area, int]:
        async with self._in_time(), self._alone:
            return await self._run(lambda: retry_locked(lambda: schema.counters(self._db)))

    async def copy_to(self, path: Path) -> None:
        """Copy all, as it is now, into the new file `path`. Raises StoreError."""
        stop = threading.Event()
        async with self._in_time(), self._alone:
            try:
                await self._run(lambda: copy_out(self._db, path, stop))
            finally:
                stop.set()

    async def _transaction(
        self, begin: str, act: Callable[[RecordTables], Awaitable[T]], end: str
    ) -> T:
        over = False

        async def step(work: Callable[[sqlite3.Connection], S]) -> S:
            if over:
                raise StoreError(f"a transaction of {self.path.name} is over")
            return await self._run(lambda: work(self._db))

        async with self._in_time(), self._alone:
            try:
                await self._run(lambda: self._begin(begin))
                result = await act(tables_of(step, self._key))
                await self._run(lambda: self._db.execute(end))
            except BaseException:
                # Nobody waits for it, for the thread may be stuck; what comes next comes behind it.
                self._thread.submit(self._roll_back)
                raise
            finally:
                over = True
        return result

    @contextlib.asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        limit = asyncio.timeout(records.PATIENCE)
        try:
            async with limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            words = f"{self.path.name} did not answer within {records.PATIENCE:g} s"
            raise StoreError(words) from None

    async def _run(self, work: Callable[[], T]) -> T:
        def run() -> T:
            with translated(self.path):
                return work()

        return await asyncio.get_running_loop().run_in_executor(self._thread, run)

    # On the thread

    def _connect(self) -> None:
        if self.read_only:
            db = connect_to_read(self.path, schema.identify, settings=_SETTINGS)
        else:
            make_file(self.path)
            db = connect(self.path, schema.identify, settings=_SETTINGS)
        try:
            if not self.read_only:
                retry_locked(lambda: schema.prepare(db))
        except BaseException:
            db.close()
            raise
        self._db = db

    def _begin(self, begin: str) -> None:
        def run() -> None:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._db.execute(begin)
            # A snapshot begins with what is read first: a lock shows here, and not in a step.
            self._db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()

        retry_locked(run)

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):  # then the next one says so
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")


async def copy_files(folder: Path, target: Path) -> list[str]:
    """Copy what is in `folder` of the records and the key, as it is now, into new files of the
    folder `target`; their names. Raises StoreError."""
    names: list[str] = []
    if (folder / FILE).exists():
        async with SqliteRecords.open(folder, read_only=True) as records:
            await records.copy_to(target / FILE)
        names.append(FILE)
    if await asyncio.to_thread(key_file.copy, folder / key_file.FILE, target):
        names.append(key_file.FILE)
    return names
