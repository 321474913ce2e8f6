"""The road from socket to reader under load, with the real verifier, on both event loops."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nostr_client.net.pool import RelayPool
from nostr_client.net.subscription import Arrival
from nostr_client.protocol.filters import Filter
from nostr_client.signing.verifier import Verifier
from tests.net.scripted import LIMIT, forged, note

NOTES = Filter.of(kinds=[1])
NUMBER = 3000
EVERY = 100
"""One in so many events is forged."""


@pytest.fixture
def replay(tmp_path: Path) -> Iterator[str]:
    """A relay in a process of its own, with NUMBER events."""
    events = [note(f"note {number}", 1_700_000_000 + number) for number in range(NUMBER)]
    events[::EVERY] = [forged(event) for event in events[::EVERY]]
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join(event.json for event in events))
    with subprocess.Popen(
        [sys.executable, "-m", "tests.net.replay", str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().decode().strip()


async def read(url: str) -> None:
    good = NUMBER - NUMBER // EVERY
    async with (
        asyncio.timeout(LIMIT * 3),
        Verifier() as verifier,
        RelayPool(verifier=verifier) as pool,
    ):
        got = await pool.fetch([NOTES], [url], timeout=LIMIT * 2)
        assert len(got.events) == good
        assert got.ends[url].complete is True
        assert pool.health(url).counters.forged == NUMBER // EVERY
        arrivals = 0
        async with pool.subscribe([NOTES], [url], live=False) as sub:
            async for item in sub:
                arrivals += isinstance(item, Arrival)
        assert arrivals == good


async def test_every_true_event_arrives_and_no_other(replay: str) -> None:
    await read(replay)


def test_the_same_on_uvloop(replay: str) -> None:
    uvloop = pytest.importorskip("uvloop")
    uvloop.run(read(replay))
