"""A TCP proxy that balances between its targets, and that can be cut: it passes nothing on then,
and whoever is connected hears nothing of that."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

CONNECT_LIMIT: Final = 2.0
_PIECE: Final = 65_536


class Forwarder:
    """Made by `forwarding`. Each connection goes to the next of the targets (ports of loopback)
    that takes it."""

    def __init__(self, targets: Sequence[int]) -> None:
        self._targets = list(targets)
        self._passing = asyncio.Event()
        self._passing.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    def cut(self) -> None:
        """Pass nothing on, in either direction, until `heal`."""
        self._passing.clear()

    def heal(self) -> None:
        """Pass everything on again, also what waited."""
        self._passing.set()

    def drop(self) -> None:
        """End all connections, as what forgot about them does."""
        for task in self._tasks:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._forward(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # one end has gone, and so the other goes
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._passing.wait()
        there, back = await self._connected()
        try:
            pumps = [self._pump(reader, back), self._pump(there, writer)]
            tasks = [asyncio.ensure_future(pump) for pump in pumps]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            back.transport.abort()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for _ in range(len(self._targets)):
            port = self._targets.pop(0)
            self._targets.append(port)
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(CONNECT_LIMIT):
                    return await asyncio.open_connection("127.0.0.1", port)
        raise ConnectionRefusedError("no target takes a connection")

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_PIECE):
            await self._passing.wait()
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def forwarding(*targets: int) -> AsyncIterator[Forwarder]:
    """One in front of these ports of loopback; it listens at `port` until the block ends."""
    forwarder = Forwarder(targets)
    server = await asyncio.start_server(forwarder._serve, "127.0.0.1", 0)
    forwarder.port = server.sockets[0].getsockname()[1]
    try:
        yield forwarder
    finally:
        server.close()
        forwarder.drop()
        while forwarder._tasks:
            await asyncio.wait(forwarder._tasks)
