"""A client of few words: frames as JSON, each wait with a limit."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from nostr_client.nips import nip98
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey

LIMIT = 30.0
"""Seconds that a frame may take."""
NOW = 1_700_000_000
KEY = SecretKey(b"\x7f" * 32)
OTHER = SecretKey(b"\x2a" * 32)

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def note(
    content: str = "hello",
    *,
    kind: int = 1,
    tags: tuple[tuple[str, ...], ...] = (),
    at: int = NOW,
    key: SecretKey = KEY,
) -> Event:
    """A signed event."""
    return Draft(kind, content, tags, at).sign(key, at)


class Wire:
    """One connection; `recv` gives decoded frames."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, *parts: Any) -> None:
        await self.socket.send(json.dumps(parts))

    async def raw(self, text: str | bytes) -> None:
        await self.socket.send(text, text=True)

    async def recv(self) -> list[Any]:
        async with asyncio.timeout(LIMIT):
            frame = json.loads(await self.socket.recv())
        assert isinstance(frame, list)
        return frame

    async def publish(self, event: Event) -> list[Any]:
        """Send an event; the frame that answers it."""
        await self.offer(event)
        return await self.recv()

    async def offer(self, event: Event) -> None:
        await self.raw(b'["EVENT",' + event.json + b"]")

    async def req(self, id: str, *filters: dict[str, Any]) -> tuple[list[str], list[Any]]:
        """Ask; the ids that came before EOSE, and the frame that ended it."""
        await self.send("REQ", id, *filters)
        ids: list[str] = []
        while True:
            frame = await self.recv()
            if frame[0] != "EVENT":
                return ids, frame
            assert frame[1] == id
            ids.append(frame[2]["id"])

    async def stored(self, *filters: dict[str, Any]) -> list[str]:
        """The ids of what is stored, newest first."""
        ids, end = await self.req("stored", *filters)
        assert end[:2] == ["EOSE", "stored"], end
        await self.send("CLOSE", "stored")
        return ids

    async def silent(self) -> bool:
        """Does nothing come that was sent before a question asked now is answered?"""
        await self.send("COUNT", "silence?", {"ids": ["00" * 32]})
        return (await self.recv())[:2] == ["COUNT", "silence?"]


@asynccontextmanager
async def wire(url: str, **options: Any) -> AsyncIterator[Wire]:
    """A connection to `url`."""
    async with connect(url, compression=None, open_timeout=LIMIT, **options) as socket:
        yield Wire(socket)


@asynccontextmanager
async def plain(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection of which we see the bytes, with small buffers."""
    host, port = url.removeprefix("ws://").split(":")
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.setblocking(False)
    await asyncio.get_running_loop().sock_connect(small, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=small, limit=1024)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def shaken(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """The same, as a WebSocket."""
    async with plain(url) as (reader, writer):
        writer.write(HANDSHAKE)
        async with asyncio.timeout(LIMIT):
            await reader.readuntil(b"\r\n\r\n")
        yield reader, writer


def burst(*frames: list[Any]) -> bytes:
    """Short messages of a client, as bytes that come at once."""
    texts = [json.dumps(frame).encode() for frame in frames]
    return b"".join(bytes((0x81, 0x80 | len(text))) + b"\0\0\0\0" + text for text in texts)


@asynccontextmanager
async def silent_reader(url: str, *frames: list[Any]) -> AsyncIterator[None]:
    """A client that asks and never reads."""
    async with shaken(url) as (_, writer):
        writer.write(burst(*frames))
        await writer.drain()
        yield


def authorization(url: str, key: SecretKey, at: float, body: bytes) -> str:
    """The header of a POST, signed (NIP-98)."""
    return nip98.authorization(nip98.request(url, "POST", body).sign(key, int(at)))
