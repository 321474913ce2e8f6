"""The relay's counters as Prometheus reads them (text format 0.0.4).

The format is a page of rules; a dependency for it would be larger than this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from nostr_client.version import __version__
from relays.metrics import Histogram, Metrics

MEDIA_TYPE: Final = "text/plain; version=0.0.4"

Samples = Iterable[tuple[str, float]]
"""Labels as they are written, such as `{verb="REQ"}`, each with a value."""


def exposition(metrics: Metrics, gauges: Mapping[str, float]) -> bytes:
    """All counters, and `gauges` (name -> value) that were read just now."""
    lines = [*_family("info", "gauge", [(f'{{version="{__version__}"}}', 1)])]
    for name, value in gauges.items():
        lines += _family(name, "gauge", [("", value)])
    for name, samples in _counters(metrics):
        lines += _family(f"{name}_total", "counter", samples)
    for name, histograms in _histograms(metrics):
        lines += _family(name, "histogram", _cumulated(histograms))
    return ("\n".join(lines) + "\n").encode()


def _counters(metrics: Metrics) -> Iterator[tuple[str, Samples]]:
    yield "connections", [("", metrics.connections)]
    yield "connections_refused", [("", metrics.refused_connections)]
    yield "messages", [("", metrics.messages)]
    yield "received_bytes", [("", metrics.bytes_in)]
    yield "sent_bytes", [("", metrics.bytes_out)]
    yield "events_received", [("", metrics.events_received)]
    yield (
        "events_accepted",
        [
            ('{as="stored"}', metrics.stored),
            ('{as="duplicate"}', metrics.duplicates),
            ('{as="ephemeral"}', metrics.ephemeral),
        ],
    )
    yield "events_refused", _by("prefix", metrics.refused)
    yield "events_sent", [("", metrics.events_sent)]
    yield "events_evicted", [("", metrics.evicted)]
    yield "queries_refused", _by("prefix", metrics.refused_queries)
    yield "slow_queries", [("", metrics.slow_queries)]
    yield "store_failures", [("", metrics.store_failures)]


def _histograms(metrics: Metrics) -> Iterator[tuple[str, dict[str, Histogram]]]:
    yield "query_seconds", {f'verb="{verb}"': one for verb, one in metrics.queries.items()}
    yield "verify_events", {"": metrics.verify_events}
    yield "verify_seconds", {"": metrics.verify_seconds}
    yield "commit_events", {"": metrics.commit_events}
    yield "commit_seconds", {"": metrics.commit_seconds}


def _by(label: str, counts: Mapping[str, int]) -> Samples:
    return [(f'{{{label}="{value}"}}', count) for value, count in sorted(counts.items())]


def _cumulated(histograms: Mapping[str, Histogram]) -> Iterator[tuple[str, float]]:
    for labels, histogram in histograms.items():
        comma = "," if labels else ""
        total = 0
        bounds = [f"{bound:g}" for bound in histogram.bounds]
        for bound, count in zip([*bounds, "+Inf"], histogram.counts, strict=True):
            total += count
            yield f'_bucket{{{labels}{comma}le="{bound}"}}', total
        around = f"{{{labels}}}" if labels else ""
        yield f"_sum{around}", histogram.sum
        yield f"_count{around}", total


def _family(name: str, kind: str, samples: Samples) -> Iterator[str]:
    yield f"# TYPE nostr_relay_{name} {kind}"
    for labels, value in samples:
        yield f"nostr_relay_{name}{labels} {value:.16g}"
