"""The relay's counters as Prometheus reads them (text format 0.0.4).

The format is a page of rules; a dependency for it would be larger than this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from nostr_client.version import __version__
from relays.metrics import Histogram, Metrics

MEDIA_TYPE: Final = "text/plain; version=0.0.4"

_Labels = dict[str, str]
_Samples = Iterable[tuple[str, _Labels, float]]
"""What follows the family's name, the labels, and a value."""


class Sampled(NamedTuple):
    """One room: what it counts, and what it reads just now (name -> value)."""

    metrics: Metrics
    gauges: Mapping[str, float]


def exposition(rooms: Mapping[str, Sampled], process: Mapping[str, float]) -> bytes:
    """All counters, and gauges of the whole process; with a label `room` if there are several."""
    lines = _family("info", "gauge", [("", {"version": __version__}, 1)])
    for name, value in process.items():
        lines += _family(name, "gauge", [("", {}, value)])
    families: dict[tuple[str, str], list[str]] = {}
    for room, sampled in rooms.items():
        own = {"room": room} if len(rooms) > 1 else {}
        for name, kind, samples in _all(sampled):
            written = families.setdefault((name, kind), [])
            written += [_line(name, end, own | labels, value) for end, labels, value in samples]
    for (name, kind), written in families.items():
        lines += [f"# TYPE nostr_relay_{name} {kind}", *written]
    return ("\n".join(lines) + "\n").encode()


def _all(sampled: Sampled) -> Iterator[tuple[str, str, _Samples]]:
    for name, value in sampled.gauges.items():
        yield name, "gauge", [("", {}, value)]
    for name, samples in _counters(sampled.metrics):
        yield f"{name}_total", "counter", samples
    for name, histograms in _histograms(sampled.metrics):
        yield name, "histogram", _cumulated(histograms)


def _counters(metrics: Metrics) -> Iterator[tuple[str, _Samples]]:
    single = {
        "connections": metrics.connections,
        "connections_refused": metrics.refused_connections,
        "messages": metrics.messages,
        "received_bytes": metrics.bytes_in,
        "sent_bytes": metrics.bytes_out,
        "events_received": metrics.events_received,
        "events_unreadable": metrics.unreadable,
        "events_sent": metrics.events_sent,
        "events_evicted": metrics.evicted,
        "slow_queries": metrics.slow_queries,
        "store_failures": metrics.store_failures,
    }
    for name, value in single.items():
        yield name, [("", {}, value)]
    accepted = {
        "stored": metrics.stored,
        "duplicate": metrics.duplicates,
        "ephemeral": metrics.ephemeral,
    }
    yield "events_accepted", _by("as", accepted)
    yield "events_refused", _by("prefix", metrics.refused)
    yield "queries_refused", _by("prefix", metrics.refused_queries)


def _histograms(metrics: Metrics) -> Iterator[tuple[str, dict[str, Histogram]]]:
    yield "query_seconds", metrics.queries
    yield "verify_events", {"": metrics.verify_events}
    yield "verify_seconds", {"": metrics.verify_seconds}
    yield "commit_events", {"": metrics.commit_events}
    yield "commit_seconds", {"": metrics.commit_seconds}


def _by(label: str, counts: Mapping[str, int]) -> _Samples:
    return [("", {label: value}, count) for value, count in sorted(counts.items())]


def _cumulated(histograms: Mapping[str, Histogram]) -> Iterator[tuple[str, _Labels, float]]:
    for verb, histogram in histograms.items():
        labels = {"verb": verb} if verb else {}
        total = 0
        bounds = [f"{bound:g}" for bound in histogram.bounds]
        for bound, count in zip([*bounds, "+Inf"], histogram.counts, strict=True):
            total += count
            yield "_bucket", labels | {"le": bound}, total
        yield "_sum", labels, histogram.sum
        yield "_count", labels, total


def _family(name: str, kind: str, samples: _Samples) -> list[str]:
    written = [_line(name, end, labels, value) for end, labels, value in samples]
    return [f"# TYPE nostr_relay_{name} {kind}", *written]


def _line(name: str, end: str, labels: _Labels, value: float) -> str:
    inner = ",".join(f'{label}="{text}"' for label, text in labels.items())
    around = f"{{{inner}}}" if inner else ""
    return f"nostr_relay_{name}{end}{around} {value:.16g}"
