"""Plain HTTP and WebSockets on one port, as bytes on a socket."""

from __future__ import annotations

import asyncio

import pytest

from nostr_client.nips.nip11 import MEDIA_TYPE
from relays.web.http1 import MOST_BODY, MOST_HEAD
from tests.relays.conftest import Serve
from tests.relays.talk import LIMIT, plain, wire


async def said(url: str, *pieces: bytes) -> bytes:
    """Everything that the relay says to these bytes, until it closes."""
    async with plain(url) as (reader, writer):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(LIMIT):
            return await reader.read()


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"200"),
        (b"GET / HTTP/1.0\r\n\r\n", b"200"),
        (b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (
            b"GET /nothing HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            b"404",
        ),
        (b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n", b"4"),
        (b"OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\n", b"204"),
        (b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", b"405"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * MOST_HEAD + b"\r\n\r\n", b"431"),
        (b"x" * (MOST_HEAD + 100), b"4"),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n"
            + b"x" * (MOST_BODY + 1),
            b"413",
        ),
    ],
)
async def test_requests(serve: Serve, request_bytes: bytes, status: bytes) -> None:
    served = await serve()
    answer = await said(served.url, request_bytes)
    assert answer.startswith(b"HTTP/1.1 " + status)
    async with wire(served.url) as client:
        assert await client.silent(), "others are served"


async def test_a_request_in_pieces(serve: Serve) -> None:
    served = await serve()
    whole = f"GET / HTTP/1.1\r\nHost: x\r\nAccept: {MEDIA_TYPE}\r\n\r\n".encode()
    answer = await said(served.url, *(bytes((byte,)) for byte in whole))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"200 OK" in head
    assert body.startswith(b"{")
    assert f"content-length: {len(body)}".encode() in head.lower()


async def test_head_has_no_body(serve: Serve) -> None:
    served = await serve()
    answer = await said(served.url, b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"\r\n\r\n")
