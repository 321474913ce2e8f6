"""Which events of a set only we have, or only a relay, told by their ids alone (NIP-77).

Where a relay does not compare, for whatever reason, that is remembered (`negentropy_trials`), and
whoever asked looks for another way. A set that is too large is cut by time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import msgspec

from nostr_client.errors import ConnectionLost, InvalidData, RelayError, RelayTimeout, TooMany
from nostr_client.net.pool import RelayPool
from nostr_client.net.reconcile import QUICK, Differences, NotCompared, ReconcileLimits
from nostr_client.net.time_windows import TimeWindow
from nostr_client.nips.nip77 import Items
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.refusals import is_for_now, wants_auth
from nostr_client.routing.negentropy_trials import NegentropyTrials
from nostr_client.store.contract import EventStore

WINDOW: Final = 100_000
"""Our events in one comparison."""
CUTS: Final = 50


class IdDifferences(msgspec.Struct):
    """Ids (hex) that only we have, and only the relay has. `complete`: there are no others."""

    here: set[str] = msgspec.field(default_factory=set)
    there: set[str] = msgspec.field(default_factory=set)
    complete: bool = True


class IdComparer:
    """Compares what `store` holds with relays of `pool`. Used on one event loop."""

    def __init__(
        self,
        store: EventStore,
        pool: RelayPool,
        trials: NegentropyTrials,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._pool = pool
        self._trials = trials
        self._clock = clock
        self._hung_up: set[str] = set()
        """Relays that closed the connection on a comparison, once."""

    async def compare(self, url: str, filter: Filter, *, most: int) -> IdDifferences | None:
        """How the set of `filter` here differs from that at `url`, until there are `most`
        differences; None where the relay does not compare.

        Raises RelayError for one that is not there, and StoreError.
        """
        if await self._trials.why_not(url):
            return None
        found, cuts = IdDifferences(), 0
        todo = [TimeWindow(filter.since, filter.until)]
        limits = ReconcileLimits(first=QUICK, differences=most)
        while todo and found.complete:
            window = todo.pop()
            try:
                said = await self._differences(url, window.of(filter), limits)
            except (RelayTimeout, InvalidData) as error:
                why = error.message if isinstance(error, RelayError) else str(error)
                await self._trials.failed(url, why)
                return None
            except NotCompared as refusal:
                if not refusal.too_large:
                    if not (wants_auth(refusal.prefix) or is_for_now(refusal.prefix)):
                        await self._trials.failed(url, refusal.message)
                    return None
                said = None
            except ConnectionLost:
                if url not in self._hung_up:
                    self._hung_up.add(url)
                    raise
                await self._trials.failed(url, "it hangs up")
                return None
            if said is None:
                halves = window.halves(int(self._clock()))
                cuts += 1
                if len(halves) < 2 or cuts > CUTS:
                    return None
                todo += halves
                continue
            found.here.update(id.hex() for id in said.have)
            found.there.update(id.hex() for id in said.need)
            found.complete = said.complete and len(found.there) < most
        self._hung_up.discard(url)
        await self._trials.worked(url)
        return found

    async def _differences(
        self, url: str, asked: Filter, limits: ReconcileLimits
    ) -> Differences | None:
        """None: there are too many here for one comparison."""
        try:
            ours = await self._store.ids(asked, most=WINDOW)
        except TooMany:
            return None
        items = await asyncio.to_thread(Items, ours)
        return await self._pool.reconcile(asked, url, items, limits, alike=True)
