"""What relays hold and what is here, compared and fetched: over real sockets and stores."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from nostr_client.net.outcome import How
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.resilience import history
from nostr_client.resilience.comparison import Comparison, Road
from nostr_client.resilience.history import History
from nostr_client.routing.negentropy_trials import AGAIN, NegentropyTrials
from nostr_client.routing.relay_facts import RelayFactBook
from nostr_client.store.contract import StoreOptions
from nostr_client.store.opening import open_store
from tests.conftest import StartRelay
from tests.net.scripted import Peer, Script, ScriptedRelay, honest
from tests.routing.rooms import ANA, BEN, DEAD, LIMIT, Rooms, forged, rooms, signed

ME = ANA.public_key.hex
MINE = Filter.of(authors=[ME])
DAY = 86_400
YEAR_AGO = 1_700_000_000 - 365 * DAY


def notes(number: int, *, first: int = 0) -> list[Event]:
    """A year of them, spread evenly."""
    step = 365 * DAY // number
    return [signed(content=f"note {n}", at=YEAR_AGO + n * step) for n in range(first, number)]


def raw(events: Sequence[Event]) -> set[bytes]:
    return {bytes.fromhex(event.id) for event in events}


class Desk:
    """A history over rooms of its own."""

    def __init__(self, r: Rooms, folder: Path) -> None:
        self.rooms = r
        self.facts = RelayFactBook(folder / "facts.json", r.policy, clock=r.clock)
        self.history = self.again(folder)

    def again(self, folder: Path) -> History:
        """As another process on the same folder would begin."""
        trials = NegentropyTrials(folder / "negentropy.json", self.facts, self.rooms.clock)
        return History(self.rooms.courier, trials, owner=ME, clock=self.rooms.clock)

    async def mine(self) -> set[str]:
        return {event.id for event in await self.rooms.store.query([MINE])}


@asynccontextmanager
async def desk(folder: Path, held: Sequence[Event] = ()) -> AsyncIterator[Desk]:
    async with rooms(folder) as r:
        await r.store.save(held)
        yield Desk(r, folder)


async def compared(
    folder: Path, script: Script, held: Sequence[Event], filter: Filter = MINE
) -> tuple[Comparison, ScriptedRelay]:
    async with ScriptedRelay(script) as relay, desk(folder, held) as d, asyncio.timeout(LIMIT):
        found = await d.history.compare(relay.url, filter)
        assert await d.mine() == {event.id for event in held}, "comparing changes nothing here"
        return found, relay


@pytest.mark.parametrize("most", [500, 7, None], ids=["at once", "split by time", "by pages"])
async def test_what_each_side_lacks(tmp_path: Path, most: int | None) -> None:
    events = notes(40)
    found, relay = await compared(tmp_path, honest(events[5:], most=most), events[:-3])
    assert (found.here, found.there, found.both) == (raw(events[:5]), raw(events[-3:]), 32)
    assert found.complete
    assert found.road is (Road.NEGENTROPY if most else Road.PAGES)
    assert (found.windows > 1) is (most == 7)
    assert bool(found.why) is (most is None)
    asked = [frame for frame in relay.log if frame[0] in ("REQ", "NEG-OPEN", "NEG-MSG")]
    assert found.requests == len(asked)
    assert found.sent >= 100
    assert found.received >= 100


async def test_what_pages_do_not_show_is_asked_for_by_id(tmp_path: Path) -> None:
    """A relay that shows a part of one second, however it is paged, has the rest all the same."""
    events = [signed(content=f"at once {n}") for n in range(20)]
    found, _ = await compared(tmp_path, honest(events[:-1], cap=5), events)
    assert found.here == raw(events[-1:])
    assert found.both == 19


async def test_a_relay_that_does_not_answer_lacks_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path, notes(3)) as d:
        found = await d.history.compare(DEAD, MINE)
    assert (found.end.how, found.complete) == (How.UNREACHABLE, False)
    assert found.here == found.there == set()


async def dumb(peer: Peer) -> None:
    """Says nothing to a comparison, and answers every REQ."""
    pages = honest(notes(4), hints=True)

    class Deaf(Peer):
        async def listen(self) -> list[Any]:
            while (frame := await super().listen())[0].startswith("NEG-"):
                pass
            return frame

    await pages(Deaf(peer.socket, peer._relay))


async def hanging_up(peer: Peer) -> None:
    """Closes the connection at a comparison."""
    pages = honest(notes(4), hints=True)

    class Touchy(Peer):
        async def listen(self) -> list[Any]:
            frame = await super().listen()
            if frame[0].startswith("NEG-"):
                await self.socket.close()
            return frame

    await pages(Touchy(peer.socket, peer._relay))


@pytest.mark.parametrize(
    "script", [honest(notes(4), hints=True), dumb, pytest.param(hanging_up, marks=pytest.mark.slow)]
)
async def test_a_relay_that_does_not_compare_is_not_asked_to_again_for_a_while(
    tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "UNLISTED", 0.3)
    async with ScriptedRelay(script) as relay, desk(tmp_path) as d, asyncio.timeout(LIMIT):
        first = await d.history.compare(relay.url, MINE)
        assert (first.road, len(first.there), first.complete) == (Road.PAGES, 4, True)
        assert first.why
        opened = len(relay.sent("NEG-OPEN"))
        assert opened
        again = await d.again(tmp_path).compare(relay.url, MINE)
        assert (again.road, again.why, len(again.there)) == (Road.PAGES, first.why, 4)
        assert len(relay.sent("NEG-OPEN")) == opened
        d.rooms.clock.now += AGAIN
        await d.again(tmp_path).compare(relay.url, MINE)
        assert len(relay.sent("NEG-OPEN")) > opened


async def test_a_year_comes_back_from_any_relays(tmp_path: Path) -> None:
    """Four of them with a part each: one refuses large sets, one does not compare, one forges, one
    has only old versions of lists; and one is down."""
    events = notes(120)
    profile = signed(kind=kinds.METADATA, content='{"name":"ana"}', at=YEAR_AGO + 5)
    stale = signed(kind=kinds.METADATA, content='{"name":"old"}', at=YEAR_AGO)
    mention = signed(BEN, content="hi ana", tags=(("p", ME),))
    lie = forged(signed(content="never written"))
    parts = [
        honest([*events[:60], profile], most=500),
        honest(events[40:90], most=10),
        honest([*events[80:], mention], cap=7),
        honest([stale, *events[110:], lie], cap=50),
    ]
    async with AsyncExitStack() as stack, asyncio.timeout(LIMIT):
        relays = [await stack.enter_async_context(ScriptedRelay(script)) for script in parts]
        urls = [DEAD, *(relay.url for relay in relays)]
        d = await stack.enter_async_context(desk(tmp_path))
        told: list[Comparison] = []
        brought = await d.history.fetch(urls, mentions=True, on_done=told.append)
        assert brought == told
        assert [one.end.answered for one in brought] == [False, *[True] * 8]
        assert await d.mine() == {event.id for event in (*events, profile)}
        assert sum(one.new for one in brought) == len(events) + 2
        assert await d.rooms.store.get(mention.id) is not None
        assert d.rooms.pool.health(relays[3].url).counters.forged > 0
        shared = await d.rooms.store.ledger.copies(events[50].id)
        assert {copy.url for copy in shared} == {relays[0].url, relays[1].url}
        again = await d.history.fetch(urls[1:])
        assert [one.new for one in again] == [0, 0, 0, 0]


async def filled(folder: Path, events: Sequence[Event]) -> Path:
    """A relay's folder that has them already."""
    folder.mkdir()
    async with open_store(folder / "events.db", StoreOptions()) as store:
        await store.save(events)
    return folder


