"""The same text again and again."""

from __future__ import annotations

import pytest

from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import SecretKey
from relays.config.sections import Duplicates
from relays.policies import duplicates
from relays.policies.duplicates import DuplicateTexts
from relays.policies.verdict import IncomingEvent
from tests.relays.talk import KEY, NOW, note

TEXT = "Buy now, it is a bargain!"
KEYS = [SecretKey(bytes([number]) * 32) for number in range(1, 8)]


def said(echoes: DuplicateTexts, event: Event, now: float = NOW, connection: int = 1) -> str:
    """Offer and, if it passes, store; the refusal."""
    verdict = echoes.check(IncomingEvent(event, now, connection=connection))
    if verdict.accepted:
        echoes.on_stored(event, now)
    return verdict.reason


def test_one_key() -> None:
    echoes = DuplicateTexts(Duplicates(by_one=2, seconds=60))
    events = [note(TEXT, at=NOW + number) for number in range(4)]
    assert [said(echoes, event) for event in events[:2]] == ["", ""]
    assert said(echoes, events[2]) == "blocked: you have said the same 2 times of late"
    assert said(echoes, events[0]) == "", "the same event once more is no further text"
    assert said(echoes, note(TEXT, key=KEYS[0])) == ""
    assert said(echoes, events[3], NOW + 61) == ""


def test_many_keys() -> None:
    echoes = DuplicateTexts(Duplicates(by_many=3))
    reasons = [said(echoes, note(TEXT, key=key)) for key in KEYS[:4]]
    assert reasons == ["", "", "", "blocked: 3 others have said the same of late"]
    assert said(echoes, note(TEXT, key=KEYS[0], at=NOW + 1)) == "", "who said it first may go on"


@pytest.mark.parametrize(
    "copy",
    [
        "buy NOW, it is a bargain",
        "Buy now,\u200b it is   a bargain!!! 🚀",
        "Buy now, it is a bargain! nostr:npub1xyz",
        "Buy now, it is a bargain! https://example.com/?r=77",
        "\uff22uy now, it is a bargain",
    ],
)
def test_what_is_the_same(copy: str) -> None:
    echoes = DuplicateTexts(Duplicates(by_one=1))
    assert said(echoes, note(TEXT)) == ""
    assert said(echoes, note(copy)).startswith("blocked: ")


@pytest.mark.parametrize(
    "event",
    [note("good morning"), note("!" * 40), note(TEXT, kind=7), note("Sell now, it is no bargain")],
)
def test_what_is_not_looked_at(event: Event) -> None:
    echoes = DuplicateTexts(Duplicates(by_one=1))
    assert said(echoes, note(TEXT)) == ""
    for number in range(3):
        again = note(event.content, kind=event.kind, at=NOW + number, key=KEYS[number])
        assert said(echoes, again) == ""


def test_what_somebody_makes_up_keeps_nobody_silent() -> None:
    echoes = DuplicateTexts(Duplicates(by_one=1, by_many=2))
    for number in range(5):
        forged = IncomingEvent(note(TEXT, at=NOW + number), NOW, connection=66)
        echoes.check(forged)
    assert said(echoes, note(TEXT), connection=1) == ""


def test_a_burst_on_one_connection_is_seen_before_it_is_stored() -> None:
    echoes = DuplicateTexts(Duplicates(by_one=2))
    offers = [IncomingEvent(note(TEXT, at=NOW + number), NOW, connection=1) for number in range(9)]
    assert sum(echoes.check(offer).accepted for offer in offers) == 2


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "MOST_TEXTS", 10)
    echoes = DuplicateTexts(Duplicates(by_one=1, by_many=2))
    for number in range(100):
        said(echoes, note(f"a text of its own, number {number}"), connection=number)
    assert len(echoes) <= 20
    for number in range(50):
        echoes.on_stored(note(TEXT, at=NOW + number, key=KEY), NOW)
    assert all(len(held) <= 3 for held in echoes._stored.values())
