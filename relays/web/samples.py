"""How a relay's processes do, each by its own count, and what that comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

import msgspec

from relays.metrics import Metrics
from relays.web.prometheus import Sampled
from relays.web.status_page import Figures

_OF_STORE: Final = frozenset({"database_bytes", "search_lag_commits"})
"""Gauges of the one store that all have."""
_ADDED: Final = frozenset({"memory_bytes"})
"""Of what is told of a process; the rest is the same for all of them."""


class SubRelaySample(msgspec.Struct, frozen=True):
    """One sub-relay in one process: `Metrics.data`, and what rises and falls."""

    counters: Mapping[str, Any]
    gauges: Mapping[str, float]
    figures: Figures


class HostSample(msgspec.Struct, frozen=True):
    """One process: its sub-relays by name, what is told of the process, and what is wrong with it,
    in words."""

    sub_relays: Mapping[str, SubRelaySample]
    process: Mapping[str, float]
    complaint: str = ""


def sampled(samples: Sequence[HostSample], name: str) -> Sampled:
    """What the sub-relay `name` comes to in all processes; of the store the first one tells."""
    metrics, gauges = Metrics(), dict[str, float]()
    for number, sample in enumerate(_of(samples, name)):
        metrics.add(sample.counters)
        for gauge, value in sample.gauges.items():
            if number == 0:
                gauges[gauge] = value
            elif gauge not in _OF_STORE:
                gauges[gauge] = gauges.get(gauge, 0) + value
    return Sampled(metrics, gauges)


def processes(samples: Sequence[HostSample]) -> dict[str, float]:
    """What is told of the processes, of the first one where it is the same for all."""
    told = dict(samples[0].process)
    for name in _ADDED & told.keys():
        told[name] = sum(sample.process.get(name, 0) for sample in samples)
    told["uptime_seconds"] = max(sample.process.get("uptime_seconds", 0) for sample in samples)
    return told


def figures(samples: Sequence[HostSample], name: str) -> Figures:
    """For the status page of the sub-relay `name`."""
    each = [sample.figures for sample in _of(samples, name)]
    minutes = [list(one.minutes)[::-1] for one in each]
    return Figures(
        connections=sum(one.connections for one in each),
        subscriptions=sum(one.subscriptions for one in each),
        received=sum(one.received for one in each),
        stored=sum(one.stored for one in each),
        sent=sum(one.sent for one in each),
        database_bytes=each[0].database_bytes,
        uptime=max(one.uptime for one in each),
        minutes=[
            (sum(one[0] for one in at_once), sum(one[1] for one in at_once))
            for at_once in zip_longest(*minutes, fillvalue=(0, 0))
        ][::-1],
    )


def _of(samples: Sequence[HostSample], name: str) -> list[SubRelaySample]:
    return [sample.sub_relays[name] for sample in samples if name in sample.sub_relays]
