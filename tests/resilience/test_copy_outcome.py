"""What an answer means for a copy."""

from __future__ import annotations

import pytest

from nostr_client.net.outcome import Cause, How
from nostr_client.net.report import Answer
from nostr_client.protocol.refusals import WAITS, Meaning, next_try
from nostr_client.resilience.copy_outcome import CopyOutcome, judge

URL = "wss://relay.example"
NOW = 1_700_000_000.0


def test_an_accepting_relay_has_it() -> None:
    assert judge(Answer.of_ok(URL, True, ""), 0, NOW, 0.0).outcome is CopyOutcome.THERE


@pytest.mark.parametrize("words", ["blocked: not you", "restricted: members only", "invalid: old"])
def test_what_is_over_is_over(words: str) -> None:
    judgement = judge(Answer.of_ok(URL, False, words), 0, NOW, 0.0)
    assert judgement.outcome is CopyOutcome.OVER
    assert f"{judgement.prefix}: {judgement.reason}" == words


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("rate-limited: slow down", Meaning.LATER),
        ("error: disk", Meaning.LATER),
        ("nobody-knows: this", Meaning.LATER),
        ("no prefix at all", Meaning.LATER),
        ("auth-required: who are you", Meaning.ACT),
        ("pow: 28 bits", Meaning.ACT),
    ],
)
def test_the_rest_is_tried_again_later_and_later(words: str, meaning: Meaning) -> None:
    answer, waits = Answer.of_ok(URL, False, words), WAITS[meaning]
    gaps = [judge(answer, attempts, NOW, 0.0).next_try - NOW for attempts in range(30)]
    assert judge(answer, 0, NOW, 0.0).outcome is CopyOutcome.AGAIN
    assert gaps == sorted(gaps)
    assert waits[0] <= gaps[0] <= waits[0] + 2
    assert gaps[-1] <= waits[1] + 2


def test_no_answer_is_tried_again_soon() -> None:
    judgement = judge(Answer.missing(URL, Cause(How.UNREACHABLE, "refused")), 0, NOW, 0.0)
    assert judgement.outcome is CopyOutcome.AGAIN
    assert judgement.reason == "connect: refused"
    assert judgement.next_try - NOW <= WAITS[None].first + 2


def test_a_claim_is_no_proof() -> None:
    assert judge(Answer.of_ok(URL, False, "duplicate:"), 0, NOW, 0.0).outcome is CopyOutcome.CLAIMED


def test_many_do_not_come_as_one() -> None:
    times = {next_try(Meaning.ACT, 0, NOW, random / 100) for random in range(100)}
    assert len(times) > 50
    assert min(times) >= NOW + 600
