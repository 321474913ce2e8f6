"""A relay of ours in the same process and loop."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from relays.config import RelayConfig
from relays.listening import listen
from relays.relay import Relay, open_relay
from relays.running import bind, service_urls
from relays.server import Server
from relays.web.pages import Pages


class Served:
    """A relay in this process."""

    def __init__(self, relay: Relay, server: Server, url: str) -> None:
        self.relay = relay
        self.server = server
        self.url = url


@asynccontextmanager
async def serving(
    folder: Path, config: RelayConfig | None = None, clock: Callable[[], float] = time.time
) -> AsyncIterator[Served]:
    """A relay over `folder`, which ends with the block."""
    config = config or RelayConfig()
    with bind("127.0.0.1", 0) as listener:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}"
        urls = service_urls(url, config.urls)
        async with (
            open_relay(folder / "events.db", config, service_urls=urls, clock=clock) as relay,
            listen({"/": relay}, Pages(config), listener) as server,
        ):
            yield Served(relay, server, url)
