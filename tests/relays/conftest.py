"""Relays of ours: as processes (`relay`, of all tests), and in the test's own loop (`serve`)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from relays.config import RelayConfig
from tests.relays.serving import Served, serving

__all__ = ["Serve", "Served", "serve"]

Serve = Callable[..., Awaitable[Served]]


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Starts relays: `await serve()`, or with what `serving` takes."""
    async with AsyncExitStack() as stack:

        async def start(
            config: RelayConfig | None = None,
            clock: Callable[[], float] = time.time,
            send_buffer: int | None = None,
        ) -> Served:
            return await stack.enter_async_context(serving(tmp_path, config, clock, send_buffer))

        yield start
