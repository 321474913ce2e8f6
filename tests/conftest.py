"""Fixtures that several floors share."""

from __future__ import annotations

import gc
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, cast

import pytest
from hypothesis import HealthCheck, settings

from nostr_client.paths import environment_for_children
from nostr_client.rehearsal.relay_process import RelayProcess
from tests.engines import client_engine, engine
from tests.peer_programs import nostr_tools
from tests.warm import Warm

__all__ = ["client_engine", "engine", "nostr_tools"]

# Here, and not in a room: it holds for the modules that are loaded after it. The first text that
# hypothesis makes on a new machine takes it seconds, and so does anything on a busy one. How many
# examples there are is the profile's affair: few in `make test`, many in `make slow`.
settings.register_profile(
    "steady",
    max_examples=30,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", settings.get_profile("steady"), max_examples=300)
settings.load_profile("steady")

# Started in the background (`nohup`, a job of a script), this process ignores signals, and so would
# every program that the tests start and end by them.
for _number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        _default = signal.default_int_handler if _number is signal.SIGINT else signal.SIG_DFL
        signal.signal(_number, _default)


def pytest_collection_finish() -> None:
    """Leave what thousands of tests were loaded with out of every full round of the collector."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


MEMORY: Final = Path("/dev/shm")
"""Where files lie in memory: a disk that takes milliseconds to be sure of each commit is most of
what hundreds of small databases cost. What survives a `kill -9` survives it there, too."""
ENOUGH: Final = 2 << 30
"""Bytes that must be free there; containers often have 64 MiB, and run no programs from it."""


def _in_memory() -> bool:
    if not MEMORY.is_dir() or not os.access(MEMORY, os.W_OK):
        return False
    room = os.statvfs(MEMORY)
    return room.f_bavail * room.f_frsize >= ENOUGH and not room.f_flag & os.ST_NOEXEC


if sys.platform == "linux" and _in_memory():
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


StartRelay = Callable[..., Awaitable[RelayProcess]]


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """Runs commands that need not load the program first."""
    warm = Warm()
    yield warm
    warm.close()


@asynccontextmanager
async def starting(folder: Path, warm: Warm | None) -> AsyncIterator[StartRelay]:
    """Starts relays that end with the block; without `warm`, as anybody else starts them."""
    started: list[RelayProcess] = []

    async def start(*options: str, data: Path | None = None, port: int = 0) -> RelayProcess:
        data = data or folder / f"relay-{len(started)}"
        if warm is None or sys.platform != "linux":
            relay = await RelayProcess.start(data, *options, port=port)
        else:
            arguments = RelayProcess.arguments(data, *options, port=port)
            process = await warm.start("relays", arguments, environment_for_children())
            relay = await RelayProcess.listening(cast("Process", process), data)
        started.append(relay)
        return relay

    yield start
    for relay in started:
        await relay.kill()


@pytest.fixture
async def start_relay(tmp_path: Path, warm: Warm) -> AsyncIterator[StartRelay]:
    """Starts relays: `await start_relay()`, or with options, a data folder, a port of one's own."""
    async with starting(tmp_path, warm) as start:
        yield start


@pytest.fixture
async def relay(start_relay: StartRelay) -> RelayProcess:
    """One relay of ours, running."""
    return await start_relay()
