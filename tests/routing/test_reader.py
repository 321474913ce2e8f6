"""The one road of asking: what a plan needs is fetched first, and how each relay ended is said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from nostr_client.net.outcome import How
from nostr_client.net.session.paging import Paging
from nostr_client.net.subscription import EndOfStored, Item
from nostr_client.protocol import kinds
from nostr_client.protocol.filters import Filter
from nostr_client.routing import reader
from nostr_client.routing.failed_lookups import BELIEVED, PAUSE, FailedLookups
from nostr_client.routing.reader import MOST_NEAR
from tests.routing import moody
from tests.routing.rooms import (
    ANA,
    BEN,
    CY,
    DEAD,
    START,
    Clock,
    Relay,
    relay_list,
    rooms,
    signed,
)

each_engine = pytest.mark.usefixtures("client_engine")

BEN_KEY, CY_KEY = BEN.public_key.hex, CY.public_key.hex
OF_BEN = Filter.of(authors=[BEN_KEY], kinds=[1])
HOURS = 3600.0
"""Seconds after which the test has failed for long: nothing may wait for a limit."""


def asked_for_lists(relay: Relay, pubkey: str) -> int:
    """How often `relay` was asked for the relay list of `pubkey`."""
    filters = [f for frame in relay.sent("REQ") for f in frame[2:]]
    return sum(f.get("kinds") == [kinds.RELAY_LIST] and pubkey in f["authors"] for f in filters)


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is waited for longer than is needed, be it for a list that is nowhere."""
    monkeypatch.setattr(reader, "GRACE", 0.0)


@each_engine
async def test_a_list_not_held_yet_is_fetched_before_the_plan_is_made(tmp_path: Path) -> None:
    note = signed(BEN, content="at my own relay")
    async with Relay(note) as bens, Relay() as hub, rooms(tmp_path, fallback=[hub.url]) as r:
        hub.keep(relay_list(BEN, bens.url))
        asked = await r.courier.fetch([OF_BEN])
        assert asked.events == {note.id: BEN_KEY}  # not the events: there may be gigabytes
        assert asked.ends[bens.url].how is How.ANSWERED


@each_engine
async def test_own_read_relays_are_asked_for_whoever_has_no_list(tmp_path: Path) -> None:
    """Though every starter is out of reach."""
    note, profile = signed(BEN, content="no list"), signed(BEN, 0, "{}")
    async with Relay(note, profile) as own, rooms(tmp_path, fallback=[DEAD]) as r:
        await r.store.save([relay_list(ANA, own.url)])
        assert (await r.book.client_relays()).common == (own.url, DEAD)
        for wanted in (OF_BEN, Filter.of(authors=[BEN_KEY], kinds=[0]), Filter.of(ids=[note.id])):
            asked = await r.courier.fetch([wanted])
            assert len(asked.events) == 1
            assert asked.answered == (own.url,)
            assert {url: end.spare for url, end in asked.ends.items()} == {
                own.url: False,
                DEAD: True,
            }


@each_engine
async def test_the_own_list_is_learnt_first_since_it_says_where_others_lists_are(
    tmp_path: Path,
) -> None:
    note = signed(BEN, content="far")
    async with (
        Relay(note) as bens,
        Relay(relay_list(BEN, bens.url)) as mine,
        Relay(relay_list(ANA, mine.url)) as index,
        rooms(tmp_path, indexers=[index.url]) as r,
    ):
        assert list((await r.courier.fetch([OF_BEN])).events) == [note.id]


async def test_what_was_looked_for_in_vain_is_not_looked_for_again_by_any_process(
    tmp_path: Path,
) -> None:
    clock = Clock()
    async with Relay() as hub:
        for _ in range(2):
            async with rooms(tmp_path, fallback=[hub.url], clock=clock) as r:
                for _ in range(2):
                    await r.courier.fetch([OF_BEN])
        assert asked_for_lists(hub, BEN_KEY) == 1
        clock.now += BELIEVED
        async with rooms(tmp_path, fallback=[hub.url], clock=clock) as r:
            hub.keep(relay_list(BEN, DEAD))
            await r.courier.fetch([OF_BEN])
            assert (await r.book.relays_of(BEN_KEY)).source == "list"


