"""Search (NIP-50): the answers of a naive scan, in bm25's order, and an index that keeps up."""

from __future__ import annotations

import asyncio
import contextlib
import io
import math
import random
import sqlite3
import subprocess
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import IO

import pytest

from nostr_client.errors import InvalidFilter, QueryTimeout
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.store import as_typed, words
from nostr_client.store.contract import EventStore, FindsAsTyped, StoreOptions
from nostr_client.store.opening import open_store
from nostr_client.store.sqlite import database, search, search_index, words_process
from nostr_client.store.sqlite import store as sqlite_store
from nostr_client.store.sqlite.index_batches import IndexBatch
from tests.store import samples
from tests.store.conftest import Clock, OpenStore
from tests.store.naive import NaiveStore
from tests.store.samples import NOW, author, make
from tests.waiting import until

ALICE, BOB = author(1), author(2)
WORDS = [
    "tea",
    "Tea",
    "coffee",
    "milk",
    "日本語",
    "東京",
    "ça",
    "ภาษาไทย",
    "🤙",
    "a",
    "b c",
    "x" * 40,
]
HOSTILE = [
    '"',
    '""',
    "'; DROP TABLE event; --",
    "tea*",
    "tea AND",
    "OR OR",
    "NOT tea",
    "NEAR(tea milk, 5)",
    "text:tea",
    "^tea",
    "-tea +milk",
    "{tea milk} : coffee",
    "(((((((",
    "tea " * 5000,
    "ค" * 5000,
    "\x00\x01\ud800",
    "%_\\",
    "…!?。、",
    ":",
    "a:",
    '"tea',
    'tea"milk"',
]


