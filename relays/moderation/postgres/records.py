"""The keeper's records in one PostgreSQL database: what one node decides, all of them go by.

They have connections of their own, so that a ban waits neither for questions nor for events.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from nostr_client.errors import StoreError
from nostr_client.protocol.keys import SecretKey
from nostr_client.store.postgres.connections import Connections
from relays.moderation import records
from relays.moderation.postgres import schema
from relays.moderation.postgres.tables import DatabaseKey, put_key, tables_of
from relays.moderation.records import Area, RecordTables

if TYPE_CHECKING:
    from asyncpg import Connection

S = TypeVar("S")
T = TypeVar("T")


class PostgresRecords:
    """Opened by `async with PostgresRecords.open(url) as records`."""

    def __init__(self, connections: Connections, *, read_only: bool, key: Path | None) -> None:
        self.read_only = read_only
        self._db = connections
        self._key = key

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, url: str, *, read_only: bool = False, key: Path | None = None
    ) -> AsyncIterator[Self]:
        """The records in the schema that `url` names, which are made if they are missing.

        `read_only`: they must be there, and nothing is written. `key`: the file in which a node
        may have the relay's key. Raises StoreError.
        """
        async with Connections.open(url, records.PATIENCE) as connections:
            if not read_only:
                await connections.prepare(schema.TABLES.prepare)
            elif await connections.read(schema.TABLES.found) != schema.TABLES.newest:
                raise StoreError("the database has no keeper's records of this version")
            yield cls(connections, read_only=read_only, key=key)

    async def write(self, act: Callable[[RecordTables], Awaitable[T]], *, frees: bool = False) -> T:
        if self.read_only:
            raise StoreError("the keeper's records were opened to be read, and not to be written")

        async def run(db: Connection) -> T:
            await db.execute(schema.LOCK)
            return await self._within(db, act)

        async with _in_time():
            return await self._db.write(run)

    async def read(self, ask: Callable[[RecordTables], Awaitable[T]]) -> T:
        async def run(db: Connection) -> T:
            async with db.transaction(isolation="repeatable_read", readonly=True):
                return await self._within(db, ask)

        async with _in_time():
            return await self._db.read(run)

    async def counters(self) -> Mapping[Area, int]:
        async with _in_time():
            return await self._db.read(schema.counters)

    async def _within(self, db: Connection, act: Callable[[RecordTables], Awaitable[T]]) -> T:
        """What `act` comes to in the transaction on `db`."""
        over = False

        async def step(work: Callable[[Connection], Awaitable[S]]) -> S:
            if over:
                raise StoreError("a transaction of the keeper's records is over")
            return await work(db)

        try:
            return await act(tables_of(step, DatabaseKey(step, self._key, self._put_key)))
        finally:
            over = True

    async def _put_key(self, key: SecretKey) -> None:
        await self._db.prepare(lambda db: put_key(db, key))


async def has_tables(url: str) -> bool:
    """Were records made in the schema that `url` names? Raises StoreError."""
    async with Connections.open(url, records.PATIENCE) as connections:
        return await connections.read(schema.TABLES.found) > 0


@contextlib.asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    limit = asyncio.timeout(records.PATIENCE)
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        words = f"the keeper's records did not answer within {records.PATIENCE:g} s"
        raise StoreError(words) from None