async def test_that_nobody_answered_is_not_taken_for_no_list(tmp_path: Path) -> None:
    clock = Clock()
    async with Relay() as hub:
        port, url = hub.port, hub.url
    async with rooms(tmp_path, fallback=[url], clock=clock) as r:
        await r.courier.fetch_lists([BEN_KEY])
        assert (await r.courier.fetch_lists([BEN_KEY])).ends == {}, "not at once again"
    async with (
        Relay(relay_list(BEN, DEAD), port=port),
        rooms(tmp_path, fallback=[url], clock=clock) as r,
    ):
        assert (await r.courier.fetch_lists([BEN_KEY])).new == 1


@each_engine
async def test_lists_of_message_relays_are_looked_for_too(tmp_path: Path) -> None:
    async with Relay() as inbox, Relay() as hub, rooms(tmp_path, fallback=[hub.url]) as r:
        hub.keep(signed(BEN, kinds.DM_RELAYS, tags=(("relay", inbox.url),)))
        wrap = signed(kind=kinds.GIFT_WRAP, content="x", tags=(("p", BEN_KEY),))
        assert (await r.courier.publish(wrap)).accepted == (inbox.url,)


@each_engine
async def test_once_the_own_relays_have_brought_something_nobody_else_is_waited_for(
    tmp_path: Path,
) -> None:
    note = signed(BEN, content="x")
    async with (
        Relay(note) as own,
        Relay() as silent,
        rooms(tmp_path, fallback=[silent.url]) as r,
    ):
        silent.silent = True
        await r.store.save([relay_list(ANA, own.url), relay_list(BEN, own.url)])
        unlisted = Filter.of(authors=[BEN_KEY, CY_KEY], kinds=[1])
        await r.courier.fetch_lists([CY_KEY], limit=0.1)
        asked = await r.courier.fetch([unlisted], timeout=HOURS)
        assert list(asked.events) == [note.id]
        assert asked.ends[silent.url].how is How.NOT_AWAITED


@each_engine
async def test_an_event_is_found_where_its_author_writes_and_that_ends_the_search(
    tmp_path: Path,
) -> None:
    note = signed(BEN, content="x")
    async with (
        Relay(note) as bens,
        Relay(relay_list(BEN, bens.url)) as index,
        Relay() as silent,
        rooms(tmp_path, owner=None, indexers=[index.url], fallback=[silent.url]) as r,
    ):
        silent.silent = True
        asked = await r.courier.fetch_ids([note.id], authors=[BEN_KEY], limit=HOURS)
        assert await r.store.get(note.id) == note
        assert not asked.ends[silent.url].answered


@each_engine
async def test_hints_open_no_private_address(tmp_path: Path) -> None:
    async with Relay(signed(BEN)) as box, rooms(tmp_path, private=()) as r:
        asked = await r.courier.fetch_ids([signed(BEN).id], near=[box.url, "nonsense"])
        assert (asked.ends, box.connections) == ({}, 0)


