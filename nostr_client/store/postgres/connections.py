"""Connections to one database: some that read, one that writes, and what goes wrong in our words.

`asyncpg` does its work on the loop. A read that takes too long, or whose caller has gone, is
cancelled on the server too.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from nostr_client.errors import QueryTimeout, StoreError, StoreFull
from nostr_client.redact import redacted
from nostr_client.store.contract import Priority

try:
    import asyncpg
except ImportError as error:  # an extra
    raise StoreError(
        "a store in PostgreSQL needs the package asyncpg: pip install 'nostr-client[postgres]'"
    ) from error

if TYPE_CHECKING:
    from asyncpg import Connection, Pool

T = TypeVar("T")
Ask = Callable[["Connection"], Awaitable[T]]

READERS: Final = {Priority.NORMAL: 3, Priority.BACKGROUND: 1}
"""Connections that read, of each priority."""
CONNECT_LIMIT: Final = 10.0
"""Seconds for a new connection."""
WRITE_LIMIT: Final = 30.0
"""Seconds that a transaction may take, with the wait for others."""
PREPARE_LIMIT: Final = 3600.0
"""Seconds for tables that become those of a newer version."""
QUEUE_LIMIT: Final = 30.0
"""Seconds that a read waits for its turn."""
_FOR_READING: Final = {
    # Few plans, all by an index that has the order that is wanted: see `filter_sql`.
    **dict.fromkeys(("enable_seqscan", "enable_hashjoin", "enable_mergejoin"), "off"),
    "enable_sort": "off",
    "plan_cache_mode": "force_generic_plan",
    "default_transaction_read_only": "on",
}
_FULL: Final = ("53100", "53200")


class Connections:
    """Opened by `open`."""

    def __init__(self, url: str, pool: Pool, time_limit: float) -> None:
        self._url = url
        self._pool = pool
        self._time_limit = time_limit
        self._lanes = {lane: asyncio.Semaphore(most) for lane, most in READERS.items()}
        self._writing = asyncio.Lock()
        self._writer: Connection | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, url: str, time_limit: float) -> AsyncIterator[Self]:
        """Raises StoreError where the database is not reached. `time_limit`: seconds of a read."""
        with said(url):
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=sum(READERS.values()),
                timeout=CONNECT_LIMIT,
                reset=_as_it_is,
                max_inactive_connection_lifetime=0,
                statement_cache_size=400,
                server_settings=settings(_FOR_READING),
            )
        self = cls(url, pool, time_limit)
        try:
            yield self
        finally:
            if self._writer is not None:
                self._writer.terminate()
            pool.terminate()

    async def prepare(self, act: Ask[T]) -> T:
        """What `act` does on a connection of its own, which then ends. Raises StoreError."""
        db = await self.connect()
        try:
            with said(self._url):
                async with asyncio.timeout(PREPARE_LIMIT):
                    return await act(db)
        except TimeoutError:
            raise StoreError(f"not ready within {PREPARE_LIMIT:.0f} s") from None
        finally:
            db.terminate()

    async def connect(self, session: dict[str, str] | None = None) -> Connection:
        """One's own, to the database that takes what is written. Raises StoreError."""
        given = settings({"lock_timeout": f"{WRITE_LIMIT:.0f}s"} | (session or {}))
        connecting = asyncio.ensure_future(
            asyncpg.connect(
                self._url,
                timeout=CONNECT_LIMIT,
                target_session_attrs="primary",
                server_settings=given,
            )
        )
        with said(self._url):
            try:
                return await asyncio.shield(connecting)
            except asyncio.CancelledError:
                # What is cut off half-way would be left open: its end is waited for.
                await asyncio.wait([connecting], timeout=CONNECT_LIMIT)
                if connecting.done() and connecting.exception() is None:
                    connecting.result().terminate()
                raise

    async def read(
        self,
        ask: Ask[T],
        priority: Priority = Priority.NORMAL,
        time_limit: float | None = None,
    ) -> T:
        """What `ask` finds. Raises StoreError, QueryTimeout."""
        lane = self._lanes[priority]
        try:
            await asyncio.wait_for(lane.acquire(), QUEUE_LIMIT)
        except TimeoutError:
            raise StoreError(f"no turn to read came within {QUEUE_LIMIT:.0f} s") from None
        try:
            with said(self._url):
                async with self._pool.acquire(timeout=CONNECT_LIMIT) as db:
                    return await _within(
                        ask(db), self._time_limit if time_limit is None else time_limit
                    )
        finally:
            lane.release()

    async def write(self, act: Ask[T]) -> T:
        """What `act` comes to, in a transaction of its own: all of it is durable on return, or
        nothing was done. One writes at a time, and in the order in which they ask.

        Raises StoreError: where the connection ended with the transaction, nobody knows whether it
        was done.
        """
        async with self._writing:
            with said(self._url):
                if self._writer is None or self._writer.is_closed():
                    self._writer = await self.connect()
                try:
                    async with asyncio.timeout(WRITE_LIMIT), self._writer.transaction():
                        return await act(self._writer)
                except TimeoutError:
                    raise StoreError(f"not written within {WRITE_LIMIT:.0f} s") from None


def settings(more: dict[str, str]) -> dict[str, str]:
    """Of a session."""
    return {"application_name": "nostr-client", "jit": "off", **more}


@contextlib.contextmanager
def said(url: str) -> Iterator[None]:
    """Turn what goes wrong into our errors, without the password that a URL may have."""
    try:
        yield
    except asyncpg.QueryCanceledError:
        raise QueryTimeout("the question was too broad to be answered in time") from None
    except asyncpg.PostgresError as error:
        kind = StoreFull if error.sqlstate in _FULL else StoreError
        raise kind(f"PostgreSQL: {error}") from None
    except (asyncpg.InterfaceError, OSError) as error:
        what = str(error) or type(error).__name__
        raise StoreError(f"PostgreSQL at {redacted(url)} is not reached: {what}") from None


async def _within(asked: Awaitable[T], seconds: float) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await asked
    except TimeoutError:
        raise QueryTimeout("the question was too broad to be answered in time") from None


async def _as_it_is(_: Any) -> None:
    """Nothing that a reader does changes its session."""
