"""What an answer means for a copy."""

from __future__ import annotations

import pytest

from nostr_client.net.report import Answer
from nostr_client.resilience.retry import ACT, LATER, UNREACHED, CopyOutcome, judge, later

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
    ("words", "waits"),
    [
        ("rate-limited: slow down", LATER),
        ("error: disk", LATER),
        ("nobody-knows: this", LATER),
        ("no prefix at all", LATER),
        ("auth-required: who are you", ACT),
        ("pow: 28 bits", ACT),
    ],
)
def test_the_rest_is_tried_again_later_and_later(words: str, waits: tuple[float, float]) -> None:
    answer = Answer.of_ok(URL, False, words)
    gaps = [judge(answer, attempts, NOW, 0.0).next_try - NOW for attempts in range(30)]
    assert judge(answer, 0, NOW, 0.0).outcome is CopyOutcome.AGAIN
    assert gaps == sorted(gaps)
    assert waits[0] <= gaps[0] <= waits[0] + 2
    assert gaps[-1] <= waits[1] + 2


def test_no_answer_is_tried_again_soon() -> None:
    judgement = judge(Answer.missing(URL, "connect: refused"), 0, NOW, 0.0)
    assert judgement.outcome is CopyOutcome.AGAIN
    assert judgement.reason == "connect: refused"
    assert judgement.next_try - NOW <= UNREACHED[0] + 2


def test_a_claim_is_no_proof() -> None:
    assert judge(Answer.of_ok(URL, False, "duplicate:"), 0, NOW, 0.0).outcome is CopyOutcome.CLAIMED


def test_many_do_not_come_as_one() -> None:
    times = {later((1000.0, 1000.0), 0, NOW, random / 100) for random in range(100)}
    assert len(times) > 50
    assert min(times) >= NOW + 600
