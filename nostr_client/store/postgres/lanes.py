"""Lanes: a few connections to one server, each used by one at a time, and sound when it is used."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Final

from nostr_client.errors import StoreError

if TYPE_CHECKING:
    from asyncpg import Connection

QUEUE_LIMIT: Final = 30.0
"""Seconds that somebody waits for his turn."""
MEND_LIMIT: Final = 5.0
"""Seconds in which a server says that it has ended what was cancelled."""


class Lane:
    """At most `most` connections, which `connect` opens when they are wanted."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], most: int) -> None:
        self._connect = connect
        self._turns = asyncio.Semaphore(most)
        self._idle: list[Connection] = []
        self._used: set[Connection] = set()
        self._mending: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def busy(self) -> bool:
        """Would whoever comes now have to wait?"""
        return self._turns.locked()

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """One that nobody else uses meanwhile. Whatever the block raises, what it left under way is
        cancelled and undone on the server before another has it.

        Raises StoreError, and what `connect` raises.
        """
        if self._turns.locked():
            try:
                async with asyncio.timeout(QUEUE_LIMIT):
                    await self._turns.acquire()
            except TimeoutError:
                raise StoreError(f"no turn came within {QUEUE_LIMIT:.0f} s") from None
        else:
            await self._turns.acquire()
        try:
            db = await self._sound()
        except BaseException:
            self._turns.release()
            raise
        self._used.add(db)
        try:
            yield db
        except BaseException:
            task = asyncio.get_running_loop().create_task(self._mend(db))
            self._mending.add(task)
            task.add_done_callback(self._mending.discard)
            raise
        self._free(db)

    async def _sound(self) -> Connection:
        while self._idle:
            db = self._idle.pop()
            if not db.is_closed():
                return db
        if self._closed:
            raise StoreError("the store is closed")
        return await self._connect()

    def _free(self, db: Connection) -> None:
        self._used.discard(db)
        if self._closed:
            db.terminate()
        elif not db.is_closed():
            self._idle.append(db)
        self._turns.release()

    async def _mend(self, db: Connection) -> None:
        """asyncpg cancels on the server what it was not let finish, and waits for that first."""
        try:
            if not db.is_closed():
                async with asyncio.timeout(MEND_LIMIT):
                    await db.execute("ROLLBACK")
        except Exception:  # noqa: BLE001 - whatever it is, this connection is not to be used again
            db.terminate()
        finally:
            self._free(db)

    async def close(self) -> None:
        """End them all; whoever still asks gets a StoreError."""
        self._closed = True
        for db in (*self._idle, *self._used):
            db.terminate()
        self._idle.clear()
        if self._mending:
            await asyncio.wait(self._mending, timeout=MEND_LIMIT)
