"""Large questions: long lists, broad scans, answers that do not fit, what makes no sense."""

from __future__ import annotations

import asyncio
import random
import sqlite3

import pytest

from nostr_client.errors import InvalidFilter, QueryTimeout, TooMany
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import EventStore
from nostr_client.store.sqlite import connections, database, filter_sql
from tests.store import samples
from tests.store.conftest import OpenStore
from tests.store.naive import NaiveStore
from tests.store.samples import NOW, author, make
from tests.store.test_differential import assert_same, assert_slices

ALICE = author(1)
MANY = [author(n) for n in range(1500)]


async def test_long_lists(store: EventStore) -> None:
    rng = random.Random(3)
    naive = NaiveStore()
    events = samples.events(rng, 300, authors=150, seconds=2000)
    await store.save(events)
    for event in events:
        naive.save(event, NOW)
    words = [f"{n}" for n in range(1100)] + list(samples.WORDS)
    ids = [event.id for event in events] + [author(n) for n in range(1100)]
    for fields in (
        {"authors": MANY},
        {"authors": MANY, "kinds": range(3000)},
        {"authors": MANY[:65], "kinds": [1]},
        {"kinds": range(65536)},
        {"ids": ids},
        {"ids": ids, "authors": MANY, "kinds": range(3000), "p": MANY},
        {"p": MANY},
        {"p": MANY, "t": words, "kinds": range(1, 100)},
        {"e": ids, "authors": MANY},
        {"t": words, "d": words, "authors": MANY[:30], "kinds": range(20, 40_000)},
    ):
        for limit, reader in ((None, None), (20, None), (20, frozenset(MANY[:200]))):
            filters = [Filter.of(**fields, limit=limit)]  # type: ignore[arg-type]
            await assert_same(store, naive, filters, reader)
        await assert_slices(store, naive, [Filter.of(**fields)])  # type: ignore[arg-type]


async def test_many_filters(store: EventStore) -> None:
    naive = NaiveStore()
    rng = random.Random(4)
    events = samples.events(rng, 200)
    await store.save(events)
    for event in events:
        naive.save(event, NOW)
    for count in (99, 101, 300):
        await assert_same(store, naive, [samples.random_filter(rng, events) for _ in range(count)])


