"""Clients that mean no good, or do not keep up: bounded, told why, and harmless to the others."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from nostr_client.protocol.event import Event
from nostr_client.protocol.messages import Eose
from nostr_client.rehearsal.relay_process import RelayProcess
from relays.config.relay_config import RelayConfig
from relays.config.sections import KIB, Limits
from relays.engine import queries
from relays.engine.client import HIGH_WATER
from relays.engine.frames import event_frames, event_head, text_frame
from relays.engine.queries import QueryScheduler
from relays.server import connection, listen
from tests.relays.conftest import Serve, Served
from tests.relays.talk import (
    HANDSHAKE,
    LIMIT,
    NOW,
    Wire,
    burst,
    note,
    plain,
    shaken,
    silent_reader,
    wire,
)
from tests.waiting import until


async def closed(client: Wire) -> tuple[int, str]:
    """Read until the relay closes; its code and words."""
    async with asyncio.timeout(LIMIT):
        async for _ in ignoring_the_end(client):
            pass
        await client.socket.wait_closed()
    assert client.socket.close_code is not None
    return client.socket.close_code, client.socket.close_reason or ""


async def ignoring_the_end(client: Wire) -> AsyncIterator[object]:
    with contextlib.suppress(ConnectionClosed):
        async for frame in client.socket:
            yield frame


async def works(url: str) -> bool:
    event = note("still here", at=NOW)
    async with wire(url) as client:
        return (await client.publish(event))[2] is True


HARMLESS: list[str | bytes] = [
    "[" * 200_000,
    '["REQ","s",' + '{"a":' * 60_000 + "1" + "}" * 60_000 + "]",
    '["EVENT",' + "[" * 100_000 + "]" * 100_000 + "]",
    '["REQ","s",' + ",".join(['{"kinds":[1]}'] * 1000) + "]",
    json.dumps(["REQ", "s", {"kinds": list(range(7000))}]),
    json.dumps(["REQ", "s", {"#t": [f"{n}" for n in range(20_000)]}]),
    json.dumps(["REQ", "x" * 100_000, {}]),
    json.dumps(["EVENT", {"id": "0" * 64, "tags": [["t"]] * 50_000}]),
    '["EVENT",{"created_at":1e400}]',
    '["REQ","s",{"limit":1e2}]',
    b'["REQ","s",{"#t":["\xff\xfe"]}]',
    b'["\xc0\xaf"]',
    '["REQ","\\ud800",{}]',
    '["CLOSE",{"a":1}]',
    "\x00",
    "",
]


async def test_hostile_frames(relay: RelayProcess) -> None:
    async with wire(relay.url) as client:
        for message in HARMLESS:
            await client.raw(message)
            frame = await client.recv()
            assert frame[0] in ("NOTICE", "CLOSED", "OK"), frame
            assert frame[-1].split(":")[0] in ("invalid", "unsupported"), frame
        assert await client.silent()
    assert await works(relay.url)


async def test_frames_that_close_the_connection(relay: RelayProcess) -> None:
    async with wire(relay.url) as client:
        await client.socket.send(b'["REQ","s",{}]')
        assert (await closed(client))[0] == 1003
    huge = b"\x81\xff" + (10_000_000).to_bytes(8, "big") + b"\0" * 10_000_000
    pieces = b"\x01\xff" + (500_000).to_bytes(8, "big") + b"\0" * 500_004
    pieces += (b"\x00\xff" + (500_000).to_bytes(8, "big") + b"\0" * 500_004) * 20
    for data in (huge, pieces):
        async with shaken(relay.url) as (reader, writer), asyncio.timeout(LIMIT):
            writer.write(data)
            answer = await reader.read(4)
            assert answer[0] == 0x88
            assert int.from_bytes(answer[2:4]) == 1009
    assert await works(relay.url)


async def test_a_message_in_many_fragments(relay: RelayProcess) -> None:
    text = '["COUNT","c",{"kinds":[1]}]'
    async with wire(relay.url) as client:
        await client.socket.send(list(text))
        assert await client.recv() == ["COUNT", "c", {"count": 0}]


async def test_what_is_not_http(relay: RelayProcess) -> None:
    long = b"GET / HTTP/1.1\r\nA: " + b"y" * 20_000
    for junk in (b"\0" * 100, b"GET\r\n\r\n", b"x" * 100_000, long):
        async with plain(relay.url) as (reader, writer), asyncio.timeout(LIMIT):
            writer.write(junk + b"\r\n")
            with contextlib.suppress(ConnectionResetError):
                assert not (await reader.read(100)).startswith(b"HTTP/1.1 1")
    assert await works(relay.url)


async def test_frames_before_the_handshake_is_answered(relay: RelayProcess) -> None:
    """They wait for it, or go unread with it: the answer is the first thing that is said."""
    good = HANDSHAKE + b"\x89\x80\0\0\0\0" + b"\xf1\x80\0\0\0\0"
    bad = HANDSHAKE.replace(b"13", b"12") + b"\x89\x80\0\0\0\0" + b"\xf1\x80\0\0\0\0"
    for data, status in ((good, b"101"), (bad, b"400")):
        async with plain(relay.url) as (reader, writer), asyncio.timeout(LIMIT):
            writer.write(data)
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 " + status)
            assert (b"\x8a\x00\x88" in answer) is (status == b"101")
    assert await works(relay.url)


async def test_a_flood_of_subscriptions(relay: RelayProcess) -> None:
    async with wire(relay.url) as client:
        for n in range(1000):
            await client.send("REQ", f"{n}", {"kinds": [2000 + n]})
        ends = [await client.recv() for _ in range(1000)]
        assert sum(frame[0] == "EOSE" for frame in ends) == Limits().subscriptions
        refused = [frame for frame in ends if frame[0] == "CLOSED"]
        assert len(refused) == 1000 - Limits().subscriptions
        assert all(frame[2].startswith("rate-limited:") for frame in refused)


async def test_a_flood_of_replaced_subscriptions(relay: RelayProcess) -> None:
    async with wire(relay.url) as client:
        for n in range(2000):
            await client.send("REQ", "s", {"kinds": [2000 + n, 1]})
        await client.send("COUNT", "end", {})
        ends = 0
        while (frame := await client.recv())[0] != "COUNT":
            assert frame == ["EOSE", "s", ["finish"]]
            ends += 1
        assert 1 <= ends <= 2000


async def test_a_flood_of_events_is_read_as_fast_as_it_is_stored(serve: Serve) -> None:
    """A client that sends without reading is not read past its bound, and loses nothing."""
    limits = Limits(pending_events=20)
    served = await serve(RelayConfig(limits=limits))
    events = [note(f"{n}" + "x" * 1000) for n in range(1500)]
    async with wire(served.url) as client:

        async def send() -> None:
            for event in events:
                await client.offer(event)

        sending = asyncio.create_task(send())
        for _ in events:
            assert (await client.recv())[2] is True
        await sending
        await client.send("COUNT", "c", {})
        assert await client.recv() == ["COUNT", "c", {"count": 1500}]


async def test_all_live_values_together_are_bounded(serve: Serve) -> None:
    served = await serve(RelayConfig(limits=Limits(all_live_values=10)))
    async with wire(served.url) as a, wire(served.url) as b:
        assert (await a.req("s", {"kinds": [1, 2, 3, 4]}))[1][0] == "EOSE"
        ids, end = await b.req("s", {"kinds": [1, 2, 3, 4, 5]})
        assert end == ["CLOSED", "s", "rate-limited: the relay has too many subscriptions open"]
        await a.send("CLOSE", "s")
        assert await a.silent()
        assert (await b.req("s", {"kinds": [1, 2, 3, 4, 5]}))[1][0] == "EOSE"
        assert ids == []


async def test_what_waiting_counts_hold_is_bounded(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = await serve(RelayConfig(limits=Limits(live_values=8, all_live_values=12)))
    with monkeypatch.context() as patch:
        patch.setattr(QueryScheduler, "enqueue", lambda *_: None)  # nobody is answered
        async with wire(served.url) as a, wire(served.url) as b:
            await a.send("COUNT", "1", {"kinds": [1, 2, 3]})
            await a.send("COUNT", "2", {"kinds": [1, 2, 3]})
            await a.send("COUNT", "3", {"kinds": [1, 2, 3]})
            reason = "rate-limited: all filters together may have 8 values"
            assert await a.recv() == ["CLOSED", "3", reason]
            await a.send("REQ", "4", {"kinds": [1, 2, 3]})
            assert await a.recv() == ["CLOSED", "4", reason]
            await b.send("COUNT", "1", {"kinds": [1, 2, 3]})
            await b.send("COUNT", "2", {"kinds": [1, 2, 3]})
            reason = "rate-limited: the relay has too many questions open"
            assert await b.recv() == ["CLOSED", "2", reason]
        await gone(served, 0)
    async with wire(served.url) as c:
        for _ in range(20):
            await c.send("COUNT", "1", {"kinds": [1, 2, 3, 4, 5, 6, 7]})
            assert await c.recv() == ["COUNT", "1", {"count": 0}]


def big_events(count: int, size: int = 20_000) -> list[Event]:
    return [note(f"{n} " + "x" * size) for n in range(count)]


async def test_the_bytes_of_one_answer_are_bounded(serve: Serve) -> None:
    """However many filters ask for the same; and the rest comes with the next pages."""
    served = await serve(RelayConfig(limits=Limits(page_bytes=50_000)))
    async with wire(served.url) as client:
        events = [note(f"{n} " + "x" * 20_000, at=NOW - n) for n in range(5)]
        for event in events:
            await client.publish(event)
        assert await client.stored(*({"since": n} for n in range(20))) == [e.id for e in events[:2]]
        for first, hint in ((0, ["more"]), (2, ["more"]), (4, ["finish"])):
            ids, end = await client.req("s", {"until": NOW - first})
            assert ids == [e.id for e in events[first : first + 2]]
            assert end[2] == hint


async def test_a_client_that_does_not_read_live_events_is_closed(serve: Serve) -> None:
    served = await serve(RelayConfig(limits=Limits(outbox_bytes=300 * KIB)), send_buffer=64 * KIB)
    async with (
        silent_reader(served.url, ["REQ", "s", {"limit": 0}]),
        wire(served.url) as publisher,
        wire(served.url) as reader,
    ):
        await reader.send("REQ", "s", {"limit": 0})
        await reader.recv()
        for event in big_events(100):
            await publisher.publish(event)
            assert (await reader.recv())[2]["id"] == event.id
        await gone(served, 2)
        assert await reader.silent()


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many questions are answered at once as a machine can that is fast enough."""
    monkeypatch.setattr(queries, "LOOP_LIMIT", LIMIT)
    monkeypatch.setattr(queries, "TURN", LIMIT)


