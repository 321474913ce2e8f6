"""What waits to be written to one relay, bounded in bytes."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from websockets.exceptions import ConnectionClosed

from nostr_client.net.websocket import CLOSE_LIMIT, SocketClosed, WebSocket, closing_words

WRITE_LIMIT: Final = 20.0
"""Seconds for one write."""
AT_ONCE: Final = 64 * 1024
"""Bytes of frames in one write: thousands of events are not thousands of calls of the system."""
ROOM: Final = 1024 * 1024
"""Bytes from which on publishers wait."""
MOST: Final = 64 * 1024 * 1024
"""Bytes from which on the relay is taken for one that does not read."""


class WriteQueue:
    """Frames in the order in which they are to be sent."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._size = 0
        self._filled = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()

    @property
    def overflows(self) -> bool:
        """Is there more than `MOST` in it?"""
        return self._size > MOST

    @property
    def has_room(self) -> bool:
        return self._has_room.is_set()

    def add(self, frame: bytes) -> None:
        self._frames.append(frame)
        self._size += len(frame)
        self._filled.set()
        if self._size > ROOM:
            self._has_room.clear()

    def clear(self) -> None:
        """Forget what waits: the connection that it was for is gone."""
        self._frames.clear()
        self._size = 0
        self._has_room.set()

    async def room(self) -> None:
        """Wait until most of it is sent; the caller sets the limit."""
        await self._has_room.wait()

    async def write_to(self, socket: WebSocket) -> None:
        """Send for ever. Raises Gone."""
        while True:
            await self._write_all(socket)
            self._has_room.set()
            self._filled.clear()
            if not self._frames:
                await self._filled.wait()

    async def flush_to(self, socket: WebSocket) -> None:
        """Send what still waits, the last CLOSE above all, if the relay takes it at once."""
        try:
            async with asyncio.timeout(CLOSE_LIMIT):
                await self._write_all(socket)
        except (TimeoutError, SocketClosed):
            self.clear()  # it will hear that the socket is closed

    async def _write_all(self, socket: WebSocket) -> None:
        while frames := self._next():
            try:
                async with asyncio.timeout(WRITE_LIMIT):
                    await socket.send_all(frames)
            except TimeoutError:
                raise SocketClosed(f"timeout: nothing written within {WRITE_LIMIT:g} s") from None
            except ConnectionClosed:
                raise SocketClosed(closing_words(socket)) from None

    def _next(self) -> list[bytes]:
        """What is written in one go: `AT_ONCE`, or one frame that is larger."""
        frames: list[bytes] = []
        size = 0
        while self._frames and (not frames or size + len(self._frames[0]) <= AT_ONCE):
            frames.append(self._frames.popleft())
            size += len(frames[-1])
        self._size -= size
        return frames
