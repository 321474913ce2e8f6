"""The newest notes and polls of the account: what others quote and vote on without naming it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import EventStore

MOST_NOTES: Final = 50
MOST_POLLS: Final = 20
BELIEVED: Final = 30.0
"""Seconds after which it is looked again which there are."""


@dataclass(frozen=True, slots=True)
class OwnThings:
    """Ids of the newest notes, and the newest polls (kind 1068)."""

    notes: frozenset[str] = frozenset()
    polls: tuple[Event, ...] = ()

    def quotes(self, limit: int) -> list[Filter]:
        """What finds the newest quotes of these notes: one filter, or none."""
        quoting = frozenset({kinds.NOTE})
        return [Filter(kinds=quoting, tags={"q": self.notes}, limit=limit)] if self.notes else []

    def votes(self, limit: int) -> list[Filter]:
        """What finds the newest votes on these polls: one filter, or none."""
        ids = frozenset(poll.id for poll in self.polls)
        voting = frozenset({kinds.POLL_VOTE})
        return [Filter(kinds=voting, tags={"e": ids}, limit=limit)] if ids else []


class OwnThingsFinder:
    """Finds those of the account `owner` in the store. `clock` counts seconds."""

    def __init__(
        self, store: EventStore, owner: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._owner = owner
        self._clock = clock
        self._at: float | None = None
        self._found = OwnThings()

    @property
    def of_kinds(self) -> Filter:
        """What finds any of them."""
        both = frozenset({kinds.NOTE, kinds.POLL})
        return Filter(authors=frozenset({self._owner}), kinds=both)

    async def found(self) -> OwnThings:
        """Those that were here lately. Raises StoreError."""
        now = self._clock()
        if self._at is None or not 0 <= now - self._at < BELIEVED:
            return await self.find()
        return self._found

    async def find(self) -> OwnThings:
        """Those that are here. Raises StoreError."""
        notes = self.of_kinds.changed(kinds=frozenset({kinds.NOTE}), limit=MOST_NOTES)
        polls = self.of_kinds.changed(kinds=frozenset({kinds.POLL}), limit=MOST_POLLS)
        found = await self._store.query([notes, polls])
        self._found = OwnThings(
            frozenset(event.id for event in found if event.kind == kinds.NOTE),
            tuple(event for event in found if event.kind == kinds.POLL),
        )
        self._at = self._clock()
        return self._found
