"""REQ and COUNT from the store: fairly, few at a time, and only as fast as a client reads.

Clients with questions stand in a line, each at most once, and get one answer a turn. A client that
has not taken its last answers is left out of both lines until it has. So what waits for a client
that reads nothing is `HIGH_WATER` and one page at the most, and two where a narrow and a broad
question were under way together.

What takes longer than `QUICK` is put aside, into a second line with a worker of its own, so that
broad questions wait for each other and never hold up narrow ones; how long they may take is the
store's affair:

- A client stands in that line at most once, too. While `PUT_ASIDE` of its questions wait there, the
  others of it are not tried.
- At most `SLOW_LINE` clients stand in it. A broad question that comes then is refused, and whoever
  asked it is left out of the first line for `REST` seconds.

Where the store can answer on the loop, what comes alone and looks narrow stands in no line: it is
answered at once, within `LOOP_LIMIT`. If that is not enough it goes into the line like all else;
and after `TURN` of a burst's time was spent so, the rest of the burst does.
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
PUT_ASIDE: Final = 2
SLOW_LINE: Final = 20
REST: Final = 10.0

_log = logging.getLogger(__name__)


class ClientQueries:
    """What one client has asked and not been answered; bounded by what its session lets in.

    `broad`: what was put aside. `deaf`: the client does not take what it is sent, and gets no
    further answers for now. `rests`: it is not asked for a while. `gone`: it has left.
    """

    __slots__ = (
        "broad",
        "counts",
        "deaf",
        "gone",
        "in_line",
        "in_slow_line",
        "rests",
        "scans",
        "session",
    )

    def __init__(self, session: RelaySession) -> None:
        self.session = session
        self.scans: dict[str, ClientSubscription] = {}
        self.counts: deque[CountQuery] = deque()
        self.broad: deque[ClientSubscription | CountQuery] = deque()
        self.in_line = False
        self.in_slow_line = False
        self.deaf = False
        self.rests = False
        self.gone = False

    @property
    def ready(self) -> bool:
        """Is there something to be tried now?"""
        waits = self.deaf or self.rests or len(self.broad) >= PUT_ASIDE
        return not waits and bool(self.scans or self.counts)

    def take(self) -> ClientSubscription | CountQuery:
        if self.scans:
            return self.scans.pop(next(iter(self.scans)))
        return self.counts.popleft()

    def end(self) -> None:
        """The client has left: nothing is to be answered any more."""
        self.gone = True
        self.scans.clear()
        self.counts.clear()
        self.broad.clear()


class QueryScheduler:
    """Answers questions while `run` runs.

    `deliver` gets the question and the frames that answer it, `flush` is called when they are to
    leave; `live_seq` says which commit live subscriptions were told of last.
    """

    def __init__(
        self,
        store: EventStore,
        rules: Rules,
        deliver: Callable[[ClientQueries, ClientSubscription | CountQuery, bytes], None],
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
        self._news = live_seq
        self._clock = clock
        self.spent = 0.0
        """Seconds of this burst that went into answers at once; whoever ends it sets it to 0."""
        # Each client stands in it at most once, and those are bounded.
        self._line: asyncio.Queue[ClientQueries] = asyncio.Queue()
        self._slow_line: asyncio.Queue[ClientQueries] = asyncio.Queue()

    def ask(self, questions: ClientQueries) -> None:
        """There is something new among `questions`, or their client is no longer deaf."""
        if questions.ready and not questions.in_line:
            questions.in_line = True
            self._line.put_nowait(questions)
        if questions.broad and not questions.in_slow_line and not questions.deaf:
            questions.in_slow_line = True
            self._slow_line.put_nowait(questions)

    def answer_at_once(self, questions: ClientQueries) -> bool:
        """Answer the one scan among `questions`, if that is quick; it leaves with the burst."""
        if len(questions.scans) != 1 or questions.in_line or not questions.ready:
            return False
        [scan] = questions.scans.values()
        broad = scan.values > NARROW or any(f.search for f in scan.filters)
        if self._at_once is None or broad or self.spent >= TURN or self._asks_made(scan):
            return False
        begun = time.perf_counter()
        try:
            frames = self._scan_at_once(self._at_once, questions.session, scan)
        except NostrError:  # too broad, or the file is in trouble: there they know what to say
            return False
        finally:
            self.spent += time.perf_counter() - begun
        questions.scans.clear()
        self._rules.metrics.answered("REQ", time.perf_counter() - begun)
        self._deliver(questions, scan, frames)
        return True

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._serve())
            group.create_task(self._serve_broad())

    async def _serve(self) -> None:
        while True:
            questions = await self._line.get()
            if questions.ready:
                await self._answer(questions, questions.take())
            questions.in_line = False
            self.ask(questions)

    async def _serve_broad(self) -> None:
        while True:
            questions = await self._slow_line.get()
            if questions.broad and not questions.deaf:
                question = questions.broad.popleft()
                if not _has_ended(question):
                    await self._answer(questions, question, broad=True)
            questions.in_slow_line = False
            self.ask(questions)

    async def _answer(
        self,
        questions: ClientQueries,
        question: ClientSubscription | CountQuery,
        *,
        broad: bool = False,
    ) -> None:
        begun = time.perf_counter()
        try:
            if isinstance(question, ClientSubscription):
                frames = await self._scan(questions.session, question, broad)
            else:
                frames = await self._count(questions.session, question, broad)
        except QueryTimeout:
            if broad:
                reason = "error: the query is too broad, it took too long"
                self._refuse(questions, question, reason)
            else:
                self._put_aside(questions, question)
        except NostrError as error:
            _log.warning("a query failed: %s", error)
            self._refuse(questions, question, "error: the relay could not read its store")
        else:
            verb = "REQ" if isinstance(question, ClientSubscription) else "COUNT"
            self._rules.metrics.answered(verb, time.perf_counter() - begun)
            self._deliver(questions, question, frames)
            self._flush()

    def waiting(self) -> tuple[int, int]:
        """How many clients stand in the first line, and in that of broad questions."""
        return self._line.qsize(), self._slow_line.qsize()

    def _put_aside(
        self, questions: ClientQueries, question: ClientSubscription | CountQuery
    ) -> None:
        if questions.gone or _has_ended(question):
            return
        self._rules.metrics.slow_queries += 1
        if questions.in_slow_line or self._slow_line.qsize() < SLOW_LINE:
            questions.broad.append(question)
            self.ask(questions)
            return
        questions.rests = True
        asyncio.get_running_loop().call_later(REST, self._rested, questions)
        reason = "rate-limited: too many broad queries are waiting, ask again later"
        self._refuse(questions, question, reason)

    def _rested(self, questions: ClientQueries) -> None:
        questions.rests = False
        self.ask(questions)

    def _refuse(
        self, questions: ClientQueries, question: ClientSubscription | CountQuery, reason: str
    ) -> None:
        self._rules.metrics.refuse_query(reason)
        if isinstance(question, ClientSubscription):
            frames = questions.session.refuse(question, reason)
        else:
            frames = questions.session.refuse_count(question, reason)
        self._deliver(questions, question, frames)
        self._flush()

    async def _scan(
        self, session: RelaySession, subscription: ClientSubscription, broad: bool
    ) -> bytes:
        filters, limits = self._clamped(subscription.filters), self._rules.limits
        if not filters:
            return session.page(subscription, (), complete=None, seq=0, live_seq=0)
        synthesize = await self._made(session, subscription)
        page = await self._store.page(
            filters,
            reader=session.reader,
            max_limit=limits.max_limit,
            max_bytes=limits.page_bytes,
            priority=_priority(broad),
            time_limit=None if broad else QUICK,
        )
        page.events[:0] = synthesize
        return self._page(session, subscription, filters, page)

    async def _made(self, session: RelaySession, subscription: ClientSubscription) -> list[bytes]:
        """What is made for this asker alone."""
        make = self._rules.synthesize
        if make is None or not self._asks_made(subscription):
            return []
        event = await make(session.asking("REQ", subscription.filters, self._clock()))
        return [] if event is None else [event.json]

    def _asks_made(self, subscription: ClientSubscription) -> bool:
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
            subscription, page.events, complete=complete, seq=page.seq, live_seq=self._news()
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


def _has_ended(question: ClientSubscription | CountQuery) -> bool:
    return isinstance(question, ClientSubscription) and question.state is ReqState.ENDED
