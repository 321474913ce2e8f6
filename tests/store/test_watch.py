"""Watching: what is stored from now on, by whomever, once and in order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import EventStore, Stored
from nostr_client.store.watching import BUFFER, Watch
from tests.store.conftest import OpenStore
from tests.store.samples import NOW, author, make
from tests.waiting import until

each_engine = pytest.mark.usefixtures("engine")

ALICE, BOB = author(1), author(2)
NOTES = [Filter.of(kinds=[1])]


def notes(count: int, pubkey: str = ALICE) -> list[Event]:
    return [make(pubkey, 1, NOW - n) for n in range(count)]


async def take(watch: Watch, count: int) -> list[Event]:
    async with asyncio.timeout(60):
        return [await anext(watch) for _ in range(count)]


async def nothing_comes(watch: Watch) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.6):
            await anext(watch)


@each_engine
async def test_what_is_stored_is_seen_once(store: EventStore) -> None:
    made = notes(20)
    await store.save(made[:5])
    async with store.watch(NOTES) as watch, store.watch([Filter.of(authors=[BOB])]) as other:
        await store.save([make(ALICE, 7, NOW), *made])
        assert await take(watch, 15) == made[5:]
        bobs = make(BOB, 1, NOW)
        await store.save([bobs])
        assert await take(watch, 1) == await take(other, 1) == [bobs]
        await nothing_comes(watch)


@each_engine
async def test_what_is_not_stored_is_not_seen(store: EventStore) -> None:
    newer = make(ALICE, 0, NOW)
    note = make(ALICE, 1, NOW)
    async with store.watch([Filter()]) as watch:
        await store.save([newer, make(ALICE, 0, NOW - 5), make(ALICE, 20000, NOW)])
        await store.save([make(ALICE, 5, NOW, ("e", note.id)), note])
        seen = await take(watch, 2)
        assert [event.kind for event in seen] == [0, 5]
        await nothing_comes(watch)


async def test_a_second_store_on_the_same_file(open_store: OpenStore) -> None:
    async with (
        open_store() as one,
        open_store() as other,
        one.watch(NOTES) as here,
        other.watch(NOTES) as there,
    ):
        made = notes(9)
        await one.save(made[:3])
        await other.save(made[3:6])
        await one.save(made[6:])
        assert await take(here, 9) == made
        assert await take(there, 9) == made
        await nothing_comes(here)
        await nothing_comes(there)


async def test_two_writers_at_once_are_seen_in_one_order(open_store: OpenStore) -> None:
    mine, theirs = notes(300), notes(300, BOB)
    async with (
        open_store() as one,
        open_store() as other,
        one.watch(NOTES) as here,
        other.watch(NOTES) as there,
    ):

        async def write(store: EventStore, events: Sequence[Event]) -> None:
            for start in range(0, len(events), 7):
                await store.save(events[start : start + 7])

        await asyncio.gather(write(one, mine), write(other, theirs))
        seen = await take(here, 600)
        assert seen == await take(there, 600)
        assert sorted(e.id for e in seen) == sorted(e.id for e in mine + theirs)
        await nothing_comes(here)


@each_engine
async def test_a_slow_watch_loses_nothing_and_holds_nothing_up(open_store: OpenStore) -> None:
    made = notes(3 * BUFFER)
    async with open_store() as store, store.watch(NOTES) as slow:
        for start in range(0, len(made), 100):
            await store.save(made[start : start + 100])
        assert await take(slow, len(made)) == made
        late = make(BOB, 1, NOW)
        await store.save([late])
        assert await take(slow, 1) == [late]
        await nothing_comes(slow)


async def test_a_slow_watch_beside_another_process(open_store: OpenStore) -> None:
    made = notes(3 * BUFFER)
    async with open_store() as one, open_store() as other, one.watch(NOTES) as slow:
        for start in range(0, len(made), 500):
            writer = one if start % 1000 else other
            await writer.save(made[start : start + 500])
        assert await take(slow, len(made)) == made
        await nothing_comes(slow)


@each_engine
async def test_a_watch_ends_with_its_store(open_store: OpenStore) -> None:
    async with open_store() as store:
        watch = store.watch(NOTES)
        await watch.__aenter__()
        waiting = asyncio.create_task(take(watch, 2))
        [note] = notes(1)
        await store.save([note])
    with pytest.raises(StopAsyncIteration):
        await waiting


@each_engine
async def test_leaving_a_watch_forgets_it(store: EventStore) -> None:
    async with store.watch(NOTES) as watch:
        pass
    await store.save(notes(1))
    with pytest.raises(StopAsyncIteration):
        await anext(watch)


async def test_listening_hears_every_commit_in_order(open_store: OpenStore) -> None:
    heard: list[Stored] = []
    made = notes(40)
    async with open_store() as one, open_store() as other:
        await one.save(made[:4])
        async with one.listen(heard.append) as before:
            assert before == 4
            [result] = await one.save(made[4:5])
            assert [event for _, event in heard[0].events] == made[4:5], "before save returns"
            await other.save(made[5:20])
            await one.save(made[20:])
            await until(lambda: heard[-1].after >= 40)
        assert [seq for part in heard for seq, _ in part.events] == list(range(5, 41))
        assert [event for part in heard for _, event in part.events] == made[4:]
        assert [part.before for part in heard[1:]] == [part.after for part in heard[:-1]]
        assert result.seq == 5
        await one.save(notes(1, BOB))
        assert heard[-1].after == 40, "no longer listening"
