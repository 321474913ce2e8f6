"""Back-off, health and reports: values that others read."""

from __future__ import annotations

import random

import pytest

from nostr_client.errors import PublishFailed
from nostr_client.net.backoff import FIRST, LONGEST, RUSH, STEADY, Backoff
from nostr_client.net.health import MAX_RELAYS, SLOW, SLOW_STATE, UP, HealthBook
from nostr_client.net.outcome import Cause, How
from nostr_client.net.report import Answer, PublishReport
from nostr_client.protocol.refusals import Meaning


def test_backoff_grows_is_spread_and_never_ends() -> None:
    backoff = Backoff(random.Random(1).random)
    now = 1000.0
    for failure in range(1, 40):
        backoff.tried(now)
        backoff.failed(now)
        step = min(LONGEST, FIRST * 2 ** (failure - 1))
        assert step / 2 <= backoff.wait(now) <= step
    assert len({Backoff(random.Random(i).random).next_try for i in range(3)}) == 1
    waits = set()
    for seed in range(10):
        other = Backoff(random.Random(seed).random)
        other.failed(0.0)
        waits.add(other.wait(0.0))
    assert len(waits) == 10


def test_a_relay_that_closes_at_once_has_failed() -> None:
    backoff = Backoff(lambda: 0.0)
    now = 0.0
    for failure in range(6):
        assert backoff.wait(now) == 0
        backoff.tried(now)
        backoff.ended(now, lasted=0.1)
        assert backoff.wait(now) == FIRST * 2**failure
        now = backoff.next_try
    backoff.ended(now, lasted=STEADY)
    assert backoff.wait(now) == FIRST


def test_a_connection_that_we_closed_is_no_failure() -> None:
    backoff = Backoff(lambda: 0.0)
    backoff.failed(0.0)
    backoff.closed_by_us(lasted=1.0)
    assert backoff.failures == 1
    backoff.closed_by_us(lasted=STEADY)
    assert backoff.failures == 0


def test_hurry_shortens_the_wait_but_does_not_hammer() -> None:
    backoff = Backoff(lambda: 0.0)
    for _ in range(9):
        backoff.tried(0.0)
        backoff.failed(0.0)
    for now in (0.0, 1.0, 2.0):
        backoff.hurry(now)
        assert backoff.next_try == RUSH
    backoff.hurry(100.0)
    assert backoff.wait(100.0) == 0


def test_health_keeps_last_words_and_tells_slow_from_up() -> None:
    book = HealthBook(clock=lambda: 50.0)
    health = book.of("wss://a.example")
    assert book.of("wss://a.example") is health
    for number in range(20):
        health.heard(f"{number} " + "x" * 10_000)
    assert len(health.words) == 8
    assert health.last_word.startswith("19 ")
    assert len(health.last_word) == 500
    health.enter(UP, 60.0)
    health.measured(SLOW + 1, 70.0)
    assert (health.state, health.since) == (SLOW_STATE, 70.0)
    health.measured(0.1, 80.0)
    assert health.state == UP


def test_the_book_is_bounded() -> None:
    book = HealthBook(clock=lambda: 50.0)
    kept = book.of("wss://kept.example")
    for number in range(MAX_RELAYS + 10):
        book.of(f"wss://r{number}.example")
        book.of("wss://kept.example")
    assert len(list(book)) == MAX_RELAYS
    assert book.of("wss://kept.example") is kept


def test_report() -> None:
    yes = Answer.of_ok("wss://a.example", True, "")
    no = Answer.of_ok("wss://b.example", False, "blocked: go\x1b[31m away")
    odd = Answer.of_ok("wss://c.example", False, "no thanks")
    none = Answer.missing("wss://d.example", Cause(How.SILENT, "no OK within 10 s"))
    report = PublishReport("ab" * 32, (yes, no, odd, none))
    assert report.ok
    assert report.accepted == ("wss://a.example",)
    assert report.refused == (no, odd)
    assert report.unanswered == (none,)
    assert (no.prefix, no.meaning) == ("blocked", Meaning.KEY_REFUSED)
    assert (odd.prefix, odd.meaning) == ("", Meaning.LATER)
    assert yes.meaning is None
    assert str(report) == (
        "abababababab: accepted by 1 of 4; wss://b.example: refused (blocked: go away); "
        "wss://c.example: refused (no thanks); "
        "wss://d.example: no answer (timeout: no OK within 10 s)"
    )
    report.raise_if_failed()
    with pytest.raises(PublishFailed) as failed:
        PublishReport("ab" * 32, (no,)).raise_if_failed()
    assert failed.value.report.refused == (no,)
    assert str(PublishReport("ab" * 32, ())) == "abababababab: no relay was asked"
    assert not PublishReport("ab" * 32, ()).ok
