"""The one way in which this program opens SQLite files and copies them, and what their errors mean.

- A file is made for its owner alone, and what is damaged or not ours is left as it is.
- To switch a new file to WAL is answered with "locked" at once while another process does the same,
  whatever time limit SQLite was given: so whoever finds a file locked tries again, for a while.
- Whoever only reads writes nothing: neither tables nor settings, nor a file that is not there.
"""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote

from nostr_client.errors import QueryTimeout, StoreError, StoreFull
from nostr_client.paths import FULL, private_folder, store_error
from nostr_client.store.sqlite.files import create_private, refuse_remains

T = TypeVar("T")

LOCK_LIMIT: Final = 20.0
"""Seconds that one waits for another process's commit."""
OLDEST_SQLITE: Final = (3, 34)
ALWAYS: Final = ("synchronous = FULL", "fullfsync = 1", "trusted_schema = 0")
"""Settings of every connection: a commit is on the disk when it returns."""
_OF_SQLITE: Final = 0.05
"""Seconds that SQLite itself waits for a lock, in steps that grow to 100 ms."""
_PAGES: Final = 256
"""Of 4 kB, in one step of a copy."""
_PAUSE: Final = 0.001
"""Seconds between two steps of a copy."""

Check = Callable[[sqlite3.Connection], object]
"""Raises StoreError for a file that is not to be used."""


def make_file(path: Path) -> None:
    """Make an empty file, and its folder, where there is none. Raises StoreError, OSError.

    StoreError for remains of a file, too: SQLite would take them for an empty one.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        needed = ".".join(map(str, OLDEST_SQLITE))
        raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old: {needed} is needed")
    private_folder(path.parent)
    create_private(path)
    refuse_remains(path)


def connect(path: Path, identify: Check, *, settings: Sequence[str] = ()) -> sqlite3.Connection:
    """Open the file `path`, which `make_file` has made, to read and write it, with a log (WAL).

    `identify` looks at it before anything is written. Who begins a transaction that writes does so
    by `retry_locked`. Raises StoreError, sqlite3.Error.
    """
    db = _opened(str(path), uri=False)
    with _closed_on_failure(db):
        retry_locked(lambda: identify(db))
        # Only a file that is still empty takes this: what `compact` needs for its short steps.
        retry_locked(lambda: db.execute("PRAGMA auto_vacuum = INCREMENTAL"))
        retry_locked(lambda: db.execute("PRAGMA journal_mode = WAL"))
        for setting in (*ALWAYS, *settings):
            db.execute(f"PRAGMA {setting}")
    return db


def connect_to_read(
    path: Path, identify: Check, *, settings: Sequence[str] = ()
) -> sqlite3.Connection:
    """Open the file `path` to read it, beside those who write: also where nothing can be written.

    Raises StoreError, also where there is no file, and sqlite3.Error.
    """
    if not path.exists():
        raise StoreError(f"{path}: there is no such file")
    refuse_remains(path)
    place = f"file:{quote(str(path.absolute()))}?mode=ro"
    try:
        db = _reading(place, identify, settings)
    except sqlite3.OperationalError as error:
        # Nobody has it open, and there is no room for the index of its log: it is made in memory,
        # once the file that it would be in is there, if only in name.
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _NO_INDEX:
            raise
        create_private(path.with_name(f"{path.name}-shm"))
        db = _reading(f"{place}&readonly_shm=1", identify, settings)
    return db


_NO_INDEX: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})


def _reading(place: str, identify: Check, settings: Sequence[str]) -> sqlite3.Connection:
    db = _opened(place, uri=True)
    with _closed_on_failure(db):
        retry_locked(lambda: identify(db))
        for setting in ("query_only = 1", "trusted_schema = 0", *settings):
            db.execute(f"PRAGMA {setting}")
    return db


def _opened(place: str, *, uri: bool) -> sqlite3.Connection:
    return sqlite3.connect(
        place,
        timeout=_OF_SQLITE,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=512,
        uri=uri,
    )


@contextlib.contextmanager
def _closed_on_failure(db: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        db.close()
        raise


def retry_locked(run: Callable[[], T]) -> T:
    """Run, and again while another process holds the lock, for `LOCK_LIMIT` seconds."""
    deadline = time.monotonic() + LOCK_LIMIT
    while True:
        try:
            return run()
        except sqlite3.OperationalError as error:
            if not is_locked(error) or time.monotonic() > deadline:
                raise
        # SQLite's own waiting would starve beside a busy neighbour.
        time.sleep(random.uniform(0.001, 0.01))  # noqa: S311 - no secret


def is_locked(error: sqlite3.OperationalError) -> bool:
    """Does another process hold a lock that it will give back?"""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def copy_out(
    db: sqlite3.Connection,
    path: Path,
    stop: threading.Event,
    *,
    mark: str = "SELECT count(*) FROM sqlite_master",
) -> None:
    """Copy the database, as it is now, into the new file `path`, and read the copy back.

    Others go on reading and writing. The copy is one file, and there only when all is well.
    `mark`: a question that the copy must answer as the original does. `stop`, once set, breaks it
    off. Raises StoreError, also where `path` exists.
    """
    if path.exists():
        raise StoreError(f"{path}: it is there already")
    part = path.with_name(f"{path.name}.part")
    with translated(part):
        part.unlink(missing_ok=True)
        create_private(part)
        try:
            _copy_into(db, part, stop, mark)
            with part.open("r+b") as file:  # Windows flushes only what may be written
                os.fsync(file.fileno())
            part.rename(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def _copy_into(db: sqlite3.Connection, part: Path, stop: threading.Event, mark: str) -> None:
    def progress(_status: int, _left: int, _total: int) -> None:
        if stop.is_set():
            raise StoreError("the copy was broken off")
        time.sleep(_PAUSE)

    with contextlib.closing(sqlite3.connect(part)) as copy:
        db.execute("BEGIN")  # one state, so that nobody who writes makes the copy begin anew
        try:
            marked = db.execute(mark).fetchone()
            db.backup(copy, pages=_PAGES, progress=progress)
        finally:
            db.execute("COMMIT")
        copy.execute("PRAGMA journal_mode = DELETE")  # the one file is all there is
        found = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if found != "ok" or copy.execute(mark).fetchone() != marked:
            raise StoreError(f"{part}: the copy is damaged: {found}")


@contextlib.contextmanager
def translated(path: Path, limit: float = 0) -> Iterator[None]:
    """Turn the errors of SQLite and of the system into ours. `limit`: seconds a query may take."""
    try:
        yield
    except sqlite3.Error as error:
        raise explained(error, path, limit) from error
    except OSError as error:
        raise store_error(str(path), error) from error


def explained(error: sqlite3.Error, path: Path, limit: float = 0) -> StoreError:
    """What SQLite's `error` with the file `path` means, as an error of ours."""
    whole = getattr(error, "sqlite_errorcode", 0)
    code = whole & 0xFF
    if code == sqlite3.SQLITE_INTERRUPT:
        return QueryTimeout(f"the query took more than {limit:g} s: it is too broad")
    if code == sqlite3.SQLITE_FULL or whole == sqlite3.SQLITE_IOERR_SHMSIZE:
        return StoreFull(f"{path}: {FULL}")
    match code:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            reason = f"another process has kept it locked for {LOCK_LIMIT:g} s"
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            reason = f"the file is damaged, or no database at all ({error})"
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            reason = f"the file or its folder cannot be written ({error})"
        case sqlite3.SQLITE_IOERR:
            reason = f"reading or writing failed ({error}); is the disk full?"
        case _:
            reason = str(error)
    return StoreError(f"{path}: {reason}")
