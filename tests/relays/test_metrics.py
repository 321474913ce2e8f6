"""Counters, and how Prometheus reads them."""

from __future__ import annotations

from relays.metrics import MINUTES, Histogram, Metrics, Traffic
from relays.web.metrics import exposition


def read(metrics: Metrics, **gauges: float) -> dict[str, float]:
    """The samples of an exposition by name and labels."""
    lines = exposition(metrics, gauges).decode().splitlines()
    samples = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    assert len({name for name, _ in samples}) == len(samples)
    return {name: float(value) for name, value in samples}


def test_a_histogram_counts_up_to_its_bounds() -> None:
    histogram = Histogram((1.0, 10.0))
    for value in (0.5, 1.0, 1.5, 10.0, 11.0):
        histogram.observe(value)
    assert histogram.counts == [2, 2, 1]
    assert histogram.total == 5
    assert histogram.sum == 24.0


def test_the_exposition() -> None:
    metrics = Metrics()
    metrics.stored = 2**53 - 1
    metrics.duplicates = 3
    metrics.refuse("pow: 20 bits")
    metrics.refuse("pow: 21 bits")
    metrics.refuse("a-plugin's-own: no")
    metrics.refuse('no prefix"\n')
    metrics.refuse_query("auth-required: who are you?")
    for seconds in (0.0005, 0.02, 99.0):
        metrics.queries["REQ"].observe(seconds)
    said = read(metrics, subscriptions=7)
    assert said["nostr_relay_subscriptions"] == 7
    assert said['nostr_relay_events_accepted_total{as="stored"}'] == 2**53 - 1
    assert metrics.accepted == 2**53 + 2
    assert said['nostr_relay_events_refused_total{prefix="pow"}'] == 2
    assert said['nostr_relay_events_refused_total{prefix="other"}'] == 2
    assert said['nostr_relay_queries_refused_total{prefix="auth-required"}'] == 1
    buckets = [
        said[f'nostr_relay_query_seconds_bucket{{verb="REQ",le="{bound}"}}']
        for bound in ("0.001", "0.03", "5", "+Inf")
    ]
    assert buckets == [1, 2, 2, 3]
    assert said['nostr_relay_query_seconds_count{verb="REQ"}'] == 3
    assert said["nostr_relay_commit_seconds_count"] == 0


def test_every_family_has_its_type_once() -> None:
    text = exposition(Metrics(), {"a": 1.5}).decode()
    assert text.endswith("\n")
    types = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")]
    assert len(types) == len(set(types)) > 15
    assert "nostr_relay_a 1.5\n" in text


def test_traffic_of_the_last_minutes() -> None:
    metrics, traffic = Metrics(), Traffic()
    metrics.events_received, metrics.events_sent = 5, 50
    traffic.sample(metrics)
    metrics.events_received += 2
    traffic.sample(metrics)
    assert list(traffic.minutes) == [(5, 50), (2, 0)]
    for _ in range(2 * MINUTES):
        traffic.sample(metrics)
    assert len(traffic.minutes) == MINUTES
