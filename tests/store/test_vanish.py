"""Requests to vanish (NIP-62): in a relay's store, and never in a client's."""

from __future__ import annotations

import asyncio
import random

import pytest

from nostr_client.errors import InvalidData
from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import EventStore
from nostr_client.store.sqlite import maintenance, removal
from nostr_client.store.sqlite.store import SqliteStore
from tests.store import samples
from tests.store.conftest import Clock, OpenStore
from tests.store.naive import NaiveStore
from tests.store.samples import NOW, SERVICE_URL, author, make
from tests.store.sqlite.test_writer import held, save
from tests.store.test_differential import compare

each_engine = pytest.mark.usefixtures("engine")

ALICE, BOB, CAROL = author(1), author(2), author(3)
OWN = [
    make(ALICE, 1, NOW - 5),
    make(ALICE, 0, NOW - 5),
    make(ALICE, 30023, NOW, ("d", "x")),
    make(ALICE, 5, NOW - 9, ("e", "0" * 64)),
]
LATER = make(ALICE, 1, NOW + 1)
WRAP = make(BOB, 1059, NOW, ("p", ALICE))
LATER_WRAP = make(BOB, 1059, NOW + 1, ("p", ALICE))
OTHERS = [make(BOB, 1, NOW - 5, ("p", ALICE)), make(BOB, 1059, NOW, ("p", BOB))]
ALL = [*OWN, LATER, WRAP, LATER_WRAP, *OTHERS]


@pytest.mark.parametrize("value", ["ALL_RELAYS", SERVICE_URL, "WSS://Relay.Example.com:443/"])
async def test_request_removes_and_bars(open_store: OpenStore, value: str) -> None:
    request = make(ALICE, 62, NOW, ("relay", "junk"), ("relay", value))
    kept = {request.id, LATER.id, LATER_WRAP.id, *(event.id for event in OTHERS)}
    async with open_store(service_urls=["ws://localhost:1", SERVICE_URL]) as store:
        await store.save(ALL)
        assert await save(store, request) == ["stored"]
        assert await held(store) == kept
        assert await save(store, *OWN, WRAP) == ["vanished"] * 5
        assert await save(store, request, *OTHERS) == ["duplicate"] * 3
        assert await save(store, make(ALICE, 62, NOW - 1, ("relay", value))) == ["vanished"]
        assert await save(store, make(ALICE, 5, NOW + 5, ("e", request.id))) == ["stored"]
        assert await save(store, OWN[0]) == ["vanished"], "a request is not undone"
        assert await store.count([Filter.of(p=[ALICE])]) == 2
        await store.check()
    async with open_store(service_urls=[SERVICE_URL]) as store:
        assert await save(store, OWN[0], WRAP) == ["vanished"] * 2


@each_engine
async def test_a_request_within_one_batch(open_store: OpenStore) -> None:
    request = make(ALICE, 62, NOW, ("relay", "ALL_RELAYS"))
    async with open_store(service_urls=[SERVICE_URL]) as store:
        results = await store.save([OWN[0], request, OWN[1], LATER])
        assert [result.status.value for result in results] == [
            *("stored", "stored", "vanished", "stored"),
        ]
        assert await held(store) == {request.id, LATER.id}


@each_engine
@pytest.mark.parametrize("value", ["wss://other.example", "all_relays", "", SERVICE_URL + "/sub"])
async def test_a_request_to_others_changes_nothing(open_store: OpenStore, value: str) -> None:
    request = make(ALICE, 62, NOW, ("relay", value), ("relay",))
    async with open_store(service_urls=[SERVICE_URL]) as store:
        await store.save([*ALL, request])
        assert await held(store) == {event.id for event in (*ALL, request)}


@each_engine
async def test_a_clients_store_keeps_everything(store: EventStore) -> None:
    requests = [make(ALICE, 62, NOW, ("relay", value)) for value in ("ALL_RELAYS", SERVICE_URL)]
    await store.save([*ALL, *requests])
    assert await held(store) == {event.id for event in (*ALL, *requests)}
    assert await save(store, *OWN) == ["duplicate"] * 4


async def test_a_request_is_obeyed_once_its_url_is_ours(open_store: OpenStore) -> None:
    request = make(ALICE, 62, NOW, ("relay", SERVICE_URL))
    async with open_store(service_urls=["wss://old.example"]) as store:
        await store.save([*ALL, request])
        assert len(await held(store)) == len(ALL) + 1
    async with open_store(service_urls=["wss://old.example", SERVICE_URL]) as store:
        assert OWN[0].id not in await held(store)
        assert await save(store, *OWN, request) == ["vanished"] * 4 + ["duplicate"]


@each_engine
async def test_history_vanishes_too(open_store: OpenStore) -> None:
    older, newer = make(ALICE, 0, NOW - 9), make(ALICE, 0, NOW - 8)
    async with open_store(service_urls=[SERVICE_URL], keep_history_of=[ALICE]) as store:
        await store.save([older, newer])
        assert await store.history(f"0:{ALICE}:") == [older]
        await store.save([make(ALICE, 62, NOW, ("relay", "ALL_RELAYS"))])
        assert await store.history(f"0:{ALICE}:") == []


