"""The index of live filters answers as asking each filter would, and sooner."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filter_index import FilterIndex
from nostr_client.protocol.filters import Filter, matches_any
from tests.protocol.strategies import KEYS, events, filters


@given(st.data())
def test_the_answer_is_that_of_asking_each_filter(data: st.DataObject) -> None:
    arrivals: list[Event] = data.draw(st.lists(events(), min_size=1, max_size=3))
    index: FilterIndex[int] = FilterIndex()
    held: dict[int, list[Filter]] = {}
    near = st.sampled_from(arrivals).flatmap(filters)
    for key in data.draw(st.lists(st.integers(0, 4), max_size=8)):
        if key in held and data.draw(st.booleans()):
            index.remove(key)
            del held[key]
        else:
            held[key] = data.draw(st.lists(near, max_size=3))
            index.set(key, held[key])
        for event in arrivals:
            assert index.match(event) == {k for k, some in held.items() if matches_any(some, event)}
    assert len(index) == len(held)
    for key in held:
        assert key in index
        index.remove(key)
        assert key not in index
    assert not index._places, "the index keeps what was removed"


def test_a_key_that_is_not_there_may_be_removed() -> None:
    index: FilterIndex[str] = FilterIndex()
    index.remove("nobody")
    index.set("a", [Filter.of(kinds=[1])])
    index.remove("a")
    index.remove("a")
    assert index.match(Draft(1).sign(KEYS[0], 0)) == set()


def test_new_filters_take_the_place_of_the_old() -> None:
    index: FilterIndex[str] = FilterIndex()
    note, profile = Draft(1).sign(KEYS[0], 0), Draft(0).sign(KEYS[0], 0)
    index.set("a", [Filter.of(kinds=[1]), Filter.of(authors=[note.pubkey], kinds=[1])])
    assert index.match(note) == {"a"}
    index.set("a", iter([Filter.of(kinds=[0])]))
    assert index.match(note) == set()
    assert index.match(profile) == {"a"}
    index.set("a", [])
    assert index.match(profile) == set()
    assert "a" in index


def feeds(count: int) -> FilterIndex[int]:
    """`count` people who each read a few others, one hashtag, and what mentions themselves."""
    chance = random.Random(1)
    people = [f"{number:064x}" for number in range(count)]
    index: FilterIndex[int] = FilterIndex()
    for number, person in enumerate(people):
        index.set(
            number,
            [
                Filter.of(kinds=[1, 6, 7], authors=chance.sample(people, 10)),
                Filter.of(kinds=[1, 7, 9735], p=[person], since=5),
                Filter.of(t=[f"topic-{number}"]),
            ],
        )
    return index


def test_thousands_of_filters_cost_no_more_than_a_hundred(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mentioned, topic = f"{7:064x}", "topic-9"
    event = Draft(1, "", (("p", mentioned), ("t", topic), ("e", "a" * 64))).sign(KEYS[0], 10)
    few, many = feeds(100), feeds(2_000)
    looked_at: list[Filter] = []
    matches = Filter.matches

    def seen(self: Filter, event: Event) -> bool:
        looked_at.append(self)
        return matches(self, event)

    monkeypatch.setattr(Filter, "matches", seen)
    assert few.match(event) == many.match(event) == {7, 9}
    assert len(looked_at) <= 2 * 3, "those that could match, of six thousand"
