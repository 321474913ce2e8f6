"""Send events to a relay at a steady rate: `python -m benchmarks.publishing URL RATE < events`.

A process of its own, so that neither it waits for who reads a screen, nor they for it. Each line is
an event's JSON. It says `sent SECONDS` when the relay has taken them all.
"""

from __future__ import annotations

import asyncio
import sys
import time

import msgspec
from websockets.asyncio.client import connect


async def publish(url: str, events: list[bytes], rate: float) -> float:
    """Send them, so many a second; the seconds until all were taken."""
    async with connect(url, compression=None) as socket, asyncio.TaskGroup() as group:

        async def hear() -> None:
            for _ in events:
                said = msgspec.json.decode(await socket.recv())
                assert said[0] == "OK", said
                assert said[2], said

        group.create_task(hear())
        began = time.perf_counter()
        for number, event in enumerate(events):
            await asyncio.sleep(max(began + number / rate - time.perf_counter(), 0))
            await socket.send(b'["EVENT",' + event + b"]", text=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    took = asyncio.run(
        publish(sys.argv[1], sys.stdin.buffer.read().splitlines(), float(sys.argv[2]))
    )
    print("sent", took)
