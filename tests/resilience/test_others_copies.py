"""What is bookmarked, and of whom a copy is kept, has copies in reserve: over a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import msgspec

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, Tags
from nostr_client.protocol.filters import Filter
from nostr_client.resilience.copy_planning import CopyPlanner
from nostr_client.resilience.history import History
from nostr_client.resilience.kept_people import KeptPeople
from nostr_client.resilience.kept_reading import KeptReading
from nostr_client.resilience.others_copies import LOOK_AGAIN, OthersCopies
from nostr_client.resilience.replication import Pace, Replication
from nostr_client.resilience.reserve_relays import ReserveRelay
from nostr_client.resilience.reserves import A_MINUTE, Reserves
from nostr_client.store.contract import CopyGrade, CopyState
from tests.net.scripted import ScriptedRelay, honest
from tests.resilience.test_reserves import Facts, open_relay
from tests.routing.rooms import ANA, BEN, CY, START, Clock, Rooms, rooms, signed
from tests.waiting import until

ME, BENS = ANA.public_key.hex, BEN.public_key.hex
SEEN = "wss://seen.example"
SPARES = tuple(f"wss://relay.r{n}.example" for n in range(3))


@dataclass
class Shelf:
    rooms: Rooms
    others: OthersCopies
    people: KeptPeople
    reserves: Reserves
    facts: Facts

    async def bookmark(self, *tags: tuple[str, ...]) -> None:
        at = int(self.rooms.clock.now)
        await self.rooms.store.save([signed(kind=kinds.BOOKMARKS, tags=tags, at=at)])

    async def seen(self, *events: Event, url: str = SEEN) -> None:
        await self.rooms.store.save(events)
        pairs = [(event.id, url) for event in events]
        await self.rooms.store.ledger.confirm(pairs, CopyGrade.READ_BACK)

    async def placed(self) -> list[tuple[str, ...]]:
        """Place what is to be placed next, and have it there: where each is."""
        found = await self.others.next_ones()
        for event, urls in found:
            await self.rooms.store.ledger.want(event.id, urls)
            await self.rooms.store.ledger.confirm([(event.id, url) for url in urls])
        return [urls for _, urls in found]


@asynccontextmanager
async def shelf(
    folder: Path, *, spares: Sequence[str] = SPARES, most_bytes: int = 10**6, wanted: int = 3
) -> AsyncIterator[Shelf]:
    chosen = [ReserveRelay(url, START, proven=True) for url in spares]
    (folder / f"reserves-{ME[:16]}.json").write_bytes(msgspec.json.encode({"chosen": chosen}))
    facts = Facts({url: open_relay(url) for url in (SEEN, *spares)})

    async def nobody() -> Sequence[str]:
        return ()

    async with rooms(folder, clock=Clock(START + 10)) as r:
        reserves = Reserves(
            r.store,
            cast(Any, facts),
            homes=nobody,
            candidates=nobody,
            owner=ME,
            wanted=wanted,
            folder=folder,
            clock=r.clock,
        )
        people = KeptPeople(folder, ME)
        reading = KeptReading(r.courier, cast(History, None), people, r.clock)
        others = OthersCopies(
            r.courier, reserves, people, reading, owner=ME, most_bytes=most_bytes, clock=r.clock
        )
        yield Shelf(r, others, people, reserves, facts)


async def test_bookmarks_come_first_and_nothing_that_may_not_be_handed_on(tmp_path: Path) -> None:
    note, article = signed(BEN, content="note"), signed(BEN, 30023, tags=(("d", "a:b"),))
    other = signed(CY, content="kept")
    refused = [
        signed(BEN, tags=(("-",),)),
        signed(BEN, kinds.DIRECT_MESSAGE),
        signed(BEN, tags=(("expiration", str(START + 5)),)),
        signed(CY, content="before it vanished", at=START - 9),
        signed(content="one's own"),
    ]
    vanish = signed(CY, kinds.VANISH, tags=(("relay", "ALL_RELAYS"),), at=START - 5)
    async with shelf(tmp_path) as s:
        await s.rooms.store.save([note, article, other, vanish, *refused])
        entries: Tags = tuple(("e", event.id) for event in (*refused, note))
        await s.bookmark(("a", f"30023:{BENS}:a:b"), ("t", "x"), ("a", "nonsense"), *entries)
        await s.people.add(CY.public_key.hex, START, 10**6, 100)
        tracked = await s.others.tracked()
        assert list(tracked) == [note.id, article.id, other.id]
        assert [each.bookmarked for each in tracked.values()] == [True, True, False]
        for most, number in ((0, 0), (len(note.json), 1)):
            s.others._most_bytes = most
            assert len(await s.others.tracked()) == number


async def test_a_few_go_into_reserve_at_a_time_until_there_are_enough(tmp_path: Path) -> None:
    notes = [signed(BEN, content=f"note {n}", at=START - n) for n in range(A_MINUTE + 1)]
    async with shelf(tmp_path) as s:
        await s.seen(*notes)
        await s.people.add(BENS, START, 10**6, 100)
        own = signed(content="own")
        await s.rooms.store.save([own])
        await s.rooms.store.ledger.want(own.id, SPARES[:1])
        assert await s.placed() == [], "own events go first"
        await s.rooms.store.ledger.confirm([(own.id, SPARES[0])])
        placed = await s.placed()
        assert [len(set(urls)) for urls in placed] == [2] * A_MINUTE, "one operator has it already"
        assert set(SPARES) == {url for urls in placed for url in urls}, "they share the work"
        standing = await s.others.standing()
        assert (standing.events, standing.short) == (A_MINUTE + 1, 1)
        assert len(await s.placed()) == 1
        assert await s.placed() == []
        assert set(await s.others.plan(notes[0], {SPARES[0]})) == {SPARES[1], SPARES[2]}


async def test_what_expires_goes_to_relays_that_mind_it(tmp_path: Path) -> None:
    ends = signed(BEN, tags=(("expiration", str(4 * START)),))
    named = signed(BEN, kinds.VANISH, tags=(("relay", SPARES[1]),))
    async with shelf(tmp_path) as s:
        for url in SPARES[1:]:
            s.facts.facts[url] = open_relay(url, nips=(40,))
        await s.seen(ends, named)
        await s.bookmark(("e", ends.id))
        assert await s.placed() == [(SPARES[2],)], "and not whence its author vanished"


async def test_what_is_bookmarked_no_more_is_wanted_nowhere(tmp_path: Path) -> None:
    note = signed(BEN, content="note")
    async with shelf(tmp_path) as s:
        await s.seen(note)
        await s.bookmark(("e", note.id))
        assert len(await s.placed()) == 1
        assert await s.others.tracks(note)
        assert s.others.authors() == {BENS}
        s.rooms.clock.now += LOOK_AGAIN
        await s.bookmark()
        assert await s.placed() == []
        copies = await s.rooms.store.ledger.copies(note.id)
        assert not any(copy.wanted for copy in copies)
        assert not await s.others.tracks(note)


async def test_what_its_author_takes_back_is_told_where_it_was_brought(tmp_path: Path) -> None:
    note, other = signed(BEN, content="note"), signed(CY, content="other")
    article = signed(BEN, 30023, tags=(("d", "a"),))
    async with shelf(tmp_path) as s:
        await s.seen(note, other, article)
        await s.bookmark(*(("e", each.id) for each in (note, other, article)))
        urls = await s.placed()
        assert len(urls) == 3
        s.rooms.clock.now += LOOK_AGAIN
        at = int(s.rooms.clock.now)
        named = (("e", note.id), ("a", f"30023:{BENS}:a"))
        deletion = signed(BEN, kinds.DELETION, tags=named, at=at)
        vanish = signed(CY, kinds.VANISH, tags=(("relay", "ALL_RELAYS"),), at=at)
        await s.rooms.store.save([deletion, vanish])
        found = {event.id: set(told) for event, told in await s.others.next_ones()}
        assert found == {deletion.id: {*urls[0], *urls[2]}, vanish.id: set(urls[1])}
        planner = CopyPlanner(s.rooms.courier, s.reserves, ME, lambda: (), s.others)
        await s.rooms.store.ledger.want(vanish.id, urls[1])
        assert await planner(vanish, frozenset({urls[1][0]})) == urls[1][1:]
        assert len(await s.placed()) == 1
        assert await s.placed() == []


async def test_what_was_handed_on_by_hand_stays_wanted_where_it_was(tmp_path: Path) -> None:
    note = signed(BEN, content="note")
    async with shelf(tmp_path, most_bytes=0) as s:
        await s.people.add(BENS, START, 10**6, 100)
        await s.rooms.store.save([note])
        await s.rooms.store.ledger.want(note.id, ["wss://a.example", "wss://b.example"])
        planner = CopyPlanner(s.rooms.courier, s.reserves, ME, lambda: (), s.others)
        assert await planner(note, frozenset({"wss://a.example"})) == ("wss://b.example",)


async def test_the_loop_brings_a_bookmark_to_a_reserve(tmp_path: Path) -> None:
    note = signed(BEN, content="note")
    pace = Pace(idle=0.05, grace=0.0, sweep=0.05, settle=60.0, lead=0.05, spread=0.0)
    async with (
        ScriptedRelay(honest([note])) as home,
        ScriptedRelay(honest([])) as spare,
        shelf(tmp_path, spares=[spare.url]) as s,
    ):
        await s.bookmark(("e", note.id, home.url))
        await s.others.fetch_bookmarks()
        assert await s.rooms.store.query([Filter.of(ids=[note.id])]) == [note]
        loop = Replication(
            s.rooms.store,
            s.rooms.pool,
            CopyPlanner(s.rooms.courier, s.reserves, ME, lambda: (), s.others),
            pubkeys=[ME],
            folder=tmp_path,
            reserves=s.reserves,
            others=s.others,
            pace=pace,
            clock=s.rooms.clock,
        )
        task = asyncio.create_task(loop.run())

        async def is_there() -> bool:
            copies = await s.rooms.store.ledger.copies(note.id)
            return (spare.url, CopyState.CONFIRMED) in {(c.url, c.state) for c in copies}

        await until(is_there)
        task.cancel()
        await asyncio.wait([task])
        sent = [frame[1] for frame in spare.log if frame[0] == "EVENT"]
        assert [event["pubkey"] for event in sent] == [ME, BENS], "one's own go first"
