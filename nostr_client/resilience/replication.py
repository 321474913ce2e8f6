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
- The plan is made anew for every tracked event (`desired_copies`), when the account's relay list
  has changed or `replan` is called, when a relay is lost or comes back (`relay_watch`), and after a
  start at which the oldest events, which go last, turn out not to be where the plan has them.
- Each relay is sent to by itself: one that hangs holds up no other.
- Lists and profile go first, then the newest: in planning, and in sending, which goes on meanwhile.
- An own event without any plan (a crash between saving and planning) gets one; what was only read
  here is adopted bit by bit (`adoption`).
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
from typing import Final

from nostr_client.errors import FolderInUse, StoreError
from nostr_client.net.pool import RelayPool
from nostr_client.paths import SEND_LOCK, FolderLock, private_folder
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.resilience.adoption import Adoption
from nostr_client.resilience.audits import Auditor
from nostr_client.resilience.copy_sending import CopySender
from nostr_client.resilience.desired_copies import DesiredCopies, Planner
from nostr_client.resilience.others_copies import OthersCopies
from nostr_client.resilience.pace import Pace
from nostr_client.resilience.relay_losses import RelayLosses, Relays, nobody
from nostr_client.resilience.relay_watch import RelayWatch
from nostr_client.resilience.reserves import Reserves
from nostr_client.routing.under_way import UnderWay
from nostr_client.signing.gate import OwnKeys
from nostr_client.signing.leaks import leaked_by
from nostr_client.signing.secret_search import SoughtKeys
from nostr_client.store.contract import ClientStore, Copy
from nostr_client.tasks import all_of, together

log = logging.getLogger(__name__)

BATCH: Final = 1_000
"""Copies taken up in one round."""
MOST_OF_ONE: Final = 250
"""Of these, copies for one relay: a slow one holds up no other."""
SLICE: Final = 200
"""Events planned anew between two rounds of sending."""
MOST_NEW: Final = 5_000
"""New events that wait for a plan."""
_NEVER: Final = 1 << 62


