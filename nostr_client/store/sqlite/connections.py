"""Connections to the file of a store: one that writes, and readers, which never do."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Final

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
    "cache_size = -64000",
    "mmap_size = 2147418112",
    "temp_store = MEMORY",
)
_OF_READERS: Final = (*_SETTINGS, "query_only = 1", "cache_size = -16000")


def open_all(path: Path, readers: int, *, read_only: bool) -> list[sqlite3.Connection]:
    """The writer's connection, and so many readers'. The tables are there then.

    `read_only`: the file must be there, and the first one is a reader, too; but a file of an older
    version is brought up to date. Raises StoreError.
    """
    with translated(path), contextlib.ExitStack() as opened:
        found = [opened.enter_context(contextlib.closing(_open_first(path, read_only=read_only)))]
        for _ in range(readers):
            reader = open_reader(path, read_only=read_only)
            found.append(opened.enter_context(contextlib.closing(reader)))
        opened.pop_all()
    return found


def open_reader(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """Raises StoreError, sqlite3.Error."""
    if read_only:
        db = connect_to_read(path, schema.identify, settings=_OF_READERS)
    else:
        db = connect(path, schema.identify, settings=_OF_READERS)
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
    db.text_factory = bytes
    return db


def keep_log(db: sqlite3.Connection, *, short: bool) -> None:
    """From now on let the log grow so far."""
    db.execute(f"PRAGMA wal_autocheckpoint = {_SHORT_LOG if short else _LOG}")


def _open_first(path: Path, *, read_only: bool) -> sqlite3.Connection:
    if not read_only:
        make_file(path)
        return _open_writer(path)
    if not _is_current(path):
        _open_writer(path).close()
    return open_reader(path, read_only=True)


def _is_current(path: Path) -> bool:
    with contextlib.closing(connect_to_read(path, schema.identify)) as db:
        return schema.identify(db) == schema.VERSION


def _open_writer(path: Path) -> sqlite3.Connection:
    db = connect(path, schema.identify, settings=_SETTINGS)
    try:
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
        retry_locked(lambda: schema.prepare(db))
    except BaseException:
        db.close()
        raise
    return db
