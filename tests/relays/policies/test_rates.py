"""Token buckets: what they let through, what they remember, and how many there may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.protocol.filters import Filter
from relays.config.sections import Rated, Rates
from relays.config.values import Rate
from relays.policies import rates
from relays.policies.rates import Buckets, Loopback, RateLimiters, cost_of
from relays.policies.verdict import IncomingEvent, IncomingQuery
from tests.relays.talk import KEY, NOW, OTHER, note

TWO_A_SECOND = Rate(120, 60, 4)
MINUTE = Rate(2, 60, 2)


class Plain:
    """A bucket as it is told to children: so much in it, and it fills."""

    def __init__(self, rate: Rate) -> None:
        self.rate, self.held, self.at = rate, float(rate.burst), 0.0

    def try_take(self, cost: float, now: float) -> bool:
        gained = (now - self.at) * self.rate.amount / self.rate.seconds
        self.held, self.at = min(self.rate.burst, self.held + gained), now
        if self.held + 1e-6 < min(cost, self.rate.burst):
            return False
        self.held = max(self.held - cost, -self.rate.burst)
        return True


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 6)), max_size=60))
def test_buckets_are_buckets(steps: list[tuple[int, int]]) -> None:
    table, plain, now = Buckets(TWO_A_SECOND), Plain(TWO_A_SECOND), 0.0
    for pause, cost in steps:
        now += pause / 1000
        allowed = table.wait("x", cost, now) <= 1e-6
        if allowed:
            table.take("x", cost, now)
        assert plain.try_take(cost, now) == allowed


def test_a_bucket_says_when_to_come_again() -> None:
    table = Buckets(MINUTE)
    for _ in range(2):
        assert table.wait("x", 1, NOW) == 0
        table.take("x", 1, NOW)
    assert table.wait("x", 1, NOW) == 30
    assert table.wait("x", 1, NOW + 29) == 1
    assert table.wait("x", 1, NOW + 30) == 0
    assert table.wait("y", 1, NOW) == 0


def test_debt_is_bounded_and_a_clock_that_went_back_too() -> None:
    table = Buckets(MINUTE)
    table.take("x", 10**9, NOW)
    assert table.wait("x", 1, NOW) == 90
    assert table.wait("x", 1, NOW - 10**6) == 90


def test_full_buckets_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Buckets(MINUTE)
    for number in range(50):
        table.take(number, 1, NOW)
    assert len(table) == 50
    for number in range(50):
        table.take(f"later {number}", 1, NOW + 100)
    assert len(table) == 50
    monkeypatch.setattr(rates, "MOST_BUCKETS", 60)
    for number in range(1000):
        table.take(f"flood {number}", 1, NOW + 101)
    assert len(table) <= 60


def test_rates_that_change_keep_what_was_used() -> None:
    table = Buckets(MINUTE)
    table.take("x", 2, NOW)
    table.set(Rate(4, 60, 4))
    assert 0 < table.wait("x", 4, NOW) <= 60


def metering(loopback: Loopback = "exempt", **given: Rated) -> RateLimiters:
    made = RateLimiters()
    made.set(Rates(**given), loopback)
    return made


def tries(made: RateLimiters, count: int, **offer: object) -> int:
    """How many of `count` events pass."""
    offers = [IncomingEvent(note(f"number {n}"), NOW, **offer) for n in range(count)]  # type: ignore[arg-type]
    return sum(made.check(one).accepted for one in offers)


def test_events_by_address() -> None:
    made = metering(events=Rated(address=MINUTE))
    assert tries(made, 5, address="203.0.113.1", connection=1) == 2
    assert tries(made, 5, address="203.0.113.1", connection=2) == 0
    assert tries(made, 5, address="203.0.113.2") == 2
    assert tries(made, 5, address="2001:db8::1") == 2
    assert tries(made, 5, address="2001:db8::2") == 0
    assert tries(made, 5, address="127.0.0.1") == 5
    refusal = made.check(IncomingEvent(note(), NOW, "203.0.113.1")).reason
    assert refusal == (
        "rate-limited: too many events from one address (allowed: 2 a minute),"
        " try again in 30 seconds"
    )


def test_loopback_is_not_exempt_behind_a_proxy_or_an_onion_service() -> None:
    made = metering("shared", events=Rated(address=MINUTE))
    assert [tries(made, 3, address="127.0.0.1", connection=n) for n in (1, 2)] == [2, 0]
    made = metering("each", events=Rated(address=MINUTE))
    assert [tries(made, 3, address="::1", connection=n) for n in (1, 2, 1)] == [2, 2, 0]


def test_events_by_connection() -> None:
    made = metering(events=Rated(connection=MINUTE))
    assert [tries(made, 3, connection=number) for number in (1, 2, 1)] == [2, 2, 0]


def test_a_key_pays_for_what_is_stored() -> None:
    made = metering(events=Rated(key=MINUTE))
    # Made up by somebody else: nothing of it is stored, and it counts for his connection only.
    assert tries(made, 5, connection=1) == 2
    assert tries(made, 1, connection=2) == 1
    for number in range(2):
        made.on_stored(note(f"stored {number}"), NOW)
    assert tries(made, 1, connection=3) == 0
    assert made.check(IncomingEvent(note(key=OTHER), NOW, connection=3)).accepted


def incoming_query(
    *filters: Filter, now: float = NOW, keys: frozenset[str] = frozenset()
) -> IncomingQuery:
    return IncomingQuery("REQ", filters, now, "203.0.113.1", keys, 7)


def test_queries_cost_what_they_ask() -> None:
    assert cost_of(Filter()) == rates.SCAN
    assert cost_of(Filter(limit=5, since=5)) == rates.SCAN
    for one in (Filter.of(kinds=[1]), Filter.of(ids=[]), Filter.of(t=["x"]), Filter.of(search="x")):
        assert cost_of(one) == 1
    made = metering(queries=Rated(address=Rate(6, 60, 6)))
    assert made.check_query(incoming_query(Filter())).accepted
    assert not made.check_query(incoming_query(Filter())).accepted
    assert made.check_query(incoming_query(Filter.of(kinds=[1]))).accepted
    refusal = made.check_query(incoming_query(Filter.of(kinds=[1]))).reason
    assert refusal.startswith("rate-limited: too many queries from one address")


def test_bytes_are_paid_for_afterwards() -> None:
    made = metering(bytes=Rated(key=Rate(1000, 10, 1000)))
    mine = frozenset({KEY.public_key.hex})
    made.on_served(incoming_query(Filter(), keys=mine), 1500)
    assert not made.check_query(incoming_query(Filter(), keys=mine)).accepted
    assert made.check_query(incoming_query(Filter(), now=NOW + 6, keys=mine)).accepted
    assert made.check_query(incoming_query(Filter())).accepted


def test_rates_are_read_and_said() -> None:
    assert str(Rate(2**20, 3600, 5000)) == "1 MiB an hour, 5,000 at once"
    assert str(Rate(7, 5, 7)) == "7 in 5 s"