class Replication:
    """The loop of one account. `run` is its one task; all else only asks or wakes it.

    `pubkeys` are the keys whose events are kept alive, and what holds a secret key of theirs or of
    `own`, those of all accounts of the folder, is not sent; `folder` (data) holds the locks, and
    `own_urls` yields every URL that the own relay has had, the present one first; `shut` relays
    that take nothing of ours any more, `caught` those that do not show what they took; `under_way`
    is the account's.
    """

    def __init__(
        self,
        store: ClientStore,
        pool: RelayPool,
        plan: Planner,
        *,
        pubkeys: Collection[str],
        folder: Path,
        own_urls: Callable[[], Sequence[str]] = tuple,
        auditor: Auditor | None = None,
        reserves: Reserves | None = None,
        watch: RelayWatch | None = None,
        shut: Relays = nobody,
        caught: Relays = nobody,
        own: OwnKeys = tuple,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.time,
        others: OthersCopies | None = None,
        under_way: UnderWay | None = None,
    ) -> None:
        self._others = others
        self._under_way = under_way or UnderWay()
        self._store = store
        self._ledger = store.ledger
        self._pubkeys = tuple(pubkeys)
        self._folder = folder
        self._own_urls = own_urls
        self._auditor = auditor
        self._own = own
        self._pace = pace or Pace()
        self._clock = clock
        self._losses = RelayLosses(
            watch or RelayWatch(pool, own_urls=own_urls, pace=self._pace, clock=clock),
            reserves=reserves,
            auditor=auditor,
            shut=shut,
            caught=caught,
            pace=self._pace,
            on_change=self.replan,
            on_dropped=self.place_again,
        )
        self._desired = DesiredCopies(
            store, plan, pubkeys=pubkeys, own_urls=own_urls, placed=self._placed
        )
        self._adoption = Adoption(store, self._desired, pubkeys=pubkeys, clock=clock)
        self._sender = CopySender(
            store,
            pool,
            on_over=self._on_over,
            holds_key=self._holds_key,
            limit=self._pace.publish,
            clock=clock,
            random=self._random,
            reserves=reserves,
            under_way=self._under_way,
        )
        self._wake = asyncio.Event()
        self._replan = False
        self._leads = False
        self._planning = False
        self._new: dict[str, float] = {}
        self._room = asyncio.Event()
        self._dropped: list[str] = []
        self._to_plan: deque[str] = deque()
        self._ours: set[tuple[str, str]] = set()
        self._swept = self._begun = float("-inf")
        self._checked = False
        self._sending = contextlib.ExitStack()
        """Holds the lock while anything is being sent."""
        self.problem = ""

    # Asking and waking

    async def pending(self) -> int:
        """How many own events wait for a relay: see `DesiredCopies.unsent`."""
        return await self._desired.unsent()

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
        if event_ids:
            self._dropped += event_ids
            self._losses.judge_again()
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
                        self._leads, self._checked = True, False
                        self._adoption.look_again()
                        self._begun = time.monotonic()
                        await all_of([self._work(), self._audit(), self._losses.find()])
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
                            self._adoption.look_again()
                            self.replan()
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
        try:
            async with together() as group:
                while True:
                    await self._go_round(group)
        finally:
            self._sending.close()

    async def _go_round(self, group: asyncio.TaskGroup) -> None:
        """Plan what is to be planned now, have sent what is due, and wait for more."""
        if time.monotonic() - self._swept >= self._pace.sweep:
            await self._ledger.set_back(self._clock())
            for event in await self._desired.plan_forgotten(self._is_fresh):
                self._new.setdefault(event.id, time.monotonic() - self._age(event))
            await self._desired.plan_waiting_wraps()
            if self._others is not None:
                for event, urls in await self._others.next_ones(self._desired.lost):
                    await self.place(event, urls)
            is_settled = time.monotonic() - self._begun >= self._pace.sweep
            if is_settled and not (self._replan or self._to_plan):  # no short command's task
                await self._adoption.go_on()
            self._swept = time.monotonic()
        lost, shut = self._losses.lost(), self._losses.shut
        if (lost, shut) != (self._desired.lost, self._desired.shut):
            self._desired.lost, self._desired.shut, self._replan = lost, shut, True
        if not self._checked and time.monotonic() - self._begun >= self._pace.settle:
            self._checked = True
            if await self._desired.are_out_of_date():
                self._replan = True  # and not `|=`, which forgets who asked for it meanwhile
        self._planning = True
        if self._replan:
            self._replan = False
            self._to_plan = deque(await self._ledger.tracked(self._pubkeys))
        if again := await self._take_new():
            await self._desired.plan_these(again)
        self._planning = False
        begun = await self._send_due(group)
        self.problem = ""
        if not (begun or self._to_plan or self._replan):
            await self._rest(min(self._pace.idle, self._sender.opens_in()))

    async def _take_new(self) -> list[str]:
        """What is to be planned now: dropped copies' events, new ones that are old enough, and a
        slice of what is planned anew."""
        ripe = time.monotonic() - self._pace.grace
        new = [event_id for event_id, at in self._new.items() if at <= ripe][:SLICE]
        for event_id in new:
            del self._new[event_id]
        if new:
            self._room.set()
            new = await self._adoption.without_history(new)
        dropped, self._dropped = self._dropped, []
        anew = [self._to_plan.popleft() for _ in range(min(SLICE, len(self._to_plan)))]
        return [*dropped, *new, *anew]

    async def _audit(self) -> None:
        """See to it that what was confirmed is there; what is not has another place planned."""
        while self._auditor is not None:
            self.place_again(await self._auditor.look(self._own_urls()))
            await asyncio.sleep(self._pace.audit)

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._wake.clear()

    def _random(self) -> float:
        return random.random() * self._pace.spread  # noqa: S311 - no secret

    # Planning

    async def place(self, event: Event, urls: Collection[str]) -> None:
        """A copy of it is to be on each of these, unless that is over there."""
        await self._desired.place(event, urls)

    def _placed(self, event_id: str, urls: Collection[str]) -> None:
        self._ours |= {(event_id, url) for url in urls}
        self._wake.set()

    def _is_fresh(self, event: Event) -> bool:
        """May somebody be about to say where it goes?"""
        return event.id in self._new or self._age(event) < self._pace.grace

    def _age(self, event: Event) -> float:
        return abs(self._clock() - event.created_at)

    # Sending

    async def _send_due(self, group: asyncio.TaskGroup) -> bool:
        """Have what is due sent, each relay by itself; False when nothing was."""
        if not (self._sender.is_at_work or self._take(self._sending, SEND_LOCK)):
            return False
        begun = False
        try:
            due = await self._due(self._sender.busy())
            free = [each for each in due if (each.event_id, each.url) not in self._under_way]
            begun = self._sender.begin(group, free, self._on_sent)
        finally:
            if not self._sender.is_at_work:
                self._sending.close()
        return begun

    def _on_sent(self, copies: Sequence[Copy]) -> None:
        """One relay has had what it takes for now."""
        self._ours -= {(copy.event_id, copy.url) for copy in copies}
        if not self._sender.is_at_work:
            self._sending.close()
        self._wake.set()

    async def _due(self, besides: Collection[str]) -> list[Copy]:
        """What is to be sent now, by us, but not to the relays `besides`."""
        now = int(self._clock())
        due = await self._ledger.due(now, limit=BATCH, besides=besides, each=MOST_OF_ONE)
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
        self._losses.judge_again()
        await self._desired.plan_one(event, await self._ledger.copies(event.id))
