"""When a list was read conclusively: the rules by themselves."""

from __future__ import annotations

import pytest

from nostr_client.routing.list_reading import ListAnswer, objection

OK, DOWN, WALL = ListAnswer.ANSWERED, ListAnswer.UNREACHABLE, ListAnswer.WALLED


@pytest.mark.parametrize(
    ("words", "conclusive"),
    [
        ([OK], True),
        ([OK, OK], True),
        ([OK, DOWN], False),
        ([OK, OK, DOWN], True),
        ([OK, DOWN, DOWN], False),
        ([OK, OK, OK, DOWN], True),
        ([OK, OK, DOWN, DOWN], False),
        ([DOWN], False),
        ([DOWN, DOWN, DOWN], False),
        ([OK, OK, OK, WALL], False),
        ([OK, OK, OK, ListAnswer.CLOSED], False),
        ([OK, OK, OK, ListAnswer.SILENT], False),
        ([OK, OK, OK, ListAnswer.MUTE], True),
        ([OK, ListAnswer.MUTE], False),
        ([ListAnswer.MUTE], False),
        ([], False),
    ],
)
def test_which_answers_are_conclusive(words: list[ListAnswer], conclusive: bool) -> None:
    named = {f"wss://r{n}.example": word for n, word in enumerate(words)}
    why = objection(named, found=True)
    assert (not why) is conclusive
    if words and not conclusive and set(words) != {DOWN}:
        assert any(url in why for url in named)


def test_an_empty_reading_needs_the_persons_word_and_that_replaces_no_answer() -> None:
    answered = {"wss://a.example": OK}
    assert "may have used relays that are not known here" in objection(answered, found=False)
    assert not objection(answered, found=False, allow_empty=True)
    for words in ({}, {"wss://a.example": DOWN}, {"wss://a.example": WALL}):
        assert objection(words, found=False, allow_empty=True)


def test_no_relays_at_all_is_a_wish_or_a_lack() -> None:
    assert "no relay is known" in objection({}, found=True)
    assert not objection({}, found=True, no_places=True)
    assert objection({}, found=False, no_places=True)
