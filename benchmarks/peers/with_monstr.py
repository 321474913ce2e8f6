"""What `benchmarks.peers.work` asks, by monstr: its `Client`. It checks no signature by itself, so
that each event is asked `is_valid`, as its documents tell those who want to know."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack
from typing import Any

from monstr.client.client import Client
from monstr.event.event import Event

from benchmarks.peers.work import LIMIT, Found, Stopwatch, Work, lines_of, serve


async def fetch(work: Work) -> Found:
    """Everything that a relay has: verified, in a list."""
    watch = Stopwatch()
    async with Client(work["urls"][0]) as client:
        events = await client.query({"limit": work["limit"]}, timeout=LIMIT)
        valid = [event for event in events if event.is_valid()]
        return watch.found(count=len(valid))


async def publish(work: Work) -> Found:
    """Events sent to every relay, each confirmed by each."""
    events = [Event.load(json.loads(line)) for line in lines_of(work["events"])]
    wanted = len(events) * len(work["urls"])
    taken = 0
    done = asyncio.Event()

    def heard(_client: Client, _id: str, accepted: bool, _words: str) -> None:
        nonlocal taken
        taken += accepted
        if taken == wanted:
            done.set()

    async with AsyncExitStack() as stack:
        clients = [Client(url, on_ok=heard) for url in work["urls"]]
        for client in clients:
            await stack.enter_async_context(client)
            await client.wait_connect()
        watch = Stopwatch()
        for event in events:
            for client in clients:
                client.publish(event)
        await done.wait()
        return watch.found(count=taken)


async def listen(work: Work) -> Found:
    """When each event came, by the clock that all processes share."""
    came: dict[str, float] = {}
    done = asyncio.Event()

    def heard(_client: Client, _sub: str, event: Any) -> None:
        if event.is_valid():
            came[event.id] = time.monotonic()
            if len(came) == work["count"]:
                done.set()

    async with Client(work["urls"][0]) as client:
        await client.wait_connect()
        stored = asyncio.Event()
        client.subscribe(
            handlers=[heard],
            filters={"limit": 0},
            eose_func=lambda *_: stored.set(),
        )
        await stored.wait()
        print("ready", flush=True)
        watch = Stopwatch()
        await done.wait()
        return watch.found(came=came)


if __name__ == "__main__":
    serve({"fetch": fetch, "publish": publish, "listen": listen})
