"""Superseded versions: kept for those who are named, apart from queries."""

from __future__ import annotations

import pytest

from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import EventStore
from tests.store.conftest import OpenStore
from tests.store.samples import NOW, author, make
from tests.store.sqlite.test_writer import held, save

each_engine = pytest.mark.usefixtures("engine")

ALICE, BOB = author(1), author(2)


async def test_every_version_is_kept_in_whatever_order_it_comes(open_store: OpenStore) -> None:
    for kind, tags in ((0, ()), (3, ()), (10002, ()), (10050, ()), (30000, (("d", "x"),))):
        v = [make(ALICE, kind, NOW + n, *tags, content=f"{n}") for n in range(5)]
        address = v[0].address or ""
        async with open_store(keep_history_of=[ALICE]) as store:
            assert await save(store, v[1], v[3], v[0]) == ["stored", "replaced", "outdated"]
            results = await store.save([v[4], v[2], v[0]])
            assert [r.status.value for r in results] == ["replaced", "outdated", "outdated"]
            assert await store.history(address) == [v[3], v[2], v[1], v[0]]
            assert await store.get_address(address) == v[4]
            assert await store.query([Filter.of(kinds=[kind])]) == [v[4]]
            assert await store.known([event.id for event in v]) == {v[4].id: v[4].json}


@each_engine
async def test_ties_within_a_second_are_all_kept(open_store: OpenStore) -> None:
    made = [make(ALICE, 3, NOW, content=f"{n}") for n in range(6)]
    async with open_store(keep_history_of=[ALICE]) as store:
        await store.save(made)
        ordered = sorted(made, key=lambda event: event.id)
        assert await store.get_address(f"3:{ALICE}:") == ordered[0]
        assert await store.history(f"3:{ALICE}:") == ordered[1:]


@each_engine
async def test_nobody_elses_versions_are_kept(open_store: OpenStore) -> None:
    async with open_store(keep_history_of=[ALICE]) as store:
        await store.save([make(BOB, 0, NOW + n) for n in range(3)])
        assert await store.history(f"0:{BOB}:") == []
        await store.keep_history_of([BOB])
        newest = make(BOB, 0, NOW + 9)
        await store.save([newest, make(BOB, 0, NOW)])
        assert len(await store.history(f"0:{BOB}:")) == 2
        await store.keep_history_of([])


async def test_the_keys_are_remembered_by_the_file(open_store: OpenStore) -> None:
    """A second process may supersede a version without having been told whose history counts."""
    async with open_store(keep_history_of=[ALICE]):
        pass
    async with open_store() as store:
        older, newer = make(ALICE, 3, NOW), make(ALICE, 3, NOW + 1)
        await store.save([older, newer])
        assert await store.history(f"3:{ALICE}:") == [older]


@each_engine
async def test_a_stolen_key_cannot_delete_the_history(open_store: OpenStore) -> None:
    async with open_store(keep_history_of=[ALICE]) as store:
        older, newer = make(ALICE, 3, NOW), make(ALICE, 3, NOW + 1)
        attack = make(ALICE, 5, NOW + 2, ("a", f"3:{ALICE}:"), ("e", newer.id), ("e", older.id))
        await store.save([older, newer, attack, make(ALICE, 62, NOW + 3, ("relay", "ALL_RELAYS"))])
        assert await store.history(f"3:{ALICE}:") == [newer, older]
        assert newer.id not in await held(store)


@each_engine
async def test_regular_events_have_no_history(store: EventStore) -> None:
    await store.keep_history_of([ALICE])
    note = make(ALICE, 1, NOW)
    await store.save([note, make(ALICE, 5, NOW, ("e", note.id))])
    assert await store.history(f"1:{ALICE}:") == []
