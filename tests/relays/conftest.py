"""Relays of ours: as processes (`relay`, of all tests), and in the test's own loop (`serve`)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from relays.config import RelayConfig
from relays.relay import Relay, open_relay
from relays.running import bind, service_urls
from relays.server import Server, listen
from relays.web.pages import Pages


class Served:
    """A relay in this process."""

    def __init__(self, relay: Relay, server: Server, url: str) -> None:
        self.relay = relay
        self.server = server
        self.url = url


Serve = Callable[..., Awaitable[Served]]


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Starts relays: `await serve()`, or with a configuration and a clock."""
    async with AsyncExitStack() as stack:

        async def start(
            config: RelayConfig | None = None, clock: Callable[[], float] = time.time
        ) -> Served:
            config = config or RelayConfig()
            listener = bind("127.0.0.1", 0)
            stack.enter_context(listener)
            url = f"ws://127.0.0.1:{listener.getsockname()[1]}"
            urls = service_urls(url, config.urls)
            relay = await stack.enter_async_context(
                open_relay(tmp_path / "events.db", config, service_urls=urls, clock=clock)
            )
            pages = Pages(config)
            server = await stack.enter_async_context(listen(relay, pages.respond, listener))
            return Served(relay, server, url)

        yield start
