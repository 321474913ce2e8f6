"""Replication: the one loop that sees to it that every own event has its copies.

The ledger says which relay should hold which event; this loop makes it so. There is no other
queue: being offline, a refusal, a crash and a relay that dies all mean the same thing, fewer
copies than wanted. The rules:

- One process a folder and account plans (it holds the account's lock), and one a folder sends at
  a time; the others wait. Without `pubkeys` there is nothing to plan, only to send.
- A copy that is due is sent; `copy_outcome.judge` says what the answer means. A relay that is out
  of reach, or slows us down, rests: what else was due there waits with it.
- A copy is confirmed by an accepting OK, or by reading the event back from the relay; what was
  only said is looked for later (`audits`).
- Over on one relay (refused there, or dropped) means: another one, if the plan names one.
- The plan is made anew for every tracked event, oldest first, when the account's relay list has
  changed or `replan` is called, when a relay has been dead for a while and others live, or comes
  back, and after a start at which the newest events turn out not to be where the plan has them.
- An own event without any plan (a crash between saving and planning) gets one.
- A gift wrap is by nobody's key: what waits of them is ours, for it was wanted before it was saved,
  and is planned anew with each sweep, since its recipient may read elsewhere by now. A delivered
  one is done.
- A row younger than `Pace.grace` seconds that was never tried belongs to whoever is publishing
  just now.
- A wait goes by the clock. Where that is set back, what waits has its own wait again, from then.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

from nostr_client.errors import FolderInUse, NostrError, StoreError
from nostr_client.net.health import DOWN, REFUSING, SLOW_STATE, UP
from nostr_client.net.outcome import Cause, How
from nostr_client.net.pool import RelayPool
from nostr_client.net.report import Answer
from nostr_client.paths import SEND_LOCK, FolderLock, private_folder
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.refusals import Meaning, next_try
from nostr_client.resilience.audits import Auditor
from nostr_client.resilience.copy_outcome import CopyOutcome, Judgement, judge
from nostr_client.resilience.reserves import Reserves
from nostr_client.signing.gate import OwnKeys
from nostr_client.signing.secret_search import SoughtKeys, leaked_by
from nostr_client.store.contract import GONE, Copy, CopyGrade, CopyState, EventStore
from nostr_client.tasks import all_of, together

log = logging.getLogger(__name__)

BATCH: Final = 100
"""Copies taken up in one round."""
RELAYS_AT_ONCE: Final = 8
REFUSALS_IN_A_ROW: Final = 3
"""So many final refusals by one relay in one round, and the rest of the round is put off."""
SLICE: Final = 200
"""Events planned anew between two breaths."""
NEWEST: Final = 20
"""Events that are looked at to find out whether the plan has changed."""
MOST_NEW: Final = 5_000
"""New events that wait for a plan."""
MOST_WRAPS: Final = 1_000
"""Copies, those due first, among which gift wraps that wait are looked for."""
_NEVER: Final = 1 << 62
LEAST_WAIT: Final = 0.5
CLAIM_READ_LIMIT: Final = 10.0


class Pace(msgspec.Struct, frozen=True):
    """All times in seconds. `idle`: between two looks at the ledger when nobody kicks; `lead`:
    between two tries to become the process that does it; `sweep`: between two looks for events
    without a plan; `settle`: after the start, before everything is planned anew; `audit`: between
    two looks for copies to be audited. `spread`, from 0 to 1, is how much chance there is in them,
    so that many do not come as one. `speedup` is by how much a rehearsal shortened them."""

    publish: float = 10.0
    idle: float = 5.0
    lead: float = 10.0
    sweep: float = 60.0
    settle: float = 3.0
    grace: float = 20.0
    audit: float = 15.0
    dead_after: float = 600.0
    spread: float = 1.0
    speedup: float = 1.0

    def sped_up(self, factor: float) -> Pace:
        """The same, `factor` times as fast, for rehearsals: what is waited for, and not what an
        answer may take. Looks at the disk come no oftener than every `LEAST_WAIT` seconds."""
        return Pace(
            publish=self.publish,
            idle=max(LEAST_WAIT, self.idle / factor),
            lead=max(LEAST_WAIT, self.lead / factor),
            sweep=max(LEAST_WAIT, self.sweep / factor),
            settle=self.settle / factor,
            grace=self.grace / factor,
            audit=max(LEAST_WAIT, self.audit / factor),
            dead_after=self.dead_after / factor,
            spread=self.spread,
            speedup=self.speedup * factor,
        )


_HOLDS_KEY: Final = Judgement(
    CopyOutcome.OVER, "", "it holds a secret key of yours: it is not sent on"
)


class Planner(Protocol):
    """Where an event should be. `avoid` names relays that will not have it, or are dead: the plan
    may name others in their place."""

    async def __call__(self, event: Event, avoid: frozenset[str]) -> Collection[str]: ...


class Replication:
    """The loop of one account. `run` is its one task; all else only asks or wakes it.

    `pubkeys` are the keys whose events are kept alive, and what holds a secret key of theirs or of
    `own`, those of all accounts of the folder, is not sent; `folder` (data) holds the locks, and
    `own_urls` yields every URL that the own relay has had, the present one first.
    """

    def __init__(
        self,
        store: EventStore,
        pool: RelayPool,
        plan: Planner,
        *,
        pubkeys: Collection[str],
        folder: Path,
        own_urls: Callable[[], Sequence[str]] = tuple,
        auditor: Auditor | None = None,
        reserves: Reserves | None = None,
        own: OwnKeys = tuple,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._ledger = store.ledger
        self._pool = pool
        self._plan = plan
        self._pubkeys = tuple(pubkeys)
        self._folder = folder
        self._own_urls = own_urls
        self._auditor = auditor
        self._reserves = reserves
        self._own = own
        self._pace = pace or Pace()
        self._clock = clock
        self._wake = asyncio.Event()
        self._replan = False
        self._new: dict[str, float] = {}
        self._room = asyncio.Event()
        self._dropped: list[str] = []
        self._dead: frozenset[str] = frozenset()
        self._ours: set[tuple[str, str]] = set()
        self._swept = float("-inf")
        self.problem = ""

    # Asking and waking

    async def pending(self) -> int:
        """How many own events wait for a relay, while none but the own relay has them; of a private
        message, each copy for somebody else."""
        unsent = await self._ledger.unsent(self._pubkeys, self._own_urls())
        wraps = [wrap for wrap in await self._waiting_wraps() if not self._is_to_us(wrap)]
        copies = await self._ledger.copies_of([wrap.id for wrap in wraps])
        own = self._own_urls()
        for each in copies.values():
            there = (copy.state is CopyState.CONFIRMED and copy.url not in own for copy in each)
            unsent += not any(there)
        return unsent

    def kick(self) -> None:
        """Look at the ledger now: something was published, or the network is back."""
        self._wake.set()

    async def drain(self, limit: float) -> bool:
        """Wait until nothing is due any more, here or in another process; at most `limit` seconds.

        For programs that end soon. What is not due yet is not waited for.
        """
        deadline = time.monotonic() + limit
        self.kick()
        while any(not self._is_anothers(c) for c in await self._ledger.due(self._now(), BATCH)):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.05)
        return True

    async def send_now(self, limit: float) -> list[Copy]:
        """Try everything that waits, whenever it was to be tried again, for `limit` seconds.

        Returns what waits still, at most `BATCH` copies.
        """
        await self._ledger.hurry()
        await self.drain(limit)
        return await self._ledger.due(_NEVER, BATCH)

    def replan(self) -> None:
        """The relay list changed: plan every tracked event anew."""
        self._replan = True
        self._wake.set()

    # The loop

    async def run(self) -> None:
        """Work until cancelled. A store that fails for a while is tried again, and logged once."""
        async with together() as group:
            group.create_task(self._work_in_turn())
            if self._pubkeys:
                group.create_task(self._watch_own_events())

    async def _work_in_turn(self) -> None:
        """Plan and send whenever no other process of this folder does."""
        while True:
            try:
                with contextlib.ExitStack() as stack:
                    if all(self._take(stack, f"plan-{key[:16]}.lock") for key in self._pubkeys):
                        await all_of([self._work(), self._audit()])
            except StoreError as error:
                if self.problem != str(error):
                    log.warning("replication pauses: %s", error)
                self.problem = str(error)
            await self._rest(self._pace.lead)

    async def _watch_own_events(self) -> None:
        """The account's relay list changed, here or elsewhere: every plan is old. Anything else
        that is new has a plan to be made, once whoever publishes it has made his."""
        own = Filter(authors=frozenset(self._pubkeys))
        while True:
            try:
                async with self._store.watch([own]) as watch:
                    async for event in watch:
                        if event.kind == kinds.RELAY_LIST:
                            self.replan()
                            continue
                        self._new[event.id] = time.monotonic()
                        if len(self._new) >= MOST_NEW:  # the watch keeps the others for us
                            self._room.clear()
                            await self._room.wait()
                return
            except StoreError as error:
                log.warning("what is new is not planned for a while: %s", error)
                self._replan = True
            await asyncio.sleep(self._pace.lead)

    def _take(self, stack: contextlib.ExitStack, name: str) -> bool:
        """Enter a lock of this folder into `stack`; False while another process holds it."""
        private_folder(self._folder)
        try:
            stack.enter_context(FolderLock(self._folder / name, timeout=0))
        except FolderInUse:
            return False
        return True

    async def _work(self) -> None:
        begun = time.monotonic()
        checked = False
        while True:
            if time.monotonic() - self._swept >= self._pace.sweep:
                await self._ledger.set_back(self._clock())
                await self._plan_forgotten()
                await self._plan_waiting_wraps()
                if self._reserves is not None:
                    self._replan |= await self._reserves.refresh()
                self._swept = time.monotonic()
            dead = self._dead_relays()
            if dead != self._dead:
                self._dead, self._replan = dead, True
            if not checked and time.monotonic() - begun >= self._pace.settle:
                checked = True
                self._replan |= await self._is_out_of_date()
            if self._replan:
                self._replan = False
                await self._plan_anew()
            if again := self._take_new():
                await self._plan_these(again)
            with contextlib.ExitStack() as stack:
                sent = await self._send_due() if self._take(stack, SEND_LOCK) else 0
            self.problem = ""
            if not sent:
                await self._rest(self._pace.idle)

    def _take_new(self) -> list[str]:
        """What is to be planned now: dropped copies' events, and new ones that are old enough."""
        ripe = time.monotonic() - self._pace.grace
        new = [event_id for event_id, at in self._new.items() if at <= ripe][:SLICE]
        for event_id in new:
            del self._new[event_id]
        if new:
            self._room.set()
        dropped, self._dropped = self._dropped, []
        return [*dropped, *new]

    async def _audit(self) -> None:
        """See to it that what was confirmed is there; what is not has another place planned."""
        while self._auditor is not None:
            self._dropped += await self._auditor.look(self._own_urls())
            if self._dropped:
                self._wake.set()
            await asyncio.sleep(self._pace.audit)

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._wake.clear()

    def _now(self) -> int:
        return int(self._clock())

    def _random(self) -> float:
        return random.random() * self._pace.spread  # noqa: S311 - no secret

    # Planning

    async def _plan_forgotten(self) -> None:
        """Events that were saved, and the crash came before anybody said where they go."""
        for event_id in await self._ledger.unplanned(self._pubkeys):
            event = await self._store.get(event_id)
            if event is not None:
                await self._want(event, await self._plan(event, self._dead))

    async def _waiting_wraps(self) -> list[Event]:
        waiting = await self._ledger.due(_NEVER, MOST_WRAPS)
        ids = frozenset(copy.event_id for copy in waiting)
        wraps = Filter(ids=ids, kinds=frozenset({kinds.GIFT_WRAP}))
        return await self._store.query([wraps]) if ids else []

    def _is_to_us(self, wrap: Event) -> bool:
        return not set(self._pubkeys).isdisjoint(wrap.values("p"))

    async def _plan_waiting_wraps(self) -> None:
        for event in await self._waiting_wraps():
            await self._plan_one(event, await self._ledger.copies(event.id))

    async def _plan_anew(self) -> None:
        tracked = await self._ledger.tracked(self._pubkeys)
        for start in range(0, len(tracked), SLICE):
            await self._plan_these(tracked[start : start + SLICE])
            await asyncio.sleep(0)

    async def _plan_these(self, ids: Sequence[str]) -> None:
        copies = await self._ledger.copies_of(ids)
        for event in await self._store.query([Filter(ids=frozenset(ids))]):
            await self._plan_one(event, copies.get(event.id, []))

    async def _is_out_of_date(self) -> bool:
        """Did the plan change while nobody replicated? The newest events tell: they go last."""
        mine = Filter(authors=frozenset(self._pubkeys), limit=NEWEST)
        changed = False
        for event in await self._store.query([mine]):
            copies = await self._ledger.copies(event.id)
            if any(copy.wanted for copy in copies):
                changed |= await self._plan_one(event, copies)
        return changed

    async def _plan_one(self, event: Event, copies: Sequence[Copy]) -> bool:
        """Make the ledger want what the plan says; True when that was something new."""
        copies = await self._move_own(event.id, copies)
        refused = {copy.url for copy in copies if copy.state in GONE}
        urls = set(await self._plan(event, frozenset(refused)))
        if event.kind in kinds.GIFT_WRAPS and not urls:
            return False  # where its recipient reads is not known now: it waits where it did
        if self._dead & urls:  # others in their place; what they hold may come back
            urls |= set(await self._plan(event, self._dead | refused))
        wanted = {copy.url for copy in copies if copy.wanted}
        await self._want(event, urls - wanted)
        stale = wanted - urls - refused  # what is over stays known: it is not tried there again
        if stale:
            await self._ledger.unwant(event.id, stale)
        return bool(stale or urls - wanted)

    async def _move_own(self, event_id: str, copies: Sequence[Copy]) -> Sequence[Copy]:
        """The own relay listens elsewhere now; it is the same relay with the same database."""
        present, *former = self._own_urls() or ("",)
        moved = [copy for copy in copies if copy.url in former]
        if not present or not moved:
            return copies
        if any(copy.state is CopyState.CONFIRMED for copy in moved):
            await self._ledger.want(event_id, [present])
            await self._ledger.confirm([(event_id, present)])
        await self._ledger.unwant(event_id, [copy.url for copy in moved])
        return await self._ledger.copies(event_id)

    async def _want(self, event: Event, urls: Collection[str]) -> None:
        if urls:
            await self._ledger.want(event.id, urls)
            self._ours |= {(event.id, url) for url in urls}
            self._wake.set()

    def _dead_relays(self) -> frozenset[str]:
        """Down or refusing for long, while another relay lives: else it is we who are cut off."""
        now = self._clock()
        own = set(self._own_urls())
        known = [health for health in self._pool.book if health.url not in own]
        if not any(health.state in (UP, SLOW_STATE) for health in known):
            return self._dead if known else frozenset()
        return frozenset(
            health.url
            for health in known
            if health.state in (DOWN, REFUSING) and now - health.since >= self._pace.dead_after
        )

    # Sending

    async def _send_due(self) -> int:
        """Send what is due, relay by relay; how many copies were dealt with."""
        by_relay: dict[str, list[Copy]] = {}
        spent = self._reserves.exhausted() if self._reserves else ()
        for copy in await self._ledger.due(self._now(), limit=BATCH, besides=spent):
            if not self._is_anothers(copy):
                by_relay.setdefault(copy.url, []).append(copy)
        gate = asyncio.Semaphore(RELAYS_AT_ONCE)

        async def one_relay(copies: list[Copy]) -> int:
            async with gate:
                return await self._send_to_relay(copies)

        return sum(await all_of(one_relay(copies) for copies in by_relay.values()))

    def _is_anothers(self, copy: Copy) -> bool:
        # Either way: a row that is dated far ahead is no fresh one, but the clock was set back.
        age = abs(self._clock() - copy.updated_at)
        fresh = copy.attempts == 0 and age < self._pace.grace
        return fresh and (copy.event_id, copy.url) not in self._ours

    async def _send_to_relay(self, copies: Sequence[Copy]) -> int:
        refusals = 0
        if self._reserves is not None:
            copies = self._reserves.take(copies[0].url, copies)
        for index, copy in enumerate(copies):
            event = await self._store.get(copy.event_id)
            if event is None:
                await self._ledger.unwant(copy.event_id, [copy.url])
                continue
            if await asyncio.to_thread(self._holds_key, event):
                await self._refuse(copy, _HOLDS_KEY, final=True, next_try=0)
                continue
            answer = await self._publish(event, copy.url)
            judgement = judge(answer, copy.attempts, self._clock(), self._random())
            await self._note(event, copy, judgement)
            self._ours.discard((copy.event_id, copy.url))
            refusals = refusals + 1 if answer.meaning is Meaning.KEY_REFUSED else 0
            rests = judgement.outcome is CopyOutcome.AGAIN or refusals == REFUSALS_IN_A_ROW
            if rests:
                await self._put_off(copies[index + 1 :], judgement)
                break
        return len(copies)

    def _holds_key(self, event: Event) -> bool:
        return bool(leaked_by(event, SoughtKeys(self._own(), self._pubkeys, (event.pubkey,))))

    async def _publish(self, event: Event, url: str) -> Answer:
        report = await self._pool.publish(event, [url], timeout=self._pace.publish)
        if not report.answers:
            return Answer.missing(url, Cause(How.NOT_ASKED, "this address is not dialled"))
        return report.answers[0]

    async def _note(self, event: Event, copy: Copy, judgement: Judgement) -> None:
        match judgement.outcome:
            case CopyOutcome.THERE:
                await self._ledger.confirm([(event.id, copy.url)])
            case CopyOutcome.CLAIMED:
                await self._read_back(event, copy, judgement)
            case CopyOutcome.AGAIN:
                await self._refuse(copy, judgement, final=False, next_try=judgement.next_try)
            case CopyOutcome.OVER:
                await self._refuse(copy, judgement, final=True, next_try=0)
                await self._plan_one(event, await self._ledger.copies(event.id))

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

    async def _put_off(self, copies: Sequence[Copy], why: Judgement) -> None:
        """What else was due at a relay that rests waits as long as the one that was tried."""
        now, random = self._clock(), self._random()
        at = why.next_try or next_try(Meaning.KEY_REFUSED, 0, now, random)
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