async def test_both_ways_of_merging_agree(store: EventStore) -> None:
    naive = NaiveStore()
    for event in (
        made := [make(MANY[n % 70], 1, NOW - n // 7, content=f"{n}") for n in range(280)]
    ):
        naive.save(event, NOW)
    await store.save(made)
    assert filter_sql.UNION_SEGMENTS == 64
    for segments in (1, 2, 3, 63, 64, 65, 66):
        await assert_same(store, naive, [Filter.of(authors=MANY[:segments], kinds=[1], limit=99)])
        await assert_slices(store, naive, [Filter.of(authors=MANY[:segments], kinds=[1])])


async def test_the_last_second_of_a_capped_page_is_whole(store: EventStore) -> None:
    """NIP-67: paging by `until` must not lose what shares the last second."""
    made = [make(ALICE, 1, NOW - n // 8, content=f"{n}") for n in range(40)]
    await store.save(made)
    ordered = sorted(made, key=lambda event: event.order)
    page = await store.page([Filter.of(authors=[ALICE])], max_limit=12)
    assert page.events == [event.json for event in ordered[:16]]
    assert not page.complete
    asked = await store.page([Filter.of(authors=[ALICE], limit=12)], max_limit=50)
    assert len(asked.events) == 12, "the client's own limit is kept"
    stretched = await store.page([Filter()], max_limit=3)
    assert len(stretched.events) == 6, "but never more than as many again"
    last = await store.page([Filter.of(until=NOW - 4)], max_limit=5)
    assert (len(last.events), last.complete) == (8, True)


async def test_a_page_tells_its_snapshot(store: EventStore) -> None:
    assert (await store.page([Filter()])).seq == 0
    await store.save([make(ALICE, 1, NOW - n) for n in range(7)])
    for filters in ([Filter()], [Filter.of(ids=[])], [Filter(), Filter.of(kinds=[1])]):
        assert (await store.page(filters)).seq == 7
    assert await store.query([]) == (await store.page([])).events == []
    assert await store.count([]) == 0


async def test_an_answer_too_large_for_one_piece_comes_in_parts(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "LONGEST_VALUE", 100_000)
    made = [make(ALICE, 1, NOW - n, content="x" * 30_000) for n in range(12)]
    async with open_store() as store:
        for event in made:
            await store.save([event])
        assert await store.query([Filter()]) == made
        page = await store.page([Filter()])
        assert page.events == [event.json for event in made[: len(page.events)]]
        assert 0 < len(page.events) < 12
        assert not page.complete
        assert [e for part in [p async for p in store.stream([Filter()])] for e in part] == made
        assert len(await store.known([event.id for event in made])) == 12


async def test_another_process_stores_more_than_fits_into_one_piece(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "LONGEST_VALUE", 100_000)
    made = [make(ALICE, 1, NOW - n, content="x" * 5_000) for n in range(120)]
    async with open_store() as one, open_store() as other, one.watch([Filter()]) as watch:
        for event in made:
            await other.save([event])
        async with asyncio.timeout(60):
            assert [await anext(watch) for _ in made] == made


def cut(events: list[Event], most: int) -> list[Event]:
    """What a page of `most` bytes may have of these."""
    taken: list[Event] = []
    for event in events:
        most -= len(event.json) + 1
        if most < 0 and taken:
            return [e for e in taken if e.created_at > event.created_at] or taken
        taken.append(event)
    return taken


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 4))]
)
async def test_a_page_has_no_more_bytes_than_it_may(store: EventStore, seed: int) -> None:
    rng = random.Random(seed)
    naive = NaiveStore()
    events = samples.events(rng, 200)
    await store.save(events)
    for event in events:
        naive.save(event, NOW)
    for _ in range(150):
        filters = [samples.random_filter(rng, events) for _ in range(rng.choice((1, 1, 2, 5)))]
        filters += filters[: rng.choice((0, 0, 1))]
        most = rng.choice((30, 500, 2000, 10_000, 30_000))
        found = naive.query(filters)
        page = await store.page(filters, max_bytes=most)
        shown = ([f.to_dict() for f in filters], most)
        size = sum(len(event.json) for event in found)
        if size + len(found) <= most:
            assert page.events == [event.json for event in found], shown
            whole = all(len(naive.query([f])) == len(naive.matching([f])) for f in filters)
            assert page.complete is whole, shown
        elif size > most:
            assert page.events == [event.json for event in cut(found, most)], shown
            assert page.complete is (len(found) == 1 and naive.matching(filters) == found), shown
        both = await store.page(filters, max_bytes=most, max_limit=4)
        assert both.events or not found, shown
        assert len(both.events) < 2 or sum(map(len, both.events)) <= most, shown
        assert not both.complete or len(both.events) == len(naive.matching(filters)), shown


