"""Sets for those who compare theirs with ours (NIP-77), read from the store a few at a time.

A set may be large, so comparisons wait for each other, and never hold up queries: their reading
goes in slices, and a set is put in order on a thread. Clients stand in a line, each at most once,
and get one set a turn: whoever asks for many waits for himself. A set is counted first, and one
that is too large is refused before any of it is read.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from nostr_client.errors import NostrError, QueryTimeout, TooMany
from nostr_client.nips.nip77 import Items
from nostr_client.store.contract import EventStore
from relays.engine.actions import OpenNegentropy
from relays.engine.negentropy import Reconciler
from relays.engine.session import RelaySession
from relays.metrics import Metrics

LINE: Final = 100
"""Clients that wait for sets, or get one."""
AT_ONCE: Final = 2
"""Sets that are read at the same time, each for another client."""
READING_LIMIT: Final = 60.0
"""Seconds in which a set is to be read."""

_log = logging.getLogger(__name__)


def _items(found: list[tuple[int, bytes]], limit: int | None) -> Items:
    """The newest `limit` of what was found, as a REQ would bring them; None: all."""
    if limit is not None and limit < len(found):
        found = sorted(found, key=lambda item: (-item[0], item[1]))[:limit]
    return Items(found)


class NegentropyReads:
    """Reads sets while `run` runs. `send` gets the answer: frames for the client of a session."""

    def __init__(
        self,
        store: EventStore,
        reconciler: Reconciler,
        send: Callable[[RelaySession, bytes], None],
        clock: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        self._metrics = metrics
        self._store = store
        self._reconciler = reconciler
        self._send = send
        self._clock = clock
        self._line: asyncio.Queue[RelaySession] = asyncio.Queue(LINE)
        # Of each client that stands in it, or is served.
        self._asked: dict[RelaySession, deque[OpenNegentropy]] = {}

    def waiting(self) -> int:
        """How many clients stand in the line."""
        return self._line.qsize()

    def ask(self, session: RelaySession, asked: OpenNegentropy) -> None:
        """A comparison has begun."""
        before = self._asked.get(session)
        if before is None and len(self._asked) >= LINE:
            self._refuse(session, asked, "rate-limited: too many wait to compare, ask again later")
            return
        # A session bounds those that have not ended.
        going_on = [one for one in before or () if not one.negentropy.has_ended]
        self._asked[session] = deque([*going_on, asked])
        if before is None:
            self._line.put_nowait(session)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._serve())

    async def _serve(self) -> None:
        while True:
            session = await self._line.get()
            asked = self._asked[session].popleft()
            if not asked.negentropy.has_ended:
                await self._open(session, asked)
            if self._asked[session]:
                self._line.put_nowait(session)  # each stands in it once, so there is room
            else:
                del self._asked[session]

    async def _open(self, session: RelaySession, asked: OpenNegentropy) -> None:
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(READING_LIMIT):
                items = await self._items(session, asked)
        except (TooMany, QueryTimeout):
            sessions = asked.negentropy.sessions
            self._send(session, sessions.too_big(asked.negentropy) if sessions is not None else b"")
        except TimeoutError:
            self._refuse(session, asked, "error: the set could not be read in time")
        except NostrError as error:
            _log.warning("a set could not be read: %s", error)
            self._refuse(session, asked, "error: the relay could not read its store")
        else:
            sessions = asked.negentropy.sessions
            if sessions is not None and items is not None:
                self._metrics.answered("NEG", time.perf_counter() - begun)
                self._send(session, sessions.opened(asked.negentropy, items, self._clock()))

    async def _items(self, session: RelaySession, asked: OpenNegentropy) -> Items | None:
        """Its set; None if it is refused, or nobody waits for it any more."""
        filter, most = asked.filter, self._reconciler.bounds.events
        count = await self._store.count([filter], reader=session.reader)
        sessions = asked.negentropy.sessions
        if sessions is None:
            return None
        if refusal := sessions.expected(asked.negentropy, count):
            self._send(session, refusal)
            return None
        found = await self._store.ids(filter, reader=session.reader, most=most)
        return await asyncio.to_thread(_items, found, filter.limit)

    def _refuse(self, session: RelaySession, asked: OpenNegentropy, reason: str) -> None:
        sessions = asked.negentropy.sessions
        if sessions is not None:
            self._send(session, sessions.refuse(asked.negentropy, reason))
