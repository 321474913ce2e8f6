"""Taking out of the store what is banned, and what came in while it was being banned.

Bans are made by any process, and events are on their way meanwhile: through the verifier, out of an
import. So the running relay looks once more for what each new ban covers, for everything at its
start, and for whatever it hears to have been stored in spite of a ban (`remove_soon`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from typing import Final

from nostr_client.errors import StoreError
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.kinds import REPOSTS
from nostr_client.store.contract import EventStore
from relays.moderation.bans import embedded
from relays.moderation.state import ModerationState

_NOTHING: Final[tuple[frozenset[str], frozenset[str]]] = (frozenset(), frozenset())
AT_ONCE: Final = 200
"""Keys or ids that are looked for together."""
TRY_AGAIN: Final = 5.0
"""Seconds after which what failed is tried again."""
RELAY: Final = "the relay"
"""Who removes what came in while it was being banned."""

_log = logging.getLogger(__name__)


class EventRemover:
    """Removes from all of a relay's `stores` what `state` says is banned."""

    def __init__(self, state: ModerationState, stores: Sequence[EventStore]) -> None:
        self._state = state
        self._stores = tuple(stores)
        self._known = _NOTHING
        self._at_work = False
        self._pubkeys: set[str] = set()
        self._ids: set[str] = set()
        self._wake = asyncio.Event()
        self.lock = asyncio.Lock()
        """Held while something is banned and removed, so that he who did it hears how much went,
        and the sweep finds nothing left."""

    async def remove_author(self, pubkey: str, *, by: str, reason: str = "") -> int:
        """Remove all by this author and what reposts carry of it; how many events went."""
        removed = await self._remove(_by([pubkey]))
        await self._log_removal(removed, by, reason, p=pubkey)
        return removed

    async def remove_event(self, id: str, *, by: str, reason: str = "") -> int:
        """Remove one event and the reposts that carry it; how many events went."""
        removed = await self._remove(_these([id]))
        await self._log_removal(removed, by, reason, e=id)
        return removed

    async def count_author(self, pubkey: str) -> int:
        """How many events `remove_author` would remove."""
        return await self._would_remove(_by([pubkey]))

    async def count_event(self, id: str) -> int:
        """How many events `remove_event` would remove."""
        return await self._would_remove(_these([id]))

    def remove_soon(self, event: Event) -> None:
        """`event` was stored although it is banned: remove it soon. Of those who share the stores
        each hears of it, and whoever does `run` sees to it."""
        if not self._at_work:
            return
        if event.pubkey in self._state.bans.pubkeys:
            self._pubkeys.add(event.pubkey)
        else:
            self._ids.add(event.id)
        self._wake.set()

    async def run(self) -> None:
        """Look after what slips in until cancelled; of all who share the stores, one at a time."""
        self._state.on_change(self._changed)
        await self._stores[0].run_alone("removal", self._keep_sweeping)

    async def _keep_sweeping(self) -> None:
        self._at_work = True
        try:
            self._changed()
            while True:
                await self._wake.wait()
                self._wake.clear()
                try:
                    await self._sweep()
                except StoreError as error:
                    _log.warning("what is banned could not be removed yet: %s", error)
                    await asyncio.sleep(TRY_AGAIN)
                    self._wake.set()
        finally:  # whoever begins next looks for everything
            self._at_work = False
            self._known = _NOTHING
            self._pubkeys.clear()
            self._ids.clear()

    def _changed(self) -> None:
        if not self._at_work:
            return
        bans = self._state.bans
        now = frozenset(bans.pubkeys), frozenset(bans.events)
        self._pubkeys |= now[0] - self._known[0]
        self._ids |= now[1] - self._known[1]
        self._known = now
        if self._pubkeys or self._ids:
            self._wake.set()

    async def _sweep(self) -> None:
        """Most of what is looked for is not there: many are asked for at once."""
        while self._pubkeys or self._ids:
            # Taken out first: what is stored behind the removal is looked for again.
            pubkeys, ids = _take_some(self._pubkeys), _take_some(self._ids)
            try:
                async with self.lock:
                    await self._sweep_these(pubkeys, ids)
            except StoreError:
                self._pubkeys.update(pubkeys)
                self._ids.update(ids)
                raise

    async def _sweep_these(self, pubkeys: list[str], ids: list[str]) -> None:
        if pubkeys and await self._count(_by(pubkeys)):
            for pubkey in pubkeys:
                await self.remove_author(pubkey, by=RELAY)
        if ids and await self._count(_these(ids)):
            for id in ids:
                await self.remove_event(id, by=RELAY)

    async def _count(self, filters: list[Filter]) -> int:
        return sum([await store.count(filters) for store in self._stores])

    async def _remove(self, filters: list[Filter]) -> int:
        """Remove what matches the first of `filters`, and of the second what carries such."""
        first, reposts = filters
        removed = 0
        for store in self._stores:
            removed += await store.remove([first])
            async for events in store.stream([reposts]):
                carriers = [event.id for event in events if _carries(event, first)]
                if carriers:
                    removed += await store.remove([Filter.of(ids=carriers)])
        return removed

    async def _would_remove(self, filters: list[Filter]) -> int:
        first, reposts = filters
        found = 0
        for store in self._stores:
            found += await store.count([first])
            async for events in store.stream([reposts]):
                found += sum(_carries(one, first) and not first.matches(one) for one in events)
        return found

    async def _log_removal(self, removed: int, by: str, reason: str, **about: str) -> None:
        if removed:
            await self._state.records.write(
                lambda tables: self._state.log(
                    tables, "removed", by=by, reason=reason, **about, removed=removed
                ),
                frees=True,
            )


def _by(pubkeys: Collection[str]) -> list[Filter]:
    return [Filter.of(authors=pubkeys), Filter.of(kinds=REPOSTS, p=pubkeys)]


def _these(ids: Collection[str]) -> list[Filter]:
    return [Filter.of(ids=ids), Filter.of(kinds=REPOSTS, e=ids)]


def _carries(repost: Event, wanted: Filter) -> bool:
    inner = embedded(repost) if repost.content else None
    return inner is not None and wanted.matches(inner)


def _take_some(names: set[str]) -> list[str]:
    return [names.pop() for _ in range(min(AT_ONCE, len(names)))]