@pytest.mark.parametrize("twice", [False, True])
async def test_paging_through_pages_of_few_bytes_loses_nothing(
    store: EventStore, twice: bool
) -> None:
    rng = random.Random(7)
    made = [
        make(MANY[n % 3], 1, NOW - n // 2, content="x" * rng.randrange(900)) for n in range(200)
    ]
    await store.save(made)
    found: list[bytes] = []
    until, complete = NOW, False
    while not complete:
        filters = [Filter.of(until=until)]
        if twice:
            filters.append(Filter.of(until=until, authors=MANY[:2]))
        page = await store.page(filters, max_limit=9, max_bytes=4000)
        assert sum(map(len, page.events)) <= 4000
        complete = page.complete
        found += page.events
        until = Event.from_trusted(page.events[-1]).created_at - 1
    if not twice:
        assert found == [event.json for event in sorted(made, key=lambda e: e.order)]
    assert {event.json for event in made} <= set(found)


async def test_a_broad_query_ends_in_time(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two values that never meet, each in thousands of events: every entry must be looked at.
    made = [make(ALICE, 1, NOW - n, ("t", "ab"[n % 2]), ("r", "ba"[n % 2])) for n in range(20_000)]
    broad = [Filter.of(t=["a"], r=["a"])]
    monkeypatch.setattr(database, "QUICK_LIMIT", 0.0001)
    monkeypatch.setattr(database, "_STEPS_BETWEEN_CHECKS", 100)
    async with open_store(time_limit=0.0005) as store:
        await store.save(made)
        for ask in (store.count, store.query, store.page):
            with pytest.raises(QueryTimeout, match=r"too broad|busy"):
                await ask(broad)
        # Nothing is left behind by what was broken off.
        assert (await store.save([make(ALICE, 1, NOW + 1)]))[0].held
    async with open_store() as store:
        assert await store.count([Filter.of(ids=[made[0].id])]) == 1
        assert await store.count(broad) == 0, "the slow lane has time"


async def test_opening_is_no_question(open_store: OpenStore) -> None:
    """Its limit is over before any thread of a busy machine could have answered."""
    async with open_store(time_limit=0) as store:
        with pytest.raises(QueryTimeout):
            await store.count([Filter()])


async def test_broad_queries_do_not_hold_up_narrow_ones(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [make(ALICE, 1, NOW - n, ("t", "ab"[n % 2]), ("r", "ba"[n % 2])) for n in range(20_000)]
    monkeypatch.setattr(database, "QUICK_LIMIT", 0.001)
    monkeypatch.setattr(database, "_STEPS_BETWEEN_CHECKS", 1000)
    async with open_store(time_limit=20) as store:
        await store.save(made)
        broad = [asyncio.create_task(store.count([Filter.of(t=["a"], r=["a"])])) for _ in range(50)]
        await asyncio.sleep(0)
        assert await store.query([Filter.of(ids=[made[0].id])]) == [made[0]]
        assert not all(task.done() for task in broad), "it did not have to wait for them all"
        assert set(await asyncio.gather(*broad)) == {0}


async def test_a_query_that_nobody_waits_for_is_not_begun(open_store: OpenStore) -> None:
    async with open_store() as store:
        await store.save([make(ALICE, 1, NOW)])
        tasks = [asyncio.create_task(store.count([Filter()])) for _ in range(50)]
        await asyncio.sleep(0)
        for task in tasks[1:]:
            task.cancel()
        assert await tasks[0] == 1


async def test_what_this_store_does_not_do_is_refused(store: EventStore) -> None:
    for f in (
        Filter.of(search="hello"),
        Filter.of(search=""),
        Filter.parse('{"x":1}'),
        Filter(tags={"ab": frozenset("c")}),
    ):
        with pytest.raises(InvalidFilter):
            await store.query([f])
        with pytest.raises(InvalidFilter):
            await store.page([Filter(), f])
        with pytest.raises(InvalidFilter):
            await store.count([f])
        with pytest.raises(InvalidFilter):
            await store.ids(f)
        with pytest.raises(InvalidFilter):
            _ = [part async for part in store.stream([f])]


async def test_more_ids_than_wanted_are_refused(store: EventStore) -> None:
    made = [make(ALICE, 1, NOW - n) for n in range(7)]
    await store.save(made)
    found = await store.ids(Filter(), most=7)
    assert found == [(event.created_at, bytes.fromhex(event.id)) for event in reversed(made)]
    with pytest.raises(TooMany, match="more than 6"):
        await store.ids(Filter(), most=6)


def test_the_store_is_quiet_about_its_engine() -> None:
    """No SQLite error is an error of ours: callers see StoreError alone."""
    assert not issubclass(QueryTimeout, sqlite3.Error)
