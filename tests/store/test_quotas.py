"""What strangers send is bounded; what one's own people wrote, and whom they follow, never goes."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.store.contract import INSIDE, ClientStore, QuotaLimits, StoreOptions, cost
from nostr_client.store.opening import open_store

each_engine = pytest.mark.usefixtures("client_engine")

OWN, FRIEND = SecretKey.generate(), SecretKey.generate()
EVIL, GOOD = "wss://evil.example", "wss://good.example"
START = 1_700_000_000
LIMIT = 100_000
LIMITS = QuotaLimits(relay=LIMIT, stranger=LIMIT // 4)


def notes(key: SecretKey, number: int, size: int = 600, kind: int = 1) -> list[Event]:
    return [Draft(kind, f"{n} ".ljust(size, "x")).sign(key, START + n) for n in range(number)]


def by_strangers(number: int, kind: int = 1) -> list[Event]:
    return [notes(SecretKey.generate(), 1, kind=kind)[0] for _ in range(number)]


async def arrive(store: ClientStore, url: str, events: Sequence[Event]) -> set[str]:
    """As whatever a relay sends is taken."""
    refused = await store.quotas.admit([(event, url) for event in events])
    taken = [event for event in events if event.id not in refused]
    results = await store.save(taken)
    await store.ledger.confirm([(event.id, url) for event in taken])
    fresh = [event for event, result in zip(taken, results, strict=True) if result.seq]
    store.quotas.charge((event, url) for event in fresh)
    return refused


async def held(store: ClientStore) -> set[str]:
    return {event.id for event in await store.query([Filter(limit=10_000)])}


@each_engine
async def test_one_relay_fills_its_own_quota_and_no_more(tmp_path: Path) -> None:
    pubkey = OWN.public_key.hex
    async with open_store(tmp_path / "s.db", StoreOptions(keep_history_of=[pubkey])) as store:
        store.quotas.limits = LIMITS
        follows = Draft(3, "", (("p", FRIEND.public_key.hex),)).sign(OWN, START)
        own = [*notes(OWN, 300), follows]
        await store.save(own)
        friends, others = notes(FRIEND, 300), by_strangers(50)
        await arrive(store, GOOD, others)
        await arrive(store, EVIL, friends)
        flood: list[Event] = []
        for _ in range(10):
            batch = by_strangers(40)
            await arrive(store, EVIL, batch)
            flood += batch
        kept = await held(store)
        assert {event.id for event in (*own, *friends, *others)} <= kept
        left = [event for event in flood if event.id in kept]
        assert sum(map(cost, left)) <= LIMIT
        assert left == flood[-len(left) :], "what came first goes first"
        assert sum(map(cost, left)) > LIMIT // 2
        assert store.quotas.evicted == len(flood) - len(left)


@each_engine
async def test_whoever_is_kept_is_no_stranger(tmp_path: Path) -> None:
    kept: list[str] = []
    async with open_store(tmp_path / "s.db") as store:
        store.quotas.limits = LIMITS
        store.quotas.also_spared = lambda: kept
        kept.append(FRIEND.public_key.hex)
        theirs = notes(FRIEND, 300)
        assert not await arrive(store, EVIL, theirs)
        for _ in range(6):
            await arrive(store, EVIL, by_strangers(40))
        assert {event.id for event in theirs} <= await held(store)


@each_engine
async def test_an_event_stays_with_the_relay_that_brought_it_first(tmp_path: Path) -> None:
    """Though that one sends it again after another did: else a flood there could push it out."""
    now = START
    async with open_store(tmp_path / "s.db", StoreOptions(clock=lambda: now)) as store:
        store.quotas.limits = LIMITS
        others = by_strangers(50)
        for url in (GOOD, EVIL, GOOD):
            await arrive(store, url, others)
            now += 60
        for _ in range(10):
            await arrive(store, EVIL, by_strangers(40))
        assert {event.id for event in others} <= await held(store)


@each_engine
async def test_a_stranger_fills_his_own_whatever_relays_he_comes_by(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db") as store:
        store.quotas.limits = LIMITS
        stranger, others = SecretKey.generate(), by_strangers(40)
        await arrive(store, GOOD, others)
        many = notes(stranger, 120)
        for start in range(0, 120, 20):
            await arrive(store, (GOOD, EVIL)[start // 20 % 2], many[start : start + 20])
        kept = await held(store)
        assert {event.id for event in others} <= kept
        left = [event for event in many if event.id in kept]
        assert left
        assert sum(map(cost, left)) <= LIMITS.stranger


async def test_what_deletions_bar_goes_with_them(tmp_path: Path) -> None:
    """Marks that stay would take as much room as the deletions, without a bound; those of one's
    own people stay."""
    pubkey, path = OWN.public_key.hex, tmp_path / "s.db"

    def deletion(key: SecretKey, number: int) -> Event:
        tags = tuple(("e", f"{100 * number + n:08x}" * 8) for n in range(100))
        return Draft(5, "", tags).sign(key, START)

    async with open_store(path, StoreOptions(keep_history_of=[pubkey])) as store:
        store.quotas.limits = LIMITS
        await store.save([deletion(OWN, 0)])
        for number in range(1, 41):
            await arrive(store, EVIL, [deletion(SecretKey.generate(), number)])
        kept = await store.query([Filter.of(kinds=[5])])
        assert store.quotas.evicted == 41 - len(kept) > 0
        with closing(sqlite3.connect(path)) as db:
            (marks,) = db.execute("SELECT count(*) FROM tombstone").fetchone()
        assert marks == 100 * len(kept)
        assert deletion(OWN, 0).id in {event.id for event in kept}


async def test_another_process_and_the_next_start_count_on(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with open_store(path) as store:
        store.quotas.limits = LIMITS
        first = by_strangers(90)
        await arrive(store, EVIL, first)
    async with open_store(path) as store:
        store.quotas.limits = LIMITS
        second = by_strangers(60)
        await arrive(store, EVIL, second)
        kept = await held(store)
        assert sum(cost(event) for event in (*first, *second) if event.id in kept) <= LIMIT
        assert {event.id for event in second} <= kept


@each_engine
async def test_what_has_no_room_in_one_go_is_refused(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db") as store:
        store.quotas.limits = LIMITS
        (giant,) = notes(SecretKey.generate(), 1, size=LIMIT)
        small = by_strangers(3)
        assert await arrive(store, EVIL, [giant, *small]) == {giant.id}
        assert await held(store) == {event.id for event in small}
        assert store.quotas.refused == 1


@each_engine
async def test_private_messages_go_last(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db") as store:
        store.quotas.limits = LIMITS
        wraps = by_strangers(20, kind=1059)
        await arrive(store, EVIL, wraps)
        for _ in range(4):
            await arrive(store, EVIL, by_strangers(40))
        assert {event.id for event in wraps} <= await held(store)


@each_engine
async def test_what_is_to_be_placed_is_ours_and_stays(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db") as store:
        store.quotas.limits = LIMITS
        ours = by_strangers(20, kind=1059)
        await store.save(ours)
        for wrap in ours:
            await store.ledger.want(wrap.id, [EVIL])
        await store.ledger.confirm([(wrap.id, EVIL) for wrap in ours[:10]])
        for _ in range(6):
            await arrive(store, EVIL, by_strangers(40, kind=1059))
        assert {event.id for event in ours} <= await held(store)
        assert store.quotas.evicted > 0


@each_engine
async def test_lists_and_profiles_of_strangers_have_no_place_of_their_own(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db") as store:
        store.quotas.limits = LIMITS
        for kind in (0, 3, 5, 10002, 30023):
            await arrive(store, EVIL, by_strangers(60, kind=kind))
        events = await store.query([Filter(limit=10_000)])
        assert sum(map(cost, events)) <= LIMIT


@each_engine
async def test_what_came_inside_of_other_events_is_bounded_too(tmp_path: Path) -> None:
    """A note in a repost comes from no relay, and a thousand strangers may repost."""
    async with open_store(tmp_path / "s.db") as store:
        store.quotas.limits = LIMITS
        honest = by_strangers(20)
        await arrive(store, GOOD, honest)
        carried: list[Event] = []
        for _ in range(6):
            batch = by_strangers(40)
            refused = await store.quotas.admit([(event, INSIDE) for event in batch])
            assert not refused
            await store.save(batch)
            store.quotas.charge((event, INSIDE) for event in batch)
            carried += batch
        kept = await held(store)
        assert {event.id for event in honest} <= kept
        left = [event for event in carried if event.id in kept]
        assert sum(map(cost, left)) <= LIMIT
        assert left == carried[-len(left) :]
