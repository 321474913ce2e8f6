"""The one place that opens the keeper's records.

| location | engine |
| --- | --- |
| a folder | SQLite, in the file `keeper.db` there, and the key beside it |
| `postgresql://...` | PostgreSQL, in the schema that `search_path` names: the extra `postgres` |
| `memory:` | this process's memory: new each time, gone with it |
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Final

from nostr_client.errors import StoreError
from nostr_client.paths import FolderLock
from nostr_client.store.opening import is_postgres, postgres_driver
from nostr_client.store.reserve import Reserve
from relays.moderation import key_file
from relays.moderation.memory import MemoryRecords
from relays.moderation.records import Records
from relays.moderation.sqlite.records import FILE, SqliteRecords, copy_files
from relays.moderation.state import ModerationState

RECORDS: Final = FILE
"""The file of a relay's folder that holds them: no store of events."""
RELAY_LOCK: Final = "relay.lock"
MEMORY: Final = "memory:"
LOCK_PATIENCE: Final = 1.0
"""Seconds that a lock may be held by somebody who only looks."""


async def has_records(location: str | Path) -> bool:
    """Were records made there? Raises StoreError."""
    if is_postgres(location):
        with postgres_driver():
            from relays.moderation.postgres.records import has_tables

        return await has_tables(str(location))
    return location != MEMORY and (Path(location) / FILE).exists()


@asynccontextmanager
async def open_records(
    location: str | Path,
    *,
    read_only: bool = False,
    reserve: Reserve | None = None,
    node: Path | None = None,
) -> AsyncIterator[Records]:
    """The keeper's records at `location`, which are made if they are missing.

    `read_only`: they must be there, and nothing is written. `reserve`: room that is kept back for
    what makes room. `node`: of records in a database the folder that is a node's own, where the
    relay's key may lie. Raises StoreError.
    """
    if location == MEMORY:
        yield MemoryRecords()
        return
    if is_postgres(location):
        with postgres_driver():
            from relays.moderation.postgres.records import PostgresRecords

        key = None if node is None else node / key_file.FILE
        async with PostgresRecords.open(str(location), read_only=read_only, key=key) as shared:
            yield shared
        return
    folder = Path(location)
    async with SqliteRecords.open(folder, read_only=read_only, reserve=reserve) as records:
        yield records


def relay_lock(location: str | Path) -> AbstractContextManager[object]:
    """While the block runs, its holder is the one relay that runs on the records at `location`.

    Raises StoreError where another one does; it blocks for `LOCK_PATIENCE`. Ends with its holder,
    however that ends. What is in memory is nobody else's, and on a database run any number.
    """
    if location == MEMORY or is_postgres(location):
        return nullcontext()
    return FolderLock(Path(location) / RELAY_LOCK, LOCK_PATIENCE)


async def copy_records(location: str | Path, folder: Path) -> list[str]:
    """Copy the records at `location` and the relay's key, as they are now, into new files of
    `folder`; their names. Raises StoreError, also where they are in no file."""
    if location == MEMORY or is_postgres(location):
        raise StoreError("the keeper's records are in no file: there is nothing to copy")
    return await copy_files(Path(location), folder)


@asynccontextmanager
async def open_state(
    location: str | Path,
    *,
    service_urls: Collection[str] = (),
    clock: Callable[[], float] = time.time,
    read_only: bool = False,
    reserve: Reserve | None = None,
    node: Path | None = None,
) -> AsyncIterator[ModerationState]:
    """What is decided in them, ready to be asked (see `ModerationState.open`)."""
    async with (
        open_records(location, read_only=read_only, reserve=reserve, node=node) as records,
        ModerationState.open(records, service_urls=service_urls, clock=clock) as state,
    ):
        yield state
