"""Many events to many relays: no task, and no timer, for each of them.

Rules
- Every event ends in one answer from every relay that it is for, within `limit` seconds from when
  it was handed over; a relay that cannot be reached, or says nothing, is an answer too.
- A relay that let the limit pass is asked one event at a time until it answers again. The others
  are told at once that it is silent, and are not handed to it.
- A relay that does not read what was sent is waited for, within the limit, before more is.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Final, NamedTuple, Self

from nostr_client.errors import ConnectFailed
from nostr_client.net.connection import RelayConnection
from nostr_client.net.outcome import Cause, How
from nostr_client.net.report import Answer
from nostr_client.net.waiters import OkWaiter, Unanswered
from nostr_client.protocol.event import Event

Heard = Callable[[Event, Answer], None]
_CLOSED: Final = Cause(How.LOST, "the sending was ended")


class _Waiting(NamedTuple):
    """One event whose OK has not come: until when it is waited for, by the loop's clock."""

    until: float
    event: Event
    waiter: OkWaiter
    connection: RelayConnection


class _AwaitedOks:
    """What waits for one relay's OKs, the longest first."""

    def __init__(self) -> None:
        self.waiting: deque[_Waiting] = deque()
        self.silent = False


class BulkSender:
    """Made by `RelayPool.sending`, for use inside `async with`: at its end nothing is waited for
    any more. `heard` is told of each answer.

    Who calls `send` bounds how many events are under way.
    """

    def __init__(
        self,
        use: Callable[[str], RelayConnection],
        not_dialled: Callable[[ConnectFailed], Cause],
        heard: Heard,
        limit: float,
    ) -> None:
        self._use = use
        self._not_dialled = not_dialled
        self._heard = heard
        self._limit = limit
        self._oks: dict[str, _AwaitedOks] = {}
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._open = False

    async def __aenter__(self) -> Self:
        self._open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open = False
        if self._timer is not None:
            self._timer.cancel()
        for url, oks in self._oks.items():
            for waiting in oks.waiting:
                if not waiting.waiter.done():
                    self._give_up(url, waiting, _CLOSED)
        self._oks.clear()

    async def send(self, event: Event, url: str) -> None:
        """Hand `event` to the relay at `url`, which is in its normal spelling."""
        oks = self._oks.get(url)
        if oks is None:
            oks = self._oks[url] = _AwaitedOks()
        try:
            connection = self._use(url)
        except ConnectFailed as error:
            self._heard(event, Answer.missing(url, self._not_dialled(error)))
            return
        if oks.silent and oks.waiting:
            words = f"not sent: it said nothing to others within {self._limit:g} s"
            self._heard(event, Answer.missing(url, Cause(How.SILENT, words)))
            return
        if not connection.has_room:
            try:
                async with asyncio.timeout(self._limit):
                    await connection.room()
            except TimeoutError:
                oks.silent = True
                self._heard(event, Answer.missing(url, connection.silence("OK", self._limit)))
                return
        waiter = connection.publish(event)
        oks.waiting.append(_Waiting(self._loop.time() + self._limit, event, waiter, connection))
        waiter.add_done_callback(partial(self._answered, url, oks, event))
        if self._timer is None:
            self._timer = self._loop.call_later(self._limit, self._look)

    def _answered(self, url: str, oks: _AwaitedOks, event: Event, waiter: OkWaiter) -> None:
        if waiter.cancelled():
            return
        said = waiter.result()
        waiting = oks.waiting
        while waiting and waiting[0].waiter.done():
            waiting.popleft()
        if isinstance(said, Unanswered):
            self._heard(event, Answer.missing(url, said.cause, handed=said.handed))
        else:
            oks.silent = False
            self._heard(event, Answer.of_ok(url, said.accepted, said.text, said.note))

    def _look(self) -> None:
        """Give up what was waited for long enough."""
        self._timer = None
        now, following = self._loop.time(), None
        for url, oks in self._oks.items():
            while oks.waiting and (oks.waiting[0].until <= now or oks.waiting[0].waiter.done()):
                waiting = oks.waiting.popleft()
                if not waiting.waiter.done():
                    oks.silent = True
                    cause = waiting.connection.silence("OK", self._limit)
                    self._give_up(url, waiting, cause)
            if oks.waiting:
                until = oks.waiting[0].until
                following = until if following is None else min(following, until)
        if following is not None:
            self._timer = self._loop.call_at(following, self._look)

    def _give_up(self, url: str, waiting: _Waiting, cause: Cause) -> None:
        event, connection = waiting.event, waiting.connection
        sent = connection.was_sent(event.id)
        waiting.waiter.cancel()
        connection.withdraw(event.id, waiting.waiter)
        if self._open:
            self._heard(event, Answer.missing(url, cause, handed=sent))
