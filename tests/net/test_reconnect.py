"""Relays that die and come back."""

from __future__ import annotations

import asyncio

import pytest

from nostr_client.net import backoff, connection, socket_tasks
from nostr_client.net.pool import RelayPool
from nostr_client.net.session.req_split import OVERLAP
from nostr_client.net.subscription import Arrival, Ended, EndOfStored, Item, Subscription
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from tests.conftest import StartRelay
from tests.net.scripted import LIMIT, Peer, PlainVerifier, ScriptedRelay, honest, note
from tests.waiting import until

NOTES = Filter.of(kinds=[1])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST", 0.02)
    monkeypatch.setattr(backoff, "LONGEST", 0.2)


async def read_until(sub: Subscription, kind: type[Item]) -> list[Item]:
    items: list[Item] = []
    async with asyncio.timeout(LIMIT):
        while not items or not isinstance(items[-1], kind):
            items.append(await anext(sub))
    return items


async def test_a_subscription_survives_and_resumes_from_where_it_was() -> None:
    held = [note("one", 1_700_000_000), note("two", 1_700_000_500)]
    async with RelayPool(verifier=PlainVerifier()) as pool:
        async with ScriptedRelay(honest(held)) as relay:
            sub = await pool.subscribe([NOTES], [relay.url]).__aenter__()
            items = await read_until(sub, EndOfStored)
            assert [i.event for i in items if isinstance(i, Arrival)] == held[::-1]
        port = relay.port
        (lost,) = await read_until(sub, Ended)
        assert isinstance(lost, Ended)
        assert not lost.final
        assert lost.cause.problem.startswith("lost: ")
        held.append(note("while away", 1_700_000_400))
        async with ScriptedRelay(honest(held), port=port) as again:
            items = await read_until(sub, EndOfStored)
            assert [i.event.content for i in items if isinstance(i, Arrival)] == ["while away"]
            assert again.sent("REQ")[0][2] == {"kinds": [1], "since": 1_700_000_500 - OVERLAP}
            report = await pool.publish(note("live"), [again.url])
            assert report.ok
            (live,) = await read_until(sub, Arrival)
            assert isinstance(live, Arrival)
            assert live.live
            sub.close()
            await again.until(lambda: bool(again.sent("CLOSE")))


async def test_wishes_made_while_a_relay_is_away_are_met_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with ScriptedRelay(honest()) as relay:
        port, url = relay.port, relay.url
    async with (
        RelayPool(verifier=PlainVerifier()) as pool,
        pool.subscribe([NOTES], [url]) as sub,
    ):
        (away,) = await read_until(sub, Ended)
        assert isinstance(away, Ended)
        assert away.cause.problem.startswith("connect: tcp: ")
        async with ScriptedRelay(honest([note("back")]), port=port):
            items = await read_until(sub, EndOfStored)
            assert isinstance(items[-2], Arrival)


async def test_a_long_outage_answers_at_once_and_a_wish_by_hand_hurries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backoff, "FIRST", 60.0)
    monkeypatch.setattr(backoff, "LONGEST", 60.0)
    monkeypatch.setattr(backoff, "RUSH", 0.0)
    async with ScriptedRelay(honest()) as relay:
        port, url = relay.port, relay.url
    async with RelayPool(verifier=PlainVerifier()) as pool:
        first = await pool.publish(note("a"), [url])
        assert first.answers[0].problem.startswith("connect: tcp: ")
        async with ScriptedRelay(honest(), port=port) as again, asyncio.timeout(LIMIT):
            report = await pool.publish(note("a"), [url])
            assert "; next try in " in report.answers[0].problem
            got = await pool.fetch([NOTES], [url])
            assert "; next try in " in got.ends[url].problem
            assert again.connections == 0
            async with pool.subscribe([NOTES], [url]) as sub:
                assert isinstance(await anext(sub), Ended)
                pool.retry_now()
                assert (await read_until(sub, EndOfStored))[-1] == EndOfStored(url, None)
            assert again.connections == 1


