"""How a running relay does: its counters, what it holds just now, and its traffic by the minute."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from nostr_client.errors import StoreError
from nostr_client.store.contract import EventStore
from relays.metrics import Metrics, Traffic
from relays.web.status_page import Figures

_MINUTE: Final = 60.0


class Monitor:
    """Of one relay, over `store`; `run` keeps its traffic.

    `gauges` gives what rises and falls, by name: `connections`, `subscriptions` and others.
    """

    def __init__(
        self,
        metrics: Metrics,
        gauges: Callable[[], dict[str, float]],
        store: EventStore,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.metrics = metrics
        self._gauges = gauges
        self._store = store
        self._bytes = 0
        self._clock = clock
        self._started = clock()
        self.traffic = Traffic()

    async def run(self) -> None:
        """Keep account of each minute, until cancelled."""
        while True:
            await asyncio.sleep(_MINUTE)
            self.traffic.sample(self.metrics)

    async def figures(self) -> Figures:
        """For the status page."""
        counted, now = self.metrics, self._gauges()
        return Figures(
            connections=int(now.get("connections", 0)),
            subscriptions=int(now.get("subscriptions", 0)),
            received=counted.events_received,
            stored=counted.stored,
            sent=counted.events_sent,
            database_bytes=await self._size(),
            uptime=self._clock() - self._started,
            minutes=self.traffic.until_now(counted),
        )

    async def gauges(self) -> dict[str, float]:
        """All that rises and falls."""
        return {
            **self._gauges(),
            "database_bytes": float(await self._size()),
        }

    async def _size(self) -> int:
        """Bytes of the store; where it does not say just now, what it said last."""
        with contextlib.suppress(StoreError):
            self._bytes = (await self._store.size()).allocated
        return self._bytes


def memory() -> int:
    """Bytes of memory that this process has for itself; 0 where the system does not say.

    Pages of files, the database's among them, are the system's: it takes them back when it likes.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, ValueError, IndexError):
            _, resident, shared, *_ = Path("/proc/self/statm").read_text("ascii").split()
            return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
    return 0
