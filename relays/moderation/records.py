"""`keeper.db`, a file of its own beside the events: what was decided, by whom, when, and why.

SQLite on one thread, so that neither the loop nor the store's own writer waits for it. Durable when
a write returns; any number of processes may have the file open, and each learns of what the others
wrote (`foreign`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Self, TypeVar

from nostr_client.errors import StoreError
from nostr_client.paths import private_folder
from relays.moderation import schema

T = TypeVar("T")

FILE: Final = "keeper.db"
LOCK_LIMIT: Final = 10.0
"""Seconds that one waits for another process's commit."""
PATIENCE: Final = 30.0
"""Seconds after which a caller is told that the file is stuck."""
_SETTINGS: Final = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "fullfsync = 1",
    "foreign_keys = 1",
    "trusted_schema = 0",
)


class Records:
    """Opened by `async with Records.open(path) as records`."""

    def __init__(self, path: Path, thread: ThreadPoolExecutor) -> None:
        self.path = path
        self._thread = thread
        self._db: sqlite3.Connection
        self._data_version = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, path: Path) -> AsyncIterator[Self]:
        """The file `path`, which is made if it is missing. Raises StoreError."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="keeper")
        self = cls(path, thread)
        try:
            await self._run(self._connect)
            try:
                yield self
            finally:
                await self._run(self._db.close)
        finally:
            thread.shutdown(wait=False)

    async def write(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """Run `act` in one transaction, durable when this returns; all of it or nothing.

        Raises StoreError, and what `act` raises.
        """
        return await self._run(lambda: self._transaction(act))

    async def read(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        """Run `ask` on one snapshot. Raises StoreError."""
        return await self._run(lambda: self._snapshot(ask))

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
            with _translated(self.path):
                return work()

        try:
            async with asyncio.timeout(PATIENCE):
                return await asyncio.get_running_loop().run_in_executor(self._thread, run)
        except TimeoutError:
            raise StoreError(f"{self.path.name} did not answer within {PATIENCE:g} s") from None

    # On the thread

    def _connect(self) -> None:
        private_folder(self.path.parent)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        db = sqlite3.connect(
            self.path, timeout=LOCK_LIMIT, isolation_level=None, check_same_thread=False
        )
        try:
            for setting in _SETTINGS:
                db.execute(f"PRAGMA {setting}")
            schema.prepare(db, self.path)
            self._data_version = db.execute("PRAGMA data_version").fetchone()[0]
        except BaseException:
            db.close()
            raise
        self._db = db

    def _transaction(self, act: Callable[[sqlite3.Connection], T]) -> T:
        self._db.execute("BEGIN IMMEDIATE")
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


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        reason = {
            sqlite3.SQLITE_FULL: "the disk is full",
            sqlite3.SQLITE_BUSY: f"another process has kept it locked for {LOCK_LIMIT:g} s",
            sqlite3.SQLITE_NOTADB: "the file is damaged, or no database at all",
        }.get(code, str(error))
        raise StoreError(f"{path}: {reason}") from error
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error
