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


HELP: Final = {
    "info": "The version of the relay's software.",
    "memory_bytes": "Memory of the processes that answered; pages shared with files do not count.",
    "workers": "Processes that are to answer.",
    "workers_answered": "Processes whose figures are in here.",
    "uptime_seconds": "Seconds since the process began.",
    "banned_pubkeys": "Public keys that are banned.",
    "banned_events": "Events that are banned.",
    "members": "Members of the relay (NIP-43).",
    "connections": "Connections that are open.",
    "subscriptions": "Subscriptions that are open.",
    "filter_values": "Values in the filters of all open subscriptions and waiting counts.",
    "events_under_way": "Events that were offered and have no answer yet.",
    "bytes_under_way": "Bytes of the events that have no answer yet.",
    "stopped_connections": "Connections that are not read, for what they have under way.",
    "queries_waiting": "Clients whose questions wait for their turn.",
    "broad_queries_waiting": "Clients whose broad questions wait for their turn.",
    "comparisons_waiting": "Clients whose comparisons (NIP-77) wait for their sets.",
    "database_bytes": "Size of the database, with what is not yet moved to its place in it.",
    "search_lag_commits": "Commits that the search index has not seen.",
    "mirrors_comparing": "Mirrored relays whose sets are being compared.",
    "mirrors_live": "Mirrored relays that are followed.",
    "mirrors_waiting": "Mirrored relays that cannot be reached just now.",
    "connections_total": "Connections that became WebSockets.",
    "connections_refused_total": "Connections that were refused.",
    "messages_total": "Messages of clients.",
    "received_bytes_total": "Bytes of the messages of clients.",
    "sent_bytes_total": "Bytes sent to clients.",
    "events_received_total": "Events offered by clients, whatever became of them.",
    "events_unreadable_total": "Events, and answers to challenges, that are no such thing.",
    "events_sent_total": "Events sent to clients, stored or live.",
    "events_evicted_total": "Events that retention took out.",
    "slow_queries_total": "Questions put aside: too broad to be answered among the others.",
    "store_failures_total": "Batches that the store could not write.",
    "events_accepted_total": "Events answered with OK, by what became of them.",
    "events_refused_total": "Events refused, by the prefix of the reason.",
    "queries_refused_total": "Questions refused, by the prefix of the reason.",
    "query_seconds": "Seconds that answers took, their waiting left out.",
    "verify_events": "Signatures that were checked at once.",
    "verify_seconds": "Seconds that a batch of signatures took.",
    "commit_events": "Events in one commit.",
    "commit_seconds": "Seconds that a commit took, until it was durable.",
}
"""What each family tells."""


class Sampled(NamedTuple):
    """One sub-relay: what it counts, and what it reads just now (name -> value)."""

    metrics: Metrics
    gauges: Mapping[str, float]


def exposition(sub_relays: Mapping[str, Sampled], process: Mapping[str, float]) -> bytes:
    """All counters, and gauges of the whole process; with a label `room` if there are several."""
    lines = _family("info", "gauge", [("", {"version": __version__}, 1)])
    for name, value in process.items():
        lines += _family(name, "gauge", [("", {}, value)])
    families: dict[tuple[str, str], list[str]] = {}
    for sub_relay, sampled in sub_relays.items():
        own = {"room": sub_relay} if len(sub_relays) > 1 else {}
        for name, kind, samples in _all(sampled):
            written = families.setdefault((name, kind), [])
            written += [_line(name, end, own | labels, value) for end, labels, value in samples]
    for (name, kind), written in families.items():
        lines += [*_head(name, kind), *written]
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
    return [*_head(name, kind), *written]


def _head(name: str, kind: str) -> list[str]:
    told = [f"# HELP nostr_relay_{name} {HELP[name]}"] if name in HELP else []
    return [*told, f"# TYPE nostr_relay_{name} {kind}"]


def _line(name: str, end: str, labels: _Labels, value: float) -> str:
    inner = ",".join(f'{label}="{text}"' for label, text in labels.items())
    around = f"{{{inner}}}" if inner else ""
    return f"nostr_relay_{name}{end}{around} {value:.16g}"
