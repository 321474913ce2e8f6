"""A relay in all the bad moods of the network, one after the other, by a seed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter, matches_any
from tests.routing.moody import Relay

HALF_A_FRAME = b"\x81\x7e\x10\x00" + b'["EVENT","s1",{"id":"'
"""The beginning of a message of 4 KiB."""
GARBAGE = ("", "[]", "{", '["EVENT"]', '["EVENT","s1",{"id":7}]', '["EOSE"]', '["OK",1]', "\0" * 90)


class ShakyRelay(Relay):
    """Keeps all that it is given, also while it is away. Until it is `calm` it answers late and
    with a part of a page, sends garbage, and closes in the middle of a frame; `flap` kills it,
    and starts it again on the same port."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = Random(seed)
        self.calm = False
        self.page = self._random.choice((15, 40, 90))
        self.faults = 0
        self._known: set[str] = set()

    def has(self, event: Event) -> bool:
        return event.id in self._known

    def keep(self, event: Event) -> bool:
        kept = super().keep(event)
        self._known.add(event.id)
        return kept

    async def make(self, event: Event) -> None:
        """Somebody published it here."""
        self.keep(event)
        for (socket, wire), filters in list(self._listeners.items()):
            if matches_any(filters, event):
                try:
                    await self._disturb(socket)
                    await socket.send(b'["EVENT","%b",%b]' % (wire.encode(), event.json), text=True)
                except ConnectionClosed:
                    continue  # it will ask again

    async def flap(self) -> None:
        """Gone, politely or not, and back after a while."""
        self.faults += 1
        if self._random.random() < 0.5:
            for socket in tuple(self._sockets):
                socket.transport.abort()
        await self.end()
        await asyncio.sleep(self._random.uniform(0.0, 0.6))
        await self.be_there()

    async def be_there(self) -> None:
        """Listen, if it does not; on its port, when nobody else has that."""
        while self._server is None or not self._server.is_serving():
            try:
                await self.__aenter__()
            except OSError:
                await asyncio.sleep(0.1)

    async def _on_req(self, socket: ServerConnection, wire: str, filters: Sequence[Filter]) -> None:
        self.cap = self.page
        if not self.calm and self._random.random() < 0.3:
            self.faults += 1
            self.cap = self.page // 2
        await self._disturb(socket)
        await super()._on_req(socket, wire, filters)

    async def _disturb(self, socket: ServerConnection) -> None:
        if self.calm:
            return
        dice = self._random.random()
        self.faults += dice < 0.12
        if dice < 0.02:
            socket.transport.write(HALF_A_FRAME)
            socket.transport.abort()
        elif dice < 0.06:
            await socket.send(self._random.choice(GARBAGE))
        elif dice < 0.12:
            await asyncio.sleep(self._random.uniform(0.0, 0.15))
