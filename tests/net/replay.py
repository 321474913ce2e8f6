"""A relay that answers every REQ with the same prepared events, as fast as a socket takes them.

A process of its own: `python -m tests.net.replay EVENTS.jsonl` prints where it listens, and ends
with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import struct
import sys
import threading
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve


def framed(payload: bytes) -> bytes:
    """An unmasked WebSocket text frame."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x81, size) + payload
    if size < 65536:
        return struct.pack("!BBH", 0x81, 126, size) + payload
    return struct.pack("!BBQ", 0x81, 127, size) + payload


async def main(path: Path) -> None:
    lines = path.read_bytes().splitlines()
    ended = asyncio.Event()

    async def handle(socket: ServerConnection) -> None:
        async for text in socket:
            frame: list[Any] = json.loads(text)
            if frame[0] != "REQ":
                continue
            head = b'["EVENT",%b,' % json.dumps(frame[1]).encode()
            for start in range(0, len(lines), 100):
                chunk = b"".join(framed(head + line + b"]") for line in lines[start : start + 100])
                socket.transport.write(chunk)
                await socket.drain()
            await socket.send(json.dumps(["EOSE", frame[1], ["finish"]]))

    async with serve(handle, "127.0.0.1", 0, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        print(f"ws://127.0.0.1:{port}", flush=True)
        loop = asyncio.get_running_loop()

        def wait_for_eof() -> None:
            sys.stdin.buffer.read()
            loop.call_soon_threadsafe(ended.set)

        threading.Thread(target=wait_for_eof, daemon=True).start()
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
