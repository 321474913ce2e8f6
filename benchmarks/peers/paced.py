"""Send events to a relay at a steady pace: `python -m benchmarks.peers.paced URL RATE < events`.

A process of its own, so that it waits for nobody who listens. It prints when each event was sent,
by the clock that all processes share and by its id, once the relay has taken them all.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from websockets.asyncio.client import connect


async def send(url: str, events: list[bytes], rate: float) -> dict[str, float]:
    sent: dict[str, float] = {}
    ids = [json.loads(event)["id"] for event in events]
    async with connect(url, compression=None) as socket, asyncio.TaskGroup() as group:

        async def hear() -> None:
            for _ in events:
                said = json.loads(await socket.recv())
                assert said[0] == "OK", said
                assert said[2], said

        group.create_task(hear())
        began = time.monotonic()
        for number, event in enumerate(events):
            await asyncio.sleep(max(began + number / rate - time.monotonic(), 0))
            sent[ids[number]] = time.monotonic()
            await socket.send(b'["EVENT",' + event + b"]", text=True)
    return sent


if __name__ == "__main__":
    lines = sys.stdin.buffer.read().splitlines()
    print(json.dumps(asyncio.run(send(sys.argv[1], lines, float(sys.argv[2])))))
