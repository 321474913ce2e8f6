"""Listening: from a bound socket to connections, and the clean end of all of them."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from relays.engine.relay import Relay
from relays.server.connection import HANDSHAKE_LIMIT, Connection
from relays.server.connections import Gate, RelayServer
from relays.web.http_types import Site


@asynccontextmanager
async def listen(
    relays: Mapping[str, Relay],
    site: Site,
    listener: socket.socket,
    *,
    gate: Gate | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[RelayServer]:
    """Accept connections on the bound socket `listener` while the block runs.

    `relays` by the paths of their URLs; `site` answers plain HTTP.

    On leaving, no further connection is accepted, what was offered is stored and answered, and
    every client is told.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        server = RelayServer(relays, site, gate or Gate(), group)
        ticking = group.create_task(server.tick())
        accepting = await loop.create_server(
            lambda: Connection(server),
            sock=listener,
            backlog=1024,
            ssl=tls,
            ssl_handshake_timeout=HANDSHAKE_LIMIT if tls else None,
        )
        try:
            yield server
        finally:
            accepting.close()
            for connection in list(server.connections):
                connection.pause_reading()
            for relay in set(relays.values()):
                await relay.drained()
            await server.close()
            ticking.cancel()
