"""Relays that were caught: they said that they took what an author wrote, and do not show it.

A relay may lose an event, or keep nothing old, and be honest. One is caught where `LEAST` events or
more, and more than one in `SHARE` of those that were looked for, were dropped although it shows
what is older, or shows nothing. It counts for nothing then: what it holds is no copy, and readers
find nothing there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.kinds import KindClass, kind_class
from nostr_client.store.contract import ClientStore, Copy, CopyGrade, CopyState

LEAST: Final = 3
SHARE: Final = 10
YOUNG: Final = 7 * 86_400
"""Seconds for which a relay that shows nothing should have kept what it took."""
LOOKED_AT: Final = 500
"""The events that tell: lists, and the newest."""


def caught(
    copies: Mapping[str, Sequence[Copy]], events: Iterable[Event], now: float
) -> dict[str, int]:
    """By URL, how many of `events` those relays dropped that were caught; `copies` by id. Pure."""
    oldest: dict[str, float] = {}
    shown: dict[str, int] = {}
    dropped: dict[str, list[float]] = {}
    for event in events:
        lasting = kind_class(event.kind) is not KindClass.REGULAR  # relays prune notes, not lists
        at = now if lasting else event.created_at
        for copy in copies.get(event.id, ()):
            url = copy.url
            if copy.state is CopyState.DROPPED:
                dropped.setdefault(url, []).append(at)
            elif copy.state is CopyState.CONFIRMED and copy.grade >= CopyGrade.READ_BACK:
                shown[url] = shown.get(url, 0) + 1
                oldest[url] = min(oldest.get(url, now - YOUNG), at)
    found: dict[str, int] = {}
    for url, times in dropped.items():
        younger = sum(at >= oldest.get(url, now - YOUNG) for at in times)
        if younger >= LEAST and younger * SHARE > younger + shown.get(url, 0):
            found[url] = younger
    return found


class CaughtRelays:
    """Those that were caught with what `owner` (hex) wrote, as the ledger of `store` has it."""

    def __init__(
        self, store: ClientStore, owner: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._owner = owner
        self._clock = clock

    async def found(self) -> dict[str, int]:
        """How many events each dropped, by URL. Raises StoreError."""
        ids = (await self._store.ledger.tracked([self._owner]))[:LOOKED_AT]
        if not ids:
            return {}
        copies = await self._store.ledger.copies_of(ids)
        states = (copy.state for each in copies.values() for copy in each)
        if CopyState.DROPPED not in states:
            return {}
        events = await self._store.query([Filter(ids=frozenset(ids))])
        return caught(copies, events, self._clock())
