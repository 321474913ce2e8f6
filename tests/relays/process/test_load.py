"""Much of everything: the relay's memory stays bounded, and others are served meanwhile."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from relays.config.sections import Limits
from tests.relays.talk import HANDSHAKE, LIMIT, NOW, note, plain, shaken, silent_reader, wire
from tests.relays.watching import Watched, watched

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
MB = 1_000_000
IDLE = 2_000


@asynccontextmanager
async def others_are_served(url: str) -> AsyncIterator[None]:
    """While the block runs, a client publishes, asks and listens, and always has its answers."""

    async def be_served() -> None:
        async with wire(url) as client:
            await client.send("REQ", "live", {"kinds": [7], "limit": 0})
            assert (await client.recv())[0] == "EOSE"
            for number in itertools.count():
                event = note(f"{number}", kind=7, at=NOW + number)
                await client.offer(event)
                came = [await client.recv(), await client.recv()]
                assert ["OK", event.id, True, ""] in came
                assert ["EVENT", "live", json.loads(event.json)] in came
                assert await client.stored({"ids": [event.id]}) == [event.id]
                served.release()
                await asyncio.sleep(0.02)

    served = asyncio.Semaphore(0)
    async with asyncio.TaskGroup() as group:
        being = group.create_task(be_served())
        await served.acquire()
        yield
        while not served.locked():
            await served.acquire()
        async with asyncio.timeout(LIMIT):
            await served.acquire()  # once more, after all of it
        being.cancel()


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Watched]:
    async with watched(tmp_path / "data") as found:
        yield found


async def grown(relay: Watched, before: int, most: int) -> None:
    """Fails if the relay has `most` bytes more than `before`."""
    assert relay.resident() - before < most, f"{relay.resident() - before:,} bytes more"


async def test_two_thousand_idle_connections(relay: Watched) -> None:
    before = relay.resident()
    async with others_are_served(relay.url), AsyncExitStack() as stack:
        for _ in range(IDLE // 50):
            for _, writer in await asyncio.gather(
                *(stack.enter_async_context(shaken(relay.url)) for _ in range(50))
            ):
                writer.write(masked(b'["REQ","s",{"kinds":[1],"limit":1}]'))
        last = stack.pop_all()
        async with wire(relay.url) as client:
            await client.publish(note("for all of them"))
        await grown(relay, before, IDLE * 60_000)
    await last.aclose()


def masked(payload: bytes) -> bytes:
    return bytes((0x81, 0x80 | len(payload))) + b"\0\0\0\0" + payload


async def test_clients_that_never_read(relay: Watched) -> None:
    """Thirty of them ask for all there is, fifty times each."""
    async with wire(relay.url) as publisher:
        for number in range(500):
            assert (await publisher.publish(note(f"{number} " + "x" * 10_000)))[2] is True
    before = relay.resident()
    asked = [["REQ", f"{n}", {}] for n in range(50)]
    async with others_are_served(relay.url), AsyncExitStack() as stack:
        for _ in range(30):
            await stack.enter_async_context(silent_reader(relay.url, *asked))
        for _ in range(20):
            async with wire(relay.url, max_size=None) as client:
                assert len(await client.stored({"kinds": [1]})) == 500
            await grown(relay, before, 400 * MB)


async def test_a_thousand_subscriptions_on_each_of_fifty_sockets(relay: Watched) -> None:
    before = relay.resident()
    async with others_are_served(relay.url), asyncio.TaskGroup() as group:

        async def subscribe() -> None:
            async with wire(relay.url) as client:
                for n in range(1000):
                    # No kind 4: who asks for that alone has to say who he is.
                    await client.send("REQ", f"{n}", {"kinds": [n + 5], "authors": ["ab" * 32]})
                ends = [(await client.recv())[0] for _ in range(1000)]
                assert ends.count("EOSE") == Limits().subscriptions
                assert ends.count("CLOSED") == 1000 - Limits().subscriptions
                await grown(relay, before, 150 * MB)

        for _ in range(50):
            group.create_task(subscribe())


async def test_frames_of_ten_megabytes(relay: Watched) -> None:
    """Whole, in fragments, and said to be so long; forty at once."""
    before = relay.resident()
    size = 10_000_000
    whole = b"\x81\xff" + size.to_bytes(8, "big") + b"\0" * size
    fragment = b"\x00\xff" + (400_000).to_bytes(8, "big") + b"\0\0\0\0" + b"[" * 400_000
    pieces = b"\x01" + fragment[1:] + fragment * 25

    async def send(data: bytes) -> None:
        async with shaken(relay.url) as (reader, writer), asyncio.timeout(2 * LIMIT):
            writer.write(data)
            said = await reader.read(4)
            assert said[0] == 0x88
            assert int.from_bytes(said[2:4]) in (1009, 1013)

    async with others_are_served(relay.url):
        for _ in range(3):
            await asyncio.gather(*(send((whole, pieces)[n % 2]) for n in range(40)))
            await grown(relay, before, 200 * MB)


async def test_messages_that_are_hard_to_read(relay: Watched) -> None:
    """Deep, wide, long: each refused, twenty clients at once."""
    messages = [
        "[" * 250_000,
        '["REQ","s",' + '{"a":' * 80_000 + "1" + "}" * 80_000 + "]",
        '["EVENT",' + "[" * 200_000 + "]" * 200_000 + "]",
        '["REQ","s",' + ",".join(['{"kinds":[1]}'] * 1000) + "]",
        '["COUNT","s",' + ",".join(['{"#t":["x"]}'] * 30_000) + "]",
        json.dumps(["REQ", "s", {"ids": [f"{n:064x}" for n in range(7000)]}]),
        json.dumps(["REQ", "s", {"#t": [f"{n}" for n in range(50_000)]}]),
        json.dumps(["EVENT", {"id": "0" * 64, "tags": [["t"]] * 60_000}]),
        '["NEG-OPEN","s",{},"' + "61" * 200_000 + '"]',
    ]
    before = relay.resident()

    async def send() -> None:
        async with wire(relay.url) as client:
            for message in messages:
                await client.raw(message)
                answer = await client.recv()
                assert answer[0] in ("NOTICE", "CLOSED", "OK", "NEG-ERR"), answer

    async with others_are_served(relay.url):
        await asyncio.gather(*(send() for _ in range(20)))
        await grown(relay, before, 200 * MB)


async def test_requests_that_never_end(relay: Watched) -> None:
    """Heads and bodies that were begun, hundreds of them."""
    before = relay.resident()
    starts = (
        b"GET / HTTP/1.1\r\nA: " + b"x" * 10_000,
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + b"x" * 100_000,
        HANDSHAKE + b"\x81\xff" + (400_000).to_bytes(8, "big") + b"\0\0\0\0" + b"x" * 100_000,
    )
    async with others_are_served(relay.url), AsyncExitStack() as stack:
        for number in range(600):
            _, writer = await stack.enter_async_context(plain(relay.url))
            writer.write(starts[number % 3])
            await writer.drain()
        async with wire(relay.url) as client:
            assert await client.silent(), "it has looked at what came before"
        await grown(relay, before, 200 * MB)


async def command(*arguments: str) -> tuple[int | None, bytes, bytes]:
    """Run a command of the relay's: its exit code, and what it said on both outputs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "relays", *arguments), stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    async with asyncio.timeout(10 * LIMIT):
        out, said = await process.communicate()
    return process.returncode, out, said


