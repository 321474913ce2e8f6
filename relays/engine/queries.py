"""REQ and COUNT from the store: fairly, few at a time, and only as fast as a client reads.

Clients with queries stand in a queue, each at most once, and get one answer a turn. A client that
has not taken its last answers is left out of both queues until it has. So what waits for a client
that reads nothing is `HIGH_WATER` and one page at the most, and two where a narrow and a broad
query were under way together.

What takes longer than `QUICK` is put into a second queue with a worker of its own, so that broad
queries wait for each other and never hold up narrow ones; how long they may take is the store's
affair:

- A client stands in that queue at most once, too. While `MOST_BROAD` of its queries wait there, the
  others of it are not tried.
- At most `BROAD_QUEUE` clients stand in it. A broad query that comes then is refused, and whoever
  asked it is left out of the first queue for `REST` seconds.

Where the store can answer on the loop, what comes alone and looks narrow is not queued: it is
answered at once, within `LOOP_LIMIT`. If that is not enough it is queued like all else; and after
`TURN` of a burst's time was spent so, the rest of the burst is.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from nostr_client.errors import NostrError, QueryTimeout
from nostr_client.nips import nip45
from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import EventStore, Page, PagesAtOnce, Priority
from relays.engine.actions import ClientSubscription, CountQuery, ReqState
from relays.engine.session import RelaySession
from relays.policies.ruleset import Rules

AT_ONCE: Final = 4
"""Quick queries that run at the same time."""
QUICK: Final = 0.1
"""Seconds that a query may take before it is put aside."""
LOOP_LIMIT: Final = 0.003
"""Seconds that a query may hold up the loop ..."""
TURN: Final = 0.004
"""... and so many of one burst together."""
NARROW: Final = 250
"""Values in the filters of a query that is tried on the loop, at most."""
MOST_BROAD: Final = 2
BROAD_QUEUE: Final = 20
REST: Final = 10.0

StoredQuery = ClientSubscription | CountQuery
"""What is to be answered from the store."""

_log = logging.getLogger(__name__)


class ClientQueries:
    """What one client has asked and not been answered; bounded by what its session lets in.

    `broad`: what took too long. `paused`: the client does not take what it is sent, and gets no
    further answers for now. `resting`: it asked for too much, and is left out for a while.
    `closed`: it has left.
    """

    __slots__ = (
        "broad",
        "broad_queued",
        "closed",
        "counts",
        "paused",
        "queued",
        "resting",
        "scans",
        "session",
    )

    def __init__(self, session: RelaySession) -> None:
        self.session = session
        self.scans: dict[str, ClientSubscription] = {}
        self.counts: deque[CountQuery] = deque()
        self.broad: deque[StoredQuery] = deque()
        self.queued = False
        self.broad_queued = False
        self.paused = False
        self.resting = False
        self.closed = False

    @property
    def ready(self) -> bool:
        """Is there something to be tried now?"""
        waits = self.paused or self.resting or len(self.broad) >= MOST_BROAD
        return not waits and bool(self.scans or self.counts)

    def pop(self) -> StoredQuery:
        if self.scans:
            return self.scans.pop(next(iter(self.scans)))
        return self.counts.popleft()

    def end(self) -> None:
        """The client has left: nothing is to be answered any more."""
        self.closed = True
        self.scans.clear()
        self.counts.clear()
        self.broad.clear()


class QueryScheduler:
    """Answers queries while `run` runs.

    `deliver` gets the query and the frames that answer it, `flush` is called when they are to
    leave; `live_seq` says which commit live subscriptions were told of last.
    """

    def __init__(
        self,
        store: EventStore,
        rules: Rules,
        deliver: Callable[[ClientQueries, StoredQuery, bytes], None],
        *,
        flush: Callable[[], None],
        live_seq: Callable[[], int],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._at_once = store if isinstance(store, PagesAtOnce) else None
        self._rules = rules
        self._deliver = deliver
        self._flush = flush
        self._live_seq = live_seq
        self._clock = clock
        self.spent = 0.0
        """Seconds of this burst that went into answers at once; whoever ends it sets it to 0."""
        # Each client stands in it at most once, and those are bounded.
        self._queue: asyncio.Queue[ClientQueries] = asyncio.Queue()
        self._broad_queue: asyncio.Queue[ClientQueries] = asyncio.Queue()

    def enqueue(self, queries: ClientQueries) -> None:
        """There is something new among `queries`, or their client is no longer paused."""
        if queries.ready and not queries.queued:
            queries.queued = True
            self._queue.put_nowait(queries)
        if queries.broad and not queries.broad_queued and not queries.paused:
            queries.broad_queued = True
            self._broad_queue.put_nowait(queries)

    def answer_at_once(self, queries: ClientQueries) -> bool:
        """Answer the one scan among `queries`, if that is quick; it leaves with the burst."""
        if len(queries.scans) != 1 or queries.queued or not queries.ready:
            return False
        [scan] = queries.scans.values()
        broad = scan.values > NARROW or any(f.search for f in scan.filters)
        if self._at_once is None or broad or self.spent >= TURN or self._wants_synthesized(scan):
            return False
        begun = time.perf_counter()
        try:
            frames = self._scan_at_once(self._at_once, queries.session, scan)
        except NostrError:  # too broad, or the file is in trouble: there they know what to say
            return False
        finally:
            self.spent += time.perf_counter() - begun
        queries.scans.clear()
        self._rules.metrics.answered("REQ", time.perf_counter() - begun)
        self._deliver(queries, scan, frames)
        return True

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._work())
            group.create_task(self._work_broad())

    async def _work(self) -> None:
        while True:
            queries = await self._queue.get()
            if queries.ready:
                await self._answer(queries, queries.pop())
            queries.queued = False
            self.enqueue(queries)

    async def _work_broad(self) -> None:
        while True:
            queries = await self._broad_queue.get()
            if queries.broad and not queries.paused:
                query = queries.broad.popleft()
                if not _has_ended(query):
                    await self._answer(queries, query, broad=True)
            queries.broad_queued = False
            self.enqueue(queries)

    async def _answer(
        self,
        queries: ClientQueries,
        query: StoredQuery,
        *,
        broad: bool = False,
    ) -> None:
        begun = time.perf_counter()
        try:
            if isinstance(query, ClientSubscription):
                frames = await self._scan(queries.session, query, broad)
            else:
                frames = await self._count(queries.session, query, broad)
        except QueryTimeout:
            if broad:
                reason = "error: the query is too broad, it took too long"
                self._refuse(queries, query, reason)
            else:
                self._set_aside(queries, query)
        except NostrError as error:
            _log.warning("a query failed: %s", error)
            self._refuse(queries, query, "error: the relay could not read its store")
        else:
            verb = "REQ" if isinstance(query, ClientSubscription) else "COUNT"
            self._rules.metrics.answered(verb, time.perf_counter() - begun)
            self._deliver(queries, query, frames)
            self._flush()

    def waiting(self) -> tuple[int, int]:
        """How many clients stand in the first queue, and in that of broad queries."""
        return self._queue.qsize(), self._broad_queue.qsize()

    def _set_aside(self, queries: ClientQueries, query: StoredQuery) -> None:
        if queries.closed or _has_ended(query):
            return
        self._rules.metrics.slow_queries += 1
        if queries.broad_queued or self._broad_queue.qsize() < BROAD_QUEUE:
            queries.broad.append(query)
            self.enqueue(queries)
            return
        queries.resting = True
        asyncio.get_running_loop().call_later(REST, self._rested, queries)
        reason = "rate-limited: too many broad queries are waiting, ask again later"
        self._refuse(queries, query, reason)

    def _rested(self, queries: ClientQueries) -> None:
        queries.resting = False
        self.enqueue(queries)

    def _refuse(self, queries: ClientQueries, query: StoredQuery, reason: str) -> None:
        self._rules.metrics.refuse_query(reason)
        if isinstance(query, ClientSubscription):
            frames = queries.session.refuse(query, reason)
        else:
            frames = queries.session.refuse_count(query, reason)
        self._deliver(queries, query, frames)
        self._flush()

    async def _scan(
        self, session: RelaySession, subscription: ClientSubscription, broad: bool
    ) -> bytes:
        filters, limits = self._clamped(subscription.filters), self._rules.limits
        if not filters:
            return session.page(subscription, (), complete=None, seq=0, live_seq=0)
        synthesized = await self._synthesized(session, subscription)
        page = await self._store.page(
            filters,
            reader=session.reader,
            max_limit=limits.max_limit,
            max_bytes=limits.page_bytes,
            priority=_priority(broad),
            time_limit=None if broad else QUICK,
        )
        page.events[:0] = synthesized
        return self._page(session, subscription, filters, page)

    async def _synthesized(
        self, session: RelaySession, subscription: ClientSubscription
    ) -> list[bytes]:
        """What is made for this asker alone."""
        make = self._rules.synthesize
        if make is None or not self._wants_synthesized(subscription):
            return []
        event = await make(session.incoming_query("REQ", subscription.filters, self._clock()))
        return [] if event is None else [event.json]

    def _wants_synthesized(self, subscription: ClientSubscription) -> bool:
        kinds = self._rules.synthesized_kinds
        return bool(kinds) and any(
            one.kinds is not None and not kinds.isdisjoint(one.kinds)
            for one in subscription.filters
        )

    def _scan_at_once(
        self, store: PagesAtOnce, session: RelaySession, subscription: ClientSubscription
    ) -> bytes:
        filters, limits = self._clamped(subscription.filters), self._rules.limits
        if not filters:
            return session.page(subscription, (), complete=None, seq=0, live_seq=0)
        page = store.page_at_once(
            filters,
            seconds=LOOP_LIMIT,
            reader=session.reader,
            max_limit=limits.max_limit,
            max_bytes=limits.page_bytes,
        )
        return self._page(session, subscription, filters, page)

    def _page(
        self,
        session: RelaySession,
        subscription: ClientSubscription,
        filters: Sequence[Filter],
        page: Page,
    ) -> bytes:
        """The frames for `page`, which answers `filters`."""
        complete: bool | None = page.complete
        if not complete and len(filters) > 1:
            complete = None  # what one filter's limit left out, another may have brought
        if len(filters) < len(subscription.filters):
            complete = None  # a filter with limit 0 was not asked
        return session.page(
            subscription, page.events, complete=complete, seq=page.seq, live_seq=self._live_seq()
        )

    async def _count(self, session: RelaySession, query: CountQuery, broad: bool) -> bytes:
        """With a sketch of who wrote what is counted, where NIP-45 has one."""
        turn, limit = _priority(broad), None if broad else QUICK
        offset = nip45.offset_of(query.filters[0]) if len(query.filters) == 1 else None
        if offset is None:
            count = await self._store.count(
                query.filters, priority=turn, time_limit=limit, reader=session.reader
            )
            return session.count_result(query, count)
        count, registers = await self._store.sketch(
            query.filters[0], offset, priority=turn, time_limit=limit, reader=session.reader
        )
        return session.count_result(query, count, registers)

    def _clamped(self, filters: Sequence[Filter]) -> list[Filter]:
        default = self._rules.limits.default_limit
        return [
            one if one.limit is not None else one.changed(limit=default)
            for one in filters
            if one.limit != 0
        ]


def _priority(broad: bool) -> Priority:
    return Priority.BACKGROUND if broad else Priority.NORMAL


def _has_ended(query: StoredQuery) -> bool:
    return isinstance(query, ClientSubscription) and query.state is ReqState.ENDED
