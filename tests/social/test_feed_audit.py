"""One relay streams an author, the other is compared with what came: what comes, and how often."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from nostr_client.net.outcome import How
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.social import feed_audit, second_look
from nostr_client.social.author_stream import FEED_KINDS
from nostr_client.social.second_look import gaps
from tests.routing import moody
from tests.social.house import ANA, BEN, BEN_KEY, START, House, Relay, house, relay_list, signed
from tests.waiting import LIMIT, until

compares = pytest.mark.parametrize("compares", [True, False], ids=["NIP-77", "without"])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_audit, "QUIET", LIMIT)  # a busy machine is not a silent relay
    monkeypatch.setattr(feed_audit, "SLOWEST", LIMIT)
    monkeypatch.setattr(feed_audit, "BACK_SOON", 0.05)
    monkeypatch.setattr(feed_audit, "PACE_FIRST", 0.05)
    monkeypatch.setattr(feed_audit, "PACE_MOST", 0.1)


class Pair(NamedTuple):
    """Ben writes to both relays: the first streams, where both are thought to be as good."""

    first: Relay
    second: Relay
    house: House

    def frames(self, relay: Relay) -> int:
        """Events that came from it."""
        return self.house.rooms.pool.health(relay.url).counters.events

    async def begin(self) -> None:
        """Follow Ben, and read until all is here."""
        lists = relay_list(ANA), relay_list(BEN, self.first.url, self.second.url)
        follows = signed(kind=kinds.FOLLOWS, tags=(("p", BEN_KEY),))
        await self.house.keep(*lists, follows)
        self.house.sync.start()
        await until(lambda: self.house.sync.status.is_caught_up)

    async def held(self, *events: Event) -> None:
        ids = {event.id for event in events}

        async def all_of_them() -> bool:
            return ids == (await self.house.store.known(ids)).keys()

        await until(all_of_them)

    def streams(self, relay: Relay) -> bool:
        """Is it asked for what Ben writes from now on?"""
        return any(f.kinds == FEED_KINDS and f.until is None for f in relay.listened)


@asynccontextmanager
async def pair(folder: Path, *, compares: bool = True) -> AsyncIterator[Pair]:
    async with Relay() as one, Relay() as other, house(folder) as h:
        first, second = sorted((one, other), key=lambda relay: relay.url)
        first.compares = second.compares = compares
        yield Pair(first, second, h)


def notes(number: int) -> list[Event]:
    return [signed(BEN, content=f"{n}", at=START - 4000 - 10 * n) for n in range(number)]


@compares
async def test_what_both_hold_comes_once(tmp_path: Path, compares: bool) -> None:
    """Without NIP-77 one in eight comes again, for a sample."""
    events = notes(80)
    async with pair(tmp_path, compares=compares) as p:
        p.first.held, p.second.held = list(events), list(events)
        await p.begin()
        await p.held(*events)
        assert p.frames(p.first) == 80
        assert p.frames(p.second) == (0 if compares else 10)
        assert p.house.sync.status.ends[p.second.url].how is How.ANSWERED
        assert p.house.sync.status.relays == 2


@compares
async def test_what_the_stream_lacks_comes_from_the_other(tmp_path: Path, compares: bool) -> None:
    events = notes(7)
    async with pair(tmp_path, compares=compares) as p:
        p.first.held, p.second.held = events[1:3] + events[5:], list(events)
        await p.begin()
        await p.held(*events)
        assert (p.frames(p.first), p.frames(p.second)) == (4, 3)


@compares
async def test_what_the_stream_drops_while_it_runs_comes_soon(
    tmp_path: Path, compares: bool
) -> None:
    async with pair(tmp_path, compares=compares) as p:
        both, dropped = signed(BEN, content="both", at=START + 1), signed(BEN, at=START + 5)
        await p.begin()
        await p.first.tell(both)
        await p.second.tell(both)
        p.second.keep(dropped)
        p.house.clock.now += 60
        await p.held(both, dropped)
        assert p.frames(p.first) == 1


async def test_when_the_stream_is_lost_the_other_streams_until_it_is_back(tmp_path: Path) -> None:
    async with pair(tmp_path) as p:
        before = signed(BEN, content="before")
        p.first.keep(before)
        await p.begin()
        assert p.streams(p.first)
        assert not p.streams(p.second)
        await p.first.end()
        await until(lambda: p.streams(p.second))
        meanwhile = signed(BEN, content="meanwhile", at=START + 1)
        await p.second.tell(meanwhile)
        await p.held(meanwhile)
        async with Relay(before, meanwhile, port=p.first.port) as again:
            again.compares = True
            p.house.rooms.pool.retry_now()
            await until(lambda: p.streams(again) and not p.streams(p.second))


@pytest.mark.parametrize("mood", ["gone", "refuses", "silent", "endless"])
async def test_when_the_stream_does_not_answer_the_other_streams_at_once(
    tmp_path: Path, mood: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = signed(BEN, content="x")
    async with pair(tmp_path) as p:
        p.second.keep(note)
        if mood == "silent":
            monkeypatch.setattr(feed_audit, "QUIET", 0.2)
        if mood == "gone":
            await p.first.end()
        elif mood == "endless":  # it sends on and on, and no end of what it stores
            monkeypatch.setattr(feed_audit, "QUIET", 0.1)
            monkeypatch.setattr(feed_audit, "SLOWEST", 0.3)
            p.first.silent = True
            talking = asyncio.ensure_future(_talk(p.first))
        else:
            p.first.silent = mood == "silent"
            p.first.words = "restricted: members only" if mood == "refuses" else ""
        lists = relay_list(ANA), relay_list(BEN, p.first.url, p.second.url)
        follows = signed(kind=kinds.FOLLOWS, tags=(("p", BEN_KEY),))
        await p.house.keep(*lists, follows)
        p.house.sync.start()
        await p.held(note)
        await until(lambda: p.streams(p.second))
        ends = p.house.sync.status.ends
        await until(lambda: p.house.sync.status.ends[p.second.url].how is How.ANSWERED)
        ends = p.house.sync.status.ends
        assert not ends[p.first.url].answered
        assert ends[p.first.url].spare is (mood in ("gone", "refuses"))
        if mood == "endless":
            talking.cancel()


async def _talk(relay: Relay) -> None:
    while True:
        await relay.say("NOTICE", "one moment")
        await asyncio.sleep(0.02)


async def test_an_older_version_is_not_missing_and_comes_once_at_most(tmp_path: Path) -> None:
    old, new = signed(BEN, 0, "{}", at=START - 60), signed(BEN, 0, '{"name":"ben"}', at=START)
    async with pair(tmp_path) as p:
        p.first.keep(new)
        p.second.keep(old)
        await p.begin()
        looks = len(p.second.sent("NEG-OPEN"))
        p.house.clock.now += 60
        await until(lambda: len(p.second.sent("NEG-OPEN")) > looks + 2)
        assert p.frames(p.second) == 1
        assert await p.house.store.get(new.id)


async def test_who_lacks_what_the_other_has_streams_no_longer(tmp_path: Path) -> None:
    events = notes(20)
    async with pair(tmp_path) as p:
        p.first.held, p.second.held = events[::2], list(events)
        await p.begin()
        await p.held(*events)
        await until(lambda: p.streams(p.second) and not p.streams(p.first))
        standing = p.house.courier.scores.standing()
        assert standing(BEN_KEY, p.second.url) > standing(BEN_KEY, p.first.url)


async def test_the_other_goes_on_where_it_was_compared(tmp_path: Path) -> None:
    """After a restart no more is compared than was not, and nothing comes again."""
    events = notes(5)
    async with Relay() as one, Relay() as other:
        first, second = sorted((one, other), key=lambda relay: relay.url)
        for relay in (first, second):
            relay.compares = True
            relay.held = list(events)
        for clock in (0, 50_000):
            async with house(tmp_path) as h:
                h.clock.now += clock
                await Pair(first, second, h).begin()
                assert h.rooms.pool.health(second.url).counters.events == 0
        asked = [frame[2] for frame in second.sent("NEG-OPEN")]
        assert [f.get("since", 0) for f in (asked[0], asked[-1])] == [0, START - 3600]


async def test_a_relay_that_sends_a_part_at_a_time_is_asked_for_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moody, "CAP", 2)
    events = notes(5)
    async with pair(tmp_path) as p:
        p.second.held = list(events)
        await p.begin()
        await p.held(*events)


async def test_more_than_a_backlog_is_read_as_a_stream_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_look, "MOST_MISSING", 3)
    events = notes(6)
    async with pair(tmp_path) as p:
        p.second.held = list(events)
        await p.begin()
        await p.held(*events)
        assert p.frames(p.second) == 6


async def test_a_relay_that_is_not_there_keeps_nobody_waiting(tmp_path: Path) -> None:
    note = signed(BEN, content="x")
    async with pair(tmp_path) as p:
        p.first.keep(note)
        await p.second.end()
        await p.begin()
        await p.held(note)
        end = p.house.sync.status.ends[p.second.url]
        assert (end.how, end.spare) == (How.UNREACHABLE, True)


def test_gaps_are_what_lies_between() -> None:
    assert gaps([], 5, None) == [(5, None)]
    assert gaps([10, 20, 20, 21], 5, 30) == [(22, 30), (11, 19), (5, 9)]
    assert gaps([5, 6], 5, None) == [(7, None)]
    assert gaps([30], 0, 30) == [(31, 30), (0, 29)]
