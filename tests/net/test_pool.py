"""The pool against honest relays: publish, subscribe, fetch, count."""

from __future__ import annotations

import asyncio

from nostr_client.net.pool import RelayPool
from nostr_client.net.subscription import Arrival, EndOfStored
from nostr_client.protocol.filters import Filter
from tests.net.scripted import LIMIT, PlainVerifier, ScriptedRelay, honest, note

NOTES = Filter.of(kinds=[1])


async def test_publish_reports_each_relay() -> None:
    async with (
        ScriptedRelay(honest()) as one,
        ScriptedRelay(honest()) as two,
        RelayPool(verifier=PlainVerifier()) as pool,
    ):
        heard = []
        report = await pool.publish(
            note("hello"), [one.url, two.url, "ws://127.0.0.1:1"], on_answer=heard.append
        )
        assert report.accepted == (one.url, two.url)
        assert report.ok
        assert [answer.url for answer in report.unanswered] == ["ws://127.0.0.1:1"]
        assert report.unanswered[0].problem.startswith("connect: tcp: ")
        assert {answer.url for answer in heard} == {one.url, two.url, "ws://127.0.0.1:1"}
        assert one.connections == 1


async def test_subscribe_tells_stored_from_live_and_copies_from_news() -> None:
    old, new = note("old", 100), note("new", 200)
    async with (
        ScriptedRelay(honest([old])) as one,
        ScriptedRelay(honest([old])) as two,
        RelayPool(verifier=PlainVerifier()) as pool,
        asyncio.timeout(LIMIT),
    ):
        async with pool.subscribe([NOTES], [one.url, two.url]) as sub:
            arrivals: list[Arrival] = []
            ends: set[str] = set()
            async for item in sub:
                if isinstance(item, Arrival):
                    arrivals.append(item)
                elif isinstance(item, EndOfStored):
                    ends.add(item.url)
                if len(ends) == 2:
                    break
            assert [a.event for a in arrivals] == [old, old]
            assert [a.again for a in arrivals] == [False, True]
            assert {a.url for a in arrivals} == {one.url, two.url}
            assert not any(a.live for a in arrivals)
            await pool.publish(new, [two.url])
            item = await anext(sub)
            assert item == Arrival(new, two.url, True, False)
        async with asyncio.timeout(LIMIT):
            while not (one.sent("CLOSE") and two.sent("CLOSE")):
                await asyncio.sleep(0.01)
        assert one.connections == two.connections == 1


async def test_fetch_pages_to_the_end() -> None:
    events = [note(f"note {i}", 1000 + i // 3) for i in range(700)]
    for hints in (False, True):
        async with (
            ScriptedRelay(honest(events, cap=200, hints=hints)) as relay,
            RelayPool(verifier=PlainVerifier()) as pool,
        ):
            got = await pool.fetch([NOTES], [relay.url])
            assert got.events == sorted(events, key=lambda e: e.order)
            assert got.ends[relay.url].answered
            assert got.ends[relay.url].complete is True


async def test_fetch_respects_limit_and_failures() -> None:
    events = [note(f"note {i}", 1000 + i) for i in range(50)]
    async with (
        ScriptedRelay(honest(events)) as relay,
        RelayPool(verifier=PlainVerifier()) as pool,
    ):
        got = await pool.fetch([NOTES.changed(limit=10)], [relay.url, "ws://127.0.0.1:1"])
        assert len(got.events) == 10
        assert got.answered == (relay.url,)
        assert got.ends["ws://127.0.0.1:1"].problem.startswith("connect: tcp: ")
        assert len(relay.sent("REQ")) == 1


async def test_count() -> None:
    async with (
        ScriptedRelay(honest([note("a"), note("b")])) as relay,
        RelayPool(verifier=PlainVerifier()) as pool,
    ):
        (counted,) = await pool.count([NOTES], [relay.url])
        assert counted.count == 2
