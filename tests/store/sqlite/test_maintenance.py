"""What a keeper does: removing, retention, copies, tidying up."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from pathlib import Path

import pytest

from nostr_client.errors import StoreError
from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import ClientStore
from nostr_client.store.sqlite import backup, maintenance, opening, reader
from tests.store import samples
from tests.store.conftest import Clock, OpenStore
from tests.store.naive import NaiveStore
from tests.store.samples import NOW, author, make
from tests.store.test_differential import compare
from tests.waiting import until

ALICE, BOB = author(1), author(2)


@pytest.mark.parametrize("seed", range(4))
async def test_what_is_removed_is_gone_and_nothing_else(
    store: ClientStore, clock: Clock, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(maintenance, "REMOVED_AT_ONCE", 3)
    monkeypatch.setattr(reader, "SLICE", 2)
    rng = random.Random(seed)
    naive = NaiveStore()
    events = samples.events(rng, 250)
    for start in range(0, len(events), 25):
        part = events[start : start + 25]
        await store.save(part)
        for event in part:
            naive.save(event, NOW)
        filters = [samples.random_filter(rng, events) for _ in range(2)]
        matching = naive.matching(filters)
        assert await store.remove(filters) == len(matching)
        naive.events = [event for event in naive.events if event not in matching]
    await compare(store, naive, events, rng, 20)
    await store.check()
    back = [event for event in naive.events if event.kind != 5][:5]
    await store.remove([Filter.of(ids=[event.id for event in back])])
    assert all(result.held for result in await store.save(back)), "no tombstone is left"


async def test_removing_forgets_copies_and_takes_what_has_expired(
    store: ClientStore, clock: Clock
) -> None:
    note, expiring = make(ALICE, 1, NOW), make(ALICE, 1, NOW, ("expiration", str(NOW + 5)))
    other = make(BOB, 1, NOW)
    await store.save([note, expiring, other])
    for event in (note, other):
        await store.ledger.want(event.id, ["wss://a.example"])
    clock.now += 10
    assert await store.remove([Filter.of(authors=[ALICE], limit=1)]) == 2
    assert [copy.event_id for copy in await store.ledger.due(int(clock.now))] == [other.id]
    assert await store.remove([Filter.of(authors=[ALICE])]) == await store.remove([]) == 0


async def test_what_another_process_removes_is_gone_here(open_store: OpenStore) -> None:
    note = make(ALICE, 1, NOW)
    async with open_store() as one, open_store() as other:
        await one.save([note])
        assert await one.query([Filter()]) == [note]
        assert await other.remove([Filter.of(ids=[note.id])]) == 1
        assert await one.query([Filter()]) == []
        assert await one.get(note.id) is None
        assert await one.count([Filter()]) == 0


EVICTABLE_NOT = (0, 3, 5, 62, *range(10_000, 20_000), *range(30_000, 40_000))


async def test_retention_by_kind_age_and_author(store: ClientStore) -> None:
    rng = random.Random(11)
    naive = NaiveStore()
    events = samples.events(rng, 300)
    await store.save(events)
    for event in events:
        naive.save(event, NOW)
    rules = [Filter.of(kinds=[7], until=NOW - 5), Filter.of(until=NOW - 15, limit=1)]
    gone = [
        event
        for event in naive.matching(rules)
        if event.kind not in EVICTABLE_NOT and event.pubkey != ALICE
    ]
    assert len(gone) > 20
    assert await store.evict(rules, spared=[ALICE]) == (len(gone), 0)
    naive.events = [event for event in naive.events if event not in gone]
    await compare(store, naive, events, rng, 30)
    assert await store.evict(rules, spared=[ALICE]) == (0, 0)
    before = await store.count([Filter.of(kinds=[7])])
    assert (await store.evict([Filter()], spared_kinds=[7, 1])).events
    assert await store.count([Filter.of(kinds=[7])]) == before
    deleted = [event for event in events if await store.known([event.id]) == {}]
    assert [r.status for r in await store.save(deleted)].count("deleted") > 0, "tombstones stay"
    await store.check()


async def test_retention_by_size(store: ClientStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "_OLDEST_READ", 100)
    notes = [make(BOB, 1, NOW - n, content=f"{n} " + "x" * 1000) for n in range(1500)]
    mine = [make(ALICE, 1, NOW - 5000 - n) for n in range(30)]
    profiles = [make(author(n), 0, NOW - 9000) for n in range(10, 210)]
    await store.save([*profiles, *mine, *notes])
    full = (await store.size()).used
    assert await store.evict(most_bytes=full) == (0, 0)
    count = floor = 0
    for _ in range(20):
        evicted = await store.evict(most_bytes=full // 2, spared=[ALICE])
        count += evicted.events
        floor = max(floor, evicted.floor)
        if not evicted.events:
            break
    assert (await store.size()).used <= full // 2
    assert 600 < count < 1000
    assert await store.count([Filter.of(authors=[ALICE])]) == 30
    assert await store.count([Filter.of(kinds=[0])]) == 200
    left = await store.query([Filter.of(authors=[BOB])])
    assert left == notes[: len(left)], "the oldest went"
    assert left[-1].created_at == floor + 1
    assert (await store.evict(most_bytes=0)).floor == NOW + 1
    assert await store.count([Filter()]) == 200


async def test_a_copy_is_one_state_and_whole(
    open_store: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_PAGES", 1)
    made = [make(ALICE, 1, NOW - n, content="tea " + "x" * 900) for n in range(400)]
    async with open_store(search=True) as store:
        await store.save(made)
        await store.finish_index()
        copying = asyncio.create_task(store.backup(tmp_path / "copy.db"))
        number = 0
        while not copying.done():
            number += 1
            await store.save([make(BOB, 1, NOW + number)])
        await copying
        assert number > 2, "others go on"
        with pytest.raises(StoreError, match="already"):
            await store.backup(tmp_path / "copy.db")
    names = {item.name for item in tmp_path.iterdir() if item.suffix != ".lock"}
    assert names == {"copy.db", "events.db"}
    assert (tmp_path / "copy.db").stat().st_mode & 0o077 == 0
    async with open_store("copy.db", search=True) as copy:
        await copy.check()
        held = await copy.query([Filter.of(authors=[BOB])])
        assert [event.created_at for event in held] == list(range(NOW + len(held), NOW, -1))
        assert await copy.count([Filter.of(search="tea")]) == 400


async def test_a_copy_that_is_broken_off_leaves_nothing(
    open_store: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_PAGES", 1)
    monkeypatch.setattr(opening, "_PAUSE", 0.05)
    async with open_store() as store:
        await store.save([make(ALICE, 1, NOW - n, content="x" * 900) for n in range(400)])
        copying = asyncio.create_task(store.backup(tmp_path / "copy.db"))
        await until((tmp_path / "copy.db.part").exists)
        copying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await copying
        await until(lambda: not (tmp_path / "copy.db.part").exists())
    assert not (tmp_path / "copy.db").exists()


@pytest.mark.parametrize("old", [False, True])
async def test_compacting_gives_space_back(
    open_store: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: bool
) -> None:
    monkeypatch.setattr(backup, "_PAGES", 16)
    path = tmp_path / "events.db"
    if old:  # as an early version made it
        db = sqlite3.connect(path)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA auto_vacuum = NONE")
        db.execute("CREATE TABLE x (x)")
        db.execute("DROP TABLE x")
        db.commit()
        db.close()
    made = [make(ALICE, 1, NOW - n, content=f"tea {n} " + "x" * 900) for n in range(800)]
    async with open_store(search=True) as store, open_store() as other:
        await store.save(made)
        await store.finish_index()
        assert await store.remove([Filter.of(until=NOW - 50)]) == 750
        before = await store.size()
        assert before.allocated > before.used
        compacting = asyncio.create_task(store.compact())
        number = 0
        while not compacting.done():
            number += 1
            await other.save([make(BOB, 1, NOW + number)])
        await compacting
        await store.compact()  # with nobody else at it, the log is emptied, too
        after = await store.size()
        assert after.allocated < before.allocated - 500_000
        assert path.stat().st_size < after.allocated + 100_000
        assert await store.query([Filter.of(authors=[ALICE])]) == made[:50]
        assert await store.count([Filter.of(search="tea")]) == 50
        assert await other.count([Filter.of(authors=[BOB])]) == number
        await store.check()


async def test_a_damaged_index_is_found(open_store: OpenStore, tmp_path: Path) -> None:
    async with open_store() as store:
        await store.save([make(ALICE, 1, NOW - n) for n in range(9)])
        await store.check()
    db = sqlite3.connect(tmp_path / "events.db")
    db.execute("DELETE FROM new_author WHERE seq = 3")
    db.execute("DELETE FROM author WHERE seq = 3")
    db.commit()
    db.close()
    async with open_store() as store:
        with pytest.raises(StoreError, match="author"):
            await store.check()
