"""Relays beyond the relay list keep copies: with a real store and facts that are told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.nips.nip11 import Retention
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.resilience import reserves as reserves_module
from nostr_client.resilience.reserve_relays import ReserveRelay, choose
from nostr_client.resilience.reserves import A_MINUTE, BANNED, MINUTES, Reserves
from nostr_client.routing.operators import RelayFacts, operators
from nostr_client.store.contract import Audited, ClientStore, CopyGrade, CopyState, StoreOptions
from nostr_client.store.opening import open_store

KEY = SecretKey.generate()
ME = KEY.public_key.hex
HOMES = ["wss://home.one.example", "wss://home.two.example"]
OTHERS = [f"wss://relay.r{n}.example" for n in range(8)]
START = 1_700_000_000
DAY = 86_400


def open_relay(url: str, **facts: Any) -> RelayFacts:
    return RelayFacts(url, START, answered=True, **facts)


@dataclass
class Facts:
    """Stands in for the facts of relays."""

    facts: dict[str, RelayFacts] = field(
        default_factory=lambda: {url: open_relay(url) for url in (*HOMES, *OTHERS)}
    )
    asked: list[str] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    """Those that answered long ago, and do not any more."""

    async def known(self) -> Mapping[str, RelayFacts]:
        return self.facts

    async def look_up(
        self, urls: Iterable[str], *, within: float = 0.0
    ) -> Mapping[str, RelayFacts]:
        self.asked += urls
        if within:
            self.facts |= {url: RelayFacts(url, START) for url in self.gone.intersection(urls)}
        return self.facts


@dataclass
class House:
    store: ClientStore
    folder: Path
    now: float = START
    homes: list[str] = field(default_factory=lambda: list(HOMES))
    candidates: list[str] = field(default_factory=lambda: list(OTHERS))
    dead: set[str] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)
    unfit: set[str] = field(default_factory=set)
    facts: Facts = field(default_factory=Facts)

    def reserves(self, wanted: int = 4, spares: int = 0) -> Reserves:
        async def homes() -> Sequence[str]:
            return self.homes

        async def candidates() -> Sequence[str]:
            return self.candidates

        async def unfit() -> set[str]:
            return self.unfit

        facts: Any = self.facts
        return Reserves(
            self.store,
            facts,
            homes=homes,
            candidates=candidates,
            owner=ME,
            wanted=wanted,
            spares=spares,
            folder=self.folder,
            dead=lambda: self.dead,
            doubtful=lambda: self.doubtful,
            unfit=unfit,
            clock=lambda: self.now,
        )

    async def write(self, kind: int, text: str = "", **draft: Any) -> Event:
        event = Draft(kind, text, **draft).sign(KEY, int(self.now))
        await self.store.save([event])
        return event

    async def read_there(self, event: Event, url: str) -> None:
        """A stranger has read it there."""
        await self.store.ledger.want(event.id, [url])
        await self.store.ledger.confirm([(event.id, url)], CopyGrade.READ_AS_STRANGER)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house: House
    async with open_store("memory:", StoreOptions(clock=lambda: house.now)) as store:
        house = House(store, tmp_path)
        yield house


async def test_nobody_is_asked_before_there_is_something_to_keep(house: House) -> None:
    reserves = house.reserves()
    assert not await reserves.refresh()
    assert house.facts.asked == []
    await house.write(0, "{}")
    assert await reserves.refresh()
    assert [r.url for r in await reserves.chosen()] == [OTHERS[-1], OTHERS[0]]


async def test_a_reserve_is_tried_with_the_relay_list_before_it_gets_the_rest(house: House) -> None:
    listed, note = await house.write(10002), await house.write(1, "a note")
    reserves = house.reserves()
    assert await reserves.refresh()
    chosen = [r.url for r in await reserves.chosen()]
    assert await reserves.plan(listed) == tuple(chosen)
    assert await reserves.plan(note) == ()
    await house.read_there(listed, chosen[1])
    assert await reserves.refresh()
    assert await reserves.plan(note) == (chosen[1],)
    assert await house.reserves().plan(note) == (chosen[1],), "after a restart, too"
    assert not await reserves.refresh(), "nothing new"


@pytest.mark.parametrize("state", [CopyState.DROPPED, CopyState.REFUSED])
async def test_what_keeps_nothing_is_left(house: House, state: CopyState) -> None:
    listed = await house.write(10002)
    reserves = house.reserves()
    await reserves.refresh()
    bad = (await reserves.chosen())[0].url
    await house.store.ledger.want(listed.id, [bad])
    if state is CopyState.DROPPED:
        await house.store.ledger.confirm([(listed.id, bad)])
        await house.store.ledger.audited([Audited(listed.id, bad, state, CopyGrade.NONE, 0, 1)])
    else:
        await house.store.ledger.refuse(listed.id, bad, "blocked", "", final=True, next_try=0)
    assert await reserves.refresh()
    assert bad not in [r.url for r in await reserves.chosen()]
    assert len(await reserves.chosen()) == 2
    house.dead = {r.url for r in await reserves.chosen()}
    house.now += BANNED + 1
    await house.reserves().refresh()
    assert bad in [r.url for r in await house.reserves().chosen()], "it may be tried again"


async def test_the_dead_are_replaced_and_a_home_is_no_reserve(house: House) -> None:
    await house.write(10002)
    reserves = house.reserves()
    await reserves.refresh()
    first, second = [r.url for r in await reserves.chosen()]
    house.dead, house.homes = {first}, [*HOMES, second]
    assert await reserves.refresh()
    [chosen] = [r.url for r in await reserves.chosen()]
    assert chosen not in (first, second)


async def test_one_that_answered_long_ago_is_asked_again_before_it_is_chosen(house: House) -> None:
    await house.write(10002)
    house.facts.gone = {OTHERS[0], OTHERS[-1]}
    reserves = house.reserves()
    await reserves.refresh()
    assert {r.url for r in await reserves.chosen()} == {OTHERS[1], OTHERS[-2]}


async def test_a_home_that_is_dead_is_made_up_for(house: House) -> None:
    await house.write(10002)
    reserves = house.reserves()
    await reserves.refresh()
    before = [r.url for r in await reserves.chosen()]
    house.dead = {HOMES[0]}
    assert await reserves.refresh(), "it holds nothing now"
    after = [r.url for r in await reserves.chosen()]
    assert (len(before), len(after), after[:2]) == (2, 3, before)
    assert HOMES[0] not in after


async def test_of_walls_nothing_is_asked(house: House) -> None:
    await house.write(10002)
    for url, wall in zip(OTHERS, ("payment", "auth", "restricted", "pow"), strict=False):
        house.facts.facts[url] = open_relay(url, walls=(wall,))
    house.facts.facts[OTHERS[4]] = RelayFacts(OTHERS[4], START)
    del house.facts.facts[OTHERS[5]]
    reserves = house.reserves(wanted=10)
    await reserves.refresh()
    assert {r.url for r in await reserves.chosen()} == set(OTHERS[6:])


async def test_what_is_not_for_strangers_has_no_reserve(house: House) -> None:
    listed = await house.write(10002)
    reserves = house.reserves(wanted=3)
    await reserves.refresh()
    [chosen] = [r.url for r in await reserves.chosen()]
    await house.read_there(listed, chosen)
    await reserves.refresh()
    assert await reserves.plan(await house.write(1, "a note")) == (chosen,)
    letter, wrap, request = [await house.write(kind, str(kind)) for kind in (4, 1059, 62)]
    passing = Draft(20_001).sign(KEY, int(house.now))
    protected = await house.write(1, "members", tags=(("-",),))
    stranger = Draft(1, "another's").sign(SecretKey.generate(), int(house.now))
    for event in (letter, wrap, request, passing, protected, stranger):
        assert await reserves.plan(event) == ()
    soon = await house.write(1, "soon", tags=(("expiration", str(int(house.now) + 3600)),))
    assert await reserves.plan(soon) == (), "it does not say that it minds expiry"
    house.facts.facts[chosen] = open_relay(chosen, nips=(1, 40))
    assert await reserves.plan(soon) == (chosen,)


async def test_one_that_refuses_or_dropped_an_event_has_another_stand_in(house: House) -> None:
    listed, note = await house.write(10002), await house.write(1, "a note")
    reserves = house.reserves(wanted=3)
    await reserves.refresh()
    [chosen] = [r.url for r in await reserves.chosen()]
    await house.read_there(listed, chosen)
    await reserves.refresh()
    assert await reserves.plan(note, [HOMES[0]]) == (chosen,)
    assert await reserves.plan(note, [chosen]) == ()


async def test_a_guest_sends_little(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.write(10002)
    reserves = house.reserves()
    await reserves.refresh()
    url = (await reserves.chosen())[0].url
    time = [1000.0]
    monkeypatch.setattr(reserves_module.time, "monotonic", lambda: time[0])
    copies: Any = list(range(20))
    assert reserves.take("wss://no.reserve.example", copies) == copies
    assert len(reserves.take(url, copies)) == MINUTES * A_MINUTE
    assert reserves.exhausted() == [url]
    time[0] += 60 * MINUTES + 1
    assert reserves.exhausted() == []
    assert len(reserves.take(url, copies[:2])) == 2
    assert len(reserves.take(url, copies)) == MINUTES * A_MINUTE - 2


async def proven(house: House, wanted: int = 4, spares: int = 2) -> Reserves:
    """A reserve in which every relay has kept what it was tried with."""
    listed = await house.write(10002)
    reserves = house.reserves(wanted, spares)
    await reserves.refresh()
    for url in await reserves.urls():
        await house.read_there(listed, url)
    await reserves.refresh()
    assert all(r.proven for r in await reserves.chosen())
    return reserves


async def test_what_is_lost_is_made_up_for_by_those_that_are_proven_already(house: House) -> None:
    reserves = await proven(house)
    everyone = set(await reserves.urls())
    assert len(everyone) == 4, "two that are needed, and two to spare"
    notes = [await house.write(1, f"note {n}") for n in range(40)]
    before = {note.id: set(await reserves.plan(note)) for note in notes}
    assert {len(urls) for urls in before.values()} == {2}
    lost = min(everyone)
    house.doubtful = {lost}
    after = {note.id: set(await reserves.plan(note, [lost])) for note in notes}
    moved = [after[id] - before[id] for id in after if lost in before[id]]
    assert all(len(new) == 1 for new in moved), "one for one"
    assert set().union(*moved) == everyone - {lost}, "they share the work"
    assert all(after[id] == before[id] for id in after if lost not in before[id])
    assert [set(await reserves.plan(note, [lost])) for note in notes] == list(after.values())
    assert await reserves.refresh(), "others are looked for at once"
    assert len(await reserves.urls()) == 5
    house.doubtful = set()
    for url in await reserves.urls():
        await house.read_there(await house.write(10002), url)
    await reserves.refresh()
    assert {note.id: set(await reserves.plan(note)) for note in notes} != before, "one more draws"
    kept = [set(await reserves.plan(note, (), before[note.id])) for note in notes]
    assert kept == list(before.values()), "but what is there stays there"


async def test_relays_that_come_and_go_fill_the_reserve_only_once(house: House) -> None:
    reserves = await proven(house)
    most = 0
    for turn in range(12):
        urls = await reserves.urls()
        house.doubtful = {urls[turn % len(urls)]}
        await reserves.refresh()
        most = max(most, len(await reserves.urls()))
        house.doubtful = set()
        await reserves.refresh()
    assert most == 5


async def test_what_is_tried_is_read_back_at_once_and_not_ceaselessly(house: House) -> None:
    listed = await house.write(10002)
    reserves = house.reserves()
    await reserves.refresh()
    first, second = await reserves.urls()
    asked: list[tuple[set[str], list[str]]] = []

    async def check(ids: Any, urls: Any) -> None:
        asked.append((set(ids), list(urls)))

    assert not await reserves.prove(check), "nothing is there yet"
    for url in (first, second):
        await house.store.ledger.want(listed.id, [url])
    await house.store.ledger.confirm([(listed.id, first)])
    assert await reserves.prove(check)
    assert not await reserves.prove(check), "it may have been silent: again in a minute"
    await house.store.ledger.confirm([(listed.id, second)])
    assert await reserves.prove(check)
    assert asked == [({listed.id}, [first]), ({listed.id}, [second])]


async def test_who_takes_nothing_or_keeps_nothing_is_left_and_not_chosen_again(
    house: House,
) -> None:
    reserves = await proven(house, spares=0)
    unfit, other = await reserves.urls()
    house.unfit = {unfit}
    assert await reserves.refresh()
    left = await reserves.urls()
    assert unfit not in left
    assert other in left
    house.now += BANNED + 1
    house.dead = set(left)
    await reserves.refresh()
    assert unfit not in await reserves.urls(), "it is so still"


async def test_what_is_old_goes_to_those_that_keep_it(house: House) -> None:
    month = Retention(kinds=(1, (5, 7)), time=30 * DAY)
    house.facts.facts[OTHERS[0]] = open_relay(OTHERS[0], retention=(month,))
    house.facts.facts[OTHERS[-1]] = open_relay(OTHERS[-1], lower_limit=7 * DAY)
    reserves = await proven(house, spares=0)
    limited = {OTHERS[0], OTHERS[-1]}
    assert set(await reserves.urls()) == limited
    new, old = await house.write(1, "new"), await house.write(1, "old", created_at=START - 60 * DAY)
    assert set(await reserves.plan(new)) == limited
    assert await reserves.plan(old) == ()
    assert await reserves.refresh(), "others are chosen for what is old"
    more = set(await reserves.urls()) - limited
    assert len(more) == 2
    assert not await reserves.refresh(), "they are to be tried first"
    listed = await house.write(10002)
    for url in more:
        await house.read_there(listed, url)
    await reserves.refresh()
    assert set(await reserves.plan(old)) == more
    assert len(await reserves.plan(new)) == 2


async def test_who_keeps_nothing_old_is_learnt(house: House) -> None:
    reserves = await proven(house, spares=1)
    forgetful = (await reserves.urls())[0]
    olds = [
        await house.write(1, f"{n}", created_at=START - (20 - n) * DAY) for n in range(0, 20, 4)
    ]
    for old in olds[2:4]:  # 12 and 8 days old: it would not have them
        assert forgetful not in await reserves.plan(old, [forgetful])
    planned = [forgetful in await reserves.plan(old, (), [forgetful]) for old in olds]
    assert planned == [False, False, False, False, True]
    house.doubtful = {forgetful}
    await reserves.plan(olds[4], [forgetful])
    house.doubtful = set()
    assert forgetful in await reserves.plan(olds[4], (), [forgetful]), "it was merely away"


async def test_what_belongs_into_a_private_network_stays_there(house: House) -> None:
    await house.write(10002)
    nas, other = "ws://192.168.1.2", "ws://192.168.1.3"
    house.homes, house.candidates = [nas], [*OTHERS, other]
    house.facts.facts |= {url: open_relay(url) for url in (nas, other)}
    reserves = house.reserves()
    await reserves.refresh()
    assert [r.url for r in await reserves.chosen()] == [other]
    house.homes = []
    assert not await reserves.refresh()


async def test_a_damaged_file_is_chosen_anew(house: House) -> None:
    await house.write(10002)
    (house.folder / f"reserves-{ME[:16]}.json").write_bytes(b"{damaged")
    reserves = house.reserves()
    assert await reserves.refresh()
    assert all(isinstance(r, ReserveRelay) for r in await house.reserves().chosen())


_MANY = [f"wss://r{n}.d{n % 9}.example" for n in range(24)]


@given(
    st.lists(st.sampled_from(_MANY), max_size=3, unique=True),
    st.lists(st.sampled_from(_MANY), unique=True),
    st.integers(0, 8),
)
def test_no_two_are_one_operators(held: list[str], candidates: list[str], count: int) -> None:
    facts = {url: open_relay(url) for url in _MANY}
    chosen = choose(held, candidates, facts, count)
    names = operators([*held, *candidates], facts)
    mine = [names[url] for url in chosen]
    assert len(set(mine)) == len(mine) <= count
    assert not set(mine) & {names[url] for url in held}
    others = {names[url] for url in candidates if url not in held} - {names[url] for url in held}
    assert len(chosen) == min(count, len(others))
