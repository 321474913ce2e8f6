"""Relays that lie, flood, stall, babble and hang up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import pairwise
from secrets import token_hex

import pytest

from nostr_client.net import backoff, incoming, subscription, websocket, write_queue
from nostr_client.net.health import DOWN
from nostr_client.net.outcome import How
from nostr_client.net.pool import RelayPool
from nostr_client.net.session.session import MAX_OFFENCES, ClientSession
from nostr_client.net.subscription import Arrival, Ended, EndOfStored, Item
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from tests.net.scripted import (
    ALICE,
    BOB,
    LIMIT,
    Peer,
    PlainVerifier,
    Script,
    ScriptedRelay,
    forged,
    honest,
    note,
)
from tests.waiting import time_passes, until

NOTES = Filter.of(kinds=[1])


def pool_() -> RelayPool:
    return RelayPool(verifier=PlainVerifier())


def saying(*frames: bytes | Callable[[str], bytes]) -> Script:
    """Answers the first REQ with these frames, which may be made from its id, and listens on."""

    async def script(peer: Peer) -> None:
        wire = (await peer.next("REQ"))[1]
        for frame in frames:
            await peer.raw(frame if isinstance(frame, bytes) else frame(wire))
        await peer.hang()

    return script


def event(that: Event) -> Callable[[str], bytes]:
    return lambda wire: b'["EVENT","%b",%b]' % (wire.encode(), that.json)


def eose(wire: str) -> bytes:
    return b'["EOSE","%b"]' % wire.encode()


async def test_a_forgery_does_not_suppress_the_truth() -> None:
    true = note("true")
    lied = asyncio.Event()

    async def late_truth(peer: Peer) -> None:
        wire_id = (await peer.next("REQ"))[1]
        await lied.wait()
        await peer.event(wire_id, true)
        await peer.send("EOSE", wire_id)
        await peer.hang()

    async with (
        ScriptedRelay(saying(event(forged(true)), event(forged(true)), eose)) as liar,
        ScriptedRelay(late_truth) as truthful,
        pool_() as pool,
        pool.subscribe([NOTES], [liar.url, truthful.url]) as sub,
    ):
        assert await anext(sub) == EndOfStored(liar.url, None)
        assert pool.health(liar.url).counters.forged == 2
        lied.set()
        assert await anext(sub) == Arrival(true, truthful.url, live=False, again=False)
        assert pool.health(liar.url).delivered == 0


async def test_a_forged_copy_of_a_verified_event_is_no_copy() -> None:
    true = note("true")
    async with (
        ScriptedRelay(honest([true])) as truthful,
        ScriptedRelay(saying(event(forged(true)), eose)) as liar,
        pool_() as pool,
        pool.subscribe([NOTES], [truthful.url]) as sub,
    ):
        assert await anext(sub) == Arrival(true, truthful.url, live=False, again=False)
        assert await anext(sub) == EndOfStored(truthful.url, None)
        sub.add_relays([liar.url])
        assert await anext(sub) == EndOfStored(liar.url, None)
        assert pool.health(liar.url).counters.forged == 1


async def test_a_false_id_a_wrong_subscription_and_what_nobody_asked_for() -> None:
    true, other = note("true"), note("other")
    false_id = true.json.replace(true.id.encode(), other.id.encode())
    async with (
        ScriptedRelay(
            saying(
                lambda wire_id: b'["EVENT","%b",%b]' % (wire_id.encode(), false_id),
                lambda _: b'["EVENT","not mine",%b]' % true.json,
                event(note("reaction", kind=7)),
                b'["NOTICE","hello \\u001b[31m"]',
                b'["WHATEVER",{"a":1}]',
                event(true),
                event(true),
                eose,
            )
        ) as relay,
        pool_() as pool,
        pool.subscribe([NOTES], [relay.url], live=False) as sub,
    ):
        assert [item async for item in sub] == [
            Arrival(true, relay.url, live=False, again=False),
            EndOfStored(relay.url, None),
        ]
        health = pool.health(relay.url)
        n = health.counters
        assert (n.malformed, n.stray, n.mismatched, n.unknown, n.notices) == (1, 1, 1, 1, 1)
        assert (n.delivered, n.repeated) == (1, 1)
        assert list(health.words) == ["hello \x1b[31m", '["WHATEVER",{"a":1}]']


async def test_no_end_of_stored_events() -> None:
    kept = note("kept")
    async with (
        ScriptedRelay(saying(event(kept), b'["NOTICE","thinking"]')) as mute,
        ScriptedRelay(honest([note("other")])) as good,
        pool_() as pool,
    ):
        fetching = asyncio.create_task(pool.fetch([NOTES], [mute.url, good.url], timeout=60))
        await until(lambda: pool.health(mute.url).counters.delivered == 1)
        # Whoever answers the second question has answered the first.
        assert (await pool.fetch([NOTES], [good.url], timeout=60)).answered == (good.url,)
        time_passes(60)
        got = await fetching
        assert {e.content for e in got.events} == {"kept", "other"}
        assert got.answered == (good.url,)
        assert got.ends[mute.url].problem == "timeout: no end of stored events within 60 s"
        assert got.ends[mute.url].events == 1
        await mute.until(lambda: bool(mute.sent("CLOSE")))


async def test_no_answer_to_a_publication_says_what_the_relay_said_last() -> None:
    async def script(peer: Peer) -> None:
        await peer.next("EVENT")
        await peer.send("NOTICE", "disk full")
        await peer.hang()

    async with ScriptedRelay(script) as relay, pool_() as pool:
        report = await pool.publish(note("a"), [relay.url], timeout=0.4)
        (answer,) = report.answers
        assert answer.problem == "timeout: no OK within 0.4 s (its last word: disk full)"
        (counted,) = await pool.count([NOTES], [relay.url], timeout=0.2)
        assert counted.problem.startswith("timeout: no COUNT within 0.2 s")


async def test_rubbish_ends_the_connection_and_it_is_not_dialled_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with (
        ScriptedRelay(saying(*[b"rubbish"] * (MAX_OFFENCES + 10))) as relay,
        pool_() as pool,
        pool.subscribe([NOTES], [relay.url]) as sub,
    ):
        item = await anext(sub)
        assert isinstance(item, Ended)
        assert not item.final
        assert "malformed or unasked for" in item.cause.words
        assert pool.health(relay.url).state == DOWN
        assert pool.health(relay.url).counters.malformed > MAX_OFFENCES
        assert relay.connections == 1


async def test_many_forgeries_end_the_connection() -> None:
    lies = [event(forged(note(f"{i}"))) for i in range(MAX_OFFENCES + 10)]
    async with (
        ScriptedRelay(saying(*lies)) as relay,
        pool_() as pool,
        pool.subscribe([NOTES], [relay.url]) as sub,
    ):
        item = await anext(sub)
        assert isinstance(item, Ended)
        assert "malformed or unasked for" in item.cause.words


async def test_a_frame_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "MAX_SKIPPED", 1_000_000)
    giant = b'["NOTICE","' + b"x" * 1_100_000 + b'"]'
    async with (
        ScriptedRelay(saying(giant)) as relay,
        ScriptedRelay(honest([note("fine")])) as good,
        RelayPool(verifier=PlainVerifier(), max_frame=65_536) as pool,
        pool.subscribe([NOTES], [relay.url]) as sub,
    ):
        item = await anext(sub)
        assert isinstance(item, Ended)
        assert item.cause.problem.startswith("lost: closed by us: 1009")
        got = await pool.fetch([NOTES], [good.url])
        assert len(got.events) == 1


async def test_a_large_event_costs_neither_the_rest_nor_memory() -> None:
    """What is too large is left out and said so; what was asked for by id, or is one's own, not."""
    small = [note(f"{n}", at=1_700_000_000 + n) for n in range(3)]
    large = note("x" * 1_500_000, at=1_700_000_009)
    giant = note("y" * 9_000_000, at=1_700_000_005)
    held = [small[0], large, small[1], giant, small[2]]
    mine = ALICE.public_key.hex
    async with (
        ScriptedRelay(honest(held)) as relay,
        RelayPool(verifier=PlainVerifier()) as stranger,
        RelayPool(verifier=PlainVerifier(), own=[mine]) as owner,
    ):
        got = await stranger.fetch([NOTES], [relay.url])
        assert {event.id for event in got.events} == {event.id for event in small}
        end = got.ends[relay.url]
        assert (end.how, end.complete, end.answered) == (How.INCOMPLETE, False, False)
        assert end.problem == "2 left out, too large to be kept"
        assert stranger.health(relay.url).counters.oversized == 2
        assert relay.connections == 1

        named = await stranger.fetch([Filter.of(ids=[large.id])], [relay.url])
        assert [event.id for event in named.events] == [large.id]
        assert named.ends[relay.url].answered
        own = await owner.fetch([NOTES.changed(authors=frozenset({mine}))], [relay.url])
        assert {event.id for event in own.events} == {event.id for event in held} - {giant.id}
        assert own.ends[relay.url].problem == "1 left out, too large to be kept"


