"""An hour of a bad network, in a minute: what any relay held comes, and comes once.

`make soak` runs it longer: SOAK_SECONDS says how long, SOAK_SEED what happens.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from nostr_client.client import NostrClient
from nostr_client.net.subscription import SEEN
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from tests.client.shaky import ShakyRelay
from tests.client.test_client import client
from tests.loopback import loopback_only
from tests.waiting import until

__all__ = ["loopback_only"]

SECONDS: Final = float(os.environ.get("SOAK_SECONDS", "45"))
SEED: Final = int(os.environ.get("SOAK_SEED", "11"))
HOUR: Final = 3600.0
SPEED: Final = HOUR / SECONDS if SECONDS < HOUR else 1.0
"""The client's clock runs so much faster than the loop's."""
RELAYS: Final = 4
A_SECOND: Final = 25
"""Events made in a second of the loop's time."""
LEAST: Final = 60
"""What has to happen for it to be a soak: faults."""
BLOCKS: Final = 60
"""Allocations that one event may cost here: relays, test and client are one process, and the first
two keep it."""
NOTES: Final = Filter.of(kinds=[1])


class Soak:
    """Relays that fail, what they were given, and what came of it."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.relays = [ShakyRelay(seed + n) for n in range(RELAYS)]
        self.began = time.monotonic()
        self.start = time.time()
        self.made: dict[str, int] = {}
        self.came = Counter[str]()
        self.histories = 0
        self.blocks: list[tuple[int, int]] = []
        self.key = SecretKey.generate()

    def clock(self) -> float:
        return self.start + (time.monotonic() - self.began) * SPEED

    @property
    def urls(self) -> list[str]:
        return [relay.url for relay in self.relays]

    async def make(self) -> None:
        """Each event is given to one relay or to several."""
        while True:
            at = int(self.clock())
            event: Event = Draft(1, f"note {len(self.made)}").sign(self.key, at)
            self.made[event.id] = at
            many = self.random.choice((1, 1, 2, RELAYS))
            for relay in self.random.sample(self.relays, many):
                await relay.make(event)
            if len(self.made) % 100 == 0:
                gc.collect()
                self.blocks.append((len(self.made), sys.getallocatedblocks()))
            await asyncio.sleep(1 / A_SECOND)

    async def flap(self) -> None:
        while True:
            await asyncio.sleep(self.random.uniform(0.3, 1.5))
            await self.random.choice(self.relays).flap()

    async def follow(self, c: NostrClient) -> None:
        async for event in c.feed(NOTES, relays=self.urls):
            self.came[event.id] += 1

    async def look_back(self, c: NostrClient) -> None:
        while True:
            await self.read_history(c)

    async def read_history(self, c: NostrClient) -> None:
        """None twice, in order; and all that was made before, where it says that it is complete."""
        before, begin = set(self.made), int(self.start)
        history = c.history(NOTES.changed(since=begin), relays=self.urls, page=50, timeout=10.0)
        last: tuple[int, str] | None = None
        found: set[str] = set()
        async for page in history:
            for event in page:
                assert last is None or event.order > last, "out of order, or twice"
                last = event.order
                found.add(event.id)
        self.histories += 1
        if history.complete:
            assert before <= found, f"{len(before - found)} missing from a complete history"


@pytest.mark.slow
async def test_an_hour_of_a_bad_network_loses_nothing_and_brings_nothing_twice(
    tmp_path: Path,
) -> None:
    loop, trouble = asyncio.get_running_loop(), list[dict[str, Any]]()
    loop.set_debug(True)
    loop.slow_callback_duration = 60.0  # two busy cores are no fault
    loop.set_exception_handler(lambda loop, context: trouble.append(context))
    soak = Soak(SEED)
    async with AsyncExitStack() as stack:
        for relay in soak.relays:
            await relay.be_there()
            stack.push_async_callback(relay.end)
        async with client(tmp_path, None, clock=soak.clock) as c:
            tasks_before = len(asyncio.all_tasks())
            feed = asyncio.create_task(soak.follow(c))
            await until(lambda: all(relay.listened for relay in soak.relays))
            work = [asyncio.create_task(w) for w in (soak.make(), soak.flap(), soak.look_back(c))]
            done, _ = await asyncio.wait(
                [feed, *work], timeout=SECONDS, return_when=asyncio.FIRST_EXCEPTION
            )
            for task in work:
                task.cancel()
            await asyncio.wait(work)
            for task in done:
                task.result()
            for relay in soak.relays:
                relay.calm = True
                await relay.be_there()
            await until(lambda: c.pool.retry_now() or len(soak.came) >= len(soak.made), 120.0, 0.5)
            await soak.read_history(c)
            assert soak.came.keys() == soak.made.keys()
            assert set(soak.came.values()) == {1}
            for subscription in c.pool._subscriptions:
                assert len(subscription._seen) <= SEEN
            feed.cancel()
            await asyncio.wait([feed])
            await until(lambda: not c.pool._subscriptions)
            await until(lambda: len(asyncio.all_tasks()) <= tasks_before + 6 * RELAYS)
    faults = sum(relay.faults for relay in soak.relays)
    assert faults >= LEAST
    assert soak.histories > 1
    assert not trouble
    half = len(soak.blocks) // 2
    (events, blocks), (more_events, more_blocks) = soak.blocks[half], soak.blocks[-1]
    assert more_blocks - blocks <= BLOCKS * (more_events - events) + 20_000
    print(f"{len(soak.made)} events, {faults} faults, {soak.histories} histories read")
