"""Background reading: what fills the store for one account while a client runs.

It reads, and keeps reading live:

- the account's own events and lists at its own relays, and what concerns it where it reads
  (`concern_reading`);
- posts, reposts, deletions, profiles and relay lists of those it follows, where they write
  (NIP-65), over a bounded number of relays (`routing.read_plan`): each person is streamed from one
  (`author_stream`), and the others are compared with that (`feed_audit`);
- profiles and relay lists of the authors that turn up and are not known yet (`profile_queue`).

**When it is complete.** Nobody waits for the slowest: `COMPLETE_AFTER` seconds after the first
relay of a plan has sent what it stores, the timeline is called complete, and how each ended (those
still silent, too) is said beside it. What comes later is shown when it comes.

**Changing plans.** When the account's lists change, or the relay lists of the followed have come
in, or a relay that is read dies, the plan is made anew; relays whose question stays the same are
left alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from nostr_client.errors import StoreError
from nostr_client.net.outcome import End, How
from nostr_client.protocol import kinds
from nostr_client.protocol.filters import Filter
from nostr_client.routing.courier import Courier
from nostr_client.routing.deliveries import Deliveries
from nostr_client.routing.fetch_results import joined
from nostr_client.routing.id_comparison import IdComparer
from nostr_client.routing.live_feed import LiveFeed
from nostr_client.routing.planner import INDEXED_KINDS
from nostr_client.routing.read_plan import ReadRoles, firm_relays, plan_read, stream_and_audit
from nostr_client.social.author_stream import BACKFILL, SAVE_PROGRESS, AuthorStream, FeedReading
from nostr_client.social.concern_reading import ConcernReading
from nostr_client.social.feed_audit import FeedAudit
from nostr_client.social.feed_progress import FeedProgress
from nostr_client.social.follows import Follows
from nostr_client.social.profile_queue import ProfileQueue
from nostr_client.social.profiles import Profiles
from nostr_client.social.views import ReadPart, SyncStatus
from nostr_client.tasks import OwnedTasks, together

OWN_LISTS: Final = frozenset(
    {kinds.METADATA, kinds.FOLLOWS, kinds.MUTES, kinds.RELAY_LIST, kinds.DM_RELAYS}
)
OWN_EVENTS: Final = kinds.POSTS | {kinds.REACTION, kinds.DELETION, kinds.PUBLIC_MESSAGE}
LISTS_LIMIT: Final = 6.0
"""Seconds for the account's own lists, and for those of the people it follows."""
LISTS_GRACE: Final = 2.0
"""Seconds that the others have once one relay has sent them."""
COMPLETE_AFTER: Final = 2.0
LEARN_FIRST: Final = 1.0
"""Seconds in which relay lists of others are waited for before the first of them are read; the
rest are looked for beside the reading, and change it when they come."""
REPLAN_FIRST: Final = 20.0
DEATHS_EVERY: Final = 1.0
"""Seconds between two looks at whether a relay that is read has died."""
REPLAN: Final = 900.0
"""Seconds until the plan is looked at again: at first, since relay lists come in, and later."""
SWAP_PAUSE: Final = 60.0
"""Seconds from one change of streams, for what they lacked, to the next."""
STORE_PAUSE: Final = 5.0
"""Seconds before something that the store failed is done again."""


