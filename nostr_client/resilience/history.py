"""What a relay holds of a set of events, and what is here: compared, and brought here.

Rules
- Sets are compared by negentropy (NIP-77), the newest window of time first; one that is too large,
  here or there, is cut in two. That a relay lists NIP-77 is no promise: one that refuses in
  whatever way, says nothing within a limit or hangs up is read page by page instead, and that is
  remembered for a while (`NegentropyTrials`).
- Pages show what a relay has, and not what it lacks: what they did not show is asked for by id
  before it counts as missing. What could not be asked stays open (`Comparison.complete`).
- What comes is verified by the pool and saved as everything else that is read: the store keeps the
  newest version of a list, and nothing that was deleted.
- Relays are taken one after the other: what one brought is not fetched from the next.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Final, TypeVar

import msgspec

from nostr_client.errors import (
    ConnectFailed,
    ConnectionLost,
    InvalidData,
    RelayError,
    RelayTimeout,
    TooMany,
)
from nostr_client.net.outcome import Cause, End, How
from nostr_client.net.reconcile import Differences, NotCompared, ReconcileLimits
from nostr_client.net.subscription import Arrival
from nostr_client.net.time_windows import TimeWindow
from nostr_client.nips.nip77 import Items
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.refusals import is_for_now, wants_auth
from nostr_client.resilience.by_id import IDS, AskedById, ask_by_id
from nostr_client.resilience.negentropy_trials import NegentropyTrials
from nostr_client.routing.reader import RelayReader
from nostr_client.store.contract import CopyGrade

WINDOW: Final = 100_000
"""Our events in one window."""
CUTS: Final = 500
"""Windows that are cut, before the rest is read by pages."""
LISTED: Final = 20.0
"""Seconds for the first answer of a relay that says that it compares."""
UNLISTED: Final = 5.0
"""The same, for one that does not."""
PAGED: Final = 5_000
"""Events that are read by pages at a time."""
READ_LIMIT: Final = 120.0
"""Seconds for so many."""
IDS_LIMIT: Final = 30.0
MOST_PROBES: Final = 40
"""REQs by which one comparison asks for what pages did not show."""
_T = TypeVar("_T")


class Road(StrEnum):
    """How a set was compared."""

    NEGENTROPY = "negentropy"
    PAGES = "pages"


class Comparison(msgspec.Struct, kw_only=True):
    """How our set differs from that of the relay at `url`.

    `here` and `there` are raw ids that only we have, and only the relay has; `both` counts those
    that are in both. `complete`: there are no other differences. `why` says, where it was read by
    pages, what kept it from being compared. `requests` counts our messages that ask (REQ, NEG-OPEN,
    NEG-MSG), `sent` and `received` the bytes of all messages meanwhile, without what WebSocket and
    TLS add. `windows`: into how many parts of time the set was cut. `end` is how it ended.
    """

    url: str
    end: End
    road: Road = Road.NEGENTROPY
    why: str = ""
    here: set[bytes] = msgspec.field(default_factory=set)
    there: set[bytes] = msgspec.field(default_factory=set)
    both: int = 0
    complete: bool = True
    windows: int = 0
    requests: int = 0
    sent: int = 0
    received: int = 0
    new: int = 0
    """Events that came meanwhile and were not here before."""
    unsent: int = 0
    """Events that the relay says it has, and did not send."""

    def stopped(self, end: End) -> None:
        """The relay did not go on: what was not compared stays open."""
        self.end, self.complete = end, False

    def asked_by_id(self, asked: AskedById) -> None:
        """Events were asked for by their ids."""
        self.requests += asked.requests
        self.complete = self.complete and asked.whole
        if asked.failed is not None:
            self.stopped(asked.failed)


class History:
    """Compares with relays, and fetches from them, over `reader`, for the account `owner` (hex).

    `listed` tells which NIPs a relay says that it has. Used on one event loop.
    """

    def __init__(
        self,
        reader: RelayReader,
        trials: NegentropyTrials,
        *,
        owner: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._reader = reader
        self._pool = reader.pool
        self._store = reader.store
        self._trials = trials
        self._owner = owner
        self._clock = clock

    # Comparing

    async def compare(self, url: str, filter: Filter, *, keep: bool = False) -> Comparison:
        """How the set of `filter` here differs from that at `url`; with `keep`, events that come on
        the way are saved. That the relay does not answer is said in the comparison's `end`.

        Raises StoreError, and ConfigError for a filter with a `limit` or a `search`.
        """
        found = Comparison(url=url, end=End(url=url, how=How.ANSWERED))
        why_not = await self._trials.why_not(url)
        limits = ReconcileLimits(first=LISTED if await self._trials.is_listed(url) else UNLISTED)
        found.road = Road.PAGES if why_not else Road.NEGENTROPY
        found.why = why_not
        with self._counting(found):
            todo, cuts = [TimeWindow(filter.since, filter.until)], 0
            while todo and found.end.answered:
                window = todo.pop()
                asked = window.of(filter)
                if await self._one_window(found, asked, limits, keep):
                    found.windows += 1
                    continue
                halves = window.halves(int(self._clock()))
                cuts += 1
                if len(halves) > 1 and cuts <= CUTS:
                    todo += halves
                else:
                    found.windows += 1
                    await self._pages(found, asked, keep)
        return found

    async def _one_window(
        self, found: Comparison, asked: Filter, limits: ReconcileLimits, keep: bool
    ) -> bool:
        """False: it must be cut."""
        try:
            ours = await self._store.ids(asked, most=WINDOW)
        except TooMany:
            return False
        if found.road is Road.PAGES:
            await self._pages(found, asked, keep, ours)
            return True
        lasting = True
        try:
            differences = await self._differences(found.url, asked, ours, limits)
            await self._take(found, asked, ours, differences)
            return differences.complete
        except NotCompared as refusal:
            found.requests += 1
            if refusal.too_large:
                return False
            lasting = not (wants_auth(refusal.prefix) or is_for_now(refusal.prefix))
            found.why = refusal.message
        except (RelayTimeout, ConnectionLost, InvalidData) as error:
            found.requests += 1
            lasting = not found.windows
            found.why = error.message if isinstance(error, RelayError) else str(error)
        except ConnectFailed as error:
            found.stopped(_end_of(found.url, error))
            return True
        found.road, found.why = Road.PAGES, found.why or "it does not compare"
        await self._pages(found, asked, keep, ours)
        if lasting and found.end.answered:  # it is not that it was away
            await self._trials.failed(found.url, found.why)
        return True

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
        found: Comparison,
        asked: Filter,
        ours: Sequence[tuple[int, bytes]],
        said: Differences,
    ) -> None:
        """One window was compared; if not to its end, its halves will be."""
        found.requests += said.messages
        found.there |= said.need
        if not said.complete:
            return
        found.here |= said.have
        shared = [id.hex() for _, id in ours if id not in said.have]
        found.both += len(shared)
        await self._trials.worked(found.url)
        await self._confirm(found.url, asked, shared)

    async def _confirm(self, url: str, asked: Filter, ids: Sequence[str]) -> None:
        """The relay says that it has these: own events need not be sent there again."""
        if self._owner and asked.authors == frozenset({self._owner}) and ids:
            await self._store.ledger.confirm([(id, url) for id in ids], CopyGrade.SAID)

    # Page by page

    async def _pages(
        self,
        found: Comparison,
        asked: Filter,
        keep: bool,
        ours: Sequence[tuple[int, bytes]] | None = None,
    ) -> None:
        """Read the relay's events from the newest on, and lay ours beside them."""
        shown: set[bytes] = set()
        until = asked.until
        while True:
            part = asked.changed(until=until)
            fetched = await self._pool.fetch(
                [part], [found.url], timeout=READ_LIMIT, exhaustive=True, most=PAGED
            )
            end = fetched.ends[found.url]
            found.requests += max(1, end.pages)
            before = len(shown)
            shown.update(bytes.fromhex(event.id) for event in fetched.events)
            if keep:
                found.new += await self._save(found.url, fetched.events)
            if not end.answered:
                found.stopped(end)
                break
            found.complete = found.complete and not end.crowded
            if end.complete is not False or len(fetched.events) < PAGED:
                found.complete = found.complete and end.complete is not False
                break
            oldest = fetched.events[-1].created_at
            until = oldest if len(shown) > before else oldest - 1
            if until < (asked.since or 0):
                break
        if ours is None:
            ours = [] if not found.end.answered else await self._store.ids(asked)
        held = {id for _, id in ours}
        found.both += len(held & shown)
        known = set() if keep else shown - held
        found.there |= known
        unseen = held - shown
        if found.end.answered:
            found.here |= await self._absent(found, unseen)

    async def _absent(self, found: Comparison, ids: Collection[bytes]) -> set[bytes]:
        """Those of `ids` which the relay, asked for them by name, does not have."""

        async def ask(names: Filter) -> tuple[Collection[str], End]:
            fetched = await self._pool.fetch([names], [found.url], timeout=IDS_LIMIT)
            return [event.id for event in fetched.events], fetched.ends[found.url]

        asked = await ask_by_id([id.hex() for id in ids], ask, MOST_PROBES)
        found.both += len(asked.came)
        found.asked_by_id(asked)
        return set(map(bytes.fromhex, asked.absent))

    async def _save(self, url: str, events: Sequence[Event]) -> int:
        new = 0
        for part in _parts(events, IDS):
            arrivals = [Arrival(event, url, False, False) for event in part]
            new += await self._reader.save_arrivals(arrivals)
        return new

    @contextmanager
    def _counting(self, found: Comparison) -> Iterator[None]:
        """Bytes are those of all messages to and from the relay meanwhile."""
        counters = self._pool.health(found.url).counters
        heard, said = counters.heard_bytes, counters.said_bytes
        try:
            yield
        finally:
            found.received += counters.heard_bytes - heard
            found.sent += counters.said_bytes - said

    # Bringing it here

    async def fetch(
        self,
        urls: Iterable[str],
        *,
        mentions: bool = False,
        since: int | None = None,
        on_done: Callable[[Comparison], None] = lambda compared: None,
    ) -> list[Comparison]:
        """Bring everything here that the account wrote, lists in their newest version, and with
        `mentions` what names it, from whatever relays still have it. Nothing older than `since`
        (seconds since 1970). Returns, and tells `on_done`, how each relay's set differed before.
        Raises StoreError.
        """
        me = frozenset({self._owner})
        wanted = [Filter(authors=me, since=since)]
        if mentions:
            wanted.append(Filter(tags={"p": me}, since=since))
        done: list[Comparison] = []
        for url in dict.fromkeys(urls):
            for filter in wanted:
                compared = await self.bring(url, filter)
                on_done(compared)
                done.append(compared)
                if not compared.end.answered:
                    break
        return done

    async def compares(self, url: str) -> bool:
        """Does the relay compare sets (NIP-77), as far as is known?"""
        return await self._trials.is_listed(url) and not await self._trials.why_not(url)

    async def bring(self, url: str, filter: Filter, *, most: int | None = None) -> Comparison:
        """Bring here what `url` has of `filter` and we lack, with at most `most` requests for
        events by their ids. Returns how the sets differed before. Raises as `compare` does."""
        compared = await self.compare(url, filter, keep=True)

        async def ask(names: Filter) -> tuple[Collection[str], End]:
            asked = await self._reader.fetch_from([names], [url], timeout=IDS_LIMIT)
            compared.new += asked.new
            return asked.events, asked.ends[url]

        with self._counting(compared):
            asked = await ask_by_id([id.hex() for id in compared.there], ask, most)
        compared.asked_by_id(asked)
        compared.unsent = len(asked.absent)
        compared.complete = compared.complete and not compared.unsent
        return compared


def _end_of(url: str, error: ConnectFailed) -> End:
    """A relay that could not be reached, as an end."""
    cause = Cause.not_reached(error)
    return End(url=url, how=cause.how, problem=cause.problem, status=cause.status)


def _parts(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
