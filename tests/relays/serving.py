"""A relay of ours in the same process and loop."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from relays.config.relay_config import RelayConfig
from relays.config.sub_relays import SubRelay
from relays.engine.relay import Relay
from relays.networks import Networks
from relays.process.answering import service_urls
from relays.process.assembly import RelayHost, serve
from relays.process.port import bind
from relays.process.stores import stores_of
from relays.server.connections import Gate, RelayServer
from relays.server.listen import listen
from relays.web.proxies import Proxies


class Served:
    """A relay in this process."""

    def __init__(self, relay: Relay, server: RelayServer, url: str, rooms: RelayHost) -> None:
        self.relay = relay
        self.server = server
        self.url = url
        self.rooms = rooms


@asynccontextmanager
async def serving(
    folder: Path,
    config: RelayConfig | None = None,
    clock: Callable[[], float] = time.time,
    send_buffer: int | None = None,
    store: str = "",
) -> AsyncIterator[Served]:
    """A relay over `folder`, or a node of one in the database `store`, which ends with the block.

    `send_buffer`: bytes that the system takes from it for one client; None: what it likes.
    """
    config = config or RelayConfig()
    with bind("127.0.0.1", 0) as listener:
        if send_buffer is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}"

        def urls_of(room: SubRelay) -> frozenset[str]:
            return frozenset(service_urls(url, room.config.urls, room.path))

        async with serve(config, stores_of(folder, store), urls_of, clock=clock) as rooms:
            gate = Gate(Proxies(Networks(config.web.trusted_proxies)), rooms.state.banned_address)
            async with listen(rooms.relays, rooms.site, listener, gate=gate) as server:
                rooms.state.on_change(server.judge_again)
                yield Served(server.relay, server, url, rooms)
