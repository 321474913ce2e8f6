"""What is not stored, handed to the other processes that serve the same store, where it can do so.

Nobody waits for it: what comes faster than it can be handed on is dropped, the oldest first.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from nostr_client.errors import StoreError
from nostr_client.protocol.event import Event
from nostr_client.store.contract import EventStore, PassesOn

WAITING: Final = 2000
"""Events that wait to be handed on, at most."""
AT_ONCE: Final = 200

_log = logging.getLogger(__name__)


class PassingOn:
    """Hands on what `pass_on` gets, and calls `hear` with what others do, while `run` runs."""

    def __init__(self, store: EventStore, hear: Callable[[Sequence[Event]], None]) -> None:
        self._store = store if isinstance(store, PassesOn) else None
        self._hear = hear
        self._waiting: deque[Event] = deque(maxlen=WAITING)
        self._wake = asyncio.Event()
        self._failing = False

    def pass_on(self, event: Event) -> None:
        """To the others."""
        if self._store is not None:
            self._waiting.append(event)
            self._wake.set()

    @property
    def waiting(self) -> int:
        """Events that are still to be handed on."""
        return len(self._waiting)

    async def run(self) -> None:
        """Work until cancelled, or until it is clear that there is nothing to do."""
        if self._store is None:
            return
        async with self._store.hear_passing(self._hear):
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    most = min(AT_ONCE, len(self._waiting))
                    await self._hand_on(self._store, [self._waiting.popleft() for _ in range(most)])

    async def _hand_on(self, store: PassesOn, events: Sequence[Event]) -> None:
        try:
            await store.pass_on(events)
            self._failing = False
        except StoreError as error:
            if not self._failing:  # said once
                _log.warning("ephemeral events do not reach other nodes: %s", error)
            self._failing = True
