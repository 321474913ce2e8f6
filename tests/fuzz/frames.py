"""Damaged bytes on raw sockets against a relay in a process of its own.

It must not die, log an error or grow; what it says must be well-formed; and a client that behaves
is served all the while.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from nostr_client.errors import InvalidData
from nostr_client.protocol.messages import Unknown, decode_relay_message
from tests.fuzz.damage import Hostile
from tests.fuzz.serving import PREFIXES
from tests.fuzz.world import World, key_of
from tests.relays.talk import HANDSHAKE, note, wire
from tests.relays.watching import watched

AT_ONCE: Final = 12
CONNECTIONS: Final = 300
"""In one round."""
GROWTH: Final = 300_000_000
"""Bytes that the relay may grow by; its own bounds on what it holds allow more."""
ANSWER: Final = 60.0
"""Seconds in which the good client must be served, on any machine."""
LISTENING: Final = 0.5
"""Seconds that one attacker listens at the most."""
CLOSE_CODES: Final = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1013}


async def play(seed: str, folder: Path) -> int:
    """One round; how many connections were made. Raises AssertionError."""
    rng = random.Random(seed)
    config = folder / "relay.toml"
    config.write_text(f'pubkey = "{key_of(0).public_key.hex}"\n')
    async with watched(folder / "data", "--config", str(config)) as relay:
        await _good_client(relay.url, "before")
        before = relay.resident()
        left = iter(range(CONNECTIONS))
        seeds = [f"{seed}/{rng.random()}" for _ in range(AT_ONCE)]
        async with asyncio.TaskGroup() as group:
            beside = group.create_task(_good_client_all_along(relay.url))
            works = [group.create_task(_attack(relay.url, one, left)) for one in seeds]
            await asyncio.gather(*works)
            beside.cancel()
        await _good_client(relay.url, "after")
        grown = relay.resident() - before
        assert grown < GROWTH, f"grown by {grown:,} bytes"
    return CONNECTIONS


async def _good_client_all_along(url: str) -> None:
    number = 0
    while True:
        number += 1
        await _good_client(url, f"{number}")
        await asyncio.sleep(0.05)


async def _good_client(url: str, words: str) -> None:
    event = note(f"all is well {words}")
    async with asyncio.timeout(ANSWER), wire(url) as client:
        await client.send("REQ", "live", {"ids": [event.id]})
        assert (await client.recv())[:2] == ["EOSE", "live"]
        await client.offer(event)
        came = [await client.recv(), await client.recv()]
        assert ["OK", event.id, True, ""] in came, came
        assert ["EVENT", "live", json.loads(event.json)] in came, came
        await client.send("CLOSE", "live")
        assert await client.stored({"ids": [event.id]}) == [event.id]


async def _attack(url: str, seed: str, left: Iterator[int]) -> None:
    rng = random.Random(seed)
    world = World(rng)
    world.made.append(note("known"))
    hostile = Hostile(world, url)
    host, port = url.removeprefix("ws://").split(":")
    for _ in left:
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            with contextlib.suppress(OSError):
                await _one_connection(hostile, reader, writer)
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _one_connection(
    hostile: Hostile, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    rng = hostile.rng
    shaken = rng.random() < 0.7
    data = hostile.frames() if shaken else hostile.request()
    early = shaken and rng.random() < 0.3
    if early:  # no client may speak before it was let in
        data = HANDSHAKE + data
    elif shaken:
        writer.write(HANDSHAKE)
        async with asyncio.timeout(ANSWER):
            await reader.readuntil(b"\r\n\r\n")
    while data:
        size = rng.choice((1, 3, 100, 10**6))
        piece, data = data[:size], data[size:]
        writer.write(piece)
        if size < 100 and rng.random() < 0.9:
            size = 10**6  # not all of it drop by drop
            writer.write(data[:size])
            data = data[size:]
        await writer.drain()
        await asyncio.sleep(0)
    if rng.random() < 0.3:
        writer.write_eof()
    if rng.random() < 0.1:
        return
    said = await _what_it_says(reader, rng.choice((0.02, 0.1)))
    if said and (early or not shaken):
        assert said.startswith(b"HTTP/1.1 "), said[:200]
    if shaken:
        check_frames(said.partition(b"\r\n\r\n")[2] if early else said)


async def _what_it_says(reader: asyncio.StreamReader, seconds: float) -> bytes:
    """What comes until nothing comes for so long; whoever subscribes may hear news for ever."""
    said = b""
    with contextlib.suppress(OSError):
        async with asyncio.timeout(LISTENING):
            while len(said) < 3_000_000:
                async with asyncio.timeout(seconds):
                    part = await reader.read(65_536)
                if not part:
                    break
                said += part
    return said


def check_frames(said: bytes) -> None:
    """Whole frames are whole messages that a client can read; the last one may be cut off."""
    at = 0
    while len(said) - at >= 2:
        opcode, size, start = said[at], said[at + 1], at + 2
        assert opcode in (0x81, 0x88, 0x89, 0x8A), said[max(0, at - 200) :][:500]
        assert size < 128, "a relay does not mask"
        if size > 125:
            width = 2 if size == 126 else 8
            size = int.from_bytes(said[start : start + width], "big")
            start += width
        payload = said[start : start + size]
        if len(payload) < size:
            return
        if opcode == 0x81:
            _check_message(payload)
        elif opcode == 0x88 and payload:
            code = int.from_bytes(payload[:2], "big")
            assert code in CLOSE_CODES or 3000 <= code < 5000, code
        at = start + size


def _check_message(payload: bytes) -> None:
    try:
        message = decode_relay_message(payload)
    except InvalidData as error:
        raise AssertionError(f"{error}: {payload[:300]!r}") from error
    assert not isinstance(message, Unknown), payload[:300]
    frame = json.loads(payload)
    if frame[0] in ("CLOSED", "NOTICE", "NEG-ERR") or (frame[0] == "OK" and not frame[2]):
        prefix = frame[-1].partition(":")[0]
        assert prefix in PREFIXES or (frame[0], prefix) == ("NEG-ERR", "closed"), frame