def page_of(events: list[Event]) -> int:
    """The bytes of the frames that carry `events` and their end."""
    frames = event_frames(event_head("00"), [event.json for event in events])
    return len(frames) + len(text_frame(Eose("00", ("finish",)).encode()))


@pytest.mark.usefixtures("unhurried")
async def test_a_client_that_does_not_read_gets_one_page_and_no_more(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page may be larger than the outbox; the next waits until it was read, for a time."""
    monkeypatch.setattr(connection, "READING_LIMIT", 1000.0)
    unread: list[int] = []

    class Watched(connection.Connection):
        def write(self, frames: bytes) -> None:
            super().write(frames)
            unread.append(self.unsent())

    monkeypatch.setattr(listen, "Connection", Watched)
    served = await serve(RelayConfig(limits=Limits(outbox_bytes=300 * KIB)), send_buffer=64 * KIB)
    events = big_events(100)
    async with wire(served.url) as publisher:
        for event in events:
            await publisher.publish(event)
        asked = [["REQ", f"{n:02}", {"limit": 500}] for n in range(20)]
        async with silent_reader(served.url, *asked), wire(served.url) as reader:
            for n in range(20):
                ids, end = await reader.req(f"{n:02}", {"limit": 500})
                assert (len(ids), end[0]) == (100, "EOSE")
            # Where the machine is slow, a question may count as broad: a page of each sort.
            page = page_of(events)
            assert page - HIGH_WATER < max(unread) <= HIGH_WATER + 2 * page
            assert len(served.server.connections) == 3
            monkeypatch.setattr(connection, "READING_LIMIT", 0.0)
            await gone(served, 2)
            assert await reader.silent()


@pytest.mark.usefixtures("unhurried")
async def test_large_answers_to_one_burst_close_nobody_who_reads(serve: Serve) -> None:
    """Each is larger than the outbox, and none is a backlog: the next waits for the last."""
    served = await serve(RelayConfig(limits=Limits(outbox_bytes=300 * KIB)), send_buffer=64 * KIB)
    async with wire(served.url) as client:
        for event in big_events(40):
            await client.publish(event)
        client.socket.transport.write(burst(*(["REQ", f"{n}", {}] for n in range(10))))
        frames = [await client.recv() for _ in range(10 * 41)]
        assert await client.silent()
    assert sum(frame[0] == "EVENT" for frame in frames) == 400
    assert {frame[1] for frame in frames if frame[0] == "EOSE"} == {f"{n}" for n in range(10)}


async def test_a_client_that_pings_and_does_not_read_is_closed(serve: Serve) -> None:
    served = await serve(RelayConfig(limits=Limits(outbox_bytes=100 * KIB)), send_buffer=64 * KIB)
    ping = b"\x89\xfd\0\0\0\0" + b"x" * 125
    async with shaken(served.url) as (_, writer):
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(LIMIT):
                while served.server.connections:
                    writer.write(ping * 1000)
                    await writer.drain()
        await gone(served, 0)


async def gone(served: Served, left: int) -> None:
    """Returns when only so many connections are left."""
    await until(lambda: len(served.server.connections) <= left)


async def drip(writer: asyncio.StreamWriter) -> None:
    """A byte now and then, for ever."""
    with contextlib.suppress(OSError):
        while True:
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(0.1)


async def test_what_comes_drop_by_drop_and_never_ends(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = await serve()
    async with wire(served.url) as other, shaken(served.url) as (answers, message):
        monkeypatch.setattr(connection, "MESSAGE_LIMIT", 1.0)
        monkeypatch.setattr(connection, "HANDSHAKE_LIMIT", 1.0)
        async with plain(served.url) as (reader, handshake), asyncio.timeout(LIMIT):
            handshake.write(b"GET / HTTP/1.1\r\nA: ")
            message.write(b"\x81\xfe\xff\xff\0\0\0\0[")
            dripping = [asyncio.create_task(drip(writer)) for writer in (handshake, message)]
            said = await answers.readuntil(b"a message did not end")
            assert said[0] == 0x88
            assert int.from_bytes(said[2:4]) == 1008
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            for task in dripping:
                task.cancel()
            await asyncio.gather(*dripping, return_exceptions=True)
        assert await other.silent()


async def test_partial_messages_of_all_clients_are_bounded(serve: Serve) -> None:
    served = await serve(RelayConfig(limits=Limits(all_partial_bytes=150_000)))
    head = b"\x81\xff" + (200_000).to_bytes(8, "big") + b"\0\0\0\0"
    async with shaken(served.url) as (_, a), shaken(served.url) as (reader, b):
        a.write(head + b"[" * 100_000)
        await until(lambda: served.server.partial_bytes >= 100_000)
        b.write(head + b"[" * 100_000)
        async with asyncio.timeout(LIMIT):
            answer = await reader.read(4)
        assert answer[0] == 0x88
        assert int.from_bytes(answer[2:4]) == 1013
        await gone(served, 1)
        assert await works(served.url)
    await gone(served, 0)
    assert served.server.partial_bytes == 0


async def test_handshakes_that_do_not_end_are_bounded_too(serve: Serve) -> None:
    served = await serve(RelayConfig(limits=Limits(all_partial_bytes=50_000)))
    async with plain(served.url) as (reader, writer), asyncio.timeout(LIMIT):
        writer.write(b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 100)
        writer.write((b"A: " + b"y" * 8000 + b"\r\n") * 20)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read(100) == b""
    assert await works(served.url)


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("127.0.0.1", ""),
        ("127.8.0.1", ""),
        ("::1", ""),
        ("::ffff:127.0.0.1", ""),
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::5", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_whose_connections_are_counted_together(address: str, group: str) -> None:
    assert connection.network_of(address) == group


async def test_one_address_does_not_take_every_connection(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = await serve(RelayConfig(limits=Limits(connections=20, connections_of_address=3)))
    with monkeypatch.context() as patch:
        patch.setattr(connection, "network_of", lambda _: "somebody")
        patch.setattr(connection, "TOLD_AT_ONCE", 2)
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(3):
                await stack.enter_async_context(wire(served.url))
            with pytest.raises(InvalidStatus) as refused:
                await stack.enter_async_context(wire(served.url))
            assert refused.value.response.status_code == 429
            assert b"from this address" in refused.value.response.body
            await gone(served, 3)
            # Nor by connections that ask for nothing.
            for _ in range(20):
                await stack.enter_async_context(plain(served.url))
            await gone(served, 5)
            patch.setattr(connection, "network_of", lambda _: "somebody else")
            assert await works(served.url)
        await gone(served, 0)
        patch.setattr(connection, "network_of", lambda _: "somebody")
        assert await works(served.url)


async def test_a_request_with_a_body_is_answered(relay: RelayProcess) -> None:
    for length, body in (
        (b"Content-Length: 5\r\n", b"hello"),
        (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
    ):
        async with plain(relay.url) as (reader, writer), asyncio.timeout(LIMIT):
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\n" + length + b"\r\n" + body)
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 415 ")


async def test_too_many_connections(serve: Serve) -> None:
    served = await serve(RelayConfig(limits=Limits(connections=2)))
    async with wire(served.url) as a, wire(served.url):
        with pytest.raises((InvalidMessage, OSError)):
            async with wire(served.url):
                pass
        assert await a.silent()


@pytest.mark.slow
async def test_silent_clients_are_asked_and_then_closed(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "SILENCE", 1.5)
    served = await serve()
    async with silent_reader(served.url), wire(served.url) as alive:
        await gone(served, 1)
        assert await alive.silent()
