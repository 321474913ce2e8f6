"""The store against a naive scan: same answers, same order, same limits."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest

from nostr_client.nips import nip45
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import EventStore
from tests.store import samples
from tests.store.conftest import Clock, OpenStore
from tests.store.naive import NaiveStore
from tests.vectors import needs_vectors, real_events

Reader = frozenset[str] | None


def shown(filters: Sequence[Filter], reader: Reader) -> object:
    """What was asked, for the message of an assert; dear, and only for those that fail."""
    return [f.to_dict() for f in filters], reader


async def assert_same(
    store: EventStore, naive: NaiveStore, filters: Sequence[Filter], reader: Reader = None
) -> None:
    """Every way of reading gives what the naive scan gives."""
    expected = naive.query(filters, reader=reader)
    assert await store.query(filters, reader=reader) == expected, shown(filters, reader)
    page = await store.page(filters, reader=reader)
    assert page.events == [event.json for event in expected], shown(filters, reader)
    matching = naive.matching(filters, reader)
    whole = all(
        len(naive.query([f], reader=reader)) == len(naive.matching([f], reader)) for f in filters
    )
    assert page.complete is whole, shown(filters, reader)
    assert await store.count(filters, reader=reader) == len(matching), shown(filters, reader)


async def assert_slices(
    store: EventStore, naive: NaiveStore, filters: Sequence[Filter], reader: Reader = None
) -> None:
    """Cut pages and slices, too."""
    page = await store.page(filters, max_limit=4, reader=reader)
    expected = naive.query(filters, cap=4, reader=reader)
    matching = naive.matching(filters, reader)
    assert [data for data in page.events if data in {e.json for e in expected}] == [
        event.json for event in expected
    ], shown(filters, reader)
    # The cap of the store may be stretched, to keep the last second whole.
    assert set(page.events) <= {event.json for event in naive.query(filters, reader=reader)}, shown(
        filters, reader
    )
    assert len(page.events) <= 2 * 4 * len(filters), shown(filters, reader)
    assert not page.complete or page.events == [e.json for e in matching], shown(filters, reader)
    for size in (1, 7) if len(matching) < 60 else (97,):
        slices = [part async for part in store.stream(filters, size=size, reader=reader)]
        assert all(0 < len(part) <= size for part in slices), shown(filters, reader)
        assert [event for part in slices for event in part] == matching, shown(filters, reader)
    for f in filters:
        found = naive.matching([f], reader)
        places = sorted((event.created_at, bytes.fromhex(event.id)) for event in found)
        assert await store.ids(f, reader=reader) == places, shown(filters, reader)
        sketch = len(found), nip45.registers_of((event.pubkey for event in found), 11)
        assert await store.sketch(f, 11, reader=reader) == sketch, shown(filters, reader)


async def compare(
    store: EventStore, naive: NaiveStore, known: list[Event], rng: random.Random, rounds: int
) -> None:
    people = sorted({event.pubkey for event in known})
    for number in range(rounds):
        filters = [samples.random_filter(rng, known) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
        if rng.random() < 0.2:
            filters.append(filters[0].changed(kinds=frozenset([1059])))
        reader = rng.choice((None, frozenset(rng.choices(people, k=rng.choice((0, 1, 1, 2, 20))))))
        await assert_same(store, naive, filters, reader)
        if number % 5 == 0:
            await assert_slices(store, naive, filters, reader)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("seed", range(2))
async def test_generated_events(open_store: OpenStore, clock: Clock, seed: int) -> None:
    await generated(open_store, clock, seed, filters=80)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(4))
async def test_many_generated_events(open_store: OpenStore, clock: Clock, part: int) -> None:
    for seed in range(100 + 4 * part, 104 + 4 * part):
        await generated(open_store, clock, seed, filters=200)


async def generated(open_store: OpenStore, clock: Clock, seed: int, filters: int) -> None:
    rng = random.Random(seed)
    keepers = [samples.author(0), samples.author(1)]
    urls = [samples.SERVICE_URL] if seed % 2 else []
    tags = [samples.SERVICE_URL + "/", "ALL_RELAYS"] if seed % 2 else []
    naive = NaiveStore(tags, keepers)
    made = samples.events(rng, 250)
    again = made + rng.sample(made, 60)
    clock.now = samples.NOW
    name = f"{seed}.db"
    async with open_store(name, keep_history_of=keepers, service_urls=urls) as store:
        for batch in _batches(rng, again):
            results = await store.save(batch)
            expected = [naive.save(event, int(clock.now)) for event in batch]
            assert [result.status for result in results] == expected
            if rng.random() < 0.1:
                clock.now += 1
            if rng.random() < 0.1:
                await store.purge()
        clock.now += 3
        naive.forget_expired(int(clock.now))
        await compare(store, naive, made, rng, filters)
        for address in {event.address for event in made if event.address is not None}:
            assert await store.history(address) == naive.history(address)
            current = [event for event in naive.events if event.address == address]
            assert await store.get_address(address) == (current[0] if current else None)
        held = {event.id for event in naive.events}
        for event in made:
            assert (await store.get(event.id) is not None) == (event.id in held)
        await store.check()


def _batches(rng: random.Random, events: list[Event]) -> list[list[Event]]:
    batches, left = [], iter(events)
    while batch := list(itertools.islice(left, rng.choice((1, 1, 2, 10, 60)))):
        batches.append(batch)
    return batches


@needs_vectors
async def test_real_events(store: EventStore) -> None:
    await real(store, filters=40)


@needs_vectors
@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_real_events_many_filters(store: EventStore) -> None:
    await real(store, filters=1_000)


async def real(store: EventStore, filters: int) -> None:
    naive = NaiveStore()
    events = [Event.parse(line) for line in real_events()]
    results = await store.save(events)
    assert [result.status for result in results] == [
        naive.save(event, samples.NOW) for event in events
    ]
    await compare(store, naive, events, random.Random(7), filters)
