"""Timelines that can only be read downwards, read in both directions."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from nostr_client.protocol.event import Event
from nostr_client.social.views import Cursor, NoteView, Profile
from nostr_client.tui.timeline_source import TimelineSource, without

NOW = 1_700_000_000


def view(at: int, number: int) -> NoteView:
    event = Event(f"{number:064x}", "ab" * 32, at, 1, b"%d" % number)
    return NoteView(event, event, Profile("ab" * 32))


class Memory:
    """A timeline of these moments; counts what is asked."""

    def __init__(self, moments: list[int]) -> None:
        views = [view(at, number) for number, at in enumerate(moments)]
        self.views = sorted(views, key=lambda v: v.entry.order)
        self.asked = 0

    async def read(self, until: Cursor | None, limit: int) -> list[NoteView]:
        self.asked += 1
        assert self.asked < 2_000
        if until is None:
            return self.views[:limit]
        at, last = until
        return [v for v in self.views if v.entry.order > (-at, last)][:limit]


def source(memory: Memory) -> TimelineSource:
    return TimelineSource(memory.read, clock=lambda: NOW)


async def downwards(memory: Memory, limit: int) -> list[NoteView]:
    timeline = source(memory)
    page = await timeline.first(limit)
    seen = list(page.items)
    while page.more and seen:
        page = await timeline.after(seen[-1], limit)
        seen += page.items
    return seen


async def upwards(memory: Memory, limit: int) -> list[NoteView]:
    timeline = source(memory)
    page = await timeline.last(limit)
    seen = list(page.items)
    while page.more and seen:
        page = await timeline.before(seen[0], limit)
        if not page.items:
            break
        seen = [*page.items, *seen]
    return seen


moments = st.lists(
    st.one_of(
        st.integers(0, NOW),
        st.integers(NOW - 100, NOW),
        st.just(NOW - 50),
    ),
    max_size=120,
)


@given(moments, st.integers(4, 30))
async def test_both_ways_see_every_entry_once_in_order(times: list[int], limit: int) -> None:
    memory = Memory(times)
    assert await downwards(memory, limit) == memory.views
    memory.asked = 0
    assert await upwards(memory, limit) == memory.views


async def test_a_thousand_in_one_second() -> None:
    memory = Memory([NOW - 10] * 1_000)
    assert await upwards(memory, 60) == memory.views


@pytest.mark.parametrize("count", [1_000, 20_000])
async def test_few_looks_whatever_the_length(count: int) -> None:
    memory = Memory([NOW - 37 * n for n in range(count)])
    timeline = source(memory)
    last = await timeline.last(60)
    assert last.items[-1] == memory.views[-1]
    assert memory.asked < 40
    item = memory.views[count // 2]
    memory.asked = 0
    page = await timeline.before(item, 60)
    place = memory.views.index(item)
    assert page.items == memory.views[place - len(page.items) : place]
    assert len(page.items) >= 15
    again = await timeline.before(page.items[0], 60)
    assert len(again.items) >= 15
    assert memory.asked < 20


async def test_an_empty_timeline() -> None:
    timeline = source(Memory([]))
    assert (await timeline.first(60)).items == []
    assert not (await timeline.last(60)).more


async def test_strangers_are_left_out_and_pages_are_full_all_the_same() -> None:
    memory = Memory(list(range(1, 101)))
    known = {v.entry.id for v in memory.views[::7]}
    memory.views = [v if v.entry.id in known else _by(v, "cd" * 32) for v in memory.views]

    async def strangers(people: Collection[str]) -> set[str]:
        return set(people) - {"ab" * 32}

    read = without(strangers, memory.read)
    page = await read(None, 5)
    assert len(page) == 5
    seen = [*page, *await read(page[-1].cursor, 50)]
    assert [v.entry.id for v in seen] == [v.entry.id for v in memory.views if v.entry.id in known]


def _by(of: NoteView, pubkey: str) -> NoteView:
    event = structs.replace(of.event, pubkey=pubkey)
    return NoteView(event, event, Profile(pubkey))
