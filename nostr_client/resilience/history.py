"""What a relay holds of a set of events, and what is here: compared, and brought here.

Rules
- Sets are compared by negentropy (NIP-77), the newest window of time first; one that is too large,
  here or there, is cut in two. That a relay lists NIP-77 is no promise: one that refuses in
  whatever way, says nothing within a limit or hangs up is read page by page instead, and that is
  remembered for a while (`NegentropyTrials`).
- Pages show what a relay has, and not what it lacks: what they did not show is asked for by id
  before it counts as missing. What could not be asked stays open (`Comparison.complete`).
- What comes is verified by the pool and saved as everything else that is read: the store keeps the
  newest version of a list, earlier ones of the account's own beside it, and nothing that was
  deleted. What came and is not kept is not fetched a second time (`RejectedIds`).
- It goes part by part, the newest first, and after each part whoever asked may leave the rest
  (`Step`): what came is stored.
- Relays are taken one after the other: what one brought is not fetched from the next.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from enum import Enum
from typing import Final, NamedTuple, TypeVar

from nostr_client.errors import (
    ConnectFailed,
    ConnectionLost,
    InvalidData,
    RelayError,
    RelayTimeout,
    TooMany,
)
from nostr_client.net.outcome import Cause, End, How
from nostr_client.net.reconcile import (
    NIP,
    Differences,
    NotCompared,
    ReconcileLimits,
    frame_for,
)
from nostr_client.net.rejected_ids import RejectedIds
from nostr_client.net.subscription import Arrival
from nostr_client.net.time_windows import TimeWindow
from nostr_client.nips.nip77 import Items
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.refusals import is_for_now, wants_auth
from nostr_client.resilience.by_id import IDS, ask_by_id
from nostr_client.resilience.comparison import Comparison, Parts, Road, Step
from nostr_client.routing.negentropy_trials import NegentropyTrials
from nostr_client.routing.reader import RelayReader
from nostr_client.store.contract import CopyGrade

CUTS: Final = 500
"""Windows that are cut, before the rest is read by pages."""
LISTED: Final = 20.0
"""Seconds for the first answer of a relay that says that it compares."""
UNLISTED: Final = 5.0
"""The same, for one that does not."""
READ_LIMIT: Final = 120.0
"""Seconds for the events that are read by pages at a time."""
IDS_LIMIT: Final = 30.0
PATIENCE: Final = 8
"""Requests in a row for events by id that bring nothing, before the rest is left."""
_BYTES_OF_ID: Final = 67
_BYTES_OF_REQ: Final = 300
_T = TypeVar("_T")


async def _go_on(found: Comparison, floor: int | None) -> bool:
    return True


class _Job(NamedTuple):
    """One comparison at work. `ids`: how many a REQ may name, and `page` how many events it may ask
    for; `heard` and `said`: bytes before."""

    found: Comparison
    keep: bool
    limits: ReconcileLimits
    ids: int
    page: int
    parts: Parts
    step: Step
    heard: int
    said: int


class _Window(Enum):
    """What became of one window."""

    DONE = "done"
    CUT = "cut"
    AGAIN = "again"
    """A part of its differences was found and brought: what is left is found in the next round."""


_PARTS: Final = Parts()


class History:
    """Compares with relays, and fetches from them, over `reader`, for the account `owner` (hex).

    `unwanted` are ids that came and were not kept. Used on one event loop.
    """

    def __init__(
        self,
        reader: RelayReader,
        trials: NegentropyTrials,
        *,
        owner: str = "",
        unwanted: RejectedIds | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._reader = reader
        self._pool = reader.pool
        self._store = reader.store
        self._trials = trials
        self._owner = owner
        self._unwanted = unwanted or RejectedIds()
        self._clock = clock

    async def compares(self, url: str) -> bool:
        """Does the relay compare sets (NIP-77), as far as is known?"""
        return await self.may_compare(url) and NIP in (await self._trials.facts(url)).nips

    async def may_compare(self, url: str) -> bool:
        """Is it worth being asked to, whatever it says of itself?"""
        return not await self._trials.why_not(url)

    # Comparing

    async def compare(
        self,
        url: str,
        filter: Filter,
        *,
        keep: bool = False,
        by_pages: bool = False,
        parts: Parts = _PARTS,
        step: Step = _go_on,
    ) -> Comparison:
        """How the set of `filter` here differs from that at `url`; with `keep`, what only the relay
        has is brought here. `by_pages`: it is not asked to compare. That the relay does not answer
        is said in the comparison's `end`.

        Raises StoreError, and ConfigError for a filter with a `limit` or a `search`.
        """
        found = Comparison(url=url, end=End(url=url, how=How.ANSWERED))
        facts = await self._trials.facts(url)
        found.why = "" if by_pages else await self._trials.why_not(url)
        found.road = Road.PAGES if by_pages or found.why else Road.NEGENTROPY
        limits = ReconcileLimits(
            first=LISTED if NIP in facts.nips else UNLISTED,
            frame=frame_for(facts.max_message),
            differences=parts.differences,
        )
        ids = (facts.max_message - _BYTES_OF_REQ) // _BYTES_OF_ID if facts.max_message else IDS
        counters = self._pool.health(url).counters
        heard, said = counters.heard_bytes, counters.said_bytes
        page = min(parts.paged, facts.max_limit or parts.paged)
        job = _Job(found, keep, limits, max(1, min(IDS, ids)), page, parts, step, heard, said)
        try:
            await self._windows(job, filter)
        finally:
            self._count(job)
        if keep:
            await self._unwanted.save()
        return found

    async def _windows(self, job: _Job, filter: Filter) -> None:
        found = job.found
        todo, cuts = [TimeWindow(filter.since, filter.until)], 0
        while todo and found.goes_on:
            window = todo.pop()
            asked = window.of(filter)
            done = await self._one_window(job, asked)
            if done is _Window.CUT:
                halves = window.halves(int(self._clock()))
                cuts += 1
                if len(halves) > 1 and cuts <= CUTS:
                    todo += halves
                    continue
                await self._pages(job, asked)
            elif done is _Window.AGAIN:
                todo.append(window)
            found.windows += done is not _Window.AGAIN
            if found.goes_on:
                floor = None if done is _Window.AGAIN else window.since or 0
                await self._step(job, floor)

    async def _step(self, job: _Job, floor: int | None) -> None:
        self._count(job)
        if not await job.step(job.found, floor):
            job.found.left, job.found.complete = True, False

    async def _one_window(self, job: _Job, asked: Filter) -> _Window:
        found = job.found
        try:
            ours = await self._store.ids(asked, most=job.parts.ours)
        except TooMany:
            return _Window.CUT
        if found.road is Road.PAGES:
            await self._pages(job, asked, ours)
            return _Window.DONE
        lasting = True
        try:
            differences = await self._differences(found.url, asked, ours, job.limits)
            return await self._take(job, asked, ours, differences)
        except NotCompared as refusal:
            found.requests += 1
            if refusal.too_large:
                return _Window.CUT
            lasting = not (wants_auth(refusal.prefix) or is_for_now(refusal.prefix))
            found.why = refusal.message
        except (RelayTimeout, ConnectionLost, InvalidData) as error:
            found.requests += 1
            lasting = not found.windows
            found.why = error.message if isinstance(error, RelayError) else str(error)
        except ConnectFailed as error:
            found.stopped(_end_of(found.url, error))
            return _Window.DONE
        found.road, found.why = Road.PAGES, found.why or "it does not compare"
        await self._pages(job, asked, ours)
        if lasting and found.end.answered:  # it is not that it was away
            await self._trials.failed(found.url, found.why)
        return _Window.DONE

    async def _differences(
        self,
        url: str,
        asked: Filter,
        ours: Sequence[tuple[int, bytes]],
        limits: ReconcileLimits,
    ) -> Differences:
        items = await asyncio.to_thread(Items, ours)
        return await self._pool.reconcile(asked, url, items, limits)

    async def _take(
        self,
        job: _Job,
        asked: Filter,
        ours: Sequence[tuple[int, bytes]],
        said: Differences,
    ) -> _Window:
        """One window was compared; if not to its end, what is left of it will be."""
        found = job.found
        found.requests += said.messages
        need = {id for id in said.need if id not in self._unwanted} if job.keep else said.need
        found.there |= need
        brought = await self._bring(job, need) if job.keep else 0
        if not said.complete:
            return _Window.AGAIN if brought and 2 * brought >= len(need) else _Window.CUT
        found.here |= said.have
        shared = [id.hex() for _, id in ours if id not in said.have]
        found.both += len(shared)
        await self._trials.worked(found.url)
        await self._confirm(found.url, asked, shared)
        return _Window.DONE

    async def _confirm(self, url: str, asked: Filter, ids: Sequence[str]) -> None:
        """The relay says that it has these: own events need not be sent there again."""
        if self._owner and asked.authors == frozenset({self._owner}) and ids:
            await self._store.ledger.confirm([(id, url) for id in ids], CopyGrade.SAID)

    # Page by page

    async def _pages(
        self, job: _Job, asked: Filter, ours: Sequence[tuple[int, bytes]] | None = None
    ) -> None:
        """Read the relay's events from the newest on, and lay ours beside them."""
        found, most = job.found, job.page
        shown: set[bytes] = set()
        until = asked.until
        while found.goes_on:
            part = asked.changed(until=until, limit=most)  # some send all they have in one answer
            fetched = await self._pool.fetch(
                [part], [found.url], timeout=READ_LIMIT, exhaustive=True, most=most
            )
            end = fetched.ends[found.url]
            found.requests += max(1, end.pages)
            before = len(shown)
            shown.update(bytes.fromhex(event.id) for event in fetched.events)
            if job.keep:
                found.new += await self._save(found.url, fetched.events)
            if not end.answered:
                found.stopped(end)
                break
            found.complete = found.complete and not end.crowded
            if end.complete or len(fetched.events) < most:
                found.complete = found.complete and end.complete is not False
                break
            until = fetched.events[-1].created_at
            if len(shown) == before:  # that second fills a whole page, and may go on
                until, found.complete = until - 1, False
            if until < (asked.since or 0):
                break
            await self._step(job, until)
        if found.goes_on:
            ours = await self._store.ids(asked) if ours is None else ours
            await self._lay_beside(job, {id for _, id in ours}, shown)

    async def _lay_beside(self, job: _Job, held: set[bytes], shown: set[bytes]) -> None:
        """Pages showed all of these that the relay shows."""
        found = job.found
        found.both += len(held & shown)
        found.there |= set() if job.keep else shown - held
        if job.parts.probes:
            found.here |= await self._absent(job, held - shown)

    async def _absent(self, job: _Job, ids: Collection[bytes]) -> set[bytes]:
        """Those of `ids` which the relay, asked for them by name, does not have."""
        found = job.found

        async def ask(names: Filter) -> tuple[Collection[str], End]:
            fetched = await self._pool.fetch([names], [found.url], timeout=IDS_LIMIT)
            return [event.id for event in fetched.events], fetched.ends[found.url]

        asked = await ask_by_id([id.hex() for id in ids], ask, job.parts.probes, size=job.ids)
        found.both += len(asked.came)
        found.asked_by_id(asked)
        return set(map(bytes.fromhex, asked.absent))

    async def _save(self, url: str, events: Sequence[Event]) -> int:
        new = 0
        for part in _parts(events, IDS):
            arrivals = [Arrival(event, url, False, False) for event in part]
            new += await self._reader.save_arrivals(arrivals)
        return new

    def _count(self, job: _Job) -> None:
        """Bytes are those of all messages to and from the relay since the job began."""
        counters = self._pool.health(job.found.url).counters
        job.found.received = counters.heard_bytes - job.heard
        job.found.sent = counters.said_bytes - job.said

    # Bringing it here

    async def fetch(
        self,
        urls: Iterable[str],
        *,
        mentions: bool = False,
        since: int | None = None,
        on_done: Callable[[Comparison], None] = lambda compared: None,
    ) -> list[Comparison]:
        """Bring everything here that the account wrote, and with `mentions` what names it, from
        whatever relays still have it. Nothing older than `since` (seconds since 1970). Returns,
        and tells `on_done`, how each relay's set differed before. Raises StoreError.
        """
        done: list[Comparison] = []
        for url in dict.fromkeys(urls):
            for of_mentions in (False, True) if mentions else (False,):
                filter = self.mentions if of_mentions else self.written
                compared = await self.bring(url, filter.changed(since=since))
                compared.mentions = of_mentions
                on_done(compared)
                done.append(compared)
                if not compared.end.answered:
                    break
        return done

    async def bring(self, url: str, filter: Filter, *, most: int | None = None) -> Comparison:
        """Bring here what `url` has of `filter` and we lack, with at most `most` requests for
        events by their ids. Returns how the sets differed before. Raises as `compare` does."""
        return await self.compare(url, filter, keep=True, parts=Parts(named=most))

    @property
    def written(self) -> Filter:
        """What the account wrote."""
        return Filter(authors=frozenset({self._owner}))

    @property
    def mentions(self) -> Filter:
        """What names the account, private messages too."""
        return Filter(tags={"p": frozenset({self._owner})})

    async def _bring(self, job: _Job, ids: Collection[bytes]) -> int:
        """Fetch these by id; how many came."""
        found = job.found

        async def ask(names: Filter) -> tuple[Collection[str], End]:
            asked = await self._reader.fetch_from([names], [found.url], timeout=IDS_LIMIT)
            found.new += asked.new
            return asked.events, asked.ends[found.url]

        wanted = [id.hex() for id in ids]
        most = None if job.parts.named is None else job.parts.named - found.named
        asked = await ask_by_id(wanted, ask, most, size=job.ids, patience=PATIENCE)
        found.asked_by_id(asked)
        found.named += asked.requests
        found.unsent += len(asked.absent)
        found.complete = found.complete and not asked.absent
        kept = await self._store.known(asked.came)
        self._unwanted.add(bytes.fromhex(id) for id in asked.came if id not in kept)
        return len(asked.came)


def _end_of(url: str, error: ConnectFailed) -> End:
    """A relay that could not be reached, as an end."""
    cause = Cause.not_reached(error)
    return End(url=url, how=cause.how, problem=cause.problem, status=cause.status)


def _parts(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
