"""What a keeper does: removing."""

from __future__ import annotations

import random

import pytest

from nostr_client.protocol.filters import Filter
from nostr_client.store import keeping, reading
from nostr_client.store.events import EventStore
from tests.store import samples
from tests.store.conftest import Clock, OpenStore
from tests.store.naive import NaiveStore
from tests.store.samples import NOW, author, make
from tests.store.test_differential import compare

ALICE, BOB = author(1), author(2)


@pytest.mark.parametrize("seed", range(4))
async def test_what_is_removed_is_gone_and_nothing_else(
    store: EventStore, clock: Clock, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(keeping, "REMOVED_AT_ONCE", 3)
    monkeypatch.setattr(reading, "SLICE", 2)
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
    store: EventStore, clock: Clock
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
