"""What waits for a relay goes out in order, and in few writes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import cast

from nostr_client.net.websocket import WebSocket
from nostr_client.net.write_queue import AT_ONCE, WriteQueue


class Socket:
    """It writes down each write."""

    def __init__(self) -> None:
        self.writes: list[list[bytes]] = []

    async def send_all(self, messages: Iterable[bytes]) -> None:
        self.writes.append(list(messages))


async def test_many_frames_are_few_writes_in_their_order() -> None:
    queue, socket = WriteQueue(), Socket()
    frames = [b"%d " % number + b"x" * 600 for number in range(1000)]
    large = b"y" * (3 * AT_ONCE)
    frames.insert(500, large)
    for frame in frames:
        queue.add(frame)
    async with asyncio.timeout(5):
        await queue.flush_to(cast(WebSocket, socket))
    assert [frame for write in socket.writes for frame in write] == frames
    sizes = [sum(map(len, write)) for write in socket.writes]
    assert [large] in socket.writes
    assert all(size <= AT_ONCE for size in sizes if size != len(large))
    assert len(socket.writes) <= sum(sizes) // AT_ONCE + 3
