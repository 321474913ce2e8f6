"""Sending copies that are due: many at a time to one relay, and as fast as that relay will have it.

- Each relay is sent to by itself, so that one that hangs holds up no other.
- A relay gets one event first; with each that it takes one more may be under way, up to
  `IN_FLIGHT`.
- One that took some and says `rate-limited` to others wants a pace, and gets one: slower than
  what was tried, then faster again bit by bit. It decides how long it takes, not whether. What is
  limited waits for no more than the pace; one that takes nothing at all is left alone as long as
  its answer means (`copy_outcome`), and all that was due there waits with it.
- `REFUSALS_IN_A_ROW` final refusals, and the rest of the round is put off.
- What somebody else sends meanwhile is let be (`routing.under_way`).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from math import inf
from typing import Final

import msgspec

from nostr_client.errors import NostrError
from nostr_client.net.outcome import Cause, How
from nostr_client.net.pool import RelayPool
from nostr_client.net.report import Answer
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.refusals import Meaning, next_try
from nostr_client.resilience.copy_outcome import CopyOutcome, Judgement, judge
from nostr_client.resilience.reserves import Reserves
from nostr_client.routing.under_way import TakenCopies, UnderWay
from nostr_client.store.contract import ClientStore, Copy, CopyGrade
from nostr_client.tasks import together

IN_FLIGHT: Final = 32
"""Events under way to one relay."""
RELAYS_AT_ONCE: Final = 16
REFUSALS_IN_A_ROW: Final = 3
"""So many final refusals by one relay in one round, and the rest of the round is put off."""
CLAIM_READ_LIMIT: Final = 10.0
MOST_PACES: Final = 500
FIRST_RATE: Final = 8.0
"""Events in a second, for a relay that limits and has not yet been measured."""
FASTER: Final = 1.01
"""How much faster with each event that is taken at a pace."""
SLOWER: Final = 0.8
"""How much slower after a second's worth that was taken; half as fast after less."""
REST: Final = 0.5
"""Seconds in which nothing is sent to one that has just limited."""
UNLIMITED: Final = 500.0
MOST_IN_A_ROUND: Final = 1_000
MOST_IDS: Final = 200
"""Events read from the store in one go."""
RATE_LIMITED: Final = "rate-limited"
LIMITS_IN_A_ROW: Final = 5
"""So many times slower without taking anything, and it rests as any other that refuses."""

_HOLDS_KEY: Final = Judgement(
    CopyOutcome.OVER, "", "it holds a secret key of yours: it is not sent on"
)


class RelayPace:
    """How fast one relay takes events: how many may be under way, and how many a second once it has
    limited us. Pure: `now` is a monotonic time in seconds."""

    def __init__(self) -> None:
        self.window = 1
        self.rate: float | None = None
        """Events a second; None: as fast as it answers."""
        self._tokens = 0.0
        self._at = 0.0
        """Up to when tokens were counted; ahead of now while it rests."""
        self._limits = 0
        self._taken = 0
        """Since it limited last."""
        self._has_taken = False

    def room(self, now: float) -> int:
        """How many may be sent in one go."""
        self._refill(now)
        return int(self._tokens) if self.rate is not None else MOST_IN_A_ROUND

    def opens_in(self, now: float) -> float:
        """Seconds until some may be sent: what half a second brings, or one."""
        if self.rate is None:
            return 0.0
        self._refill(now)
        missing = max(1.0, self.rate / 2) - self._tokens
        return max(0.0, self._at - now) + max(0.0, missing) / self.rate

    def sent(self) -> None:
        """One is under way."""
        self._tokens -= 1.0

    def taken(self) -> None:
        """It took one."""
        self._has_taken, self._limits = True, 0
        self._taken += 1
        self.window = min(IN_FLIGHT, self.window * 2)
        if self.rate is not None:
            self.rate = self.rate * FASTER if self.rate < UNLIMITED else None

    def limited(self, now: float) -> float:
        """It said `rate-limited`. Seconds to wait where that is a matter of pace; else 0."""
        if not self._has_taken or self._limits >= LIMITS_IN_A_ROW:
            self.begin_anew()
            return 0.0
        if self.rate is None or now >= self._at:  # once for all that was under way
            self._limits += 1
            if self.rate is None:
                self.rate = FIRST_RATE
            else:
                self.rate *= SLOWER if self._taken >= self.rate else 0.5
            self._taken, self._tokens, self._at = 0, 0.0, now + REST
        return self.opens_in(now)

    def begin_anew(self) -> None:
        """It refuses, or does not answer: at first one event, when its time has come."""
        self.window, self.rate, self._has_taken, self._limits = 1, None, False, 0

    def _refill(self, now: float) -> None:
        if self.rate is not None and now > self._at:
            self._tokens += (now - self._at) * self.rate
            self._tokens, self._at = min(max(1.0, self.rate), self._tokens), now


