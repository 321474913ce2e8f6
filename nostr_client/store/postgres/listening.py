"""Hearing that another node has stored something: one connection that listens, and a look now and
then, since what is said may be lost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from nostr_client.errors import StoreError
from nostr_client.store.postgres.connections import Connections, said

if TYPE_CHECKING:
    from asyncpg import Connection

_log = logging.getLogger(__name__)

LOOK: Final = 0.5
"""Seconds between two looks, so long as nothing is heard."""
LISTEN_LIMIT: Final = 5.0
"""Seconds in which the database says that it listens."""


class StoreNotifications:
    """What is said on some channels, and who is told of it on each."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._told: dict[str, Callable[[str], None]] = {}
        self._heard = asyncio.Event()

    def tell(self, channel: str, hear: Callable[[str], None]) -> None:
        """Call `hear` with what is said on `channel`, once `run` runs."""
        self._told[channel] = hear

    def poke(self) -> None:
        """Look now."""
        self._heard.set()

    async def run(self, look: Callable[[], Awaitable[None]]) -> None:
        """Call `look` whenever something was heard, and every `LOOK` seconds."""
        failed = ""
        listener: Connection | None = None
        try:
            while True:
                try:
                    if self._connections.writes and (listener is None or listener.is_closed()):
                        listener = await self._listen()
                    await look()
                    failed = ""
                except StoreError as error:  # whoever saves or asks has an error of his own
                    if str(error) != failed:
                        _log.warning("what other nodes store is not heard: %s", error)
                    failed = str(error)
                    await asyncio.sleep(LOOK)
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK):
                        await self._heard.wait()
                self._heard.clear()
        finally:
            if listener is not None:
                listener.terminate()

    async def _listen(self) -> Connection:
        listener = await self._connections.connect()
        try:
            with said("postgresql:"):
                async with asyncio.timeout(LISTEN_LIMIT):
                    for channel in self._told:
                        await listener.add_listener(channel, self._hear)
        except BaseException:
            listener.terminate()
            raise
        return listener

    def _hear(self, _: Any, pid: int, channel: str, said: str) -> None:
        self._told[channel](said)
