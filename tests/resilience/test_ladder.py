"""When no relay that is known answers: with a real store and book, and a pool that reaches what it
is told to reach."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nostr_client.errors import ConfigError
from nostr_client.net.fetch import Fetched
from nostr_client.net.health import DOWN, UP, HealthBook, RelayHealth
from nostr_client.net.outcome import End, How
from nostr_client.nips import nip19
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.resilience import ladder as ladder_module
from nostr_client.resilience.ladder import (
    NEARBY_STANDS_IN,
    STANDS_IN,
    Climbed,
    Ladder,
    Rung,
    relays_named,
)
from nostr_client.routing.address_policy import AddressPolicy
from nostr_client.routing.reader import RelayReader
from nostr_client.routing.relay_book import RelayBook
from nostr_client.routing.relay_monitors import RelayMonitors
from nostr_client.store.contract import ClientStore
from nostr_client.store.opening import open_store
from tests.waiting import until

KEY, ANA, MONITOR = (SecretKey.generate() for _ in range(3))
ME = KEY.public_key.hex
NOW = 1_700_000_000
HOME, SEEN, ANAS, LISTED, WATCHED = (
    f"wss://{name}.example" for name in ("home", "seen", "anas", "listed", "watched")
)


@dataclass
class Pool:
    """Reaches `alive`, and remembers whom it dialled."""

    alive: set[str] = field(default_factory=set)
    dialled: list[str] = field(default_factory=list)
    book: HealthBook = field(default_factory=lambda: HealthBook(lambda: NOW))

    def retry_now(self, urls: Iterable[str]) -> None:
        pass

    def health(self, url: str) -> RelayHealth:
        return self.book.of(url)

    async def fetch(
        self, filters: Sequence[Filter], urls: Sequence[str], *, timeout: float
    ) -> Fetched:
        self.dialled += urls
        ends = {}
        for url in urls:
            there = url in self.alive
            self.book.of(url).state = UP if there else DOWN
            ends[url] = End(url=url, how=How.ANSWERED if there else How.UNREACHABLE)
        return Fetched([], ends)


@dataclass
class House:
    store: ClientStore
    folder: Path
    pool: Pool = field(default_factory=Pool)
    now: float = NOW
    found: int = 0
    books: list[RelayBook] = field(default_factory=list)
    near: tuple[str, ...] | ConfigError = ()
    """What is announced on the local network, or why nothing is heard."""

    def ladder(
        self, *, starters: bool = False, listed: Sequence[str] = (LISTED,), looks: bool = False
    ) -> Ladder:
        book = RelayBook(
            self.store,
            AddressPolicy(),
            owner=ME,
            keyed=True,
            fallback=[HOME],
            starters=starters,
        )
        self.books.append(book)
        pool: Any = self.pool

        def found() -> None:
            self.found += 1

        async def nearby() -> tuple[str, ...]:
            if isinstance(self.near, ConfigError):
                raise self.near
            return self.near

        return Ladder(
            self.store,
            pool,
            book,
            monitors=RelayMonitors(RelayReader(self.store, pool, book), clock=lambda: self.now),
            listed=listed,
            nearby=nearby,
            looks_nearby=looks,
            folder=self.folder,
            on_found=found,
            clock=lambda: self.now,
        )

    async def save(self, key: SecretKey, kind: int, *tags: tuple[str, ...]) -> Event:
        event = Draft(kind, tags=tags).sign(key, NOW)
        await self.store.save([event])
        return event


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_store("memory:") as store:
        house = House(store, tmp_path)
        people = (ANA.public_key.hex, MONITOR.public_key.hex)
        await house.save(KEY, kinds.FOLLOWS, *(("p", pubkey) for pubkey in people))
        await house.save(ANA, kinds.RELAY_LIST, ("r", ANAS))
        await house.save(MONITOR, kinds.RELAY_DISCOVERY, ("d", WATCHED))
        note = await house.save(SecretKey.generate(), kinds.NOTE)
        await store.ledger.confirm([(note.id, SEEN)])
        yield house


async def climbed(ladder: Ladder, given: Sequence[str] = (), **how: bool) -> list[Climbed]:
    return [one async for one in ladder.climb(given, **how)]


async def test_each_rung_is_tried_in_turn(house: House) -> None:
    rungs = await climbed(house.ladder(), ["wss://given.example"])
    assert [(one.rung, *one.tried) for one in rungs] == [
        (Rung.OWN, HOME),
        (Rung.GIVEN, "wss://given.example"),
        (Rung.FOUND, SEEN),
        (Rung.FOLLOWED, ANAS),
        (Rung.LIST, LISTED),
        (Rung.MONITORS, WATCHED),
    ]
    assert not any(one.reached for one in rungs)
    assert house.found == 0


@pytest.mark.parametrize(
    ("url", "rung"),
    [
        ("wss://given.example", Rung.GIVEN),
        (SEEN, Rung.FOUND),
        (ANAS, Rung.FOLLOWED),
        (LISTED, Rung.LIST),
        (WATCHED, Rung.MONITORS),
    ],
)
async def test_what_answers_stands_in_and_the_next_process_knows_it(
    house: House, url: str, rung: Rung
) -> None:
    house.pool.alive = {url}
    rungs = await climbed(house.ladder(), ["wss://given.example"])
    assert [one.rung for one in rungs if one.reached] == [rung]
    assert house.books[-1].fallback == (HOME, url)
    assert house.found == 1
    later = house.ladder()
    assert await later.recall()
    assert house.books[-1].fallback == (HOME, url)
    assert not await later.recall(), "nothing new"
    house.now += STANDS_IN + 1
    await house.ladder().recall()
    assert house.books[-1].fallback == (HOME,), "for a week"


async def test_a_process_that_runs_hears_of_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ladder_module, "LOOK", 0.01)
    running, other = house.ladder(), house.ladder()
    house.pool.book.of(HOME).state = UP
    task = asyncio.create_task(running.keep())
    try:
        house.pool.alive = {ANAS}
        await climbed(other)
        await until(lambda: house.books[0].fallback == (HOME, ANAS) and house.found == 2)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("rung", list(Rung))
async def test_each_rung_alone_reaches_somebody(tmp_path: Path, rung: Rung) -> None:
    """All others are empty, or dead: a drill of each."""
    async with open_store("memory:") as store:
        house = House(store, tmp_path)
        url, given, listed = f"wss://{rung.name.lower()}.example", (), ()
        match rung:
            case Rung.OWN:
                url = HOME
            case Rung.GIVEN:
                given = relays_named(nip19.encode_nprofile(ME, [url]))
            case Rung.FOUND:
                note = await house.save(SecretKey.generate(), kinds.NOTE)
                await store.ledger.confirm([(note.id, url)])
            case Rung.FOLLOWED:
                await house.save(KEY, kinds.FOLLOWS, ("p", ANA.public_key.hex))
                await house.save(ANA, kinds.RELAY_LIST, ("r", url))
            case Rung.LIST:
                listed = (url,)
            case Rung.MONITORS:
                await house.save(KEY, kinds.FOLLOWS, ("p", MONITOR.public_key.hex))
                await house.save(MONITOR, kinds.RELAY_DISCOVERY, ("d", f"{url}/"))
            case Rung.NEARBY:
                url = "ws://192.168.7.7:7777"
                house.near = (url,)
        house.pool.alive = {url}
        ladder = house.ladder(listed=listed)
        *below, last = [one async for one in ladder.climb(given, nearby=True)]
        assert last == Climbed(rung, (url,), (url,))
        assert [one.tried for one in below] == ([] if rung is Rung.OWN else [(HOME,)])
        assert house.books[-1].fallback == tuple(dict.fromkeys((HOME, url)))


async def test_the_local_network_is_looked_at_where_the_person_wants_it(house: House) -> None:
    near = "ws://192.168.7.7:7777"
    house.near = (near, "ws://192.168.7.8")
    house.pool.alive = {near}
    assert near not in {u for one in await climbed(house.ladder()) for u in one.tried}
    [*_, last] = await climbed(house.ladder(looks=True))
    assert last == Climbed(Rung.NEARBY, house.near, (near,))
    later = house.ladder()
    assert await later.recall(), "the next command goes there, too"
    assert house.books[-1].fallback == (HOME, near)
    house.now += NEARBY_STANDS_IN
    await house.ladder().recall()
    assert house.books[-1].fallback == (HOME,), "for an hour: one goes to other networks"


async def test_a_relay_that_is_blocked_is_not_dialled_on_the_local_network(house: House) -> None:
    house.near = ("ws://192.168.7.7",)
    ladder = house.ladder(looks=True)
    house.books[-1].policy.blocked = frozenset(house.near)
    await climbed(ladder)
    assert house.near[0] not in house.pool.dialled


async def test_why_the_local_network_was_not_looked_at_is_said(house: House) -> None:
    house.near = ConfigError("the package is missing")
    house.pool.alive = {WATCHED}
    [*_, watched, last] = await climbed(house.ladder(looks=True))
    assert watched.reached == (WATCHED,)
    assert last == Climbed(Rung.NEARBY, problem="the package is missing")


async def test_where_the_own_relays_answer_no_other_is_dialled(house: House) -> None:
    house.pool.alive = {HOME, SEEN}
    assert [one.rung for one in await climbed(house.ladder())] == [Rung.OWN]
    assert house.pool.dialled == [HOME]
    assert house.found == 0


async def test_the_packages_relays_are_by_hand_for_whoever_chose_others(house: House) -> None:
    assert LISTED not in {
        u for one in await climbed(house.ladder(), by_hand=False) for u in one.tried
    }
    used = house.ladder(starters=True)
    assert LISTED in {u for one in await climbed(used, by_hand=False) for u in one.tried}


async def test_private_addresses_stay_closed_unless_they_are_given(house: House) -> None:
    note = await house.save(SecretKey.generate(), kinds.NOTE)
    await house.store.ledger.confirm([(note.id, "ws://192.168.1.1")])
    await climbed(house.ladder(), ["ws://192.168.1.2"])
    assert "ws://192.168.1.1" not in house.pool.dialled
    assert "ws://192.168.1.2" in house.pool.dialled, "the person says so"


async def test_it_climbs_by_itself_when_all_are_dead(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ladder_module, "LOOK", 0.01)
    ladder = house.ladder()
    house.pool.alive = {ANAS}
    task = asyncio.create_task(ladder.keep())
    try:
        assert not await ladder.is_needed(), "nobody was asked yet"
        house.pool.book.of(HOME).state = UP
        assert not await ladder.is_needed()
        house.pool.book.of(HOME).state = DOWN
        await until(lambda: house.found == 1)
        assert not await ladder.is_needed(), "somebody answers"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("damage", [b"{", b'{"until": "x"}', b"\xff"])
async def test_a_damaged_file_is_looked_for_anew(house: House, damage: bytes) -> None:
    ladder = house.ladder()
    (house.folder / f"stand-ins-{ME[:16]}.json").write_bytes(damage)
    await ladder.recall()
    assert house.books[-1].fallback == (HOME,)


def test_relays_in_what_is_pasted() -> None:
    code = nip19.encode_nprofile(ME, ["wss://one.example/", "ws://two.example:7777"])
    text = f"my relays: nostr:{code}, <WSS://Three.example> and npub1nothing wss://one.example"
    assert relays_named(text) == (
        "wss://one.example",
        "ws://two.example:7777",
    )
    assert relays_named("wss://three.example/ wss://three.example") == ("wss://three.example",)
    for code in (
        nip19.encode_nevent("e" * 64, ["wss://one.example"]),
        nip19.encode_naddr(30023, ME, "a", ["wss://one.example/"]),
        f"nostr:{nip19.encode_nprofile(ME, ['wss://one.example'])}".upper(),
    ):
        assert relays_named(code) == ("wss://one.example",), code
    assert relays_named("\x1b[31m nothing http://example.com") == ()
