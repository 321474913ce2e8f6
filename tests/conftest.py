"""Fixtures that several floors share."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

START_LIMIT = 20.0
"""Seconds that a relay process may take to say where it listens."""


class RelayProcess:
    """A real `python -m relays run` on loopback, ended with its standard input."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, data: Path) -> None:
        self.process = process
        self.url = url
        self.data = data

    @property
    def pid(self) -> int:
        return self.process.pid

    async def kill(self) -> None:
        """End it at once, as a crash does."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await asyncio.wait_for(self.process.wait(), START_LIMIT)


StartRelay = Callable[..., Awaitable[RelayProcess]]


@pytest.fixture
async def start_relay(tmp_path: Path) -> AsyncIterator[StartRelay]:
    """Starts relays: `await start_relay()`, or with a data folder and options of one's own."""
    started: list[RelayProcess] = []

    async def start(*options: str, data: Path | None = None, port: int = 0) -> RelayProcess:
        folder = data or tmp_path / f"relay-{len(started)}"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "relays", "run", "--data", str(folder)),
            *("--port", str(port), "--stop-on-eof", *options),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), START_LIMIT)
        url = line.decode().strip()
        assert url.startswith("ws://"), f"the relay said {line!r}"
        started.append(RelayProcess(process, url, folder))
        return started[-1]

    yield start
    for relay in started:
        await relay.kill()
        transport = getattr(relay.process, "_transport", None)
        if transport is not None:
            transport.close()


@pytest.fixture
async def relay(start_relay: StartRelay) -> RelayProcess:
    """One relay of ours, running."""
    return await start_relay()
