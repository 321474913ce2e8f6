"""Connections to one database: to its primary, which alone takes what is written, and to standbys
that answer questions; and what goes wrong, in our words.

A read that takes too long, or whose caller has gone, is cancelled on the server too; and where
nobody is left to cancel it, it ends there by itself, somewhat later.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, Self, TypeVar

import asyncpg

from nostr_client.errors import QueryTimeout, StoreError, StoreFull
from nostr_client.redact import redacted
from nostr_client.store.contract import Priority
from nostr_client.store.postgres.addresses import Address, Host, address_of
from nostr_client.store.postgres.lanes import Lane

if TYPE_CHECKING:
    from asyncpg import Connection

T = TypeVar("T")
Ask = Callable[["Connection"], Awaitable[T]]

READERS: Final = {Priority.NORMAL: 3, Priority.BACKGROUND: 1}
"""Connections to each server that read, of each priority."""
CONNECT_LIMIT: Final = 5.0
"""Seconds for a new connection to one server."""
WRITE_LIMIT: Final = 30.0
"""Seconds that a transaction may take, with the wait for others."""
HOLD: Final = 10.0
"""Seconds that a node which stands still, or was cut off, may hold up all others: what is written
in turn must come to its end well within `WRITE_LIMIT`."""
PREPARE_LIMIT: Final = 3600.0
"""Seconds for tables that become those of a newer version."""
REST: Final = 1.0
"""Seconds for which a server that was not reached is not asked, where another is there."""
SECOND_LINE: Final = 5.0
"""Seconds after which the server ends what we should have ended."""
LEFT: Final = 1.0
"""Seconds between two looks of a busy server whether we are still there."""
_ALWAYS: Final = {"application_name": "nostr-client", "jit": "off"}
_FOR_READING: Final = {
    # Few plans, all by an index that has the order that is wanted: see `filter_sql`.
    **dict.fromkeys(("enable_seqscan", "enable_hashjoin", "enable_mergejoin"), "off"),
    "enable_sort": "off",
    "plan_cache_mode": "force_generic_plan",
    "default_transaction_read_only": "on",
}
_FOR_WRITING: Final = {
    "lock_timeout": f"{WRITE_LIMIT:.0f}s",
    "idle_in_transaction_session_timeout": f"{HOLD:.0f}s",
}
_FOR_SAYING: Final = _FOR_WRITING | {"synchronous_commit": "off"}
_FULL: Final = ("53100", "53200")
_ELSEWHERE: Final = ("08", "57P0", "53300")
"""SQLSTATEs that begin so: another server may answer, or this one later."""


class ServerUnreachable(StoreError):
    """This server does not answer now; another may."""


class Server:
    """One, or whichever of several, that is asked; `lags`: it may not have seen the last commits
    yet."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], *, lags: bool) -> None:
        self._connect = connect
        self._lags = lags
        self._seq = 0
        """What it has replayed, at least."""
        self._rests_until = 0.0
        self.lanes = {priority: Lane(self._connected, most) for priority, most in READERS.items()}

    async def _connected(self) -> Connection:
        self._seq = 0  # it may be another by now
        return await self._connect()

    @property
    def rests(self) -> bool:
        """Was it not reached just now?"""
        return time.monotonic() < self._rests_until

    def rest(self) -> None:
        """It was not."""
        self._rests_until = time.monotonic() + REST

    async def ask(self, db: Connection, ask: Ask[T], seen: int | None) -> T:
        """Raises ServerUnreachable where it has not seen the commit `seen` yet."""
        if self._lags and seen is not None and self._seq < seen:
            self._seq = int(await db.fetchval("SELECT seq FROM state"))
            if self._seq < seen:
                raise ServerUnreachable("no server that is reached has seen the last commits yet")
        return await ask(db)


