"""An event on its way to its OK waits for its own verdict, and for nobody else's."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from nostr_client.protocol.event import Event
from nostr_client.protocol.kinds import JOIN, LEAVE
from nostr_client.store.contract import StoreOptions
from nostr_client.store.opening import open_store
from relays.engine import ingest
from relays.engine.importing import EventImporter
from relays.policies.verdict import ACCEPTED, IncomingEvent, SourceType, Verdict, refused
from tests.relays.conftest import Serve
from tests.relays.rules import plain_rules
from tests.relays.talk import KEY, NOW, OTHER, note, wire
from tests.waiting import until


class Slow:
    """A policy that thinks about what says `slow` until it is told to go on."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go_on = asyncio.Event()

    async def check_async(self, offer: IncomingEvent) -> Verdict:
        self.asked.append(offer.event.content)
        if "slow" in offer.event.content:
            await self.go_on.wait()
        return refused("blocked: no") if "bad" in offer.event.content else ACCEPTED


async def test_a_slow_verdict_holds_up_nobody_else(serve: Serve) -> None:
    served, policy = await serve(), Slow()
    served.relay.rules.check_async = policy.check_async
    async with wire(served.url) as one, wire(served.url) as other:
        await other.req("live", {"kinds": [20001]})
        slow = note("slow")
        await one.offer(slow)
        for quick in (note("quick"), note("of the same author", key=KEY)):
            assert (await one.publish(quick))[1:] == [quick.id, True, ""]
        passing = note("passing", kind=20001, key=OTHER)
        await other.offer(passing)
        frames = [await other.recv(), await other.recv()]
        assert ["OK", passing.id, True, ""] in frames
        assert (await other.publish(note("bad")))[2:] == [False, "blocked: no"]
        assert slow.id not in await other.stored({"kinds": [1]})
        policy.go_on.set()
        assert await one.recv() == ["OK", slow.id, True, ""]
        assert slow.id in await other.stored({"kinds": [1]})


async def test_what_one_author_asks_of_the_relay_is_done_in_his_order(serve: Serve) -> None:
    served, policy = await serve(), Slow()
    served.relay.rules.handlers = {JOIN: policy.check_async, LEAVE: policy.check_async}
    async with wire(served.url) as client:
        join, leave = note("slow", kind=JOIN), note("leave", kind=LEAVE)
        for request in (join, leave):
            await client.offer(request)
        theirs = note("join", kind=JOIN, key=OTHER)
        assert (await client.publish(theirs))[1] == theirs.id
        assert policy.asked == ["slow", "join"]
        policy.go_on.set()
        assert [(await client.recv())[1] for _ in range(2)] == [join.id, leave.id]


class SlowRequests:
    """Does not want to keep requests to vanish, and thinks about it."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    def applies_to(self, event: Event) -> bool:
        return True

    async def check_keeping(self, incoming: IncomingEvent) -> Verdict:
        await self.go_on.wait()
        return refused("blocked: not kept")


async def test_what_its_author_sends_behind_a_request_to_vanish_comes_behind_it(
    serve: Serve,
) -> None:
    served, requests = await serve(), SlowRequests()
    served.relay.rules.vanish_requests = requests
    async with wire(served.url) as client:
        vanish = note("", kind=62, tags=[("relay", "ALL_RELAYS")], at=NOW)
        late, new = note("too late", at=NOW - 1), note("a new life", at=NOW + 1)
        for event in (vanish, late, new):
            await client.offer(event)
        theirs = note("of somebody else", key=OTHER)
        assert (await client.publish(theirs))[1:] == [theirs.id, True, ""]
        requests.go_on.set()
        answers = {frame[1]: frame[2] for frame in [await client.recv() for _ in range(3)]}
        assert answers == {vanish.id: True, late.id: False, new.id: True}
        assert set(await client.stored({"kinds": [1]})) == {theirs.id, new.id}


async def test_so_many_verdicts_are_waited_for(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "CONSULTED", 2)
    served, policy = await serve(), Slow()
    served.relay.rules.check_async = policy.check_async
    async with wire(served.url) as one:
        events = [note(f"slow {number}") for number in range(5)]
        for event in events:
            await one.offer(event)
        await until(lambda: served.relay.rules.metrics.verify_events.sum >= len(events))
        await one.stored({})
        assert len(policy.asked) == 2
        policy.go_on.set()
        told = {(await one.recv())[1] for _ in events}
        assert told == {event.id for event in events}


async def test_a_verdict_that_does_not_come_is_no_other_ones_refusal(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "PATIENCE", 0.5)
    served, policy = await serve(), Slow()
    served.relay.rules.check_async = policy.check_async
    async with wire(served.url) as client:
        slow = note("slow")
        await client.offer(slow)
        assert await client.recv() == ["OK", slow.id, False, "error: the event could not be judged"]
        monkeypatch.setattr(ingest, "PATIENCE", 60)
        assert (await client.publish(note("quick")))[2] is True


async def test_what_a_keeper_brings_in_is_judged_together(tmp_path: Path) -> None:
    events = [note(f"{number}") for number in range(3)]
    all_asked = asyncio.Barrier(len(events))

    async def check_async(offer: IncomingEvent) -> Verdict:
        async with asyncio.timeout(30):
            await all_asked.wait()
        return refused("blocked: no") if offer.event is events[1] else ACCEPTED

    async with open_store(tmp_path / "events.db", StoreOptions(clock=lambda: NOW)) as store:
        taker = EventImporter(store, plain_rules(check_async=check_async), SourceType.SYNC)
        assert await taker.save(events) == [events[0], events[2]]
        assert (taker.tally.stored, taker.tally.refused) == (2, 1)
