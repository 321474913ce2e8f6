"""What one node at a time may do: whoever holds an advisory lock, on a connection of its own.

The lock ends with the connection, however that ends; and whoever cannot say any more that he holds
it has stopped before the database gives it to another.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from nostr_client.errors import StoreError
from nostr_client.store.postgres.connections import Connections, said

if TYPE_CHECKING:
    from asyncpg import Connection

_log = logging.getLogger(__name__)

HEARTBEAT: Final = 1.0
"""Seconds between two looks at whether the lock is still held."""
SILENCE: Final = 4.0
"""Seconds without an answer after which it counts as lost; the database waits longer (`_SESSION`).
"""
AGAIN: Final = 1.0
"""Seconds until it is tried again where the database was not reached."""
_SESSION: Final = {
    # Of a node that was cut off, or stands still, nothing is heard for so long: then another takes
    # its duties. TCP's own probes would not do: what is in between may answer them.
    "idle_session_timeout": "10s",
    "lock_timeout": "0",
}
_LOCK: Final = (
    "SELECT pg_try_advisory_lock(1852797812, hashtext(current_setting('search_path') || $1))"
)


async def run_alone(
    connections: Connections, name: str, work: Callable[[], Awaitable[None]]
) -> None:
    """See `EventStore.run_alone`."""
    failed = ""
    while True:
        try:
            db = await connections.connect(_SESSION)
            try:
                while not await _ask(db, _LOCK, name):  # noqa: ASYNC110 - no lock tells of its end
                    await asyncio.sleep(HEARTBEAT)
                if await _while_held(db, work):
                    return
            finally:
                db.terminate()
            failed = ""
        except StoreError as error:
            if str(error) != failed:
                _log.warning("this node has no part in %s now: %s", name, error)
            failed = str(error)
            await asyncio.sleep(AGAIN)


async def _while_held(db: Connection, work: Callable[[], Awaitable[None]]) -> bool:
    """Do the work as long as the connection stands; was it done to its end? It raises what the work
    raises."""
    working = asyncio.ensure_future(work())
    try:
        while not working.done():
            await asyncio.wait([working], timeout=HEARTBEAT)
            if not working.done():
                try:
                    await _ask(db, "SELECT $1::text", "")
                except StoreError:
                    return False
        await working
        return True
    finally:
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(working, return_exceptions=True)


async def _ask(db: Connection, sql: str, value: str) -> object:
    try:
        with said("postgresql:"):
            async with asyncio.timeout(SILENCE):
                return await db.fetchval(sql, value)
    except TimeoutError:
        raise StoreError("the database does not answer") from None
