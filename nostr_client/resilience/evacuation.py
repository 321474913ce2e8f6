"""Evacuation: the account moves from relays that are lost to others, in one go.

    plan    which listed relays answer, and which others take what the account writes: tried live
            (`evacuation_survey`)
    lists   the new relay list, message relays and private relays are signed and published; the
            first two to old, new and indexing relays, and where people who answer the account read
    refill  what only a relay that leaves holds is fetched (`history`), and the replication fills
            the new relays from the store: lists, profile, then the newest
    check   lists and newest notes are read back as a stranger
    done    a receipt is written

There is no second queue: the lists say where events belong, the ledger what is missing there, and
the replication sends it at each relay's pace, which decides how long it takes, and not whether.
What was read elsewhere and is the account's own is wanted from then on, too. The plan and the step
stand in a file before anything is done, every step may be done twice, so that a start goes on
wherever the last one ended. What a relay refused for good is not offered to it again: the
replication's plans avoid it, and so do the probes.

A list is published as anywhere (`list_guard`), on the newest version: places that do not answer now
need not have been read, which is the person's word who evacuates; where no version is held here,
nothing is published.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

from nostr_client.errors import DecryptionFailed
from nostr_client.paths import private_folder, write_private
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, event_address
from nostr_client.protocol.filters import Filter
from nostr_client.resilience.audits import Auditor
from nostr_client.resilience.evacuation_journal import (
    BegunEvacuation,
    EvacuationJournal,
    EvacuationStep,
)
from nostr_client.resilience.evacuation_plan import EvacuationPlan
from nostr_client.resilience.history import History
from nostr_client.resilience.replication import Replication
from nostr_client.routing.courier import Courier
from nostr_client.routing.planner import UNPUBLISHED
from nostr_client.store.contract import GONE, Copy, CopyGrade, CopyState
from nostr_client.tasks import all_of

CHECKED: Final = 150
"""Events that are read back: the lists, and the newest."""
PATIENCE: Final = 60.0
"""Seconds until a relay is to be tried again at which it is no longer waited for."""
POLL: Final = 0.5
RESCUE_LIMIT: Final = 600.0
"""Seconds that a relay which is left has to show what only it holds."""
SLICE: Final = 200
_NOT_MOVED: Final = frozenset({kinds.VANISH, *UNPUBLISHED})


class EvacuationProgress(msgspec.Struct, frozen=True):
    """`there` of `events` are at the relay that has fewest of them, among those that join."""

    step: EvacuationStep
    events: int = 0
    there: int = 0


class EvacuationReport(msgspec.Struct, frozen=True):
    """The receipt: what was moved, and what is where. Times in seconds since 1970.

    `lists` are the events of kinds 10002 and 10050, `told` says of each relay that was to hear of
    the first whether it took it; `there` and `waiting` count copies at each relay that joined,
    `read_back` those of the first `CHECKED` that strangers are shown. `rescued` says of each relay
    that was asked for what only it holds whether all of that came.
    """

    plan: EvacuationPlan
    begun: int
    ended: int
    events: int = 0
    lists: tuple[str, ...] = ()
    told: dict[str, bool] = {}
    there: dict[str, int] = {}
    waiting: dict[str, int] = {}
    checked: int = 0
    read_back: dict[str, int] = {}
    rescued: dict[str, bool] = {}
    path: str = ""

    @property
    def is_complete(self) -> bool:
        """Does every relay that joined have everything that it will have?"""
        return not any(self.waiting.values())


class MovableList(Protocol):
    """A list of relays: `social.my_relays`, and that of message relays."""

    async def exchange(
        self,
        away: Collection[str],
        new: Collection[str],
        *,
        without: Collection[str] = (),
        also: Collection[str] = (),
    ) -> object: ...


OnEvacuation = Callable[[EvacuationProgress], None]


class Evacuation:
    """The evacuation of the account `owner` (hex). `folder` keeps the receipts."""

    def __init__(
        self,
        courier: Courier,
        *,
        replication: Replication,
        auditor: Auditor,
        relay_list: MovableList,
        message_relays: MovableList,
        private_relays: MovableList,
        history: History,
        journal: EvacuationJournal,
        owner: str,
        folder: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._courier = courier
        self._store = courier.store
        self._ledger = courier.ledger
        self._book = courier.book
        self._replication = replication
        self._auditor = auditor
        self._relay_list = relay_list
        self._message_relays = message_relays
        self._private_relays = private_relays
        self._history = history
        self._rescued: dict[str, bool] = {}
        self._owner = owner
        self._folder = folder
        self.journal = journal
        self._clock = clock

    # Carrying out

    async def begin(self, plan: EvacuationPlan) -> BegunEvacuation:
        """Write the plan down. Raises StoreError."""
        begun = BegunEvacuation(plan, int(self._clock()))
        await self.journal.write(begun)
        return begun

    async def run(
        self, begun: BegunEvacuation, on_progress: OnEvacuation = lambda progress: None
    ) -> EvacuationReport:
        """Carry it out from where it is. Raises ListNotRead, SignerError, StoreError."""
        if begun.step is EvacuationStep.LISTS:
            on_progress(EvacuationProgress(begun.step))
            plan = await self._publish_lists(begun.plan)
            begun = msgspec.structs.replace(begun, plan=plan)
            begun = await self.journal.advance(begun, EvacuationStep.REFILL)
        if begun.step is EvacuationStep.REFILL:
            await self._rescue(begun.plan)
            await self._adopt()
            self._replication.replan()
            await self._refill(begun.plan, on_progress)
            begun = await self.journal.advance(begun, EvacuationStep.CHECK)
        on_progress(EvacuationProgress(EvacuationStep.CHECK))
        await self._check(begun.plan)
        report = await self._report(begun)
        await self.journal.advance(begun, EvacuationStep.DONE)
        return report

    async def _publish_lists(self, plan: EvacuationPlan) -> EvacuationPlan:
        """Returns the plan, which says so if the private relay list could not be decrypted."""
        without = (*plan.leaving, *plan.unread)
        also = [url for url in plan.tell if self._book.policy(url)]
        self._courier.pool.retry_now([*plan.leaving, *plan.joining])
        if plan.changes_relay_list:
            await self._relay_list.exchange(
                [*plan.leaving], plan.joining, without=without, also=also
            )
        if plan.inbox_leaving:
            await self._message_relays.exchange(
                plan.inbox_leaving, plan.inbox_joining, without=without, also=also
            )
        if plan.private_leaving:
            try:
                await self._private_relays.exchange(
                    plan.private_leaving, plan.private_joining, without=without
                )
            except DecryptionFailed:
                return msgspec.structs.replace(
                    plan, private_leaving=(), private_joining=(), is_closed=True
                )
        return plan

    async def _rescue(self, plan: EvacuationPlan) -> None:
        """Fetch what only a relay that leaves may have, while it answers: what the account wrote,
        and what names it, messages too."""
        self._rescued = {}
        for url in plan.rescue:
            try:
                async with asyncio.timeout(RESCUE_LIMIT):
                    done = await self._history.fetch([url], mentions=True)
                self._rescued[url] = all(one.complete for one in done)
            except TimeoutError:
                self._rescued[url] = False

    async def _adopt(self) -> None:
        """What the account wrote elsewhere, and was only read here, is to have copies, too."""
        homes = await self._courier.homes(self._owner)
        strays = await self._ledger.strays([self._owner], _NOT_MOVED)
        for start in range(0, len(strays), SLICE):
            some = strays[start : start + SLICE]
            copies = await self._ledger.copies_of(some)
            events = await self._store.query([Filter(ids=frozenset(some))])
            await all_of(self._want(e, homes, copies[e.id]) for e in events)

    async def _want(self, event: Event, homes: Sequence[str], copies: Sequence[Copy]) -> None:
        gone = {copy.url for copy in copies if copy.state in GONE}
        await self._replication.place(event, [url for url in homes if url not in gone])

    async def _refill(self, plan: EvacuationPlan, on_progress: OnEvacuation) -> None:
        """Until all is where it is to be, or what is missing has to wait for long."""
        while True:
            planned = not self._replication.is_planning
            tally = await self._ledger.tally([self._owner])
            events = len(await self._ledger.tracked([self._owner]))
            there = [_there(tally, url) for url in plan.joining]
            on_progress(EvacuationProgress(EvacuationStep.REFILL, events, min(there, default=0)))
            # Where another process plans, the ledger tells: each event has a place at each relay.
            places = [sum(tally.get(url, {}).values()) for url in plan.joining]
            if planned or all(count >= events for count in places):
                others = [url for url in tally if url not in plan.joining]
                if not await self._ledger.due(self._clock() + PATIENCE, 1, besides=others):
                    return
            await asyncio.sleep(POLL)

    async def _check(self, plan: EvacuationPlan) -> None:
        ids = (await self._ledger.tracked([self._owner]))[:CHECKED]
        dropped = await self._auditor.check(ids, plan.joining)
        self._replication.place_again(dropped)

    async def _report(self, begun: BegunEvacuation) -> EvacuationReport:
        plan, tracked = begun.plan, await self._ledger.tracked([self._owner])
        tally = await self._ledger.tally([self._owner])
        copies = await self._ledger.copies_of(tracked[:CHECKED])
        seen = Counter(
            c.url for each in copies.values() for c in each if c.grade >= CopyGrade.READ_BACK
        )
        lists = [event_address(kind, self._owner) for kind in (kinds.RELAY_LIST, kinds.DM_RELAYS)]
        found = [event for a in lists if (event := await self._store.get_address(a)) is not None]
        told = {
            copy.url: copy.state is CopyState.CONFIRMED
            for event in found[:1]
            for copy in await self._ledger.copies(event.id)
        }
        report = EvacuationReport(
            plan,
            begun.begun,
            int(self._clock()),
            events=len(tracked),
            lists=tuple(event.id for event in found),
            told=told,
            there={url: _there(tally, url) for url in plan.joining},
            waiting={
                url: sum(tally.get(url, {}).get(s, 0) for s in (CopyState.WANTED, CopyState.FAILED))
                for url in plan.joining
            },
            checked=len(copies),
            read_back={url: seen[url] for url in plan.joining},
            rescued=self._rescued,
            path=str(self._folder / "receipts" / f"evacuation-{begun.begun}.json"),
        )
        private_folder(self._folder / "receipts")
        data = msgspec.json.format(msgspec.json.encode(report))
        await asyncio.to_thread(write_private, Path(report.path), data)
        return report


def _there(tally: Mapping[str, Mapping[CopyState, int]], url: str) -> int:
    return tally.get(url, {}).get(CopyState.CONFIRMED, 0)
