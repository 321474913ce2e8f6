"""Paging against relays with caps, with and without NIP-67's hints."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.net.session.paging import CUT_OFF, HistoryPages, Paging
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from tests.net.scripted import note

NOTES = Filter.of(kinds=[1])


class Relay:
    """Answers as NIP-01 says, `cap` events a filter."""

    def __init__(self, events: Sequence[Event], cap: int, *, hints: bool) -> None:
        self._events = sorted(events, key=lambda event: event.order)
        self._cap = cap
        self._hints = hints
        self.asked = 0

    def answer(self, filters: Sequence[Filter]) -> tuple[dict[str, Event], bool | None]:
        self.asked += 1
        found: dict[str, Event] = {}
        cut = False
        for filter in filters:
            matching = [event for event in self._events if filter.matches(event)]
            most = self._cap if filter.limit is None else min(self._cap, filter.limit)
            cut = cut or len(matching) > most
            found.update((event.id, event) for event in matching[:most])
        return found, (not cut if self._hints else None)


def read(relay: Relay, filters: Sequence[Filter], paging: Paging) -> tuple[set[str], HistoryPages]:
    pages = HistoryPages(filters, paging)
    got: set[str] = set()
    asked: Sequence[Filter] | None = filters
    while asked is not None:
        found, said = relay.answer(asked)
        assert all(pages.take(event) for event in found.values())
        assert not pages.full, "an honest relay is not cut off amid a page"
        got |= set(found)
        asked = pages.ended(said)
        assert relay.asked < 1000
    assert relay.asked == pages.number
    return got, pages


times = st.lists(st.integers(0, 30), max_size=80)
pool = {
    (kind, at, i): note(f"{i}", at, kind=kind)
    for kind in (1, 7)
    for at in range(31)
    for i in range(12)
}


def made(kind: int, seconds: list[int]) -> list[Event]:
    """Events at these seconds, at most 12 in each."""
    seen: dict[int, int] = {}
    events = []
    for at in seconds:
        seen[at] = seen.get(at, 0) + 1
        if seen[at] <= 12:
            events.append(pool[kind, at, seen[at] - 1])
    return events


@given(times, times, st.integers(13, 40), st.booleans(), st.booleans())
def test_an_exhaustive_read_gets_everything(
    notes: list[int], reactions: list[int], cap: int, hints: bool, together: bool
) -> None:
    events = made(1, notes) + made(7, reactions)
    filters = [Filter.of(kinds=[1, 7])] if together else [NOTES, Filter.of(kinds=[7])]
    got, pages = read(Relay(events, cap, hints=hints), filters, Paging(exhaustive=True))
    missed = {event.created_at for event in events if event.id not in got}
    assert missed <= set(pages.crowded)  # one second may fill a page, and then it is named
    assert (pages.complete is False) >= bool(pages.crowded)
    if not together or cap > 24:
        assert not pages.crowded
        assert got == {event.id for event in events}
    if pages.complete:
        assert not missed


def test_one_page_is_enough_where_it_looks_whole() -> None:
    events = [note(f"{i}", i) for i in range(CUT_OFF - 1)]
    relay = Relay(events, 500, hints=False)
    got, pages = read(relay, [NOTES], Paging())
    assert len(got) == len(events)
    assert (relay.asked, pages.complete) == (1, None)
    relay = Relay(events, 500, hints=True)
    _, pages = read(relay, [NOTES], Paging(exhaustive=True))
    assert (relay.asked, pages.complete) == (1, True)


def test_limits_and_ids_are_met() -> None:
    events = [note(f"{i}", i) for i in range(600)]
    relay = Relay(events, 100, hints=True)
    got, pages = read(relay, [NOTES.changed(limit=250)], Paging())
    assert 250 <= len(got) <= 300
    assert pages.complete is False
    by_id = Filter.of(ids=[event.id for event in events[:150]])
    relay = Relay(events, 100, hints=False)
    got, pages = read(relay, [by_id], Paging())
    assert len(got) == 150
    assert relay.asked == 2


def test_a_second_that_fills_a_page_is_passed_and_said() -> None:
    crowd = [note(f"crowd {i}", 1000) for i in range(CUT_OFF + 20)]
    before, after = note("before", 900), note("after", 1100)
    relay = Relay([*crowd, before, after], CUT_OFF, hints=False)
    got, pages = read(relay, [NOTES], Paging())
    assert {before.id, after.id} <= got
    assert pages.complete is False
    assert pages.crowded == {1000: CUT_OFF}


@pytest.mark.parametrize("hints", [False, True])
@pytest.mark.parametrize("oldest", [False, True])
def test_a_small_page_that_one_second_fills_is_noticed(hints: bool, oldest: bool) -> None:
    crowd = [note(f"crowd {i}", 1000) for i in range(12)]
    others = [note(f"{i}", (1001 if oldest else 900) + i) for i in range(25)]
    relay = Relay([*crowd, *others], 10, hints=hints)
    got, pages = read(relay, [NOTES], Paging(exhaustive=True))
    assert {event.id for event in others} <= got
    assert (pages.complete, pages.crowded) == (False, {1000: 10})


def test_a_small_relay_is_not_suspected() -> None:
    for count in range(4):
        events = [note(f"{i}", 1000) for i in range(count)]
        got, pages = read(Relay(events, 10, hints=False), [NOTES], Paging(exhaustive=True))
        assert got == {event.id for event in events}
        assert not pages.crowded
        assert pages.complete is (True if count else None)


def test_most() -> None:
    relay = Relay([note(f"{i}", i) for i in range(600)], 100, hints=True)
    got, pages = read(relay, [NOTES], Paging(most=250))
    assert len(got) <= 350
    assert pages.complete is False
