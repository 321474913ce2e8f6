"""Profiles and relay lists of the authors that turn up and are not known yet, in batches."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from nostr_client.protocol import kinds
from nostr_client.protocol.filters import Filter
from nostr_client.social.profiles import Profiles
from nostr_client.store.contract import EventStore

GATHER: Final = 1.5
"""Seconds in which unknown authors are gathered before they are asked for."""
BATCH: Final = 200
FETCH_LIMIT: Final = 8.0
MOST_WAITING: Final = 5_000
MOST_KNOWN: Final = 50_000
ASK_AGAIN: Final = 3600.0
"""Seconds before somebody whom no relay knew is asked for again."""


class ProfileQueue:
    """`add` whoever turns up; `run` fetches what the store lacks of them."""

    def __init__(self, store: EventStore, profiles: Profiles, clock: Callable[[], float]) -> None:
        self._store = store
        self._profiles = profiles
        self._clock = clock
        self._waiting: dict[str, None] = {}
        self._asked_at: OrderedDict[str, float] = OrderedDict()
        self._filled = asyncio.Event()

    def add(self, pubkeys: Iterable[str]) -> None:
        """These are shown, or may be."""
        now = self._clock()
        for pubkey in pubkeys:
            if now - self._asked_at.get(pubkey, -ASK_AGAIN) < ASK_AGAIN:
                continue
            if len(self._waiting) == MOST_WAITING:
                break
            self._asked_at[pubkey] = now
            self._asked_at.move_to_end(pubkey)
            self._waiting[pubkey] = None
        while len(self._asked_at) > MOST_KNOWN:
            self._asked_at.popitem(last=False)
        if self._waiting:
            self._filled.set()

    async def run(self) -> None:
        """Until cancelled. Raises StoreError; may be called again then."""
        while True:
            await self._filled.wait()
            await asyncio.sleep(GATHER)
            batch = list(self._waiting)[:BATCH]
            for pubkey in batch:
                del self._waiting[pubkey]
            if not self._waiting:
                self._filled.clear()
            if missing := await self._without_profile(batch):
                await self._profiles.fetch(missing, limit=FETCH_LIMIT, in_passing=True)

    async def _without_profile(self, pubkeys: Sequence[str]) -> set[str]:
        wanted = Filter(authors=frozenset(pubkeys), kinds=frozenset({kinds.METADATA}))
        held = {event.pubkey for event in await self._store.query([wanted])}
        return set(pubkeys) - held
