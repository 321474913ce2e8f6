"""What relay monitors say (NIP-66): a word that may lower a relay's rank, and no more.

Monitors are those that the person chose, and those among the people whom the account follows (who
announce it, kind 10166). Their reports (kind 30166) say that a relay was alive, and how fast.

- A report is fresh for some times the monitor's `frequency`. A slow round trip lowers a rank.
- A report that lapsed means that the relay is gone only where the monitor is at work: where other
  reports of its own are fresh, and more than have lapsed. What is older than a month means nothing.
- One fresh report outweighs all that lapsed. What no monitor knows is lowered by nothing.
- No rank falls below `LOWEST` of what it was; whoever plans leaves own relays and an author's last
  one alone (`read_plan`). So a monitor that lies costs little.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from nostr_client.errors import StoreError
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.routing.address_policy import relay_url
from nostr_client.routing.read_plan import author_filters
from nostr_client.routing.reader import RelayReader
from nostr_client.routing.scores import discount

log = logging.getLogger(__name__)

LOWEST: Final = 0.5
"""What a rank is multiplied by at the least."""
PATIENCE: Final = 3
"""Times the frequency for which a report is fresh."""
USUAL: Final = 86_400
"""Seconds between two reports of a monitor that does not say."""
SHORTEST: Final = 600
LONGEST: Final = 7 * 86_400
FORGOTTEN: Final = 30 * 86_400
"""Seconds after which a report means nothing."""
AHEAD: Final = 900
"""Seconds that a monitor's clock may be before ours."""
AT_WORK: Final = 3
"""Fresh reports by which a monitor is at work."""
MOST_MONITORS: Final = 8
MOST_RELAYS: Final = 150
"""Relays that monitors are asked about: those where most of the followed write."""
MOST_REPORTS: Final = 2_000
NAMES: Final = 100
"""Relays in one question."""
FIRST: Final = 60.0
"""Seconds until monitors are asked for the first time: a short command asks none."""
EVERY: Final = 6 * 3_600.0
ASK_LIMIT: Final = 10.0


class MonitorReport(msgspec.Struct, frozen=True):
    """`monitor` (hex) saw the relay at `url` alive `at` that time (seconds since 1970); `trip` is
    how many seconds it took to open."""

    monitor: str
    url: str
    at: int
    trip: float | None = None


def report_of(event: Event) -> MonitorReport | None:
    """What a kind 30166 says; None for what is about no relay with a URL. Pure."""
    url = relay_url(next(iter(event.values("d")), ""))
    if not url:
        return None
    said = next(iter(event.values("rtt-open")), "")
    trip = int(said) / 1000 if said.isascii() and said.isdigit() and len(said) < 7 else None
    return MonitorReport(event.pubkey, url, event.created_at, trip)


def frequency_of(event: Event) -> int:
    """How many seconds apart a monitor's reports are, by its kind 10166. Pure."""
    said = next(iter(event.values("frequency")), "")
    if not (said.isascii() and said.isdigit() and len(said) < 9):
        return USUAL
    return min(LONGEST, max(SHORTEST, int(said)))


def lowered_by(
    reports: Iterable[MonitorReport], frequencies: Mapping[str, int], now: float
) -> dict[str, float]:
    """What ranks are multiplied by, `LOWEST` to 1, for each relay that is lowered. Pure."""
    trips: dict[str, list[float | None]] = defaultdict(list)
    lapsed: dict[str, set[str]] = defaultdict(set)
    fresh_of: Counter[str] = Counter()
    for report in reports:
        age = now - report.at
        if not -AHEAD <= age < FORGOTTEN:
            continue
        if age <= PATIENCE * frequencies.get(report.monitor, USUAL):
            trips[report.url].append(report.trip)
            fresh_of[report.monitor] += 1
        else:
            lapsed[report.url].add(report.monitor)
    lapsed_of = Counter(monitor for monitors in lapsed.values() for monitor in monitors)
    at_work = {m for m, count in fresh_of.items() if count >= max(AT_WORK, lapsed_of[m] + 1)}
    found = {url: LOWEST for url, monitors in lapsed.items() if monitors & at_work}
    for url, known in trips.items():
        quickest = min((trip for trip in known if trip is not None), default=None)
        found[url] = max(LOWEST, discount(quickest))
    return {url: factor for url, factor in found.items() if factor < 1.0}


