"""permessage-deflate (RFC 7692): agreed on, worth its while, and bounded."""

from __future__ import annotations

import asyncio
import json
import random
import zlib
from contextlib import AsyncExitStack

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    PerMessageDeflate,
)
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from relays.config.relay_config import RelayConfig
from relays.config.sections import KIB, Limits
from relays.engine.frames import event_frames, event_head, ok_frame, text_frame
from relays.server.deflate import WORTHWHILE, deflate
from tests.relays.conftest import Serve
from tests.relays.talk import HANDSHAKE, LIMIT, NOW, Wire, note, plain

ON = RelayConfig(limits=Limits(compression=True, message_bytes=64 * KIB))


def messages_in(frames: bytes, using: PerMessageDeflate) -> list[bytes]:
    """What a client reads of them."""
    reader = StreamReader()
    reader.feed_data(frames)
    reader.feed_eof()
    found = []
    while reader.buffer:
        parser = Frame.parse(reader.read_exact, mask=False, max_size=None, extensions=[using])
        with pytest.raises(StopIteration) as parsed:
            next(parser)
        found.append(bytes(parsed.value.value.data))
    return found


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("bits", [9, 12, 15])
def test_what_is_deflated_reads_the_same(bits: int, alone: bool) -> None:
    rng = random.Random(bits)
    server = PerMessageDeflate(True, alone, 15, bits)
    client = PerMessageDeflate(alone, True, bits, 15)
    for _ in range(15):
        texts = [
            bytes(rng.choices(b'abc{}":', k=rng.choice((0, 100, 125, 126, 127, 128, 500, 70_000))))
            for _ in range(rng.randrange(1, 5))
        ]
        frames = b"".join(map(text_frame, texts))
        assert messages_in(deflate(frames, server), client) == texts


def test_short_messages_go_plain_and_pages_shrink() -> None:
    using = PerMessageDeflate(True, False, 15, 15)
    ok = ok_frame("0" * 64, True)
    assert len(ok) < WORTHWHILE
    assert deflate(ok, using) == ok
    rng = random.Random(1)
    events = [
        json.dumps(
            {"id": rng.randbytes(32).hex(), "kind": 1, "content": "good morning " * 8}
        ).encode()
        for _ in range(100)
    ]
    page = event_frames(event_head("s"), events)
    together = deflate(page, using)
    assert len(together) < len(page) / 2
    assert len(together) < len(deflate(page, PerMessageDeflate(True, True, 15, 15)))


OFFERS = [
    ("", ""),
    ("permessage-deflate", "permessage-deflate; client_no_context_takeover"),
    (
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=10",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "server_max_window_bits=10",
    ),
    (
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_no_context_takeover",
    ),
    (
        "permessage-deflate; server_max_window_bits=8, permessage-deflate",
        "permessage-deflate; client_no_context_takeover",
    ),
    ("permessage-deflate; server_max_window_bits=16", ""),
    ("permessage-deflate; server_max_window_bits", ""),
    ("permessage-deflate; server_max_window_bits=08", ""),
    ("permessage-deflate; client_no_context_takeover; client_no_context_takeover", ""),
    ("permessage-deflate; unheard_of", ""),
    ("x-webkit-deflate-frame", ""),
]


async def test_what_is_agreed_on(serve: Serve) -> None:
    on = await serve(ON)
    for offered, wanted in OFFERS:
        header = f"Sec-WebSocket-Extensions: {offered}\r\n\r\n".encode() if offered else b"\r\n"
        async with plain(on.url) as (reader, writer), asyncio.timeout(LIMIT):
            writer.write(HANDSHAKE.removesuffix(b"\r\n") + header)
            said = (await reader.readuntil(b"\r\n\r\n")).decode()
        assert said.startswith("HTTP/1.1 101"), offered
        _, _, rest = said.partition("Sec-WebSocket-Extensions: ")
        assert rest.partition("\r\n")[0] == wanted, offered


async def test_nothing_is_agreed_on_where_it_is_off(serve: Serve) -> None:
    off = await serve()
    async with connect(off.url, open_timeout=LIMIT) as socket:
        assert not socket.protocol.extensions


async def deflating(stack: AsyncExitStack, url: str, **options: bool | int) -> ClientConnection:
    offer = ClientPerMessageDeflateFactory(**options)  # type: ignore[arg-type]
    socket = await stack.enter_async_context(
        connect(url, compression=None, extensions=[offer], open_timeout=LIMIT)
    )
    assert socket.protocol.extensions
    return socket


