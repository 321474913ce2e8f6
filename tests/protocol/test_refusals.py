"""What a refusal means, and when to try again."""

from __future__ import annotations

import pytest

from nostr_client.protocol.refusals import (
    Meaning,
    is_for_now,
    meaning_of,
    split_reason,
    wants_auth,
)


@pytest.mark.parametrize(
    ("reason", "prefix", "words"),
    [
        ("blocked: you are banned", "blocked", "you are banned"),
        ("pow:", "pow", ""),
        ("pow: difficulty: 25>=24", "pow", "difficulty: 25>=24"),
        ("error:no space", "error", "no space"),
        ("auth-required: \n please", "auth-required", "please"),
        (" rate-limited: slow", "rate-limited", "slow"),
        ("new_word: yes", "new_word", "yes"),
        ("", "", ""),
        (" no prefix ", "", "no prefix"),
        ("two words: then more", "", "two words: then more"),
        (": nothing before", "", ": nothing before"),
        ("https://pay.example", "", "https://pay.example"),
        ("a" * 33 + ": too long", "", "a" * 33 + ": too long"),
        ("1st: no word", "", "1st: no word"),
        ("ERROR: auth-required: who are you?", "auth-required", "who are you?"),
        ("error: too much: wait", "error", "too much: wait"),
        ("invalid: pow: 3", "invalid", "pow: 3"),
    ],
)
def test_reasons_are_split(reason: str, prefix: str, words: str) -> None:
    assert split_reason(reason) == (prefix, words)


@pytest.mark.parametrize(
    ("prefix", "meaning"),
    [
        *(("rate-limited", Meaning.LATER), ("error", Meaning.LATER), ("info", Meaning.LATER)),
        *(("", Meaning.LATER), ("never-heard-of", Meaning.LATER)),
        *(("auth-required", Meaning.ACT), ("pow", Meaning.ACT)),
        *(("blocked", Meaning.KEY_REFUSED), ("restricted", Meaning.KEY_REFUSED)),
        *(("invalid", Meaning.EVENT_REFUSED), ("mute", Meaning.EVENT_REFUSED)),
        *(("unsupported", Meaning.EVENT_REFUSED), ("duplicate", Meaning.HELD)),
        ("Blocked", Meaning.KEY_REFUSED),
    ],
)
def test_what_a_refusal_means(prefix: str, meaning: Meaning) -> None:
    assert meaning_of(prefix) is meaning


def test_only_what_the_relay_calls_passing_is_waited_for_on_the_spot() -> None:
    assert is_for_now("rate-limited")
    assert is_for_now("Error")
    assert not any(map(is_for_now, ("", "never-heard-of", "blocked", "auth-required")))


def test_a_wall_is_known_in_any_spelling() -> None:
    assert wants_auth("Auth-Required")
    assert not wants_auth("restricted")