@pytest.mark.slow
async def test_2000_notes_of_a_year_come_back_from_four_real_relays(
    tmp_path: Path, start_relay: StartRelay
) -> None:
    events = notes(2_000)
    small, off = tmp_path / "small.toml", tmp_path / "off.toml"
    small.write_text("[negentropy]\nevents = 100\n")
    off.write_text("[negentropy]\nsessions = 0\n")
    relays = []
    for number, options in enumerate(((), ("--config", str(small)), ("--config", str(off)), ())):
        part = events[number * 500 : number * 500 + 600]  # a quarter, and some of the next one
        data = await filled(tmp_path / f"data-{number}", part)
        relays.append(await start_relay(*options, data=data))
    async with desk(tmp_path / "empty") as d:
        brought = await d.history.fetch([relay.url for relay in relays])
        assert await d.mine() == {event.id for event in events}
        roads = [one.road for one in brought]
        assert roads == [Road.NEGENTROPY, Road.NEGENTROPY, Road.PAGES, Road.NEGENTROPY]
        assert brought[1].windows > 1
        assert all(one.complete for one in brought)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("missing", "most"), [(0, 1_500), (10, 30_000)], ids=["identical", "10 missing"]
)
async def test_what_comparing_10000_events_costs(
    tmp_path: Path, start_relay: StartRelay, missing: int, most: int
) -> None:
    """In bytes of messages, both ways; `pytest -s` shows them."""
    events = notes(10_000)
    lacks = {event.id for event in events[500::1_000][:missing]}
    there = [event for event in events if event.id not in lacks]
    relay = await start_relay(data=await filled(tmp_path / "data", there))
    async with desk(tmp_path / "mine", events) as d:
        found = await d.history.compare(relay.url, MINE)
    assert found.road is Road.NEGENTROPY
    assert {id.hex() for id in found.here} == lacks
    print(f"\n{missing} of 10,000 missing: {found.sent} B out, {found.received} B in")
    assert found.sent + found.received <= most
