"""The one place that opens a store: by its path, or a URL that names its engine.

| location | engine |
| --- | --- |
| `memory:` | none: all in this process's memory, new and empty at each opening |
| `postgresql://host/database` | PostgreSQL: the extra `postgres` |
| a path, or `sqlite:///` and a whole one | SQLite, in that file |

A PostgreSQL database may have several hosts, `postgresql://one,two/nostr`: whichever of them is the
primary takes what is written, and without one the others answer what they can. `search_path=` names
the schema that is the store. `replicas=three,four:5433` names standbys that answer questions: each
only when it has replayed the last commit that this node knows of, else the primary does.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from nostr_client.errors import StoreError
from nostr_client.store.contract import ClientStore, EventStore, StoreOptions
from nostr_client.store.memory.store import MemoryStore
from nostr_client.store.sqlite import files
from nostr_client.store.sqlite.store import SqliteStore

_read_url = re.compile("([a-z][a-z0-9+.-]+):(.*)", re.IGNORECASE | re.DOTALL).fullmatch
"""A scheme has two letters at least: one is a drive of Windows."""
MEMORY: Final = "memory:"
_DEFAULT: Final = StoreOptions()


@asynccontextmanager
async def open_store(
    location: str | Path, options: StoreOptions = _DEFAULT
) -> AsyncIterator[EventStore]:
    """The store at `location`, made if it is missing, while the block runs.

    Raises StoreError, also for a URL of no engine; InvalidData for a service URL that is none.
    """
    if location == MEMORY:
        async with MemoryStore.open(options) as store:
            yield store
    elif is_postgres(location):
        with postgres_driver():
            from nostr_client.store.postgres.store import PostgresStore

        async with PostgresStore.open(str(location), options) as store:
            yield store
    else:
        async with SqliteStore.open(_path_of(location), options) as store:
            yield store


@asynccontextmanager
async def open_client_store(
    location: str | Path, options: StoreOptions = _DEFAULT
) -> AsyncIterator[ClientStore]:
    """As `open_store`, of the engines that a client may have. Raises StoreError for others, too."""
    if is_postgres(location):
        raise StoreError("a store in PostgreSQL is a relay's: a client keeps its own in a file")
    async with open_store(location, options) as store:
        if not isinstance(store, ClientStore):
            raise StoreError(f"{location}: this engine keeps no ledger of copies")
        yield store


async def schemas_with_stores(url: str) -> frozenset[str]:
    """Those of the PostgreSQL database at `url` that each hold a store. Raises StoreError."""
    with postgres_driver():
        from nostr_client.store.postgres.catalog import schemas_with

    return await schemas_with(url, "state")


@contextmanager
def postgres_driver() -> Iterator[None]:
    """Around an import of what needs the driver, an extra: StoreError where it is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "asyncpg":
            raise
        raise StoreError(
            "a store in PostgreSQL needs the package asyncpg: pip install 'nostr-client[postgres]'"
        ) from None


def is_postgres(location: str | Path) -> bool:
    """Is it the URL of a PostgreSQL database?"""
    return isinstance(location, str) and location.startswith(("postgresql://", "postgres://"))


def _path_of(location: str | Path) -> Path:
    url = _read_url(location) if isinstance(location, str) else None
    if url is None:
        return Path(location)
    scheme, rest = url.groups()
    if scheme.lower() != "sqlite" or not rest.startswith("///"):
        raise StoreError(
            f"{location}: no store is opened so: a path is one, sqlite:/// and a whole path,"
            f" postgresql://, and {MEMORY}"
        )
    path = unquote(rest[3:])
    return Path(path if os.name == "nt" else f"/{path}")


def leftovers(folder: Path) -> list[str]:
    """Names of files that stores which are gone from `folder` have left there: they would be mixed
    into a new one of its name."""
    return files.leftovers(folder)
