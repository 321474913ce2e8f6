"""The pool against honest relays: publish, subscribe, fetch, count."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import AsyncExitStack
from functools import partial

import pytest

from nostr_client.net.pool import RelayPool
from nostr_client.net.report import Answer
from nostr_client.net.subscription import Arrival, Ended, EndOfStored
from nostr_client.protocol.filters import Filter
from tests.net.scripted import LIMIT, PlainVerifier, ScriptedRelay, honest, note
from tests.waiting import waits_for_nobody

NOTES = Filter.of(kinds=[1])


async def test_publish_reports_each_relay() -> None:
    async with (
        ScriptedRelay(honest()) as one,
        ScriptedRelay(honest()) as two,
        RelayPool(verifier=PlainVerifier()) as pool,
    ):
        heard: list[Answer] = []
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
        for relay in (one, two):
            await relay.until(partial(relay.sent, "CLOSE"))
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


async def test_a_subscription_that_left_all_its_relays_is_forgotten_too() -> None:
    async with RelayPool(verifier=PlainVerifier()) as pool:
        await pool.fetch([NOTES], ["ws://127.0.0.1:1"], timeout=LIMIT)
        assert not pool._subscriptions


async def test_the_same_relay_in_any_spelling_is_one_socket() -> None:
    async with (
        ScriptedRelay(honest()) as relay,
        RelayPool(verifier=PlainVerifier()) as pool,
    ):
        odd = relay.url.replace("ws://", "WS://") + "/"
        report = await pool.publish(note("a"), [relay.url, odd])
        assert report.accepted == (relay.url,)
        async with pool.subscribe([NOTES], [odd]) as sub:
            assert sub.urls == (relay.url,)
            assert isinstance(await anext(sub), Arrival)
        assert relay.connections == 1


async def test_what_is_no_url_is_an_answer_too() -> None:
    async with RelayPool(verifier=PlainVerifier()) as pool:
        report = await pool.publish(note("a"), ["https://example.com", "nonsense"])
        assert all(a.problem.startswith("connect: not a relay URL") for a in report.unanswered)
        assert len(report.unanswered) == 2
        got = await pool.fetch([NOTES], ["nonsense"])
        assert got.ends["nonsense"].problem.startswith("connect: not a relay URL")
        (counted,) = await pool.count([NOTES], ["nonsense"])
        assert counted.problem.startswith("connect: not a relay URL")
        async with pool.subscribe([NOTES], ["nonsense"]) as sub:
            item = await anext(sub)
            assert isinstance(item, Ended)
            assert item.final


async def test_relays_and_filters_change_while_a_subscription_runs() -> None:
    reaction = note("+", 300, kind=7)
    one_note, two_note = note("one", 100), note("two", 200)
    async with (
        ScriptedRelay(honest([one_note, reaction])) as one,
        ScriptedRelay(honest([two_note])) as two,
        RelayPool(verifier=PlainVerifier()) as pool,
        pool.subscribe([NOTES], [one.url]) as sub,
        asyncio.timeout(LIMIT),
    ):
        assert (await anext(sub)) == Arrival(one_note, one.url, False, False)
        assert (await anext(sub)) == EndOfStored(one.url, None)
        sub.add_relays([two.url])
        assert (await anext(sub)) == Arrival(two_note, two.url, False, False)
        assert (await anext(sub)) == EndOfStored(two.url, None)
        sub.remove_relays([two.url])
        await two.until(lambda: bool(two.sent("CLOSE")))
        sub.replace([Filter.of(kinds=[7])])
        assert (await anext(sub)) == Arrival(reaction, one.url, False, False)
        await one.until(lambda: bool(one.sent("CLOSE")))
        assert one.sent("REQ")[1][2] == {"kinds": [7]}


async def test_a_cancelled_reader_sends_close() -> None:
    async with (
        ScriptedRelay(honest([note("a")])) as relay,
        RelayPool(verifier=PlainVerifier()) as pool,
    ):

        async def read() -> None:
            async with pool.subscribe([NOTES], [relay.url]) as sub:
                async for _ in sub:
                    pass

        reader = asyncio.create_task(read())
        await relay.until(lambda: bool(relay.sent("REQ")))
        reader.cancel()
        await asyncio.wait([reader], timeout=LIMIT)
        assert reader.cancelled()
        await relay.until(lambda: bool(relay.sent("CLOSE")))


async def test_leaving_the_pool_ends_everything_and_keeps_the_error() -> None:
    async with ScriptedRelay(honest([note("a")])) as relay:
        before = asyncio.all_tasks()

        async def fail() -> None:
            async with (
                RelayPool(verifier=PlainVerifier()) as pool,
                pool.subscribe([NOTES], [relay.url]) as sub,
            ):
                assert isinstance(await anext(sub), Arrival)
                raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            await fail()
        async with RelayPool(verifier=PlainVerifier()) as pool:
            sub = await pool.subscribe([NOTES], [relay.url]).__aenter__()
            assert isinstance(await anext(sub), Arrival)
        assert [item async for item in sub] in ([], [EndOfStored(relay.url, None)])
        await relay.until(lambda: relay.open == 0)
        left = asyncio.all_tasks() - before
        assert not [task for task in left if "nostr_client" in repr(task.get_coro())]
        report = await pool.publish(note("b"), [relay.url])
        assert report.unanswered[0].problem == "connect: the pool is closed"


async def test_a_cancelled_pool_ends_at_once() -> None:
    async with ScriptedRelay(honest([note("a")])) as relay:

        async def work() -> None:
            async with (
                RelayPool(verifier=PlainVerifier()) as pool,
                pool.subscribe([NOTES], [relay.url]) as sub,
            ):
                async for _ in sub:
                    pass

        task = asyncio.create_task(work())
        await relay.until(lambda: bool(relay.sent("REQ")))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, LIMIT)
        await relay.until(lambda: relay.open == 0)


async def test_known_events_are_not_checked_again() -> None:
    event = note("held")
    asked: list[str] = []

    async def known(ids: Collection[str]) -> dict[str, bytes]:
        asked.extend(ids)
        return {event.id: event.json}

    verifier = PlainVerifier()
    async with (
        ScriptedRelay(honest([event])) as relay,
        RelayPool(verifier=verifier, known=known) as pool,
    ):
        got = await pool.fetch([NOTES], [relay.url])
        assert got.events == [event]
    assert verifier.checked == 0
    assert asked == [event.id]


async def test_one_check_for_many_copies() -> None:
    events = [note(f"n{i}") for i in range(50)]
    verifier = PlainVerifier()
    async with AsyncExitStack() as stack:
        urls = [
            (await stack.enter_async_context(ScriptedRelay(honest(events)))).url for _ in range(4)
        ]
        pool = await stack.enter_async_context(RelayPool(verifier=verifier))
        copies: list[Arrival] = []
        async with pool.subscribe([NOTES], urls, live=False) as sub:
            async for batch in sub.batches():
                copies += [item for item in batch if isinstance(item, Arrival)]
    assert verifier.checked == 50
    assert len(copies) == 200
    assert sum(not copy.again for copy in copies) == 50


async def test_count() -> None:
    async with (
        ScriptedRelay(honest([note("a"), note("b")])) as relay,
        RelayPool(verifier=PlainVerifier()) as pool,
    ):
        (counted,) = await pool.count([NOTES], [relay.url])
        assert counted.count == 2


async def test_the_end_waits_for_no_handshake() -> None:
    """A server that takes the connection and never says a word."""
    came, gone = asyncio.Event(), asyncio.Event()

    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set()
        await reader.read()
        writer.close()
        gone.set()

    async with await asyncio.start_server(keep_silent, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with waits_for_nobody():
            async with RelayPool(verifier=PlainVerifier()) as pool:
                fetching = asyncio.create_task(pool.fetch([Filter.of(kinds=[1])], [url]))
                await came.wait()
            assert not (await fetching).answered
            await gone.wait()
