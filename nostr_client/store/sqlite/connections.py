"""Connections to the file of a store: one that writes, and readers, which never do."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from nostr_client.store.sqlite import schema
from nostr_client.store.sqlite.opening import (
    connect,
    connect_to_read,
    make_file,
    retry_locked,
    translated,
)

LONGEST_VALUE: Final = 64 * 2**20
"""Bytes of the longest answer in one piece, and of the longest event."""
_LOG: Final = 4000
"""Pages in the log after which it goes into the file ..."""
_SHORT_LOG: Final = 500
"""... and where there is little room on the disk."""
_SETTINGS: Final = (
    "checkpoint_fullfsync = 1",
    f"wal_autocheckpoint = {_LOG}",
    "temp_store = MEMORY",
)


class Caches(NamedTuple):
    """What connections hold of the file in memory: the writer's and each reader's pages, in KiB,
    and what each maps, in bytes, which counts for each of them and grows with the file."""

    writer: int
    reader: int
    mapped: int

    def settings(self, cache: int) -> tuple[str, ...]:
        return (*_SETTINGS, f"cache_size = -{cache}", f"mmap_size = {self.mapped}")

    @property
    def of_writer(self) -> tuple[str, ...]:
        return self.settings(self.writer)

    @property
    def of_reader(self) -> tuple[str, ...]:
        return (*self.settings(self.reader), "query_only = 1")


WIDE: Final = Caches(64_000, 16_000, 2_147_418_112)
MODEST: Final = Caches(8_000, 2_000, 0)


def open_all(
    path: Path, readers: int, *, read_only: bool, caches: Caches = WIDE
) -> list[sqlite3.Connection]:
    """The writer's connection, and so many readers'. The tables are there then.

    `read_only`: the file must be there, and the first one is a reader, too; but a file of an older
    version is brought up to date. Raises StoreError.
    """
    with translated(path), contextlib.ExitStack() as opened:
        found = [opened.enter_context(contextlib.closing(_open_first(path, read_only, caches)))]
        for _ in range(readers):
            reader = open_reader(path, read_only=read_only, caches=caches)
            found.append(opened.enter_context(contextlib.closing(reader)))
        opened.pop_all()
    return found


def open_reader(path: Path, *, read_only: bool, caches: Caches = WIDE) -> sqlite3.Connection:
    """Raises StoreError, sqlite3.Error."""
    if read_only:
        db = connect_to_read(path, schema.identify, settings=caches.of_reader)
    else:
        db = connect(path, schema.identify, settings=caches.of_reader)
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
    db.text_factory = bytes
    return db


def keep_log(db: sqlite3.Connection, *, short: bool) -> None:
    """From now on let the log grow so far."""
    db.execute(f"PRAGMA wal_autocheckpoint = {_SHORT_LOG if short else _LOG}")


@contextlib.contextmanager
def synced(db: sqlite3.Connection, durable: bool) -> Iterator[None]:
    """Whether commits meanwhile are on the disk when they return.

    Those that are not are in the log all the same, in their order, and on the disk with the next
    one that is: so what is lost with the machine's power is the last of them, and no part of one.
    """
    if durable:
        yield
        return
    db.execute("PRAGMA synchronous = NORMAL")
    try:
        yield
    finally:
        db.execute("PRAGMA synchronous = FULL")


def _open_first(path: Path, read_only: bool, caches: Caches) -> sqlite3.Connection:
    if not read_only:
        make_file(path)
        return _open_writer(path, caches)
    if not _is_current(path):
        _open_writer(path, caches).close()
    return open_reader(path, read_only=True, caches=caches)


def _is_current(path: Path) -> bool:
    with contextlib.closing(connect_to_read(path, schema.identify)) as db:
        return schema.identify(db) == schema.VERSION


def _open_writer(path: Path, caches: Caches) -> sqlite3.Connection:
    db = connect(path, schema.identify, settings=caches.of_writer)
    try:
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
        retry_locked(lambda: schema.prepare(db))
    except BaseException:
        db.close()
        raise
    return db