class RelayMonitors:
    """The monitors of one account: `chosen` (hex) by the person, and those whom it follows.

    Used on one event loop.
    """

    def __init__(
        self,
        reader: RelayReader,
        *,
        chosen: Collection[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._reader = reader
        self._book = reader.book
        self._store = reader.store
        self._chosen = tuple(chosen)[:MOST_MONITORS]
        self._clock = clock
        self._lowered: dict[str, float] = {}

    def lowered(self, url: str) -> float:
        """What the rank of the relay at `url` (normal spelling) is multiplied by."""
        return self._lowered.get(url, 1.0)

    async def seen(self, most: int) -> list[str]:
        """Relays that a monitor has seen, the latest first; also somebody followed who announces
        nothing. Raises StoreError."""
        people = {*self._chosen, *await self._book.followed()}
        return [report.url for report in await self._reports(people)][:most]

    async def recall(self) -> None:
        """Go by what the store has. Raises StoreError."""
        frequencies = await self._frequencies()
        reports = await self._reports(frequencies.keys())
        self._lowered = lowered_by(reports, frequencies, self._clock())

    async def refresh(self) -> None:
        """Ask who is a monitor, and what they say of relays where the followed write.

        Raises StoreError.
        """
        ours = await self._book.client_relays()
        people = {*self._chosen, *await self._book.followed()}
        if people and ours.common:
            announced = author_filters(people, [kinds.RELAY_MONITOR])
            await self._reader.fetch_from(announced, ours.common, timeout=ASK_LIMIT)
        monitors = frozenset(await self._frequencies())
        urls = (await self._book.reserve_candidates())[:MOST_RELAYS] if monitors else ()
        said = frozenset({kinds.RELAY_DISCOVERY})
        asked = [
            Filter(authors=monitors, kinds=said, tags={"d": frozenset(names)})
            for names in _spelled(urls)
        ]
        if asked:
            await self._reader.fetch(asked, timeout=ASK_LIMIT)
        await self.recall()

    async def keep(self) -> None:
        """Know what monitors say, until cancelled."""
        act, pause = self.recall, FIRST
        while True:
            try:
                await act()
            except StoreError as error:
                log.warning("what monitors say of relays is not known: %s", error)
            await asyncio.sleep(pause)
            act, pause = self.refresh, EVERY

    # Inside

    async def _frequencies(self) -> dict[str, int]:
        """The monitors, and how often each reports."""
        followed = await self._book.followed()
        people = frozenset({*self._chosen, *followed})
        if not people:
            return {}
        said = Filter(authors=people, kinds=frozenset({kinds.RELAY_MONITOR}))
        announced = {e.pubkey: frequency_of(e) for e in await self._store.query([said])}
        known = dict.fromkeys(self._chosen, USUAL) | announced
        ranked = sorted(known, key=lambda pubkey: (pubkey not in self._chosen, pubkey))
        return {pubkey: known[pubkey] for pubkey in ranked[:MOST_MONITORS]}

    async def _reports(self, monitors: Collection[str]) -> Sequence[MonitorReport]:
        if not monitors:
            return ()
        said = Filter(
            authors=frozenset(monitors),
            kinds=frozenset({kinds.RELAY_DISCOVERY}),
            limit=MOST_REPORTS,
        )
        found = map(report_of, await self._store.query([said]))
        return [report for report in found if report is not None]


def _spelled(urls: Sequence[str]) -> Iterator[list[str]]:
    """Relays as monitors may write them, so many in one question."""
    for start in range(0, len(urls), NAMES):
        yield [name for url in urls[start : start + NAMES] for name in (url, f"{url}/")]
