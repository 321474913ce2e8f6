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
- The plan is made anew for every tracked event, when the account's relay list has changed or
  `replan` is called, when a relay has been dead for a while and others live, or comes back, and
  after a start at which the oldest events, which go last, turn out not to be where the plan has
  them.
- Lists and profile go first, then the newest: in planning, and in sending, which goes on meanwhile.
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
from collections import deque
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

from nostr_client.errors import FolderInUse, StoreError
from nostr_client.net.health import DOWN, REFUSING, SLOW_STATE, UP
from nostr_client.net.pool import RelayPool
from nostr_client.paths import SEND_LOCK, FolderLock, private_folder
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.resilience.audits import Auditor
from nostr_client.resilience.copy_sending import CopySender
from nostr_client.resilience.reserves import Reserves
from nostr_client.signing.gate import OwnKeys
from nostr_client.signing.leaks import leaked_by
from nostr_client.signing.secret_search import SoughtKeys
from nostr_client.store.contract import GONE, Copy, CopyState, EventStore
from nostr_client.tasks import all_of, together

log = logging.getLogger(__name__)

BATCH: Final = 1_000
"""Copies taken up in one round."""
MOST_OF_ONE: Final = 250
"""Of these, copies for one relay: a slow one holds up no other."""
SLICE: Final = 200
"""Events planned anew between two rounds of sending."""
PLANNED_AT_ONCE: Final = 50
"""Of these, so many share a commit."""
OLDEST: Final = 20
"""Events that are looked at to find out whether the plan has changed."""
MOST_NEW: Final = 5_000
"""New events that wait for a plan."""
MOST_WRAPS: Final = 1_000
"""Copies, those due first, among which gift wraps that wait are looked for."""
_NEVER: Final = 1 << 62
LEAST_WAIT: Final = 0.5


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
        self._sender = CopySender(
            store,
            pool,
            on_over=self._on_over,
            holds_key=self._holds_key,
            limit=self._pace.publish,
            clock=clock,
            random=self._random,
            reserves=reserves,
        )
        self._wake = asyncio.Event()
        self._replan = False
        self._leads = False
        self._planning = False
        self._new: dict[str, float] = {}
        self._room = asyncio.Event()
        self._dropped: list[str] = []
        self._to_plan: deque[str] = deque()
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

        For programs that end soon. What is not due yet is not waited for, nor what a reserve takes
        later; a plan that is to be made here is.
        """
        deadline = time.monotonic() + limit
        self.kick()
        while (self._leads and self.is_planning) or await self._due(self._sender.spent()):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.05)
        return True

    async def planned(self, limit: float) -> bool:
        """Wait until what `replan` asked for is planned, at most `limit` seconds: another process,
        which ends just now, may plan for the account."""
        deadline = time.monotonic() + limit
        while self.is_planning:
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

    @property
    def is_planning(self) -> bool:
        """Are there plans that this process has yet to make anew?"""
        return self._planning or self._replan or bool(self._to_plan)

    def place_again(self, event_ids: Collection[str]) -> None:
        """Copies of these were dropped: others are to be placed elsewhere."""
        self._dropped += event_ids
        self._wake.set()

    async def look_now(self, event_id: str) -> None:
        """Look for the copies of this event, whenever they were due: another place is found for
        what a relay dropped. Takes some seconds a relay. Raises StoreError."""
        if self._auditor is not None:
            own = self._own_urls()
            copies = await self._ledger.copies(event_id)
            urls = [copy.url for copy in copies if copy.url not in own]
            self.place_again(await self._auditor.check([event_id], urls))
        self.kick()

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
                        self._leads = True
                        await all_of([self._work(), self._audit()])
            except StoreError as error:
                if self.problem != str(error):
                    log.warning("replication pauses: %s", error)
                self.problem = str(error)
                self._replan = True  # of plans that were being made the rest is not known any more
            finally:
                self._leads = self._planning = False
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
                if self._reserves is not None and await self._reserves.refresh():
                    self._replan = True  # and not `|=`, which forgets who asked for it meanwhile
                self._swept = time.monotonic()
            dead = self._dead_relays()
            if dead != self._dead:
                self._dead, self._replan = dead, True
            if not checked and time.monotonic() - begun >= self._pace.settle:
                checked = True
                if await self._is_out_of_date():
                    self._replan = True
            self._planning = True
            if self._replan:
                self._replan = False
                self._to_plan = deque(await self._ledger.tracked(self._pubkeys))
            if again := self._take_new():
                await self._plan_these(again)
            self._planning = False
            with contextlib.ExitStack() as stack:
                sent = self._take(stack, SEND_LOCK) and await self._send_due()
            self.problem = ""
            if not (sent or self._to_plan or self._replan):
                await self._rest(min(self._pace.idle, self._sender.opens_in()))

    def _take_new(self) -> list[str]:
        """What is to be planned now: dropped copies' events, new ones that are old enough, and a
        slice of what is planned anew."""
        ripe = time.monotonic() - self._pace.grace
        new = [event_id for event_id, at in self._new.items() if at <= ripe][:SLICE]
        for event_id in new:
            del self._new[event_id]
        if new:
            self._room.set()
        dropped, self._dropped = self._dropped, []
        anew = [self._to_plan.popleft() for _ in range(min(SLICE, len(self._to_plan)))]
        return [*dropped, *new, *anew]

    async def _audit(self) -> None:
        """See to it that what was confirmed is there; what is not has another place planned."""
        while self._auditor is not None:
            dropped = await self._auditor.look(self._own_urls())
            self._dropped += dropped
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
                await self.place(event, await self._plan(event, self._dead))

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

    async def _plan_these(self, ids: Sequence[str]) -> None:
        copies = await self._ledger.copies_of(ids)
        events = {e.id: e for e in await self._store.query([Filter(ids=frozenset(ids))])}
        found = [events[event_id] for event_id in ids if event_id in events]
        for start in range(0, len(found), PLANNED_AT_ONCE):
            some = found[start : start + PLANNED_AT_ONCE]
            await all_of(self._plan_one(each, copies[each.id]) for each in some)

    async def _is_out_of_date(self) -> bool:
        """Did the plan change while nobody replicated? The oldest events tell: they go last, and
        so they are only looked at here. Planned now, they would hide it if this start is the next
        to be killed."""
        oldest = (await self._ledger.tracked(self._pubkeys))[-OLDEST:]
        copies = await self._ledger.copies_of(oldest)
        for event in await self._store.query([Filter(ids=frozenset(oldest))]):
            if any(await self._differences(event, copies[event.id])):
                return True
        return False

    async def _plan_one(self, event: Event, copies: Sequence[Copy]) -> None:
        """Make the ledger want what the plan says."""
        copies = await self._move_own(event.id, copies)
        missing, stale = await self._differences(event, copies)
        await self.place(event, missing)
        if stale:
            await self._ledger.unwant(event.id, stale)

    async def _differences(self, event: Event, copies: Sequence[Copy]) -> tuple[set[str], set[str]]:
        """Where the plan has it and the ledger does not, and the other way round."""
        refused = {copy.url for copy in copies if copy.state in GONE}
        urls = set(await self._plan(event, frozenset(refused)))
        if event.kind in kinds.GIFT_WRAPS and not urls:
            return set(), set()  # where its recipient reads is not known now: it waits where it did
        if self._dead & urls:  # others in their place; what they hold may come back
            urls |= set(await self._plan(event, self._dead | refused))
        wanted = {copy.url for copy in copies if copy.wanted}
        return urls - wanted, wanted - urls - refused  # what is over stays known

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

    async def place(self, event: Event, urls: Collection[str]) -> None:
        """A copy of it is to be on each of these, unless that is over there."""
        if urls:
            await self._ledger.want(event.id, urls, anew=False)  # over is over
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

    async def _send_due(self) -> bool:
        """Send what is due; False when nothing was."""
        sent = await self._sender.send(await self._due(self._sender.busy()))
        self._ours -= {(copy.event_id, copy.url) for copy in sent}
        return bool(sent)

    async def _due(self, besides: Collection[str]) -> list[Copy]:
        """What is to be sent now, by us, but not to the relays `besides`."""
        due = await self._ledger.due(self._now(), limit=BATCH, besides=besides, each=MOST_OF_ONE)
        return [copy for copy in due if not self._is_anothers(copy)]

    def _is_anothers(self, copy: Copy) -> bool:
        # Either way: a row that is dated far ahead is no fresh one, but the clock was set back.
        age = abs(self._clock() - copy.updated_at)
        fresh = copy.attempts == 0 and age < self._pace.grace
        return fresh and (copy.event_id, copy.url) not in self._ours

    def _holds_key(self, event: Event) -> bool:
        return bool(leaked_by(event, SoughtKeys(self._own(), self._pubkeys, (event.pubkey,))))

    async def _on_over(self, event: Event) -> None:
        """A relay will not have it: another one may."""
        await self._plan_one(event, await self._ledger.copies(event.id))