@each_engine
async def test_a_relay_that_holds_more_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of thirty: an exhaustive question gets all, one cut off by us is known to be so."""
    monkeypatch.setattr(moody, "CAP", 30)
    notes = [signed(BEN, content=str(n), at=START + n) for n in range(120)]
    async with Relay(*notes) as paging, rooms(tmp_path) as r:
        asked = await r.courier.fetch_from([OF_BEN], [paging.url], paging=Paging(True, most=40))
        assert asked.ends[paging.url].how is How.INCOMPLETE
        asked = await r.courier.fetch_from([OF_BEN], [paging.url], paging=Paging(True))
        assert (len(asked.events), asked.ends[paging.url].how) == (120, How.ANSWERED)


@each_engine
async def test_what_was_sought_survives_damage_and_a_folder_that_takes_nothing(
    tmp_path: Path,
) -> None:
    path, clock = tmp_path / "sought.json", Clock()
    for damage in (b"", b"{", b"[]", b'{"a": "b"}', b'{"\xff": 1}'):
        path.write_bytes(damage)
        assert FailedLookups(path, clock).due([BEN_KEY], 10_002) == {BEN_KEY}
    one, other = FailedLookups(path, clock), FailedLookups(path, clock)
    await one.record_absent([BEN_KEY], 10_002)
    await other.record_absent([CY_KEY], 10_002)
    assert FailedLookups(path, clock).due([BEN_KEY, CY_KEY], 10_002) == set()
    assert FailedLookups(path, clock).due([BEN_KEY], 10_050) == {BEN_KEY}
    nowhere = FailedLookups(tmp_path / "missing" / "sought.json", clock)
    await nowhere.record_absent([BEN_KEY], 10_002)
    nowhere.record_unanswered([CY_KEY], 10_002)
    assert nowhere.due([BEN_KEY, CY_KEY], 10_002) == set()
    clock.now += PAUSE
    assert nowhere.due([BEN_KEY, CY_KEY], 10_002) == {CY_KEY}


@each_engine
async def test_the_longest_ago_is_forgotten_of_what_was_sought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nostr_client.routing.failed_lookups.MOST", 3)
    clock = Clock()
    found = FailedLookups(tmp_path / "sought.json", clock)
    people = [f"{n:064x}"[::-1] for n in range(1, 6)]
    for pubkey in people:
        await found.record_absent([pubkey], 10_002)
        clock.now += 1
    assert found.due(people, 10_002) == set(people[:2])


@each_engine
async def test_a_code_with_a_hundred_relays_has_a_few_asked(tmp_path: Path) -> None:
    places = [f"ws://127.0.0.1:{port}" for port in range(1, 101)]
    async with rooms(tmp_path) as r:
        asked = await r.courier.fetch_ids(["f" * 64], near=places)
        assert len(asked.ends) == MOST_NEAR
        assert set(asked.ends) <= set(places)


async def test_a_relay_that_did_not_answer_may_have_the_list_that_others_have_not(
    tmp_path: Path,
) -> None:
    """So it is not written down that there is none: the next process looks again at once."""
    async with Relay() as hub, Relay() as slow:
        slow.silent = True
        async with rooms(tmp_path, fallback=[hub.url, slow.url]) as r:
            await r.courier.fetch_lists([BEN_KEY], limit=0.5)
        slow.silent = False
        slow.keep(relay_list(BEN, DEAD))
        async with rooms(tmp_path, fallback=[hub.url, slow.url]) as r:
            assert (await r.courier.fetch_lists([BEN_KEY])).new == 1


class InTheLastMoment:
    """A subscription whose first batch comes when the time is up, and nobody was stopped yet."""

    urls = ("wss://late.example", "wss://silent.example")

    def __init__(self, waits: asyncio.Task[Any]) -> None:
        self._waits = waits

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...

    async def batches(self) -> AsyncIterator[list[Item]]:
        while not self._waits.cancelling():
            await asyncio.sleep(0)
        yield [EndOfStored(self.urls[0], None)]


async def test_what_comes_as_the_time_runs_out_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rooms(tmp_path, fallback=InTheLastMoment.urls) as r:
        waits = asyncio.current_task()
        assert waits is not None
        late: Any = InTheLastMoment(waits)
        monkeypatch.setattr(r.courier.pool, "subscribe", lambda *a, **options: late)
        routes = {url: [OF_BEN] for url in late.urls}
        asked = await r.courier._fetch(routes, 0.01, enough=lambda asked, ends: True)
        assert [end.how for end in asked.ends.values()] == [How.ANSWERED, How.SILENT]
