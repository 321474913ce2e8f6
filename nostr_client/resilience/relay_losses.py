"""Which relays do not count now, and why: found out beside the work of the replication, so that a
look at a relay that hangs holds up nothing, and so that there are enough others in reserve.

- *Lost*: dead or doubtful (`relay_watch`), or caught: it does not show what it took
  (`routing.caught_relays`). It keeps its part, and each copy is made elsewhere, too.
- *Shut*: it takes nothing of ours any more (`routing.key_refusals`), and is given nothing new.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection

from nostr_client.resilience.audits import Auditor
from nostr_client.resilience.pace import Pace
from nostr_client.resilience.relay_watch import RelayWatch
from nostr_client.resilience.reserves import Reserves

Relays = Callable[[], Awaitable[Collection[str]]]
"""Yields relays by URL. Raises StoreError."""


async def nobody() -> Collection[str]:
    """No relays."""
    return ()


class RelayLosses:
    """Told by `watch`, and by what `shut` and `caught` yield; looks after `reserves`, too.

    `on_change` is called when plans are old, `on_dropped` with the ids of events of which a copy
    turned out to be dropped.
    """

    def __init__(
        self,
        watch: RelayWatch,
        *,
        reserves: Reserves | None,
        auditor: Auditor | None,
        shut: Relays,
        caught: Relays,
        pace: Pace,
        on_change: Callable[[], None],
        on_dropped: Callable[[Collection[str]], None],
    ) -> None:
        self._watch = watch
        self._reserves = reserves
        self._auditor = auditor
        self._shut_ones = shut
        self._caught_ones = caught
        self._pace = pace
        self._on_change = on_change
        self._on_dropped = on_dropped
        self._caught: frozenset[str] = frozenset()
        self._is_judged = False
        self._swept = float("-inf")
        self.shut: frozenset[str] = frozenset()

    def lost(self) -> frozenset[str]:
        """The relays whose copies do not count."""
        return self._watch.dead() | self._watch.doubtful() | self._caught

    def judge_again(self) -> None:
        """Something was refused, or dropped: is it always so there?"""
        self._is_judged = False

    async def find(self) -> None:
        """Look until cancelled. Raises StoreError."""
        while True:
            changed = await self._watch.look(
                await self._reserves.places() if self._reserves else ()
            )
            if not self._is_judged:
                changed |= await self._judge()
            if await self._are_reserves_others(changed) or changed:
                self._on_change()
            await asyncio.sleep(self._pace.watch)

    async def _judge(self) -> bool:
        """Who refuses, or drops, whatever we write? True where these are others now."""
        self._is_judged = True
        before = self.shut, self._caught
        self.shut = frozenset(await self._shut_ones())
        self._caught = frozenset(await self._caught_ones())
        return (self.shut, self._caught) != before

    async def _are_reserves_others(self, changed: bool) -> bool:
        """Have those that were chosen proved, and replaced where it is time to; True where the
        reserve is another one now."""
        if self._reserves is None:
            return False
        proved = await self._reserves.prove(self._check)
        if not (changed or proved or time.monotonic() - self._swept >= self._pace.sweep):
            return False
        self._swept, self._is_judged = time.monotonic(), False
        return await self._reserves.refresh()

    async def _check(self, event_ids: Collection[str], urls: Collection[str]) -> None:
        if self._auditor is not None:
            self._on_dropped(await self._auditor.check(event_ids, urls))
