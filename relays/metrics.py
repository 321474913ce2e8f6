"""What the relay counts of its own work: plain numbers that the engine increments in passing.

Counters only grow; what rises and falls (connections, queues) is read where it is when somebody
asks. Nothing here names a client, a key or an event.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

from nostr_client.protocol.kinds import is_ephemeral

PREFIXES: Final = frozenset(
    {
        *("duplicate", "pow", "blocked", "rate-limited", "invalid", "restricted", "mute", "error"),
        *("auth-required", "unsupported", "payment-required"),
    }
)
"""Prefixes of refusals that are counted by name. A plugin's own are counted as "other": what is
open to anybody's invention must not make new counters."""
SECONDS: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 5.0)
SIZES: Final = (1, 4, 16, 64, 256, 1024)
VERBS: Final = ("REQ", "COUNT", "NEG")
MINUTES: Final = 180
"""How far back `Traffic` looks."""


class Histogram:
    """How many values fell up to each of a few `bounds`; the last count is of those beyond."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """One more value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def add(self, counts: Sequence[int], sum: float) -> None:
        """Values that were counted elsewhere, within the same bounds."""
        self.counts = [own + more for own, more in zip(self.counts, counts, strict=True)]
        self.sum += sum

    @property
    def total(self) -> int:
        return sum(self.counts)


class Metrics:
    """All counters of one relay, from its start on. Sizes in bytes, times in seconds."""

    __slots__ = (
        "bytes_in",
        "bytes_out",
        "commit_events",
        "commit_seconds",
        "connections",
        "duplicates",
        "ephemeral",
        "events_received",
        "events_sent",
        "evicted",
        "messages",
        "queries",
        "refused",
        "refused_connections",
        "refused_queries",
        "slow_queries",
        "store_failures",
        "stored",
        "unreadable",
        "verify_events",
        "verify_seconds",
    )

    def __init__(self) -> None:
        self.bytes_in = 0
        self.bytes_out = 0
        self.messages = 0
        """Messages of clients."""
        self.connections = 0
        """Connections that became WebSockets."""
        self.refused_connections = 0
        self.unreadable = 0
        """Events, and answers to challenges, that are no such thing."""
        self.events_received = 0
        """Events offered by clients, whatever became of them."""
        self.stored = 0
        """Events answered with OK because they are durable now."""
        self.duplicates = 0
        self.ephemeral = 0
        """Events passed on and not stored."""
        self.refused: Counter[str] = Counter()
        """Events refused, by prefix."""
        self.events_sent = 0
        """Events sent to clients, stored or live."""
        self.queries = {verb: Histogram(SECONDS) for verb in VERBS}
        """How long answers took, from the turn of a question on, its waiting left out."""
        self.slow_queries = 0
        """Questions put aside: too broad to be answered among the others."""
        self.refused_queries: Counter[str] = Counter()
        self.verify_events = Histogram(SIZES)
        self.verify_seconds = Histogram(SECONDS)
        self.commit_events = Histogram(SIZES)
        self.commit_seconds = Histogram(SECONDS)
        self.store_failures = 0
        """Batches that the store could not write."""
        self.evicted = 0
        """Events that retention took out."""

    def refuse(self, reason: str) -> None:
        """An event was refused for `reason`, which begins with a prefix."""
        self.refused[prefix_of(reason)] += 1

    def answered(self, verb: str, seconds: float) -> None:
        """A question has its answer."""
        self.queries[verb].observe(seconds)

    def settle(self, kind: int, accepted: bool, reason: str) -> None:
        """An event of `kind` that was let in has its answer."""
        if not accepted:
            self.refused[prefix_of(reason)] += 1
        elif reason.startswith("duplicate:"):
            self.duplicates += 1
        elif is_ephemeral(kind):
            self.ephemeral += 1
        else:
            self.stored += 1

    def verified(self, events: int, seconds: float) -> None:
        """Signatures were checked."""
        self.verify_events.observe(events)
        self.verify_seconds.observe(seconds)

    def committed(self, events: int, seconds: float) -> None:
        """Events were stored, durably."""
        self.commit_events.observe(events)
        self.commit_seconds.observe(seconds)

    def refuse_query(self, reason: str) -> None:
        """A question was refused for `reason`, which begins with a prefix."""
        self.refused_queries[prefix_of(reason)] += 1

    def data(self) -> dict[str, Any]:
        """All of it, for another process to `add`."""
        return {name: _data(getattr(self, name)) for name in self.__slots__}

    def add(self, data: Mapping[str, Any]) -> None:
        """What another process counted."""
        for name, value in data.items():
            held = getattr(self, name)
            if isinstance(held, int):
                setattr(self, name, held + value)
            elif isinstance(held, Counter):
                held.update(value)
            elif isinstance(held, Histogram):
                held.add(*value)
            else:
                for verb, counted in value.items():
                    held[verb].add(*counted)

    @property
    def accepted(self) -> int:
        """Events answered with OK true."""
        return self.stored + self.duplicates + self.ephemeral


def _data(value: object) -> object:
    if isinstance(value, Histogram):
        return value.counts, value.sum
    if isinstance(value, Counter):
        return dict(value)
    if isinstance(value, dict):
        return {name: _data(one) for name, one in value.items()}
    return value


def prefix_of(reason: str) -> str:
    """Under which name a refusal is counted."""
    prefix = reason.partition(":")[0]
    return prefix if prefix in PREFIXES else "other"


class Traffic:
    """Events received and sent in each of the last minutes, the newest last."""

    __slots__ = ("_received", "_sent", "minutes")

    def __init__(self) -> None:
        self.minutes: deque[tuple[int, int]] = deque(maxlen=MINUTES)
        self._received = 0
        self._sent = 0

    def sample(self, metrics: Metrics) -> None:
        """A minute is over."""
        self.minutes.append(self._since(metrics))
        self._received, self._sent = metrics.events_received, metrics.events_sent

    def until_now(self, metrics: Metrics) -> tuple[tuple[int, int], ...]:
        """The last minutes and the one that runs."""
        return (*self.minutes, self._since(metrics))

    def _since(self, metrics: Metrics) -> tuple[int, int]:
        return metrics.events_received - self._received, metrics.events_sent - self._sent