def texts(rng: random.Random, count: int) -> list[Event]:
    made = samples.events(rng, count // 3)
    for number in range(count):
        kind = rng.choice((1, 1, 1, 0, 30023, 1111, 7, 1059))
        content = " ".join(rng.choices(WORDS, k=rng.choice((0, 1, 2, 5, 20))))
        tags = [("d", rng.choice("abc")), ("p", author(rng.randrange(3)))]
        if rng.random() < 0.3:
            tags.append(("title", rng.choice(WORDS)))
        if rng.random() < 0.1:
            tags.append(("expiration", str(NOW + rng.randrange(-2, 10))))
        if kind == 0:
            content = f'{{"name":"{content}","about":"{rng.choice(WORDS)}","x":"milk"}}'
        made.append(make(author(number % 5), kind, NOW - rng.randrange(30), *tags, content=content))
    rng.shuffle(made)
    return made


def search_filter(rng: random.Random, known: list[Event]) -> Filter:
    f = samples.random_filter(rng, known) if rng.random() < 0.5 else Filter()
    if f.limit == 0 or rng.random() < 0.3:
        f = f.changed(limit=None)
    pieces = rng.choices(WORDS, k=rng.choice((1, 1, 2, 3)))
    if rng.random() < 0.2:
        pieces = [f'"{" ".join(pieces)}"']
    return f.changed(search=" ".join(pieces))


def matching(naive: NaiveStore, f: Filter, reader: frozenset[str] | None = None) -> list[Event]:
    assert f.search is not None
    return [event for event in naive.matching([f], reader) if words.matches(f.search, event)]


def scores(f: Filter, found: Sequence[Event], held: Sequence[Event]) -> list[float]:
    """What FTS5's bm25 is documented to give, the better the lower."""
    k1, b = 1.2, 0.75
    indexed = [text for event in held if (text := as_typed.entries_of(event))]
    average = sum(map(len, indexed)) / len(indexed)
    weights = []
    for phrase in words.phrases(f.search or ""):
        having = sum(_times(phrase, text) > 0 for text in indexed)
        weights.append(max(math.log((len(indexed) - having + 0.5) / (having + 0.5)), 1e-6))
    result = []
    for event in found:
        text = as_typed.entries_of(event)
        score = 0.0
        for phrase, weight in zip(words.phrases(f.search or ""), weights, strict=True):
            times = _times(phrase, text)
            norm = times + k1 * (1 - b + b * len(text) / average)
            score -= weight * times * (k1 + 1) / norm
        result.append(score)
    return result


def _times(phrase: tuple[str, ...], text: list[str]) -> int:
    return sum(tuple(text[n : n + len(phrase)]) == phrase for n in range(len(text)))


async def assert_found(
    store: EventStore, naive: NaiveStore, f: Filter, reader: frozenset[str] | None = None
) -> None:
    shown = (f.to_dict(), reader)
    expected = matching(naive, f, reader)
    assert await store.count([f], reader=reader) == len(expected), shown
    found = await store.query([f], reader=reader)
    assert len(found) == len(set(found)) == min(len(expected), f.limit or len(expected)), shown
    assert {event.id for event in found} <= {event.id for event in expected}, shown
    page = await store.page([f], reader=reader)
    assert page.events == [event.json for event in found], shown
    assert page.complete is (len(found) == len(expected)), shown
    places = sorted((event.created_at, bytes.fromhex(event.id)) for event in expected)
    assert await store.ids(f, reader=reader) == places, shown
    parts = [part async for part in store.stream([f], size=7, reader=reader)]
    assert [event for part in parts for event in part] == expected, shown
    # In order, and none that was left out is better than one that came.
    score = [int(-number * 1e10) for number in scores(f, found, naive.events)]
    order = [(-number, event.order) for number, event in zip(score, found, strict=True)]
    assert order == sorted(order), shown
    left = [event for event in expected if event not in found]
    if left and score:
        assert (
            max(-number for number in scores(f, left, naive.events)) <= score[-1] / 1e10 + 1e-8
        ), shown


@pytest.mark.parametrize("seed", range(2))
async def test_generated_searches(open_store: OpenStore, clock: Clock, seed: int) -> None:
    await generated(open_store, clock, seed, 300, 60)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_many_generated_searches(open_store: OpenStore, clock: Clock) -> None:
    for seed in range(100, 110):
        await generated(open_store, clock, seed, 600, 200)


async def generated(
    open_store: OpenStore, clock: Clock, seed: int, count: int, filters: int
) -> None:
    rng = random.Random(seed)
    urls = [samples.SERVICE_URL] if seed % 2 else []
    naive = NaiveStore([samples.SERVICE_URL + "/", "ALL_RELAYS"] if seed % 2 else [])
    made = texts(rng, count)
    clock.now = NOW
    async with open_store(f"{seed}.db", service_urls=urls, search=True) as store:
        for start in range(0, len(made), 40):
            part = made[start : start + 40]
            results = await store.save(part)
            assert [r.status for r in results] == [naive.save(e, int(clock.now)) for e in part]
            if rng.random() < 0.5:
                await store.finish_index()
            if rng.random() < 0.2:
                gone = Filter.of(authors=[rng.choice(made).pubkey], kinds=[1], since=NOW - 5)
                await store.remove([gone])
                naive.events = [event for event in naive.events if not gone.matches(event)]
        await store.finish_index()
        assert await store.index_lag() == 0
        clock.now += 2
        await store.purge()
        naive.forget_expired(int(clock.now))
        for _ in range(filters):
            reader = rng.choice((None, frozenset([ALICE])))
            await assert_found(store, naive, search_filter(rng, made), reader)
        clock.now += 3  # expired, and still in the index
        naive.forget_expired(int(clock.now))
        f = Filter.of(search="tea")
        assert set(await store.query([f])) == set(matching(naive, f))


async def test_hostile_queries_find_or_do_not_find(open_store: OpenStore) -> None:
    naive = NaiveStore()
    rng = random.Random(9)
    made = texts(rng, 100)
    async with open_store(search=True) as store:
        await store.save(made)
        for event in made:
            naive.save(event, NOW)
        await store.finish_index()
        for query in HOSTILE:
            found = await store.query([Filter(search=query)])
            assert set(found) == set(matching(naive, Filter(search=query))), query
        for _ in range(200):
            query = "".join(
                rng.choices("tea \"'*():^+-{}NEARORANDNOT,日本\0%", k=rng.randrange(40))
            )
            found = await store.query([Filter(search=query)])
            assert set(found) == set(matching(naive, Filter(search=query))), query


async def test_the_limit_comes_after_the_order(open_store: OpenStore) -> None:
    best = make(ALICE, 1, NOW - 50, content="tea tea")
    good = make(ALICE, 1, NOW - 40, content="tea")
    newer = make(ALICE, 1, NOW - 1, content="tea and a lot of other things that I like")
    same = make(BOB, 1, NOW, content="tea and a lot of other things that I like")
    others = [make(BOB, 1, NOW - n, content="milk") for n in range(9)]
    async with open_store(search=True) as store:
        await store.save([newer, best, same, *others, good])
        await store.finish_index()
        f = Filter.of(search="tea")
        assert await store.query([f]) == [best, good, same, newer]
        page = await store.page([f], max_limit=2)
        assert (page.events, page.complete) == ([best.json, good.json], False)
        both = [Filter.of(search="milk", limit=1), Filter.of(authors=[ALICE], limit=1), f]
        expected = [others[0], newer, best, good, same]
        assert await store.query(both) == expected
        small = await store.page([f], max_bytes=len(best.json) + 5)
        assert (small.events, small.complete) == ([best.json], False)
        assert (await store.page([f], max_bytes=3)).events == [best.json]
        assert (await store.page([f.changed(limit=4)])).complete
        assert (await store.sketch(f, 8))[0] == 4


async def test_the_index_keeps_up_in_idle_time(open_store: OpenStore) -> None:
    async with open_store(search=True) as store:
        async with store.watch([Filter.of(search="tea")]) as watch:
            await store.save([make(ALICE, 1, NOW, content=f"milk {n}") for n in range(250)])
            await store.save([tea := make(ALICE, 1, NOW, content="tea")])
            assert await anext(watch) == tea

        async def keeps_up() -> bool:
            return await store.index_lag() == 0

        await until(keeps_up)
        assert await store.count([Filter.of(search="milk")]) == 250


async def test_the_index_comes_to_the_end_whatever_stands_there(open_store: OpenStore) -> None:
    async with open_store(search=True) as store:
        await store.save([make(ALICE, 1, NOW, content="tea"), make(ALICE, 7, NOW, content="+")])
        await store.finish_index()
        assert await store.index_lag() == 0


async def test_the_index_does_not_wait_for_ever(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_index, "QUIET", 0.05)
    monkeypatch.setattr(search_index, "PATIENCE", 0.1)
    async with open_store(search=True) as store, asyncio.timeout(20):
        number = 0
        while not await store.count([Filter.of(search="tea")]):
            number += 1
            await store.save([make(ALICE, 1, NOW, content=f"tea {number}")])


async def test_the_index_waits_while_others_ask(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_index, "QUIET", 60.0)
    async with open_store(search=True) as store:
        indexer = store._indexer
        assert indexer is not None
        for ask, waits in (
            (lambda: store.page([Filter.of(search="tea")]), False),
            (lambda: store.page([Filter.of(kinds=[1])]), True),
        ):
            indexer._busy_at = -60.0
            await ask()
            assert indexer._quiet() != waits


async def test_an_older_store_is_searched_later(open_store: OpenStore) -> None:
    made = [make(ALICE, 1, NOW - n, content=f"tea {n}") for n in range(30)]
    async with open_store() as store:
        await store.save(made)
        with pytest.raises(InvalidFilter):
            await store.query([Filter.of(search="tea")])
        assert await store.index_lag() == 0
    async with open_store(search=True) as store:
        await store.finish_index()
        assert await store.count([Filter.of(search="tea")]) == 30
    async with open_store() as store:  # without search, what is removed leaves the index, too
        await store.save([make(ALICE, 5, NOW, ("e", made[0].id)), make(BOB, 1, NOW, content="tea")])
        await store.finish_index()
    async with open_store(search=True) as store:
        assert await store.count([Filter.of(search="tea 0")]) == 0
        await store.finish_index()
        assert await store.count([Filter.of(search="tea")]) == 30


async def test_two_processes_index_one_store(open_store: OpenStore) -> None:
    async with open_store(search=True) as one, open_store(search=True) as other:
        for start in range(0, 300, 50):
            made = [make(ALICE, 1, NOW, content=f"tea {n}") for n in range(start, start + 50)]
            await one.save(made[:25])
            await other.save(made[25:])
            await asyncio.gather(one.finish_index(), other.finish_index())
        await one.finish_index()
        for store in (one, other):
            assert await store.index_lag() == 0
            assert await store.count([Filter.of(search="tea")]) == 300
            assert await store.count([Filter.of(search="7")]) == 1


async def test_words_leave_the_index_with_their_event(
    open_store: OpenStore, tmp_path: Path
) -> None:
    made = [make(ALICE, 1, NOW - n, content=f"secret{n} tea 東京") for n in range(50)]
    async with open_store(search=True) as store:
        await store.save(made)
        await store.finish_index()
        assert await store.remove([Filter.of(ids=[event.id for event in made[1:]])]) == 49
    db = sqlite3.connect(tmp_path / "events.db")
    db.execute("INSERT INTO words (words) VALUES ('integrity-check')")
    db.execute("CREATE VIRTUAL TABLE temp.seen USING fts5vocab(main, words, row)")
    assert db.execute("SELECT term, doc FROM temp.seen ORDER BY term").fetchall() == [
        *(("secret0", 1), ("tea", 1), ("京", 1), ("東", 1), ("東京", 1)),
    ]
    db.close()


async def test_a_search_for_what_everybody_says_ends_in_time(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "RANKED", 50)
    made = [make(author(n % 9), 1, NOW - n, content=f"tea {n}") for n in range(3000)]
    async with open_store(search=True) as store:
        await store.save(made)
        await store.finish_index()
        found = await store.query([Filter.of(search="tea")])
        assert len(found) == 50
        assert not (await store.page([Filter.of(search="tea")])).complete
        assert await store.count([Filter.of(search="tea")]) == 3000
    monkeypatch.setattr(database, "QUICK_LIMIT", 0.0001)
    monkeypatch.setattr(database, "_STEPS_BETWEEN_CHECKS", 100)
    async with open_store(time_limit=0.0005, search=True) as store:
        for ask in (store.count, store.query, store.page):
            with pytest.raises(QueryTimeout, match=r"too broad|busy"):
                await ask([Filter.of(search="tea", authors=["0" * 64])])


async def test_an_index_from_before_is_made_anew_gently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 7 of the tables kept no names and tags: its index goes, and comes by itself."""
    monkeypatch.setattr(search_index, "FIRST", 0.0)
    path = tmp_path / "events.db"
    gentle = StoreOptions(search=True, gentle=True, clock=lambda: NOW)
    async with open_store(path, gentle) as store:
        await store.save([make(ALICE, 0, NOW, content='{"name":"Libby"}')])
        await store.save([make(BOB, 1, NOW - n, content=f"tea {n}") for n in range(300)])
        await store.finish_index()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE word_terms")
        db.execute("PRAGMA user_version = 7")
        db.commit()
    with monkeypatch.context() as later:  # nothing is indexed while it is looked at
        later.setattr(search_index, "FIRST", 3600.0)
        async with open_store(path, gentle) as store:
            assert isinstance(store, FindsAsTyped)
            assert await store.index_lag() == 301
            assert await store.people_typed(Filter(), "libb") == []
    async with open_store(path, gentle) as store:
        assert isinstance(store, FindsAsTyped)
        async with asyncio.timeout(30):
            while await store.index_lag():
                await asyncio.sleep(0.01)
        [person] = await store.people_typed(Filter(), "libb")
        assert person.pubkey == ALICE
        assert len(await store.texts_typed(Filter(), "tea")) == 300


def index_of(store: EventStore) -> search_index.Indexer:
    indexer = getattr(store, "_indexer", None)
    assert isinstance(indexer, search_index.Indexer)
    return indexer


def floods(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ten events are a flood; where each process begins that finds the words of one."""
    monkeypatch.setattr(search_index, "FLOOD", 10)
    monkeypatch.setattr(search_index, "_LOOK_EVERY", 0.01)
    began: list[int] = []
    true = words_process.batches

    def batches(path: Path, place: int) -> AsyncGenerator[IndexBatch]:
        began.append(place)
        return true(path, place)

    monkeypatch.setattr(words_process, "batches", batches)
    return began


async def test_the_words_of_a_flood_are_found_by_a_process(
    open_store: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = floods(monkeypatch)
    made = [make(ALICE, 1, NOW, content=f"tea {n} 東京") for n in range(300)]
    async with open_store() as store:
        await store.save([*made, make(BOB, 7, NOW, content="+")])
    async with open_store(search=True) as store:
        await store.finish_index()
        assert set(began) == {0}
        assert await store.index_lag() == 0
        assert await store.count([Filter.of(search="tea 京")]) == 300
        processes = len(began)
        await store.save([make(BOB, 1, NOW, content="tea")])
        await store.finish_index()
        assert len(began) == processes, "one event is none"
        assert await store.count([Filter.of(search="tea")]) == 301
    with contextlib.closing(sqlite3.connect(tmp_path / "events.db")) as db:
        db.execute("INSERT INTO words (words) VALUES ('integrity-check')")


@pytest.mark.parametrize(
    "command", ["print('0 2 {', end='')", "raise SystemExit('no')", "import nothing"]
)
async def test_words_are_found_here_where_no_process_can(
    open_store: OpenStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    command: str,
) -> None:
    began = floods(monkeypatch)
    monkeypatch.setattr(search_index, "QUIET", 0.0)
    monkeypatch.setattr(words_process, "_COMMAND", command)
    async with open_store(search=True) as store:
        await store.save([make(ALICE, 1, NOW, content=f"tea {n}") for n in range(50)])

        async def keeps_up() -> bool:
            return await store.index_lag() == 0

        await until(keeps_up)
        assert await store.count([Filter.of(search="tea")]) == 50
    assert began == [0, 0, 0]
    assert "the process that finds words ended" in caplog.text


async def test_a_kill_in_the_middle_loses_nothing(
    open_store: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that finds words is killed within a batch."""
    began = floods(monkeypatch)
    start = words_process._start
    killed: list[int] = []

    def cut_short(path: Path, place: int, errors: IO[bytes]) -> subprocess.Popen[bytes]:
        process = start(path, place, errors)
        if not killed:
            assert process.stdout is not None
            with process.stdout as said:
                lines = [said.readline() for _ in range(6)]
                process.kill()
            killed.append(place)
            process.stdout = io.BytesIO(b"".join(lines)[:-20])
        return process

    monkeypatch.setattr(words_process, "_start", cut_short)
    made = [make(ALICE, 1, NOW, content=f"tea {n} " + "milk " * 1000) for n in range(20)]
    async with open_store() as store:
        await store.save(made)
    async with open_store(search=True) as store:

        async def keeps_up() -> bool:
            return await store.index_lag() == 0

        await until(keeps_up)
        assert (killed, began) == ([0], [0, 4]), "four batches are one transaction"
        for n in range(20):
            assert await store.count([Filter.of(search=f"{n} milk")]) == 1
        assert await store.count([Filter.of(search="tea")]) == 20
    with contextlib.closing(sqlite3.connect(tmp_path / "events.db")) as db:
        db.execute("INSERT INTO words (words) VALUES ('integrity-check')")


async def test_the_index_catches_up_under_a_steady_load_and_keeps_to_its_share(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    floods(monkeypatch)
    monkeypatch.setattr(search_index, "QUIET", 3600.0)
    monkeypatch.setattr(search_index, "PATIENCE", 0.0)
    monkeypatch.setattr(search_index, "BUSY_SHARE", 0.25)
    async with open_store() as store:
        await store.save([make(ALICE, 1, NOW, content=f"tea {n}") for n in range(400)])
    async with open_store(search=True) as store:
        index_of(store).asked()  # from now on it is never quiet

        async def saved_and_asked() -> bool:
            await store.save([make(BOB, 1, NOW, content="milk")])
            await store.page([Filter.of(kinds=[1], limit=1)])
            return await store.index_lag() <= 1

        await until(saved_and_asked)
        indexer = index_of(store)
        assert indexer.worked > 0
        assert indexer.rested == pytest.approx(3 * indexer.worked)


async def test_one_of_several_indexes_and_another_goes_on_when_it_ends(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_store, "TURN_SECONDS", 0.01)
    async with contextlib.AsyncExitStack() as longer, contextlib.AsyncExitStack() as shorter:
        first = await shorter.enter_async_context(open_store(search=True))
        await first.save([make(ALICE, 1, NOW, content="tea")])

        async def keeps_up() -> bool:
            return await first.index_lag() == 0

        await until(keeps_up)
        other = await longer.enter_async_context(open_store(search=True))
        await other.save([make(BOB, 1, NOW, content="tea")])
        await until(keeps_up)
        assert index_of(other).worked == 0
        await shorter.aclose()
        await other.save([make(BOB, 1, NOW - 1, content="tea")])

        async def goes_on() -> bool:
            return await other.index_lag() == 0

        await until(goes_on)
        assert await other.count([Filter.of(search="tea")]) == 3
