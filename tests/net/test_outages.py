"""Which relays are dead: what counts, for how long, and what is left of it on disk."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from nostr_client.net.outages import (
    FIRST,
    FORGOTTEN,
    LONGEST,
    MOST,
    NEARBY,
    RETRIED,
    TOGETHER,
    Outages,
)

DEAD, OTHER, LIVE = "wss://dead.example", "wss://other.example", "wss://live.example"
NAS, LAN = "ws://10.0.0.2", "ws://10.0.0.3"


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def written(outages: Outages) -> None:
    """Let it write what it knows."""
    keeping = asyncio.create_task(outages.keep())
    await asyncio.sleep(0)
    keeping.cancel()
    await asyncio.wait([keeping])


def test_a_failure_counts_only_while_another_relay_is_reached(clock: Clock) -> None:
    outages = Outages(clock=clock)
    outages.failed(DEAD)
    assert not outages.down()  # we may be cut off
    outages.reached(LIVE)
    assert outages.down() == {DEAD}
    outages.failed(OTHER)
    assert outages.down() == {DEAD, OTHER}
    outages.left(LIVE)
    outages.reached(OTHER)
    assert outages.down() == {DEAD}
    assert outages.of(OTHER) is None


def test_failures_long_before_or_after_say_nothing(clock: Clock) -> None:
    outages = Outages(clock=clock)
    outages.failed(DEAD)
    clock.now += TOGETHER + 1
    outages.reached(LIVE)
    outages.left(LIVE)
    assert not outages.down()
    clock.now += TOGETHER + 1
    outages.failed(OTHER)
    assert not outages.down()


def test_a_private_relay_says_nothing_of_public_ones(clock: Clock) -> None:
    outages = Outages(clock=clock)
    outages.reached(NAS)
    outages.failed(DEAD)
    outages.failed(LAN)
    assert outages.down() == {LAN}


def test_the_rest_grows_to_a_bound_and_tries_within_it_do_not_count(clock: Clock) -> None:
    outages = Outages(clock=clock)
    outages.reached(LIVE)
    outages.reached(NAS)
    rests = []
    for _ in range(10):
        for url in (DEAD, DEAD, LAN, LAN):
            outages.failed(url)
        dead, lan = outages.of(DEAD), outages.of(LAN)
        assert dead is not None
        assert lan is not None
        rests.append((dead.until - dead.at, lan.until - lan.at))
        assert dead.since == 1_700_000_000
        clock.now = max(dead.until, lan.until)
    assert rests[:3] == [(FIRST, FIRST), (2 * FIRST, 2 * FIRST), (4 * FIRST, 4 * FIRST)]
    assert rests[-1] == (LONGEST, NEARBY)


def test_those_whose_rest_is_over_come_back_a_few_at_a_time(clock: Clock) -> None:
    outages = Outages(clock=clock)
    outages.reached(LIVE)
    urls = [f"wss://dead{n:02}.example" for n in range(10)]
    for url in urls:
        outages.failed(url)
    assert outages.down() == set(urls)
    clock.now += FIRST
    assert outages.down() == set(urls[RETRIED:])
    for url in urls[:RETRIED]:
        outages.failed(url)
    assert outages.down() == set(urls) - set(urls[RETRIED : 2 * RETRIED])


async def test_processes_share_what_they_know(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "outages.json"
    one, two = Outages(path, clock), Outages(path, clock)
    for outages in (one, two):
        outages.reached(LIVE)
    one.failed(DEAD)
    await written(one)
    assert two.down() == {DEAD}
    two.failed(OTHER)
    await written(two)
    assert one.down() == {DEAD, OTHER}
    one.reached(DEAD)
    await written(one)
    assert two.down() == Outages(path, clock).down() == {OTHER}
    assert path.stat().st_mode & 0o077 == 0


async def test_the_file_is_bounded_and_forgets(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "outages.json"
    outages = Outages(path, clock)
    outages.reached(LIVE)
    outages.failed(DEAD)
    clock.now += 1
    for number in range(MOST):
        outages.failed(f"wss://dead{number}.example")
    await written(outages)
    assert len(json.loads(path.read_bytes())) == MOST
    assert outages.of(DEAD) is None  # the oldest
    clock.now += FORGOTTEN
    assert not Outages(path, clock).down()


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\xff\xfe nonsense",
        b'{"wss://dead.example": 7}',
        b"[" * 5000,
        b'{"wss://dead.example":{"since":1,"at":9999999999,"failures":1,"until":9999999999}}',
        b'{"wss://x.example":{"since":1,"at":1700000000,"failures":-5,"until":9999999999}}',
    ],
)
async def test_a_damaged_file_says_nothing_and_is_written_anew(
    damage: bytes, tmp_path: Path, clock: Clock
) -> None:
    path = tmp_path / "outages.json"
    path.write_bytes(damage)
    outages = Outages(path, clock)
    assert not outages.down()
    outages.reached(LIVE)
    outages.failed(DEAD)
    await written(outages)
    assert Outages(path, clock).down() == {DEAD}


async def test_a_file_that_cannot_be_written_is_no_fault(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "outages.json"
    path.mkdir()
    outages = Outages(path, clock)
    outages.reached(LIVE)
    outages.failed(DEAD)
    await written(outages)
    assert outages.down() == {DEAD}
