"""What any engine under `EventStore` must do, whatever it is.

Another implementation puts the way to open it into `ENGINES`, and runs this file. The contract is
`Store`; what its answers mean is said by `EventStore`. Durability and several processes are an
engine's own affair, and tested with it (`test_failures`, `test_processes`).
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import pytest

from nostr_client.errors import InvalidFilter, TooMany
from nostr_client.nips import nip45
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.store import visibility
from nostr_client.store.contract import Evicted, Page, SaveResult, StoreOptions
from nostr_client.store.events import open_store
from tests.store import samples
from tests.store.conftest import Clock
from tests.store.memory import MemoryStore
from tests.store.samples import NOW, SERVICE_URL, author, make

ALICE, BOB, CAROL = author(1), author(2), author(3)
Reader = Collection[str] | visibility.Reader | None


class Store(Protocol):
    """The contract: no word of an engine."""

    async def save(self, events: Sequence[Event]) -> list[SaveResult]: ...
    async def query(self, filters: Sequence[Filter], *, reader: Reader = None) -> list[Event]: ...
    async def page(
        self, filters: Sequence[Filter], *, max_limit: int | None = None, reader: Reader = None
    ) -> Page: ...
    def stream(
        self, filters: Sequence[Filter], *, size: int = 500, reader: Reader = None
    ) -> AsyncIterator[list[Event]]: ...
    async def count(self, filters: Sequence[Filter], *, reader: Reader = None) -> int: ...
    async def sketch(
        self, f: Filter, offset: int, *, reader: Reader = None
    ) -> tuple[int, bytes]: ...
    async def ids(
        self, f: Filter, *, reader: Reader = None, most: int | None = None
    ) -> list[tuple[int, bytes]]: ...
    async def get(self, event_id: str) -> Event | None: ...
    async def get_address(self, address: str) -> Event | None: ...
    async def known(self, ids: Collection[str]) -> dict[str, bytes]: ...
    async def remove(self, filters: Sequence[Filter]) -> int: ...
    async def evict(
        self, filters: Sequence[Filter] = (), *, spared: Collection[str] = ()
    ) -> Evicted: ...
    async def purge(self) -> None: ...
    async def finish_index(self) -> None: ...
    async def check(self) -> None: ...


Open = Callable[[Path, Clock], AbstractAsyncContextManager[Store]]


def _sqlite(path: Path, clock: Clock) -> AbstractAsyncContextManager[Store]:
    return open_store(
        path / "events.db", StoreOptions(service_urls=[SERVICE_URL], clock=clock, search=True)
    )


def _memory(_path: Path, clock: Clock) -> AbstractAsyncContextManager[Store]:
    return MemoryStore.open(clock, [SERVICE_URL, "ALL_RELAYS"])


ENGINES: dict[str, Open] = {"sqlite": _sqlite, "memory": _memory}


@pytest.fixture(params=ENGINES)
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock
) -> AsyncIterator[Store]:
    async with ENGINES[request.param](tmp_path, clock) as opened:
        yield opened


async def statuses(store: Store, *events: Event) -> list[str]:
    return [result.status.value for result in await store.save(events)]


async def test_an_event_is_stored_once(store: Store) -> None:
    note = make(ALICE, 1, NOW)
    assert await statuses(store, note, note) == ["stored", "duplicate"]
    assert await store.get(note.id) == note
    assert await store.known([note.id, "0" * 64]) == {note.id: note.json}
    assert await store.get("0" * 64) is None


async def test_seqs_go_up_and_are_never_given_twice(store: Store) -> None:
    seqs = [result.seq for result in await store.save([make(ALICE, 1, NOW - n) for n in range(3)])]
    await store.remove([Filter()])
    [last] = await store.save([make(BOB, 1, NOW)])
    assert [*seqs, last.seq] == [1, 2, 3, 4]
    assert (await store.page([Filter()])).seq == 4


@pytest.mark.parametrize(("kind", "tags"), [(0, ()), (10002, ()), (30023, (("d", "x"),))])
async def test_the_newest_version_counts(
    store: Store, kind: int, tags: tuple[tuple[str, ...], ...]
) -> None:
    old = make(ALICE, kind, NOW - 1, *tags)
    one, two = (make(ALICE, kind, NOW, *tags, content=text) for text in "ab")
    loser, winner = sorted((one, two), key=lambda event: event.id, reverse=True)
    found = await statuses(store, old, loser, winner, old, loser)
    assert found == ["stored", "replaced", "replaced", "outdated", "outdated"]
    assert await store.query([Filter()]) == [winner]
    assert await store.get_address(winner.address or "") == winner


async def test_deletions_hold_for_what_is_still_to_come(store: Store) -> None:
    note, later, foreign = (make(who, 1, NOW) for who in (ALICE, CAROL, BOB))
    deletion = make(ALICE, 5, NOW, ("e", note.id), ("e", foreign.id))
    assert await statuses(store, note, foreign, deletion, note) == [
        *("stored", "stored", "stored", "deleted"),
    ]
    assert await statuses(store, make(CAROL, 5, NOW, ("e", later.id)), later) == [
        *("stored", "deleted"),
    ]
    assert await store.get(foreign.id) == foreign
    await store.remove([Filter.of(kinds=[5])])
    assert await statuses(store, note) == ["deleted"], "a deletion outlives its event"


async def test_who_vanishes_stays_away(store: Store) -> None:
    note, wrap = make(ALICE, 1, NOW - 1), make(BOB, 1059, NOW - 1, ("p", ALICE))
    request = make(ALICE, 62, NOW, ("relay", SERVICE_URL))
    await store.save([note, wrap, request])
    assert await store.query([Filter()]) == [request]
    assert await statuses(store, note, wrap, make(ALICE, 1, NOW + 1)) == [
        *("vanished", "vanished", "stored"),
    ]


async def test_what_has_expired_is_not_there(store: Store, clock: Clock) -> None:
    note = make(ALICE, 1, NOW, ("expiration", str(NOW + 5)), content="tea")
    await store.save([note])
    await store.finish_index()
    f = Filter.of(search="tea")
    assert (await store.query([f]), await store.count([Filter()])) == ([note], 1)
    clock.now += 5
    assert (await store.query([f]), await store.count([Filter()])) == ([], 0)
    assert await store.get(note.id) is None
    assert await statuses(store, note) == ["expired"]
    await store.purge()
    assert await store.known([note.id]) == {}
    assert await statuses(store, make(ALICE, 20001, NOW)) == ["ephemeral"]


async def test_gift_wraps_are_for_their_reader(store: Store) -> None:
    wraps = [make(BOB, 1059, NOW - n, ("p", who)) for n, who in enumerate((ALICE, CAROL, ALICE))]
    note = make(BOB, 1, NOW - 9)
    await store.save([*wraps, note])
    f = Filter.of(authors=[BOB], limit=2)
    assert await store.query([f]) == wraps[:2]
    assert await store.query([f], reader=[ALICE]) == [wraps[0], wraps[2]]
    assert await store.query([f], reader=[]) == [note]
    assert await store.count([Filter()], reader=[CAROL]) == 2
    assert await store.ids(Filter.of(kinds=[1059]), reader=[]) == []
    assert (await store.page([Filter.of(p=[ALICE])], reader=[CAROL])).events == []
    assert (await store.sketch(Filter.of(kinds=[1059]), 9, reader=[ALICE]))[0] == 2


async def test_direct_messages_are_for_both_parties(store: Store) -> None:
    sent = [make(BOB, 4, NOW, ("p", ALICE), content="tea")]
    sent.append(make(BOB, 4, NOW - 1, ("p", CAROL), content="tea"))
    wrap = make(BOB, 1059, NOW - 2, ("p", ALICE))
    note = make(BOB, 1, NOW - 3, content="tea")
    await store.save([*sent, wrap, note])
    await store.finish_index()
    anybody = visibility.Reader(open=frozenset({4}))
    for f, of_all in (
        (Filter(), [note]),
        (Filter.of(kinds=[1, 4]), [note]),
        (Filter.of(kinds=[4]), []),
        (Filter.of(authors=[BOB]), [note]),
        (Filter.of(ids=[event.id for event in (*sent, note)]), [note]),
    ):
        for reader, seen in (((), []), ([ALICE], sent[:1]), ([CAROL], sent[1:]), ([BOB], sent)):
            found = await store.query([f], reader=reader)
            own = [wrap] if reader == [ALICE] and f.ids is f.kinds is None else []
            assert set(found) == {*seen, *own, *of_all}, (f, reader)
            assert await store.count([f], reader=reader) == len(found)
        assert set(await store.query([f], reader=anybody)) == {*sent, *of_all}
    assert await store.query([Filter.of(search="tea")], reader=[BOB]) == [note]
    assert await store.query([Filter.of(kinds=[4], p=[ALICE])], reader=[BOB]) == sent[:1]
    assert await store.query([Filter.of(kinds=[4], p=[ALICE])], reader=[CAROL]) == []
    assert await store.query([Filter.of(kinds=[4], authors=[BOB])], reader=[CAROL]) == sent[1:]


async def test_searches(store: Store) -> None:
    tea = make(ALICE, 1, NOW - 1, ("p", BOB), content="Tea for two, thé pour deux: お茶")
    milk = make(BOB, 1, NOW, content="milk")
    await store.save([tea, milk, make(ALICE, 7, NOW, content="tea")])
    await store.finish_index()
    for query in ("tea", "TEA two", "the pour", '"for two"', "お茶", "茶", "tea language:en"):
        assert await store.query([Filter.of(search=query)]) == [tea], query
    for query in ("", "tea milk", '"two for"', "te", "*", '"'):
        assert await store.query([Filter.of(search=query)]) == [], query
    for f in (Filter.of(authors=[BOB]), Filter.of(since=NOW), Filter.of(t=["x"])):
        assert await store.count([f.changed(search="tea")]) == 0
    assert await store.count([Filter.of(search="tea", p=[BOB]), Filter.of(search="milk")]) == 2
    await store.remove([Filter.of(search="tea")])
    assert await store.query([Filter.of(kinds=[1])]) == [milk]


async def test_what_is_too_much_or_unknown_is_refused(store: Store) -> None:
    await store.save([make(ALICE, 1, NOW - n) for n in range(3)])
    assert len(await store.ids(Filter(), most=3)) == 3
    with pytest.raises(TooMany):
        await store.ids(Filter(), most=2)
    with pytest.raises(InvalidFilter):
        await store.query([Filter.parse('{"x":1}')])
    page = await store.page([Filter()], max_limit=2)
    assert (len(page.events), page.complete) == (2, False)


@pytest.mark.parametrize("seed", range(2))
async def test_all_ways_of_asking_agree(store: Store, clock: Clock, seed: int) -> None:
    rng = random.Random(seed)
    clock.now = NOW + 100  # so that nothing expires on the way
    made = samples.events(rng, 150)
    await store.save(made)
    await store.remove([samples.random_filter(rng, made)])
    await store.evict([samples.random_filter(rng, made).changed(since=NOW - 10)], spared=[ALICE])
    people = sorted({event.pubkey for event in made})
    for _ in range(60):
        f = samples.random_filter(rng, made).changed(limit=None)
        reader = rng.choice((None, (), people[:2]))
        found = await store.query([f], reader=reader)
        assert found == sorted(found, key=lambda event: event.order)
        assert all(f.matches(event) for event in found)
        page = await store.page([f], reader=reader)
        assert (page.events, page.complete) == ([event.json for event in found], True)
        assert await store.count([f], reader=reader) == len(found)
        parts = [part async for part in store.stream([f], size=7, reader=reader)]
        assert [event for part in parts for event in part] == found
        places = sorted((event.created_at, bytes.fromhex(event.id)) for event in found)
        assert await store.ids(f, reader=reader) == places
        registers = nip45.registers_of((event.pubkey for event in found), 12)
        assert await store.sketch(f, 12, reader=reader) == (len(found), registers)
        assert await store.query([f.changed(limit=3)], reader=reader) == found[:3]
    await store.check()