async def test_a_wish_by_hand_hurries_a_relay_that_nobody_waits_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backoff, "FIRST", 60.0)
    monkeypatch.setattr(backoff, "LONGEST", 60.0)
    monkeypatch.setattr(backoff, "RUSH", 0.0)
    async with ScriptedRelay(honest()) as relay:
        port, url = relay.port, relay.url
    async with RelayPool(verifier=PlainVerifier()) as pool:
        assert not (await pool.publish(note("a"), [url])).ok
        async with ScriptedRelay(honest(), port=port):
            assert not (await pool.publish(note("a"), [url])).ok
            pool.retry_now([url])
            assert (await pool.publish(note("a"), [url])).ok


async def test_an_event_without_an_answer_is_sent_again() -> None:
    turns = 0

    async def script(peer: Peer) -> None:
        nonlocal turns
        turns += 1
        frame = await peer.next("EVENT")
        if turns == 1:
            peer.socket.transport.abort()
            return
        await peer.send("OK", frame[1]["id"], True, "")
        await peer.hang()

    async with ScriptedRelay(script) as relay, RelayPool(verifier=PlainVerifier()) as pool:
        report = await pool.publish(note("persistent"), [relay.url])
        assert report.ok
        assert turns == 2


async def test_an_idle_socket_is_closed_and_opened_again_when_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "LINGER", 0.05)
    async with ScriptedRelay(honest()) as relay, RelayPool(verifier=PlainVerifier()) as pool:
        assert (await pool.publish(note("a"), [relay.url])).ok
        await relay.until(lambda: relay.open == 0)
        assert (await pool.publish(note("b"), [relay.url])).ok
        assert relay.connections == 2
        assert pool.health(relay.url).failed == 0


async def test_a_socket_that_is_kept_stays_open_and_is_dialled_again_when_it_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "LINGER", 0.01)

    turns = 0

    async def script(peer: Peer) -> None:
        nonlocal turns
        turns += 1
        if turns > 1:
            await peer.hang()

    async with ScriptedRelay(script) as relay, RelayPool(verifier=PlainVerifier()) as pool:
        with pool.kept(relay.url):
            await relay.until(lambda: relay.connections == 2 and relay.open == 1)
        await relay.until(lambda: relay.open == 0)
        assert relay.connections == 2


async def test_a_relay_without_pongs_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_tasks, "QUIET", 0.05)
    monkeypatch.setattr(socket_tasks, "PONG_LIMIT", 0.1)

    async def script(peer: Peer) -> None:
        wire = (await peer.next("REQ"))[1]
        await peer.send("EOSE", wire)
        peer.socket.transport.pause_reading()
        await asyncio.Event().wait()

    async with (
        ScriptedRelay(script) as relay,
        RelayPool(verifier=PlainVerifier()) as pool,
        pool.subscribe([NOTES], [relay.url]) as sub,
    ):
        items = await read_until(sub, Ended)
        assert isinstance(items[-1], Ended)
        assert items[-1].cause.problem == "lost: timeout: no pong within 0.1 s"


async def test_pongs_measure_the_round_trip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_tasks, "QUIET", 0.0)
    async with (
        ScriptedRelay(honest()) as relay,
        RelayPool(verifier=PlainVerifier()) as pool,
        pool.subscribe([NOTES], [relay.url]) as sub,
        asyncio.timeout(LIMIT),
    ):
        assert isinstance(await anext(sub), EndOfStored)
        health = pool.health(relay.url)
        health.latency = None
        await until(lambda: health.latency is not None)
        assert 0 < health.latency < LIMIT


async def test_a_real_relay_killed_and_started_again(start_relay: StartRelay) -> None:
    relay = await start_relay()
    port = int(relay.url.rsplit(":", 1)[1])
    first, second = note("before", 1_700_000_000), note("after", 1_700_000_001)
    async with RelayPool(verifier=PlainVerifier()) as pool:
        async with pool.subscribe([NOTES], [relay.url]) as sub:
            await read_until(sub, EndOfStored)
            assert (await pool.publish(first, [relay.url])).ok
            (item,) = await read_until(sub, Arrival)
            await relay.kill()
            (lost,) = await read_until(sub, Ended)
            assert isinstance(lost, Ended)
            again = await start_relay(data=relay.data, port=port)
            assert again.url == relay.url
            await read_until(sub, EndOfStored)
            assert (await pool.publish(second, [relay.url])).ok
            (item,) = await read_until(sub, Arrival)
            assert isinstance(item, Arrival)
            assert item.event == second
        got = await pool.fetch([NOTES], [relay.url])
        found: list[Event] = got.events
        assert found == [second, first]
