"""REQ and COUNT from the store: fairly, few at a time, and only as fast as a client reads.

Clients with questions stand in one line, each at most once, and get one answer a turn. A client
that has not taken its last answers is left out of the line until it has. How long one query may
take is the store's affair.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from nostr_client.errors import NostrError
from nostr_client.protocol.filters import Filter
from nostr_client.store.events import EventStore, QueryTimeout
from relays.config import Limits
from relays.session import RelaySession, Subscription, Tally

AT_ONCE: Final = 4
"""Queries that run at the same time."""

_log = logging.getLogger(__name__)


class Questions:
    """What one client has asked and not been answered; bounded by what its session lets in.

    `deaf`: the client does not take what it is sent, and gets no further answers for now.
    """

    __slots__ = ("deaf", "in_line", "scans", "session", "tallies")

    def __init__(self, session: RelaySession) -> None:
        self.session = session
        self.scans: dict[str, Subscription] = {}
        self.tallies: deque[Tally] = deque()
        self.in_line = False
        self.deaf = False

    def __bool__(self) -> bool:
        return bool(self.scans or self.tallies)

    def take(self) -> Subscription | Tally:
        if self.scans:
            return self.scans.pop(next(iter(self.scans)))
        return self.tallies.popleft()

    def clear(self) -> None:
        self.scans.clear()
        self.tallies.clear()


class Queries:
    """Answers questions while `run` runs.

    `deliver` gets the question and the frames that answer it; `news` says which
    commit live subscriptions were told of last.
    """

    def __init__(
        self,
        store: EventStore,
        limits: Limits,
        deliver: Callable[[Questions, Subscription | Tally, bytes], None],
        news: Callable[[], int],
    ) -> None:
        self._store = store
        self._limits = limits
        self._deliver = deliver
        self._news = news
        # Each client stands in it at most once, and those are bounded.
        self._line: asyncio.Queue[Questions] = asyncio.Queue()

    def ask(self, questions: Questions) -> None:
        """There is something new among `questions`, or their client is no longer deaf."""
        if questions and not questions.in_line and not questions.deaf:
            questions.in_line = True
            self._line.put_nowait(questions)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._serve())

    async def _serve(self) -> None:
        while True:
            questions = await self._line.get()
            if questions:
                await self._answer(questions, questions.take())
            questions.in_line = False
            self.ask(questions)

    async def _answer(self, questions: Questions, question: Subscription | Tally) -> None:
        try:
            if isinstance(question, Subscription):
                frames = await self._scan(questions.session, question)
            else:
                count = await self._store.count(question.filters)
                frames = questions.session.tallied(question, count)
        except NostrError as error:
            if isinstance(error, QueryTimeout):
                reason = "error: the query is too broad, it took too long"
            else:
                reason = "error: the relay could not read its store"
                _log.warning("a query failed: %s", error)
            if isinstance(question, Subscription):
                frames = questions.session.refuse(question, reason)
            else:
                frames = questions.session.untallied(question, reason)
        self._deliver(questions, question, frames)

    async def _scan(self, session: RelaySession, subscription: Subscription) -> bytes:
        filters = self._clamped(subscription.filters)
        if not filters:
            # Nothing stored is wanted, so nothing is read, and whatever comes from now on is live.
            return session.page(subscription, (), complete=None, seq=0, news=0)
        limits = self._limits
        page = await self._store.page(
            filters, max_limit=limits.max_limit, max_bytes=limits.page_bytes
        )
        complete: bool | None = page.complete
        if not complete and len(filters) > 1:
            complete = None  # what one filter's limit left out, another may have brought
        if len(filters) < len(subscription.filters):
            complete = None  # a filter with limit 0 was not asked
        return session.page(
            subscription, page.events, complete=complete, seq=page.seq, news=self._news()
        )

    def _clamped(self, filters: Sequence[Filter]) -> list[Filter]:
        default = self._limits.default_limit
        return [
            one if one.limit is not None else one.changed(limit=default)
            for one in filters
            if one.limit != 0
        ]
