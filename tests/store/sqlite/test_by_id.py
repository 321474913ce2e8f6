"""Events by nothing but their ids: what a shorter way must not lose."""

from __future__ import annotations

import pytest

from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.store.indexes import is_by_id
from tests.store.conftest import Clock, OpenStore
from tests.store.samples import NOW, author, make

ALICE, BOB = author(1), author(2)


def renamed(event: Event, id: str) -> Event:
    """The event under an id that is not its own: stores leave ids to their callers."""
    return Event.from_trusted(event.json.replace(event.id.encode(), id.encode(), 1))


async def test_ids_that_begin_alike_are_told_apart(open_store: OpenStore) -> None:
    one = make(ALICE, 1, NOW)
    twin = renamed(make(BOB, 1, NOW - 1), one.id[:16] + "0" * 48)
    async with open_store() as store:
        await store.save([one, twin])
        for event in (one, twin):
            assert (await store.page([Filter.of(ids=[event.id])])).events == [event.json]
        both = await store.page([Filter.of(ids=[one.id, twin.id])])
        assert both.events == [one.json, twin.json]
        assert (await store.page([Filter.of(ids=[one.id[:16] + "f" * 48])])).events == []


async def test_they_come_newest_first_then_lowest_id(open_store: OpenStore) -> None:
    made = [make(ALICE, 1, NOW - n // 3, content=str(n)) for n in range(9)]
    async with open_store() as store:
        await store.save(made[::-1])
        page = await store.page([Filter.of(ids=[event.id for event in made])], max_limit=500)
    assert page.events == [e.json for e in sorted(made, key=lambda event: event.order)]
    assert page.complete
    assert page.seq == len(made)


@pytest.mark.parametrize("limit", [0, 1, 2, 3])
async def test_fewer_than_are_asked_for(open_store: OpenStore, limit: int) -> None:
    made = [make(ALICE, 1, NOW - n) for n in range(3)]
    async with open_store() as store:
        await store.save(made)
        page = await store.page([Filter.of(ids=[e.id for e in made], limit=limit)])
    assert page.events == [event.json for event in made[:limit]]
    assert page.complete == (limit == 3)


async def test_what_has_expired_is_left_out(open_store: OpenStore, clock: Clock) -> None:
    event = make(ALICE, 1, NOW, ("expiration", str(NOW + 10)))
    asked = [Filter.of(ids=[event.id])]
    async with open_store() as store:
        await store.save([event])
        assert (await store.page(asked)).events == [event.json]
        clock.now = NOW + 10
        assert (await store.page(asked)).events == []


async def test_gift_wraps_are_for_those_whom_they_name(open_store: OpenStore) -> None:
    wrap = make(ALICE, 1059, NOW, ("p", BOB))
    asked = [Filter.of(ids=[wrap.id])]
    async with open_store() as store:
        await store.save([wrap])
        assert (await store.page(asked)).events == [wrap.json]
        assert (await store.page(asked, reader=())).events == []
        assert (await store.page(asked, reader=[ALICE])).events == []
        assert (await store.page(asked, reader=[BOB])).events == [wrap.json]


@pytest.mark.parametrize(
    "f",
    [
        Filter.of(ids=["0" * 64], kinds=[1]),
        Filter.of(ids=["0" * 64], authors=[ALICE]),
        Filter.of(ids=["0" * 64], t=["a"]),
        Filter.of(ids=["0" * 64], since=1),
        Filter.of(ids=["0" * 64], until=1),
        Filter.of(ids=["0" * 64], search="a"),
        Filter.of(kinds=[1]),
    ],
)
def test_nothing_else_may_be_asked_on_this_way(f: Filter) -> None:
    assert not is_by_id(f, None)


def test_ids_alone_may_be() -> None:
    f = Filter.of(ids=["0" * 64, "1" * 64])
    assert is_by_id(f, None)
    assert is_by_id(f, 2)
    assert not is_by_id(f, 1)