class CopySender:
    """Sends copies and writes into the ledger what became of them.

    `limit` is how long a relay may take to answer, in seconds; `on_over` is told of an event that
    a relay will not have, `random` yields numbers from 0 to 1; `under_way` is the account's.
    """

    def __init__(
        self,
        store: ClientStore,
        pool: RelayPool,
        *,
        on_over: Callable[[Event], Awaitable[None]],
        holds_key: Callable[[Event], bool],
        limit: float,
        clock: Callable[[], float],
        random: Callable[[], float] = lambda: 0.0,
        reserves: Reserves | None = None,
        under_way: UnderWay | None = None,
    ) -> None:
        self._store = store
        self._ledger = store.ledger
        self._pool = pool
        self._on_over = on_over
        self._holds_key = holds_key
        self._limit = limit
        self._clock = clock
        self._random = random
        self._reserves = reserves
        self._paces: dict[str, RelayPace] = {}
        self._under_way = under_way or UnderWay()
        self._at_work: set[str] = set()
        """The relays that are being sent to."""

    def busy(self) -> list[str]:
        """The relays that are being sent to, or have had what they take for the moment."""
        now = time.monotonic()
        slow = [url for url, pace in self._paces.items() if pace.opens_in(now) > 0]
        return [*self._at_work, *slow, *self.spent()]

    def spent(self) -> list[str]:
        """The reserves that have had what a guest may send for the moment."""
        return self._reserves.exhausted() if self._reserves else []

    def opens_in(self) -> float:
        """Seconds until one that is busy by its pace takes more; forever where none is."""
        now = time.monotonic()
        waits = [pace.opens_in(now) for pace in self._paces.values()]
        return min([wait for wait in waits if wait > 0], default=inf)

    @property
    def is_at_work(self) -> bool:
        """Is anything being sent?"""
        return bool(self._at_work)

    def begin(
        self,
        group: asyncio.TaskGroup,
        copies: Sequence[Copy],
        on_sent: Callable[[Sequence[Copy]], None],
    ) -> bool:
        """Have these sent, each relay by itself, at most `RELAYS_AT_ONCE`; False where none is
        begun with. `on_sent` is told, for each relay, of those that were dealt with: as many as it
        took. StoreError ends `group`."""
        by_relay: dict[str, list[Copy]] = {}
        for copy in copies:
            by_relay.setdefault(copy.url, []).append(copy)
        free = [url for url in by_relay if url not in self._at_work]
        begun = free[: RELAYS_AT_ONCE - len(self._at_work)]
        for url in begun:
            self._at_work.add(url)
            group.create_task(self._send_and_tell(url, by_relay[url], on_sent))
        return bool(begun)

    async def _send_and_tell(
        self, url: str, copies: Sequence[Copy], on_sent: Callable[[Sequence[Copy]], None]
    ) -> None:
        dealt: Sequence[Copy] = ()
        try:
            with self._under_way.sending() as mine:
                dealt = await self._send_to_relay(url, copies, mine)
        finally:
            self._at_work.discard(url)
            on_sent(dealt)

    async def _send_to_relay(
        self, url: str, copies: Sequence[Copy], mine: TakenCopies
    ) -> Sequence[Copy]:
        pace = self._pace_of(url)
        copies = copies[: pace.room(time.monotonic())]
        if self._reserves is not None:
            copies = self._reserves.take(url, copies)
        waiting, events = await self._sendable(copies)
        under_way: dict[asyncio.Task[Answer], tuple[Event, Copy]] = {}
        stop: Judgement | None = None
        refusals = 0
        async with together() as group:
            while under_way or (waiting and stop is None):
                free = max(0, pace.window - len(under_way)) if stop is None else 0
                some = [waiting.popleft() for _ in range(min(free, len(waiting)))]
                for copy in await self._taken(some, mine):
                    event = events[copy.event_id]
                    pace.sent()
                    under_way[group.create_task(self._publish(event, url))] = event, copy
                if not under_way:
                    continue
                done, _ = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                there, answers = [], dict[str, Answer]()
                for task in done:
                    event, copy = under_way.pop(task)
                    answer = answers[event.id] = task.result()
                    judgement = await self._note(event, copy, answer, pace)
                    if judgement.outcome is CopyOutcome.THERE:
                        there.append((event.id, url))
                    refusals = refusals + 1 if answer.meaning is Meaning.KEY_REFUSED else 0
                    rests = judgement.outcome in (CopyOutcome.AGAIN, CopyOutcome.SOON)
                    if rests or refusals == REFUSALS_IN_A_ROW:
                        paced = stop is None or stop.outcome is CopyOutcome.SOON
                        stop = judgement if paced else stop
                await self._ledger.confirm(there)
                for event_id, answer in answers.items():
                    mine.leave(event_id, url, answer)
        if stop is not None and stop.outcome is CopyOutcome.SOON:
            left = {copy.event_id for copy in waiting}
            return [copy for copy in copies if copy.event_id not in left]
        if stop is not None:
            pace.begin_anew()
            await self._put_off(await self._taken(waiting, mine), stop)
        return copies

    def _pace_of(self, url: str) -> RelayPace:
        pace = self._paces.pop(url, None) or RelayPace()
        self._paces[url] = pace
        if len(self._paces) > MOST_PACES:
            del self._paces[next(iter(self._paces))]
        return pace

    async def _sendable(self, copies: Sequence[Copy]) -> tuple[deque[Copy], dict[str, Event]]:
        """Those of `copies` that may be sent, and their events: none that holds a secret key, and
        none that is not there any more."""
        events: dict[str, Event] = {}
        for start in range(0, len(copies), MOST_IDS):
            ids = frozenset(copy.event_id for copy in copies[start : start + MOST_IDS])
            events |= {event.id: event for event in await self._store.query([Filter(ids=ids)])}
        leaks = await asyncio.to_thread(self._leaks, list(events.values()))
        fit: deque[Copy] = deque()
        for copy in copies:
            if copy.event_id in leaks:
                await self._refuse(copy, _HOLDS_KEY, final=True, next_try=0)
            elif copy.event_id in events:
                fit.append(copy)
            else:
                await self._ledger.unwant(copy.event_id, [copy.url])
        return fit, events

    def _leaks(self, events: Sequence[Event]) -> frozenset[str]:
        """The ids of those with a secret key in them. Blocks."""
        return frozenset(event.id for event in events if self._holds_key(event))

    async def _taken(self, copies: Collection[Copy], mine: TakenCopies) -> list[Copy]:
        """Those of `copies`, all of one relay, that nobody else sends, nor has sent since they were
        found due."""
        free = [copy for copy in copies if not mine.take(copy.event_id, [copy.url])]
        known = await self._ledger.copies_of([copy.event_id for copy in free]) if free else {}
        due = [copy for copy in free if copy in known[copy.event_id]]
        for copy in free:
            if copy not in due:
                mine.leave(copy.event_id, copy.url)
        return due

    async def _publish(self, event: Event, url: str) -> Answer:
        report = await self._pool.publish(event, [url], timeout=self._limit)
        if not report.answers:
            return Answer.missing(url, Cause(How.NOT_ASKED, "this address is not dialled"))
        return report.answers[0]

    # What an answer comes to

    async def _note(self, event: Event, copy: Copy, answer: Answer, pace: RelayPace) -> Judgement:
        """What it means; written down here, but for what is there."""
        judgement = judge(answer, copy.attempts, self._clock(), self._random())
        if answer.prefix.lower() == RATE_LIMITED and (wait := pace.limited(time.monotonic())):
            at = int(self._clock() + wait)
            judgement = msgspec.structs.replace(judgement, outcome=CopyOutcome.SOON, next_try=at)
        match judgement.outcome:
            case CopyOutcome.THERE:
                pace.taken()
            case CopyOutcome.CLAIMED:
                await self._read_back(event, copy, judgement)
            case CopyOutcome.AGAIN | CopyOutcome.SOON:
                await self._refuse(copy, judgement, final=False, next_try=judgement.next_try)
            case CopyOutcome.OVER:
                await self._refuse(copy, judgement, final=True, next_try=0)
                await self._on_over(event)
        return judgement

    async def _read_back(self, event: Event, copy: Copy, judgement: Judgement) -> None:
        """The relay says that it has the event: look."""
        there = False
        with contextlib.suppress(NostrError):
            fetched = await self._pool.fetch(
                [Filter(ids=frozenset({event.id}))], [copy.url], timeout=CLAIM_READ_LIMIT
            )
            there = any(found.id == event.id for found in fetched.events)
        if there:
            await self._ledger.confirm([(event.id, copy.url)], CopyGrade.READ_BACK)
        else:
            at = next_try(Meaning.HELD, copy.attempts, self._clock(), self._random())
            await self._refuse(copy, judgement, final=False, next_try=at)

    async def _put_off(self, copies: Collection[Copy], why: Judgement) -> None:
        """What else was due at a relay that rests waits as long as the one that was tried."""
        at = why.next_try or next_try(Meaning.KEY_REFUSED, 0, self._clock(), self._random())
        untold = msgspec.structs.replace(why, handed=False)
        for copy in copies:
            await self._refuse(copy, untold, final=False, next_try=at)

    async def _refuse(self, copy: Copy, why: Judgement, *, final: bool, next_try: int) -> None:
        await self._ledger.refuse(
            *(copy.event_id, copy.url, why.prefix, why.reason),
            final=final,
            next_try=next_try,
            handed=why.handed,
        )