async def test_a_large_event_in_pieces_is_left_out_too() -> None:
    large, small = note("x" * 1_500_000), note("small")

    async def script(peer: Peer) -> None:
        wire_id = (await peer.next("REQ"))[1]
        text = event(large)(wire_id).decode()
        await peer.socket.send([text[n : n + 400_000] for n in range(0, len(text), 400_000)])
        await peer.socket.send(event(small)(wire_id).decode())
        await peer.send("EOSE", wire_id)
        await peer.hang()

    async with ScriptedRelay(script) as relay, pool_() as pool:
        got = await pool.fetch([NOTES], [relay.url])
        assert [event.id for event in got.events] == [small.id]
        assert got.ends[relay.url].problem == "1 left out, too large to be kept"


async def test_a_large_event_in_many_pieces_is_judged_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To look at its beginning again with each piece would cost its whole length each time."""
    large = note("x" * 1_500_000)
    judged: list[bytes] = []

    async def script(peer: Peer) -> None:
        wire_id = (await peer.next("REQ"))[1]
        text = event(large)(wire_id).decode()
        ends = [*range(1_200_000, len(text), 1_000), len(text)]
        await peer.socket.send([text[a:b] for a, b in pairwise([0, *ends])])
        await peer.send("EOSE", wire_id)
        await peer.hang()

    keeps = ClientSession.keeps

    def counted(session: ClientSession, beginning: bytes) -> bool:
        judged.append(beginning)
        return keeps(session, beginning)

    monkeypatch.setattr(ClientSession, "keeps", counted)
    async with ScriptedRelay(script) as relay, pool_() as pool:
        got = await pool.fetch([Filter.of(ids=[large.id])], [relay.url])
    assert [event.id for event in got.events] == [large.id]
    assert len(judged) <= 3  # its first piece, where the pieces became large, and the whole


async def test_a_large_event_that_came_compressed() -> None:
    """Of a part of it nothing could be read, nor of whatever comes after it."""
    large, small = note(token_hex(1_500_000), at=1_700_000_001), note("small")
    async with (
        ScriptedRelay(honest([large, small]), compression="deflate") as relay,
        RelayPool(verifier=PlainVerifier(), compression=True) as pool,
    ):
        got = await pool.fetch([NOTES], [relay.url])
        assert [event.id for event in got.events] == [small.id]
        assert got.ends[relay.url].problem == "1 left out, too large to be kept"
        named = await pool.fetch([Filter.of(ids=[large.id])], [relay.url])
        assert [event.id for event in named.events] == [large.id]
        assert relay.connections == 1


async def test_too_many_fragments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "MAX_FRAGMENTS", 20)

    async def script(peer: Peer) -> None:
        wire_id = (await peer.next("REQ"))[1]
        text = event(note("in pieces"))(wire_id).decode()
        await peer.socket.send([text[:50], text[50:100], text[100:]])
        await peer.socket.send(["x"] * 30)
        await peer.hang()

    async with (
        ScriptedRelay(script) as relay,
        pool_() as pool,
        pool.subscribe([NOTES], [relay.url]) as sub,
    ):
        item = await anext(sub)
        assert isinstance(item, Arrival)
        assert item.event.content == "in pieces"
        ended = await anext(sub)
        assert isinstance(ended, Ended)
        assert "too many fragments" in ended.cause.words


async def test_accepting_and_closing_at_once_is_not_hammered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backoff, "FIRST", 0.02)
    times: list[float] = []

    async def script(peer: Peer) -> None:
        times.append(time.monotonic())
        await peer.socket.close(1013, "go away")

    async with (
        ScriptedRelay(script) as relay,
        pool_() as pool,
        pool.subscribe([NOTES], [relay.url]) as sub,
    ):
        await relay.until(lambda: relay.connections == 6)
        gaps = [after - before for before, after in pairwise(times)]
        assert all(gap >= 0.02 * 2**turn / 2 for turn, gap in enumerate(gaps))
        item = await anext(sub)
        assert isinstance(item, Ended)
        assert item.cause.problem == "lost: closed by the relay: 1013 go away"


async def test_a_handshake_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "HANDSHAKE_LIMIT", 0.2)

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 101 ")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, pool_() as pool:
        report = await pool.publish(note("a"), [url])
        assert report.answers[0].problem == "connect: websocket: no handshake within 0.2 s"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "connect: http: status 403"),
        (b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:9/\r\n\r\n", "connect: http: status 302"),
        (b"garbage\r\n\r\n", "connect: websocket: "),
        (b"", "connect: websocket: "),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", "connect: websocket: "),
    ],
)
async def test_a_handshake_that_is_none(answer: bytes, problem: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, pool_() as pool:
        report = await pool.publish(note("a"), [url])
        assert report.answers[0].problem.startswith(problem)


async def test_who_is_turned_away_is_told_so_until_the_next_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    monkeypatch.setattr(backoff, "FIRST", 60.0)
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, pool_() as pool:
        for _ in range(2):  # the second is answered without a try
            cause = (await pool.publish(note("a"), [url])).answers[0].cause
            assert (cause.how, cause.status) == (How.NOT_ALLOWED, 403)
            end = (await pool.fetch([NOTES], [url])).ends[url]
            assert (end.how, end.status) == (How.NOT_ALLOWED, 403)
        assert "; next try in " in cause.problem


async def test_closing_midway_starts_over_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backoff, "FIRST", 0.01)
    events = [note(f"n{i}", 1000 + i) for i in range(20)]
    whole = honest(events)
    turns = 0

    async def script(peer: Peer) -> None:
        nonlocal turns
        turns += 1
        if turns > 1:
            await whole(peer)
        wire_id = (await peer.next("REQ"))[1]
        for one in reversed(events[10:]):
            await peer.event(wire_id, one)
        peer.socket.transport.abort()

    async with ScriptedRelay(script) as relay, pool_() as pool:
        got = await pool.fetch([NOTES], [relay.url])
        assert len(got.events) == 20
        assert got.answered == (relay.url,)
        assert [frame[2] for frame in relay.sent("REQ")] == [{"kinds": [1]}] * 2


async def test_a_relay_that_keeps_closing_midway_fails_the_fetch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backoff, "FIRST", 0.01)

    async def script(peer: Peer) -> None:
        wire_id = (await peer.next("REQ"))[1]
        await peer.event(wire_id, note("half"))
        peer.socket.transport.abort()

    async with ScriptedRelay(script) as relay, pool_() as pool:
        got = await pool.fetch([NOTES], [relay.url])
        assert len(got.events) == 1
        assert not got.answered
        assert got.ends[relay.url].problem.startswith("lost: connection lost")


def flood(peer_events: list[Event]) -> Script:
    """Sends events without end, as fast as they are taken."""

    async def script(peer: Peer) -> None:
        wire_id = (await peer.next("REQ"))[1]
        number = 0
        while True:
            big = Draft(kind=1, content=f"{number} " + "x" * 20_000, created_at=number)
            peer_events.append(big.sign(BOB, 0))
            await peer.event(wire_id, peer_events[-1])
            number += 1

    return script


async def test_a_slow_reader_slows_the_socket_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subscription, "MAX_ITEMS", 20)
    monkeypatch.setattr(websocket, "WAITING_MESSAGES", 20)
    monkeypatch.setattr(incoming, "STALL_LIMIT", 1000.0)
    sent: list[Event] = []
    async with (
        ScriptedRelay(flood(sent)) as relay,
        pool_() as pool,
        pool.subscribe([NOTES], [relay.url]) as sub,
    ):
        line = pool._connections[relay.url]
        await until(lambda: line._socket is not None and line._socket.holding)
        stuck = _Stuck(sent)
        await until(stuck)
        assert len(sub._items) < 2000
        number = len(sent)
        got: list[Event] = []
        while len(got) < number:
            item = await anext(sub)
            assert isinstance(item, Arrival)
            got.append(item.event)
        assert got == sent[: len(got)]


class _Stuck:
    """Has nothing been sent for 20 looks in a row?"""

    def __init__(self, sent: list[Event]) -> None:
        self._sent = sent
        self._last = -1
        self._looks = 0

    def __call__(self) -> bool:
        self._looks = self._looks + 1 if self._last == len(self._sent) else 0
        self._last = len(self._sent)
        return self._looks >= 20


async def test_a_reader_who_sleeps_holds_up_only_himself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "MAX_ITEMS", 5)
    monkeypatch.setattr(incoming, "STALL_LIMIT", 0.1)
    events = [note(f"n{i}", 1000 + i) for i in range(600)]
    async with (
        ScriptedRelay(honest(events, cap=1000)) as relay,
        pool_() as pool,
        pool.subscribe([NOTES], [relay.url]) as sleeper,
        asyncio.timeout(LIMIT),
    ):
        await relay.until(lambda: bool(relay.sent("CLOSE")))
        got = await pool.fetch([NOTES], [relay.url])
        assert len(got.events) == 600
        items: list[Item] = []
        while not items or not isinstance(items[-1], EndOfStored):
            items.append(await anext(sleeper))
        arrived = [item.event.id for item in items if isinstance(item, Arrival)]
        assert sorted(arrived) == sorted(e.id for e in events)
        paused = [item for item in items if isinstance(item, Ended)]
        assert paused
        assert not any(item.final for item in paused)
        assert "paused" in paused[0].cause.words


async def test_a_relay_that_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_queue, "WRITE_LIMIT", 0.2)

    async def deaf(peer: Peer) -> None:
        peer.socket.transport.pause_reading()
        await asyncio.Event().wait()

    async with ScriptedRelay(deaf, max_queue=1) as relay, pool_() as pool:
        events = [note(f"{i}" + "x" * 900_000) for i in range(12)]
        reports = await asyncio.gather(
            *(pool.publish(one, [relay.url], timeout=1.0) for one in events)
        )
        assert not any(report.ok for report in reports)
        health = pool.health(relay.url)
        await until(lambda: health.state == DOWN)
        assert health.problem == "timeout: nothing written within 0.2 s"


async def test_a_relay_that_sends_pings_and_reads_no_pongs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(websocket, "MAX_UNREAD", 10_000)

    async def script(peer: Peer) -> None:
        await peer.next("REQ")
        transport = peer.socket.transport
        transport.pause_reading()
        while not transport.is_closing():
            transport.write(b"\x89\x7d" + b"x" * 125)
            await peer.socket.drain()

    async with (
        ScriptedRelay(script) as relay,
        pool_() as pool,
        pool.subscribe([NOTES], [relay.url]) as sub,
    ):
        item = await anext(sub)
        assert isinstance(item, Ended)
        assert item.cause.problem == "lost: connection lost"