async def test_clients_with_and_without_read_the_same(serve: Serve) -> None:
    on = await serve(ON)
    events = [note(f"{n} " + "the same words again " * 20, at=NOW + n) for n in range(40)]
    async with AsyncExitStack() as stack:
        clients = [
            Wire(await deflating(stack, on.url)),
            Wire(await deflating(stack, on.url, server_no_context_takeover=True)),
            Wire(await deflating(stack, on.url, server_max_window_bits=9)),
            Wire(await stack.enter_async_context(connect(on.url, compression=None))),
        ]
        for client in clients[1:]:  # all hear what comes live, each once
            await client.send("REQ", "live", {"kinds": [1], "since": NOW})
            assert (await client.recv())[0] == "EOSE"
        for event in events:
            assert (await clients[0].publish(event))[2] is True
            for client in clients[1:]:
                frame = await client.recv()
                assert (frame[0], frame[2]["id"]) == ("EVENT", event.id)
        async with asyncio.timeout(LIMIT):
            pages = []
            for client in clients[1:]:
                await client.send("REQ", "page", {"kinds": [1], "limit": 40})
                pages.append([(await client.recv())[-1] for _ in range(41)])
        assert pages[0] == pages[1] == pages[2]
        assert pages[0][-1] == ["finish"]  # how EOSE ends here


def masked(first: int, payload: bytes) -> bytes:
    size = len(payload)
    length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes((first,)) + length + b"\0\0\0\0" + payload


def deflated(text: bytes) -> bytes:
    stream = zlib.compressobj(9, wbits=-15)
    return (stream.compress(text) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]


MOST = 64 * KIB
_half = zlib.compressobj(9, wbits=-15)
_FULL = _half.compress(b" " * MOST) + _half.flush(zlib.Z_SYNC_FLUSH)
_MORE = _half.compress(b" " * 50_000_000) + _half.flush(zlib.Z_SYNC_FLUSH)

HOSTILE = [
    ("a bomb", masked(0xC1, deflated(b" " * 20_000_000)), 1009),
    ("one byte too many", masked(0xC1, deflated(b" " * (MOST + 1))), 1009),
    ("a bomb behind a full fragment", masked(0x41, _FULL) + masked(0x80, _MORE), 1009),
    ("no deflate stream", masked(0xC1, b"\xff" * 50), 1002),
    ("RSV1 on a fragment", masked(0x41, deflated(b"[")) + masked(0xC0, deflated(b"]")), 1002),
    ("RSV1 on a ping", masked(0xC9, deflated(b"x")), 1002),
    ("RSV2", masked(0xA1, b"x"), 1002),
]


@pytest.mark.parametrize(
    ("data", "code"), [case[1:] for case in HOSTILE], ids=[c[0] for c in HOSTILE]
)
async def test_what_closes_the_connection(serve: Serve, data: bytes, code: int) -> None:
    on = await serve(ON)
    offer = b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    async with plain(on.url) as (reader, writer), asyncio.timeout(LIMIT):
        writer.write(HANDSHAKE.removesuffix(b"\r\n") + offer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        answer = await reader.readexactly(4)
        assert answer[0] == 0x80 | Opcode.CLOSE
        assert int.from_bytes(answer[2:4], "big") == code
    assert on.server.partial_bytes >= 0
    async with AsyncExitStack() as stack:  # and the others are served
        client = Wire(await deflating(stack, on.url))
        assert (await client.publish(note("still here", at=NOW)))[2] is True


async def test_a_message_in_deflated_fragments_counts_as_what_it_becomes(serve: Serve) -> None:
    on = await serve(ON)
    stream = zlib.compressobj(9, wbits=-15)
    begin = b'["REQ","s",' + b" " * 60_000
    first = stream.compress(begin) + stream.flush(zlib.Z_SYNC_FLUSH)
    last = (stream.compress(b'{"kinds":[1]}]') + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]
    offer = b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    async with plain(on.url) as (reader, writer), asyncio.timeout(LIMIT):
        writer.write(HANDSHAKE.removesuffix(b"\r\n") + offer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(masked(0x41, first) + masked(0x89, b"?"))  # a ping says that it was read
        assert await reader.readexactly(3) == b"\x8a\x01?"
        assert on.server.partial_bytes > len(begin)
        writer.write(masked(0x80, last))
        assert (await reader.readexactly(12))[2:] == b'["EOSE","s'
        assert on.server.partial_bytes == 0
