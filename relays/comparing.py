"""Sets for those who compare theirs with ours (NIP-77), read from the store one after the other.

A set may be large, so comparisons wait for each other, and never hold up questions: their reading
goes in slices, and a set is put in order on a thread.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from nostr_client.errors import NostrError
from nostr_client.nips.nip77 import Items
from nostr_client.store.events import EventStore, TooMany
from relays.actions import Compare
from relays.metrics import Metrics
from relays.peers.reconcile import Reconciler
from relays.session import RelaySession

LINE: Final = 100
"""Comparisons that wait for their sets, of all clients together."""
READING_LIMIT: Final = 60.0
"""Seconds in which a set is to be read."""

_log = logging.getLogger(__name__)


def _items(found: list[tuple[int, bytes]], limit: int | None) -> Items:
    """The newest `limit` of what was found, as a REQ would bring them; None: all."""
    if limit is not None and limit < len(found):
        found = sorted(found, key=lambda item: (-item[0], item[1]))[:limit]
    return Items(found)


class Comparing:
    """Reads sets while `run` runs. `say` gets the answer, as frames for the client of a session."""

    def __init__(
        self,
        store: EventStore,
        reconciler: Reconciler,
        say: Callable[[RelaySession, bytes], None],
        clock: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        self._metrics = metrics
        self._store = store
        self._reconciler = reconciler
        self._say = say
        self._clock = clock
        self._line: asyncio.Queue[tuple[RelaySession, Compare]] = asyncio.Queue(LINE)

    def ask(self, session: RelaySession, asked: Compare) -> None:
        """A comparison has begun."""
        try:
            self._line.put_nowait((session, asked))
        except asyncio.QueueFull:
            self._refuse(session, asked, "rate-limited: too many wait to compare, ask again later")

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            session, asked = await self._line.get()
            if not asked.comparison.has_ended:
                await self._open(session, asked)

    async def _open(self, session: RelaySession, asked: Compare) -> None:
        most = self._reconciler.bounds.events
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(READING_LIMIT):
                found = await self._store.ids(asked.filter, reader=session.keys, most=most)
                items = await asyncio.to_thread(_items, found, asked.filter.limit)
        except TooMany:
            talks = asked.comparison.talks
            self._say(session, talks.too_big(asked.comparison) if talks is not None else b"")
        except TimeoutError:
            self._refuse(session, asked, "error: the set could not be read in time")
        except NostrError as error:
            _log.warning("a set could not be read: %s", error)
            self._refuse(session, asked, "error: the relay could not read its store")
        else:
            talks = asked.comparison.talks
            self._metrics.answered("NEG", time.perf_counter() - begun)
            if talks is not None:
                self._say(session, talks.opened(asked.comparison, items, self._clock()))

    def _refuse(self, session: RelaySession, asked: Compare, reason: str) -> None:
        talks = asked.comparison.talks
        if talks is not None:
            self._say(session, talks.refuse(asked.comparison, reason))
