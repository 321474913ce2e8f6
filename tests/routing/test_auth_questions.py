"""One question at a time, and the time for it runs from when it is seen."""

from __future__ import annotations

from nostr_client.protocol.filters import Filter
from nostr_client.routing.auth_questions import (
    LIMIT,
    MOST_PURPOSES,
    MOST_WAITING,
    AuthQuestion,
    AuthQuestions,
)
from tests.routing.rooms import Clock

NOTES = (Filter.of(kinds=[1]),)


def test_one_after_the_other_each_relay_once() -> None:
    questions = AuthQuestions("f" * 64, Clock())
    for number in range(MOST_WAITING):
        assert questions.put(f"wss://{number}.example", NOTES)
        assert questions.put(f"wss://{number}.example", NOTES)
    assert len(questions) == MOST_WAITING
    assert not questions.put("wss://one.too.many", NOTES)
    for kind in range(2 * MOST_PURPOSES):
        assert questions.put("wss://0.example", (Filter.of(kinds=[kind]),))
    first = questions.current
    assert first is not None
    assert (first.url, len(first.purposes)) == ("wss://0.example", MOST_PURPOSES)
    assert questions.current is first
    questions.end(first.url)
    assert questions.current is not first
    assert questions.put("wss://one.too.many", NOTES)


def test_the_time_runs_from_when_it_is_seen() -> None:
    clock, lapsed = Clock(), list[AuthQuestion]()
    questions = AuthQuestions("f" * 64, clock)
    questions.on_lapse = lapsed.append
    questions.put("wss://a.example", NOTES)
    questions.put("wss://b.example", NOTES)
    clock.now += 100 * LIMIT
    first = questions.current
    assert first is not None, "nobody has seen it"
    questions.seen(first)
    clock.now += LIMIT - 1
    questions.seen(first)
    assert questions.current is first
    clock.now += 1
    second = questions.current
    assert lapsed == [first]
    assert second is not None
    assert (second.url, second.until) == ("wss://b.example", None)