class FeedSync:
    """The reading of one account: `async with FeedSync(...) as sync`, then `sync.start()`.

    Everything it starts ends with its block.
    """

    def __init__(
        self,
        courier: Courier,
        follows: Follows,
        profiles: Profiles,
        *,
        owner: str,
        folder: Path,
        comparer: IdComparer,
        concerns: ConcernReading,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._courier = courier
        self._concerns = concerns
        self._book = courier.book
        self._follows = follows
        self._owner = owner
        self._clock = clock
        self._progress = FeedProgress(folder / f"read-{owner[:16] or 'nobody'}.json")
        self._unknown = ProfileQueue(courier.store, profiles, clock)
        self._tasks = OwnedTasks()
        self._run: asyncio.Task[None] | None = None
        self._live: dict[str, LiveFeed] = {}
        """What is read beside the home timeline."""
        self._streams: dict[str, AuthorStream] = {}
        self._audits: dict[str, FeedAudit] = {}
        self._running: dict[AuthorStream | FeedAudit, asyncio.Task[None]] = {}
        self._comparer = comparer
        self._deliveries = Deliveries(clock())
        self._reading = FeedReading(
            courier,
            self._progress,
            self._deliveries,
            clock,
            self._on_read,
            self._on_missing,
            begun=clock(),
        )
        self._people = 0
        self._read_at: frozenset[str] = frozenset()
        """The relays of the plan."""
        self._replan = asyncio.Event()
        self._moved = asyncio.Event()
        self._planned = False
        self._first_read: float | None = None
        """When the first relay of this plan had sent what it stores (monotonic seconds)."""
        self._swapped = -SWAP_PAUSE
        """When the plan was looked at since a relay lacked something (monotonic seconds)."""
        self._own_read = asyncio.Event()
        """Were the own lists read, with the relays that they name?"""
        self._learning: asyncio.Task[None] | None = None
        self._learned_late = False
        self._spare: frozenset[str] = frozenset()
        """Relays that are read in passing: nobody's list names them, and there are such lists."""
        self._problem = ""

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._courier.on_saved = lambda events: self._unknown.add(
            event.pubkey for event in events if event.kind not in INDEXED_KINDS
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._courier.on_saved = lambda events: None
        await self._tasks.__aexit__(kind, error, trace)

    def start(self) -> SyncStatus:
        """Begin, if it has not begun."""
        if self._run is None:
            self._run = self._tasks.start(self._work())
        return self.status

    def replan(self) -> None:
        """The follow list or the relays changed: look at the plan again now."""
        self._replan.set()

    @property
    def status(self) -> SyncStatus:
        """How far it is."""
        live = [*self._live.values(), *(feed for _, feeds in self._read() for feed in feeds)]
        problems = [feed.problem for feed in live if feed.problem]
        relays = set().union(*(f.urls for f in live))
        behind = set().union(*(f.urls - f.caught_up for f in live))
        learning = self._learning is not None and not self._learning.done()
        first = self._first_read
        return SyncStatus(
            waited=first is not None and time.monotonic() - first >= COMPLETE_AFTER,
            running=self._run is not None and not self._run.done(),
            planned=self._planned
            and self._own_read.is_set()
            and not (learning or self._replan.is_set()),
            ends=self._ends(),
            relays=len(relays),
            caught_up=len(relays - behind),
            people=self._people,
            problem=problems[0] if problems else self._problem,
        )

    @property
    def parts(self) -> list[ReadPart]:
        """What is read at which relay, for whom."""
        parts = [
            ReadPart(url, role, people, feed.ends[url], url in feed.caught_up)
            for role, held in (("streamed", self._streams), ("compared", self._audits))
            for url, one in held.items()
            for people, feed in ((one.authors, one.feed),)
        ]
        for role, feed in self._live.items():
            me = frozenset({self._owner})
            parts += [ReadPart(u, role, me, e, u in feed.caught_up) for u, e in feed.ends.items()]
        return parts

    def _ends(self) -> dict[str, End]:
        """How each relay ended. Nothing depends on one that failed where others answered for all
        of whom it was asked, nor on what is read beside the home timeline."""
        parts = [
            (people, reduce(joined, (feed.ends for feed in feeds), dict[str, End]()))
            for people, feeds in self._read()
        ]
        read: set[str] = set()
        for people, theirs in parts:
            if any(end.answered for end in theirs.values()):
                read |= people
        judged = [self._judged(theirs, needed=not people <= read) for people, theirs in parts]
        for name, feed in self._live.items():
            needed = name == "own" and not any(end.answered for end in feed.ends.values())
            judged.append(self._judged(feed.ends, needed=needed))
        return reduce(joined, judged, {})

    def _read(self) -> Iterator[tuple[frozenset[str], Sequence[LiveFeed]]]:
        """Of whom something is read, at one relay, and how far that is."""
        for stream in self._streams.values():
            yield stream.authors, [stream.feed]
        for audit in self._audits.values():
            yield audit.authors, audit.feeds

    def _judged(self, ends: Mapping[str, End], *, needed: bool) -> dict[str, End]:
        return {
            url: _judged(end, passing=url in self._spare, needed=needed)
            for url, end in ends.items()
        }

    # The work

    async def _work(self) -> None:
        try:
            async with together() as group:
                group.create_task(self._steadily(self._unknown.run))
                group.create_task(self._keep_progress())
                if self._owner:
                    group.create_task(self._steadily(self._watch_lists))
                    group.create_task(self._steadily(self._read_own))
                    await self._wait_for_follows()
                else:
                    self._own_read.set()
                await self._read_feeds(group)
        finally:
            self._streams.clear()
            self._audits.clear()
            self._running.clear()
            self._live.clear()
            self._progress.save()
            self._courier.count_deliveries(self._deliveries)

    async def _steadily(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do it again after trouble with the store, until it ends by itself."""
        while True:
            try:
                await work()
                return
            except StoreError as error:
                self._problem = str(error)
            await asyncio.sleep(STORE_PAUSE)

    async def _wait_for_follows(self) -> None:
        """Without a follow list there is nobody to read: give it a moment to come in."""
        with contextlib.suppress(StoreError, TimeoutError):
            if await self._follows.event() is None:
                async with asyncio.timeout(LISTS_LIMIT):
                    await self._replan.wait()

    async def _watch_lists(self) -> None:
        """The account's follow list or relay list may change here, or come in from elsewhere."""
        own = frozenset({self._owner})
        wanted = Filter(authors=own, kinds=frozenset({kinds.FOLLOWS, kinds.RELAY_LIST}))
        async with self._courier.store.watch([wanted]) as watch:
            async for event in watch:
                if event.kind == kinds.RELAY_LIST:
                    self._own_read.clear()
                    self._moved.set()
                self._replan.set()

    async def _read_own(self) -> None:
        """The account's own events and lists, and what concerns it; anew when its relays change."""
        me = frozenset({self._owner})
        lists = Filter(authors=me, kinds=OWN_LISTS)
        events = Filter(authors=me, kinds=OWN_EVENTS, limit=BACKFILL)
        indexed = Filter(authors=me, kinds=INDEXED_KINDS)
        while True:
            self._moved.clear()
            relays = await self._book.relays_of(self._owner)
            ours = await self._book.client_relays()
            stand_in = () if relays.source == "list" else ours.fallback
            home = {*relays.write, *stand_in}
            inbox = {*relays.read, *stand_in}
            async with (
                self._courier.subscribe([lists, events], home) as own,
                self._concerns.at(inbox, self._steadily) as heard,
                self._courier.subscribe([indexed], ours.indexers) as found,
            ):
                self._live |= {"own": own, "mentions": heard, "indexed": found}
                await _either(own.wait_caught_up(LISTS_LIMIT, LISTS_GRACE), self._moved.wait())
                if not self._moved.is_set():
                    self._own_read.set()
                    self._replan.set()
                await self._moved.wait()

    async def _read_feeds(self, group: asyncio.TaskGroup) -> None:
        """Plan, read, and plan again when something changed or a while has passed."""
        begun = time.monotonic()
        while True:
            self._replan.clear()
            try:
                await self._plan_feeds(group)
                self._problem = ""
            except StoreError as error:
                self._problem = str(error)
            settled = not self._problem and time.monotonic() - begun >= REPLAN_FIRST
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REPLAN if settled else REPLAN_FIRST):
                    await _either(self._replan.wait(), self._one_died())

    async def _one_died(self) -> None:
        """Wait until a relay that is read is dead, and was not: whoever writes there is looked for
        where else they write, and not a quarter of an hour later."""
        outages = self._courier.pool.outages
        known = outages.dead()
        while not (outages.dead() - known) & self._read_at:
            known &= outages.dead()  # one that was back may die again
            await asyncio.sleep(DEATHS_EVERY)

    async def _plan_feeds(self, group: asyncio.TaskGroup) -> None:
        people = set(await self._follows.pubkeys()) | ({self._owner} if self._owner else set())
        await self._learn(group, people)
        relays = await self._book.relays_of_many(people, asked=False)
        self._unknown.add(people)
        ours = await self._book.client_relays()
        rank = self._courier.scores.rank(since=int(self._clock()))
        plan = plan_read(relays.values(), ours, rank=rank)
        self._read_at = frozenset(plan)
        firm = firm_relays(relays.values(), ours)
        self._spare = frozenset((*ours.fallback, *ours.indexers)) - firm if firm else frozenset()
        self._people = len(people)
        before = {p: url for url, stream in self._streams.items() for p in stream.authors}
        roles = stream_and_audit(plan, standing=self._courier.scores.standing(), before=before)
        for url, authors in plan.items():
            self._progress.keep(url, authors)
        self._take_roles(group, roles)
        self._planned = True

    def _take_roles(self, group: asyncio.TaskGroup, roles: ReadRoles) -> None:
        """Begin what is new, end what is over, and leave alone what stays."""
        begun = [stream.url for stream in self._streams.values() if stream.url in stream.feed.read]
        kept = {u: s for u, s in self._streams.items() if roles.streams.get(u) == s.authors}
        new = roles.streams.keys() - kept.keys()
        streams = kept | {
            url: AuthorStream(self._reading, url, roles.streams[url]) for url in sorted(new)
        }
        audits: dict[str, FeedAudit] = {}
        for url, parts in roles.audits.items():
            compared = {streams[stream]: authors for stream, authors in parts.items()}
            audit = self._audits.get(url)
            if audit is None or audit.streams != compared:
                audit = FeedAudit(self._reading, self._comparer, url, compared)
            audits[url] = audit
        self._streams, self._audits = streams, audits
        every: list[AuthorStream | FeedAudit] = [*streams.values(), *audits.values()]
        for over in self._running.keys() - set(every):
            self._running.pop(over).cancel()
        fresh = [one for one in every if one not in self._running]
        if fresh:  # they have as long as the first ones had
            read = any(url in kept for url in begun)
            self._first_read = time.monotonic() if read else None
        for one in fresh:
            self._running[one] = group.create_task(one.run())

    def _on_read(self) -> None:
        """A relay of this plan has sent what it stores."""
        if self._first_read is None:
            self._first_read = time.monotonic()

    def _on_missing(self) -> None:
        """A stream lacked what another relay has: that one may be the better stream."""
        if time.monotonic() - self._swapped >= SWAP_PAUSE:
            self._swapped = time.monotonic()
            self._replan.set()

    async def _learn(self, group: asyncio.TaskGroup, people: Collection[str]) -> None:
        """Look for the relay lists that are not here yet; what takes long makes the plan anew."""
        if self._learning is None or self._learning.done():
            self._learned_late = False
            self._learning = group.create_task(self._look_for_lists(people))
        await asyncio.wait([self._learning], timeout=LEARN_FIRST)
        self._learned_late = not self._learning.done()

    async def _look_for_lists(self, people: Collection[str]) -> None:
        try:
            await self._courier.fetch_lists(people, limit=LISTS_LIMIT)
        except StoreError as error:
            self._problem = str(error)
        if self._learned_late:
            self._replan.set()

    async def _keep_progress(self) -> None:
        while True:
            await asyncio.sleep(SAVE_PROGRESS)
            self._courier.count_deliveries(self._deliveries)
            await asyncio.to_thread(self._progress.save)


def _judged(end: End, *, passing: bool, needed: bool) -> End:
    """`passing`: nothing depended on this relay from the start; `needed`: what it would have
    brought, no other did. That it has more than the newest, which were asked for, is no lack."""
    if end.how is How.INCOMPLETE and not end.problem:
        end = msgspec.structs.replace(end, how=How.ANSWERED)
    failed = end.how not in (How.ANSWERED, How.INCOMPLETE, How.SILENT)
    return msgspec.structs.replace(end, spare=passing or (failed and not needed))


async def _either(one: Coroutine[Any, Any, Any], other: Coroutine[Any, Any, Any]) -> None:
    """Wait for the first of two to end, and end the other."""
    tasks = [asyncio.ensure_future(one), asyncio.ensure_future(other)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