async def test_import_and_export_beside_it(relay: Watched, tmp_path: Path) -> None:
    events = [note(f"{n} " + "x" * 200, at=NOW - n) for n in range(8_000)]
    lines = tmp_path / "events.jsonl"
    lines.write_bytes(b"\n".join(event.json for event in events) + b"\n")
    data = ("--data", str(tmp_path / "data"))
    async with others_are_served(relay.url), wire(relay.url, max_queue=None) as live:
        await live.send("REQ", "live", {"kinds": [1], "limit": 0})
        assert (await live.recv())[0] == "EOSE"
        importing = asyncio.create_task(command("import", str(lines), *data))
        came: set[str] = set()
        while len(came) < len(events):
            label, _, event = await live.recv()
            assert label == "EVENT"
            assert event["id"] not in came
            came.add(event["id"])
        assert (await importing)[0] == 0
        code, exported, _ = await command("export", "--filter", '{"kinds":[1]}', *data)
        assert code == 0
        assert {json.loads(line)["id"] for line in exported.splitlines()} == came


async def test_a_second_relay_refuses_and_the_first_goes_on(relay: Watched, tmp_path: Path) -> None:
    async with others_are_served(relay.url):
        for _ in range(3):
            code, _, said = await command("run", "--port", "0", "--data", str(tmp_path / "data"))
            assert code == 1
            assert relay.url.encode() in said
            assert said.count(b"\n") == 1