@pytest.fixture
def all_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """However little it is."""
    monkeypatch.setattr(removal, "VANISHED_AT_ONCE", 0)
    monkeypatch.setattr(maintenance, "REMOVED_AT_ONCE", 2)


@pytest.mark.usefixtures("all_in_slices")
@pytest.mark.parametrize("seed", range(3))
async def test_nobody_sees_what_is_being_taken_out(
    open_store: OpenStore, clock: Clock, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Before the first slice, and after the last: as if it had gone at once."""
    rng = random.Random(seed)
    naive = NaiveStore([SERVICE_URL + "/", "ALL_RELAYS"])
    made = samples.events(rng, 200)
    made += [make(author(n), 62, NOW - 4, ("relay", "ALL_RELAYS")) for n in (1, 2)]
    with monkeypatch.context() as patch:
        patch.setattr(SqliteStore, "_clean", _never)
        async with open_store(service_urls=[SERVICE_URL]) as store:
            for event in [*made, *rng.sample(made, 50)]:
                [result] = await store.save([event])
                assert result.status == naive.save(event, NOW)
            await compare(store, naive, made, rng, 60)
            held = {event.id for event in naive.events}
            assert set(await store.known([event.id for event in made])) == held
            for event in made:
                assert (await store.get(event.id) is not None) == (event.id in held)
                if event.address is not None:
                    current = [old for old in naive.events if old.address == event.address]
                    found = await store.get_address(event.address)
                    assert found == (current[0] if current else None)
    async with open_store(service_urls=[SERVICE_URL]) as store:  # as after `kill -9`
        await store.purge()
        left = await store._db.read(lambda c: c.execute("SELECT count(*) FROM leaving").fetchone())
        assert left == (0,)
        rows = await store._db.read(lambda c: c.execute("SELECT count(*) FROM event").fetchone())
        assert rows == (len(naive.events),)
        await compare(store, naive, made, rng, 20)
        await store.check()


async def _never(_store: EventStore) -> None:
    """No cleaning."""


async def test_much_is_taken_out_beside_others(open_store: OpenStore) -> None:
    made = [make(ALICE, 1, NOW - n, content=f"{n}") for n in range(2000)]
    async with open_store(service_urls=[SERVICE_URL], search=True) as store:
        await store.save(made)
        await store.finish_index()
        await store.save([make(ALICE, 62, NOW, ("relay", "ALL_RELAYS"))])
        assert await store.count([Filter.of(authors=[ALICE])]) == 1
        assert await store.count([Filter.of(search="7")]) == 0
        async with asyncio.timeout(30):
            while await store._db.read(lambda c: c.execute("SELECT * FROM leaving").fetchall()):
                await store.save([make(BOB, 1, NOW)])
        assert await store.count([Filter()]) == 2
        await store.check()


async def marks(store: EventStore) -> list[tuple[int, int]]:
    sql = "SELECT until, idle FROM vanished ORDER BY until"
    return await store._db.read(lambda c: c.execute(sql).fetchall())


async def test_a_request_is_obeyed_without_being_kept(open_store: OpenStore) -> None:
    request = make(ALICE, 62, NOW, ("relay", "ALL_RELAYS"))
    elsewhere = make(BOB, 62, NOW, ("relay", "wss://other.example"))
    kept = {LATER.id, LATER_WRAP.id, *(event.id for event in OTHERS)}
    async with open_store(service_urls=[SERVICE_URL]) as store:
        await store.save(ALL)
        await store.obey([request, elsewhere])
        assert await held(store) == kept
        assert await save(store, *OWN, WRAP) == ["vanished"] * 5
    async with open_store(service_urls=[SERVICE_URL]) as store:
        assert await save(store, *OWN, WRAP) == ["vanished"] * 5
        await store.obey([request])
        assert await marks(store) == [(NOW, 0)]


async def test_marks_of_whom_nothing_was_here_have_a_cap(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "IDLE_MARKS", 100)
    strangers = [
        make(f"{n:064x}", 62, NOW - 1000 + n, ("relay", SERVICE_URL)) for n in range(1, 500)
    ]
    wrap = make(BOB, 1059, NOW - 5000, ("p", CAROL))
    async with open_store(service_urls=[SERVICE_URL]) as store:
        await store.save([OWN[0], wrap])
        first = [make(who, 62, NOW - 4000, ("relay", SERVICE_URL)) for who in (ALICE, CAROL)]
        await store.obey(first)
        for start in range(0, len(strangers), 50):
            await store.obey(strangers[start : start + 50])
        found = await marks(store)
        assert [until for until, idle in found if not idle] == [NOW - 4000] * 2
        assert 90 <= len(found) - 2 <= 100
        assert found[-1][0] == strangers[-1].created_at, "the newest are kept"
        again = make(strangers[-1].pubkey, 1, NOW - 2000)
        assert await save(store, again, make(ALICE, 1, NOW - 4500)) == ["vanished"] * 2
    async with open_store(service_urls=[SERVICE_URL]) as store:
        await store.obey([make("ff" * 32, 62, NOW, ("relay", SERVICE_URL))])
        assert len(await marks(store)) <= 102


async def test_a_service_url_that_is_none_is_refused(open_store: OpenStore) -> None:
    with pytest.raises(InvalidData):
        async with open_store(service_urls=["not a url"]):
            pass
