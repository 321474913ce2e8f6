"""`keeper.db`, a file of its own beside the events: what was decided, by whom, when, and why.

SQLite on one thread, so that neither the loop nor the store's own writer waits for it. Durable when
a write returns; any number of processes may have the file open, and each learns of what the others
wrote (`foreign`).
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
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
from relays.moderation import schema

T = TypeVar("T")

FILE: Final = "keeper.db"
PATIENCE: Final = 30.0
"""Seconds after which a caller is told that the file is stuck."""
_SETTINGS: Final = ("foreign_keys = 1",)


class Records:
    """Opened by `async with Records.open(path) as records`."""

    def __init__(
        self, path: Path, thread: ThreadPoolExecutor, *, read_only: bool, reserve: Reserve | None
    ) -> None:
        self.path = path
        self.read_only = read_only
        self._reserve = reserve
        self._thread = thread
        self._db: sqlite3.Connection
        self._data_version = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, path: Path, *, read_only: bool = False, reserve: Reserve | None = None
    ) -> AsyncIterator[Self]:
        """The file `path`, which is made if it is missing. Raises StoreError.

        `read_only`: it must be there, and nothing is written. `reserve`: room that is kept back.
        """
        thread = ThreadPoolExecutor(1, thread_name_prefix="keeper")
        self = cls(path, thread, read_only=read_only, reserve=reserve)
        try:
            await self._run(self._connect)
            try:
                yield self
            finally:
                await self._run(self._db.close)
        finally:
            thread.shutdown(wait=False)

    async def write(self, act: Callable[[sqlite3.Connection], T], *, frees: bool = False) -> T:
        """Run `act` in one transaction, durable when this returns; all of it or nothing.

        `frees`: it comes before something that makes room, and may have what is kept back for that.
        Raises StoreError, and what `act` raises.
        """
        try:
            return await self._run(lambda: self._transaction(act))
        except StoreFull:
            if not frees or self._reserve is None:
                raise
            self._reserve.release()
        return await self._run(lambda: self._transaction(act))

    async def read(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        """Run `ask` on one snapshot. Raises StoreError."""
        return await self._run(lambda: retry_locked(lambda: self._snapshot(ask)))

    async def copy(self, path: Path) -> None:
        """Copy all, as it is now, into the new file `path`. Raises StoreError."""
        await self._run(lambda: copy_out(self._db, path, threading.Event()))

    async def foreign(self) -> bool:
        """Did another process write since this was asked last?"""

        def ask() -> bool:
            version: int = self._db.execute("PRAGMA data_version").fetchone()[0]
            changed = version != self._data_version
            self._data_version = version
            return changed

        return await self._run(ask)

    async def _run(self, work: Callable[[], T]) -> T:
        def run() -> T:
            with translated(self.path):
                return work()

        try:
            async with asyncio.timeout(PATIENCE):
                return await asyncio.get_running_loop().run_in_executor(self._thread, run)
        except TimeoutError:
            raise StoreError(f"{self.path.name} did not answer within {PATIENCE:g} s") from None

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
            self._data_version = db.execute("PRAGMA data_version").fetchone()[0]
        except BaseException:
            db.close()
            raise
        self._db = db

    def _transaction(self, act: Callable[[sqlite3.Connection], T]) -> T:
        if self.read_only:
            raise StoreError(f"{self.path.name} was opened to be read, and not to be written")
        retry_locked(lambda: self._db.execute("BEGIN IMMEDIATE"))
        try:
            result = act(self._db)
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        return result

    def _snapshot(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        self._db.execute("BEGIN")
        try:
            return ask(self._db)
        finally:
            self._db.execute("ROLLBACK")