class Connections:
    """Opened by `open`."""

    def __init__(self, address: Address, time_limit: float, *, writes: bool) -> None:
        self._address = address
        self._time_limit = time_limit
        self.writes = writes
        """Is the primary wanted? Else whichever server answers is taken for it."""
        self._session = _FOR_READING | {"statement_timeout": _milliseconds(time_limit)}
        self._primary = Server(partial(self._reader, address.hosts, writes), lags=False)
        self._replicas = [
            Server(partial(self._reader, [host], False), lags=True) for host in address.replicas
        ]
        self._standby = Server(partial(self._reader, address.hosts, False), lags=True)
        """Any of the primary's hosts, where it is not reached."""
        self._turn = 0
        self._writer = Lane(partial(self.connect, _FOR_WRITING), 1)
        self._speaker = Lane(partial(self.connect, _FOR_SAYING), 1)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, url: str, time_limit: float, *, writes: bool = True) -> AsyncIterator[Self]:
        """`time_limit`: seconds of a read. Raises StoreError for what is no address."""
        self = cls(address_of(url), time_limit, writes=writes)
        try:
            yield self
        finally:
            servers = (self._primary, self._standby, *self._replicas)
            lanes = [lane for server in servers for lane in server.lanes.values()]
            lanes += [self._writer, self._speaker]
            await asyncio.gather(*(lane.close() for lane in lanes))

    async def prepare(self, act: Ask[T]) -> T:
        """What `act` does on a connection of its own, which then ends. Raises StoreError."""
        db = await self.connect(_FOR_WRITING | {"lock_timeout": "0"})
        try:
            with said(self._address.url):
                async with asyncio.timeout(PREPARE_LIMIT):
                    return await act(db)
        except TimeoutError:
            raise StoreError(f"not ready within {PREPARE_LIMIT:.0f} s") from None
        finally:
            db.terminate()

    async def connect(self, session: dict[str, str] | None = None) -> Connection:
        """One's own, to the database that takes what is written. Raises StoreError."""
        return await self._connect(self._address.hosts, self.writes, session or {})

    async def _reader(self, hosts: Sequence[Host], primary: bool) -> Connection:
        return await self._connect(hosts, primary, self._session)

    async def _connect(
        self, hosts: Sequence[Host], primary: bool, session: dict[str, str]
    ) -> Connection:
        """To the first of `hosts` that will do. Raises StoreError."""
        failed = ServerUnreachable("")
        for name, port in hosts:
            try:
                with said(self._address.url):
                    return await _whole(
                        asyncpg.connect(
                            self._address.url,
                            host=name,
                            port=port,
                            timeout=CONNECT_LIMIT,
                            statement_cache_size=400,
                            target_session_attrs="primary" if primary else "any",
                            server_settings=_ALWAYS | session,
                        )
                    )
            except ServerUnreachable as error:
                failed = error
        raise failed

    async def read(
        self,
        ask: Ask[T],
        priority: Priority = Priority.NORMAL,
        time_limit: float | None = None,
        seen: int | None = None,
    ) -> T:
        """What `ask` finds: at the primary, or, where `seen` is given, at any server that has seen
        that commit. Raises StoreError, QueryTimeout.
        """
        limit = self._time_limit if time_limit is None else time_limit
        if limit > self._time_limit:
            return await self._read_long(ask, limit)
        failed = StoreError("")
        for server in self._servers(priority, seen):
            try:
                with said(self._address.url):
                    async with server.lanes[priority].connection() as db:
                        return await _within(server.ask(db, ask, seen), limit)
            except ServerUnreachable as error:
                server.rest()
                failed = error
        raise failed

    def _servers(self, priority: Priority, seen: int | None) -> list[Server]:
        """Those that may answer, in the order in which they are asked."""
        if seen is None:
            return [self._primary]
        self._turn += 1
        at = self._turn % len(self._replicas) if self._replicas else 0
        replicas = self._replicas[at:] + self._replicas[:at]
        found = [server for server in replicas if not server.lanes[priority].busy]
        found += [self._primary, self._standby]
        return [server for server in found if not server.rests] or found

    async def _read_long(self, ask: Ask[T], limit: float) -> T:
        """What takes longer than a read may has a connection of its own."""
        session = self._session | {"statement_timeout": _milliseconds(limit)}
        db = await self._connect(self._address.hosts, self.writes, session)
        try:
            with said(self._address.url):
                return await _within(ask(db), limit)
        finally:
            db.terminate()

    async def write(self, act: Ask[T]) -> T:
        """What `act` comes to, in a transaction of its own: all of it is durable on return, or
        nothing was done. One writes at a time, and in the order in which they ask.

        Raises StoreError: where the connection ended with the transaction, nobody knows whether it
        was done.
        """
        return await self._transact(self._writer, act)

    async def say(self, act: Ask[T]) -> T:
        """As `write`, of what nobody keeps, and beside it."""
        return await self._transact(self._speaker, act)

    async def _transact(self, lane: Lane, act: Ask[T]) -> T:
        with said(self._address.url):
            async with lane.connection() as db:
                try:
                    async with asyncio.timeout(WRITE_LIMIT):
                        await db.execute("BEGIN")
                        result = await act(db)
                        await db.execute("COMMIT")
                        return result
                except TimeoutError:
                    raise StoreError(f"not written within {WRITE_LIMIT:.0f} s") from None


@contextlib.contextmanager
def said(url: str) -> Iterator[None]:
    """Turn what goes wrong into our errors, without the password that a URL may have."""
    try:
        yield
    except asyncpg.QueryCanceledError:
        raise QueryTimeout("the question was too broad to be answered in time") from None
    except asyncpg.PostgresError as error:
        state = str(error.sqlstate)
        kind: type[StoreError] = StoreError
        if state in _FULL:
            kind = StoreFull
        elif state.startswith(_ELSEWHERE):
            kind = ServerUnreachable
        raise kind(f"PostgreSQL: {error}") from None
    except asyncpg.TargetServerAttributeNotMatched:
        raise ServerUnreachable(
            f"PostgreSQL at {redacted(url)} takes nothing that is to be written: a standby?"
        ) from None
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
        # The second is what it makes of a server's last word that comes between two statements.
        what = str(error) or type(error).__name__
        raise ServerUnreachable(
            f"PostgreSQL at {redacted(url)} is not reached: {redacted(what)}"
        ) from None


async def _whole(connecting: Awaitable[Connection]) -> Connection:
    """The connection, which is closed where nobody waits for it any more: cut off half-way, it
    would be left open."""

    async def connect() -> Connection:
        db = await connecting
        await _end_with_us(db)
        return db

    task = asyncio.ensure_future(connect())
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=2 * CONNECT_LIMIT)
        if task.done() and not task.cancelled() and task.exception() is None:
            task.result().terminate()
        raise


async def _end_with_us(db: Connection) -> None:
    """A server that can tell ends what it does for a client that is not there any more."""
    sql = "SELECT set_config('client_connection_check_interval', $1, false)"
    try:
        async with asyncio.timeout(CONNECT_LIMIT):
            await db.fetchval(sql, f"{LEFT * 1000:.0f}")
    except (asyncpg.InvalidParameterValueError, asyncpg.UndefinedObjectError):
        pass  # it cannot
    except BaseException:
        db.terminate()
        raise


async def _within(asked: Awaitable[T], seconds: float) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await asked
    except TimeoutError:
        raise QueryTimeout("the question was too broad to be answered in time") from None


def _milliseconds(limit: float) -> str:
    return f"{round((limit + SECOND_LINE) * 1000)}"
