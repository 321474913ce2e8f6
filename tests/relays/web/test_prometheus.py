"""Counters, and how Prometheus reads them."""

from __future__ import annotations

from nostr_client.net.dial import DialOptions
from nostr_client.net.http import get
from nostr_client.protocol.event import Event
from relays.config.relay_config import RelayConfig
from relays.config.sections import Limits
from relays.metrics import MINUTES, Histogram, Metrics, Traffic
from relays.web.prometheus import Sampled, exposition
from tests.relays.conftest import Serve
from tests.relays.talk import note, wire


def read(metrics: Metrics, **gauges: float) -> dict[str, float]:
    """The samples of an exposition by name and labels."""
    lines = exposition({"events": Sampled(metrics, gauges)}, {}).decode().splitlines()
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
    rooms = {name: Sampled(Metrics(), {"connections": 3}) for name in ("inbox", "outbox")}
    text = exposition(rooms, {"a": 1.5}).decode()
    assert text.endswith("\n")
    types = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")]
    assert len(types) == len(set(types)) > 15
    heads = [line.split()[:3] for line in text.splitlines() if line.startswith("#")]
    assert heads.count(["#", "HELP", "nostr_relay_connections"]) == 1
    before = heads.index(["#", "HELP", "nostr_relay_commit_seconds"])
    assert heads[before + 1] == ["#", "TYPE", "nostr_relay_commit_seconds"]
    assert "nostr_relay_a 1.5\n" in text
    assert text.count('nostr_relay_connections{room="inbox"} 3\n') == 1
    assert 'nostr_relay_query_seconds_count{room="outbox",verb="REQ"} 0\n' in text


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


async def test_the_engine_counts(serve: Serve) -> None:
    served = await serve(RelayConfig(limits=Limits(content_length=10)))
    relay = served.relay
    async with wire(served.url) as client, wire(served.url) as reader:
        await reader.req("live", {"kinds": [1, 20_001]})
        assert (await client.publish(note("a")))[2] is True
        assert (await client.publish(note("a")))[3].startswith("duplicate:")
        assert (await client.publish(note("b", kind=20_001)))[2] is True
        assert (await client.publish(note("much too long")))[2] is False
        event = note("c")
        forged = Event.parse(event.json.replace(event.sig.encode(), note("d").sig.encode()))
        assert (await client.publish(forged))[2] is False
        for _ in range(2):
            await reader.recv()
        await client.send("EVENT", {"id": "00" * 32})
        assert (await client.recv())[2] is False
        await client.req("stored", {"kinds": [1]})
        await client.send("COUNT", "n", {})
        await client.recv()
        await client.send("REQ", "no", *[{}] * 100)
        assert (await client.recv())[0] == "CLOSED"
        gauges = relay.gauges()
        assert (gauges["connections"], gauges["subscriptions"]) == (2, 2)
        assert gauges["events_under_way"] == gauges["queries_waiting"] == 0
    counted = relay.rules.metrics
    assert counted.connections == 2
    assert counted.events_received == 5
    assert counted.unreadable == 1
    assert (counted.stored, counted.duplicates, counted.ephemeral) == (1, 1, 1)
    assert counted.refused == {"invalid": 2}
    assert counted.refused_queries == {"invalid": 1}
    assert counted.events_sent == 3
    assert counted.queries["REQ"].total == 2
    assert counted.queries["COUNT"].total == 1
    assert counted.commit_events.total >= 1
    assert counted.verify_events.sum == 4
    assert counted.bytes_in > 1000
    assert counted.bytes_out > 1000
    assert counted.messages == 10


async def test_metrics_of_a_process(serve: Serve) -> None:
    served = await serve()
    async with wire(served.url) as client:
        await client.publish(note())
        answer = await get(f"{served.url}/metrics", DialOptions(private=True), accept="*/*")
    text = answer.body.decode()
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'nostr_relay_events_accepted_total{as="stored"} 1\n' in text
    assert "nostr_relay_connections 1\n" in text
    assert "nostr_relay_search_lag_commits" in text
    names = [line.split()[0] for line in text.splitlines() if not line.startswith("#")]
    assert len(names) == len(set(names))
