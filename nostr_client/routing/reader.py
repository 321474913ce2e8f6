"""Reading from relays: whom to ask is planned here, and what comes is saved.

**Whom.** A plan is made from what is known *after* what it needs was fetched: the relay lists of
the authors (`fetch_lists`). A list not held yet is not "no list"; one looked for in vain is
looked for again after a while, by whatever process (`failed_lookups`). Own read relays come first,
then those where the authors write, then starters and indexers, which get little more time once the
others have brought something. Everything is bounded in time.

**What comes** was verified by the pool, or equals what is held. It is saved in batches, each
arrival is written down as a copy, and the relay book learns from it. A store that fails for a while
stops the reading (the sockets fill up, nothing is dropped) until it works again.

**What it teaches**: what each relay brought, of what is known of an author, is counted (`scores`),
and whom to ask the next time is chosen by that.

**What is said**: a `FetchReport` tells for each relay how its part ended.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from nostr_client.errors import StoreError
from nostr_client.net.fetch import RelayEnds
from nostr_client.net.outcome import Cause, End, How
from nostr_client.net.pool import RelayPool
from nostr_client.net.session.paging import Paging
from nostr_client.net.subscription import Arrival, Subscription
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.routing.deliveries import Deliveries, add_held
from nostr_client.routing.failed_lookups import FailedLookups
from nostr_client.routing.fetch_results import FetchReport, weighed
from nostr_client.routing.live_feed import LiveFeed, OnStored
from nostr_client.routing.read_plan import author_filters, firm_relays, plan_read
from nostr_client.routing.relay_book import RelayBook
from nostr_client.routing.score_book import ScoreBook
from nostr_client.store.contract import ClientStore, CopyGrade, SaveStatus
from nostr_client.store.rules import address_filter
from nostr_client.tasks import OwnedTasks, together

log = logging.getLogger(__name__)

FETCH_LIMIT: Final = 10.0
READ_BACK_LIMIT: Final = 60.0
LEARN_LIMIT: Final = 3.0
"""Seconds in which the relay lists that a plan needs are looked for."""
GRACE: Final = 2.0
"""Seconds that the others have once those that matter have brought what is wanted."""
TO_THE_END: Final = Paging(most=20_000)
"""Page by page, so many events of one relay at most."""
MOST_NEAR: Final = 12
"""Relays on hints, and as many of the authors', that are asked for events by their ids."""
MOST_HINTED: Final = 12
"""Relays asked for lists only since they are where a person was seen."""

_NEW: Final = (SaveStatus.STORED, SaveStatus.REPLACED)
Routes = Mapping[str, Sequence[Filter]]
"""What each relay is asked."""
Enough = Callable[[FetchReport, RelayEnds], bool]
"""Has a question brought what matters, so that the rest may be given little time?"""


class RelayReader:
    """Asks, fetches and follows for one client, inside `async with`.

    `folder` (data) is where it is remembered whose relay list was looked for in vain, and what each
    relay delivered. `on_saved` is called with what came in and is held.
    """

    def __init__(
        self,
        store: ClientStore,
        pool: RelayPool,
        book: RelayBook,
        *,
        folder: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self.pool = pool
        self.book = book
        self.on_saved: Callable[[Collection[Event]], None] = lambda events: None
        self.is_gone: Callable[[str], bool] = lambda event_id: False
        """Was an event here that is not to be kept again?"""
        self._clock = clock
        self._failed_lookups = FailedLookups(folder / "sought.json" if folder else None, clock)
        self.scores = ScoreBook(folder / "deliveries.json" if folder else None, clock)
        self._tasks = OwnedTasks()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._tasks.start(self.scores.keep())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._tasks.__aexit__(kind, error, trace)

    # What a plan needs

    async def fetch_lists(
        self,
        pubkeys: Collection[str],
        *,
        kind: int = kinds.RELAY_LIST,
        limit: float | None = None,
        again: bool = False,
    ) -> FetchReport:
        """Fetch the lists of `kind` (NIP-65, or 10050 of NIP-17) that the store lacks, within
        `limit` seconds (`LEARN_LIMIT`), where own relays, indexers and better hints may have them.

        Whoever was looked for lately is not looked for again, unless `again`: who asks for just
        this list is to hear what relays say. Raises StoreError.
        """
        owner = self.book.owner
        if owner and kind == kinds.RELAY_LIST and owner not in pubkeys:
            await self.fetch_lists([owner], limit=limit)  # it says where the others may be
        missing = frozenset(await self.book.without_list(pubkeys, kind))
        if not again:
            missing = self._failed_lookups.due(missing, kind)
        if not missing:
            return FetchReport()

        own = (await self.book.client_relays()).read

        def enough(asked: FetchReport, ends: RelayEnds) -> bool:
            all_found = missing <= set(asked.events.values())
            return all_found or bool(own and not any(url in ends.waiting for url in own))

        routes = await self._where_lists_are(missing, kind)
        asked = await self._fetch(routes, limit or LEARN_LIMIT, enough=enough)
        missing -= set(asked.events.values())
        unheard = any(end.how in (How.SILENT, How.NOT_AWAITED) for end in asked.ends.values())
        if asked.answered and not unheard:
            await self._failed_lookups.record_absent(missing, kind)
        else:
            self._failed_lookups.record_unanswered(missing, kind)
        return asked

    async def _where_lists_are(self, pubkeys: Collection[str], kind: int) -> Routes:
        ours = await self.book.client_relays()
        wanted = author_filters(pubkeys, [kind])
        routes: dict[str, Sequence[Filter]] = dict.fromkeys(ours.of_lists, wanted)
        hinted: dict[str, set[str]] = {}
        for pubkey in sorted(pubkeys):
            for url in self.book.trusted_hints(pubkey):
                if url in hinted or (url not in routes and len(hinted) < MOST_HINTED):
                    hinted.setdefault(url, set()).add(pubkey)
        return routes | {url: author_filters(people, [kind]) for url, people in hinted.items()}

    async def route(
        self, filters: Sequence[Filter], avoid: Collection[str] = ()
    ) -> dict[str, list[Filter]]:
        """Where to send each filter by what is known: `{url: filters}` (NIP-65)."""
        routes, _ = await self.routed(filters, avoid)
        return routes

    async def routed(
        self, filters: Sequence[Filter], avoid: Collection[str] = ()
    ) -> tuple[dict[str, list[Filter]], set[str]]:
        """The routes, and which of their relays are firm."""
        authors = authors_of(filters)
        ours = await self.book.client_relays()
        people = await self.book.relays_of_many(authors)
        routes: dict[str, list[Filter]] = {}
        for filter in filters:
            if not filter.authors:
                for url in ours.common:
                    routes.setdefault(url, []).append(filter)
                continue
            asked = [people[p] for p in sorted(filter.authors)]
            rank = self.scores.rank(since=filter.since)
            plan = plan_read(asked, ours, avoid=avoid, rank=rank)
            for url, part in plan.items():
                routes.setdefault(url, []).append(filter.changed(authors=part))
        return routes, routes.keys() & firm_relays(people.values(), ours)

    # Asking

    async def fetch(
        self,
        filters: Sequence[Filter],
        urls: Collection[str] | None = None,
        *,
        timeout: float = FETCH_LIMIT,  # noqa: ASYNC109
        paging: Paging = TO_THE_END,
    ) -> FetchReport:
        """Ask relays and save.

        Without `urls` each filter's authors are asked for where they write, everything else at
        the client's own relays. Offline nothing comes; that is no error. Raises StoreError.
        """
        if urls is not None:
            return await self.fetch_from(filters, urls, timeout=timeout, paging=paging)
        await self.fetch_lists(authors_of(filters))
        routes, firm = await self.routed(filters)
        return await self.fetch_routes(routes, limit=timeout, firm=firm, paging=paging)

    async def fetch_ids(
        self,
        ids: Collection[str],
        *,
        addresses: Collection[str] = (),
        near: Collection[str] = (),
        authors: Collection[str] = (),
        limit: float = FETCH_LIMIT,
        asked_for: bool = True,
    ) -> FetchReport:
        """Ask for events by their ids or addresses, and save them: at `near`, hints that go through
        the address policy here, where `authors` write, and at the client's own relays. Ends when
        all are here; of what has an address a newer version may be on any relay.

        `asked_for`: the person wants these; else no relay is asked that only strangers name. Of
        `near` and of the authors' relays `MOST_NEAR` are asked, those of most authors first.
        """
        wanted = frozenset(ids)
        placed = [f for address in addresses if (f := address_filter(address)) is not None]
        authors = {*authors, *(author for f in placed for author in f.authors or ())}
        await self.fetch_lists(authors)
        ours, policy = await self.book.client_relays(), self.book.policy
        people = await self.book.relays_of_many(authors, asked=asked_for)
        hinted = [url for hint in near if (url := policy.from_stranger(hint, asked=asked_for))]
        hinted = list(dict.fromkeys(hinted))[:MOST_NEAR]
        counted = Counter(url for person in people.values() for url in person.write)
        written = [url for url, _ in counted.most_common(MOST_NEAR)]
        urls = dict.fromkeys((*ours.read, *hinted, *written, *ours.common))

        def enough(asked: FetchReport, ends: RelayEnds) -> bool:
            return not placed and wanted <= asked.events.keys()

        filters = (*([Filter(ids=wanted)] if wanted else ()), *placed)
        routes = dict.fromkeys(urls, filters) if filters else {}
        asked = await self._fetch(routes, limit, enough=enough, grace=0.0)
        return weighed(asked, {*ours.read, *hinted, *written})

    async def fetch_from(
        self,
        filters: Sequence[Filter],
        urls: Collection[str],
        *,
        timeout: float = FETCH_LIMIT,  # noqa: ASYNC109
        paging: Paging | None = None,
    ) -> FetchReport:
        """Ask each relay for what it has stored, at most `timeout` seconds; save what comes.

        With `paging` a relay that sends its answer in pages is read to the end. Every relay of
        `urls` has an entry in `ends` afterwards. Raises StoreError.
        """
        return await self._fetch(dict.fromkeys(urls, filters), timeout, paging=paging)

    async def fetch_routes(
        self,
        routes: Routes,
        *,
        limit: float = FETCH_LIMIT,
        firm: Collection[str] = (),
        paging: Paging = TO_THE_END,
    ) -> FetchReport:
        """Ask each relay its own question, all at once.

        `firm` are the relays that matter: when they have answered and something has come, the
        others have `GRACE` seconds more.
        """

        def enough(asked: FetchReport, ends: RelayEnds) -> bool:
            return bool(firm and asked.events) and not any(url in ends.waiting for url in firm)

        asked = await self._fetch(routes, limit, enough=enough, paging=paging)
        return weighed(asked, firm)

    async def read_back(
        self, filters: Sequence[Filter], url: str, *, limit: float = READ_BACK_LIMIT
    ) -> bool:
        """Read everything that `url` has for `filters`, page by page, and save it.

        False when the relay did not answer to the end within `limit` seconds.
        """
        asked = await self.fetch_from(filters, [url], timeout=limit, paging=TO_THE_END)
        return asked.ends[url].answered

    async def _fetch(
        self,
        routes: Routes,
        limit: float,
        *,
        paging: Paging | None = TO_THE_END,
        enough: Enough = lambda asked, ends: False,
        grace: float | None = None,
    ) -> FetchReport:
        """Ask, and save what comes; `grace` seconds (`GRACE`) after there is `enough` it ends."""
        dialled = {url: f for url, f in routes.items() if f and self.book.policy(url)}
        asked, ends, deliveries = FetchReport(), RelayEnds(dialled), Deliveries(self._clock())
        loop = asyncio.get_running_loop()
        why = Cause(How.SILENT, "no answer in time")
        try:
            async with asyncio.timeout(limit) as clock, together() as group:

                def heard() -> None:
                    nonlocal why
                    at = clock.when()
                    if at is None or clock.expired():  # what comes as the time runs out is kept
                        return
                    if ends.waiting and enough(asked, ends):
                        why = Cause(How.NOT_AWAITED)
                        clock.reschedule(min(at, loop.time() + (GRACE if grace is None else grace)))

                for filters, urls in alike(dialled):
                    sub = self.pool.subscribe(filters, urls, live=False, paging=paging)
                    group.create_task(self._collect(sub, asked, ends, heard, deliveries))
        except TimeoutError:
            pass  # what each relay did not do is said below
        ends.give_up(why)
        ended = ends.result()
        for url in routes:
            asked.ends[url] = ended.get(url) or End(url=url, how=How.NOT_ASKED)
            deliveries.answered(routes[url], asked.ends[url], paged=paging is not None)
        await self._learn(deliveries)
        return asked

    async def _learn(self, deliveries: Deliveries) -> None:
        """Count what the relays brought beside what is held."""
        if deliveries.asked_of():
            try:
                await add_held(deliveries, self.store)
            except StoreError as error:  # the answer is there all the same
                log.warning("what relays delivered is not counted: %s", error)
                return
            self.count_deliveries(deliveries)

    def count_deliveries(self, deliveries: Deliveries) -> None:
        """What these relays showed counts from now on."""
        found = deliveries.judged(self._clock(), lambda url: self.pool.health(url).latency)
        self.scores.record(found)

    async def _collect(
        self,
        subscription: Subscription,
        asked: FetchReport,
        ends: RelayEnds,
        heard: Callable[[], None],
        deliveries: Deliveries,
    ) -> None:
        waiting = set(subscription.urls)
        async with subscription:
            async for batch in subscription.batches():
                arrivals = [item for item in batch if isinstance(item, Arrival)]
                if arrivals:
                    new = await self.save_arrivals(arrivals, deliveries)
                    asked.new += new
                    asked.events |= {arrival.event.id: arrival.event.pubkey for arrival in arrivals}
                for item in batch:
                    ends.take(item)
                waiting &= ends.waiting.keys()
                heard()
                if not waiting:
                    return

    # Live

    @asynccontextmanager
    async def subscribe(
        self,
        filters: Sequence[Filter],
        urls: Collection[str],
        deliveries: Deliveries | None = None,
        *,
        take: Callable[[Sequence[Arrival]], Awaitable[int]] | None = None,
        paging: Paging | None = None,
        on_stored: OnStored = lambda item: None,
    ) -> AsyncIterator[LiveFeed]:
        """Keep a live subscription into the store for as long as the block runs. What was stored at
        the relays goes into `deliveries`, too, page by page with `paging`. `take` keeps what comes
        instead of `save_arrivals`, and says how many were new. `on_stored` is told when a relay has
        sent what it had stored, which is held then."""
        dialled = [url for url in dict.fromkeys(urls) if self.book.policy(url)]
        feed = LiveFeed(dialled, on_stored)
        if not (dialled and filters):
            yield feed
            return
        async with self.pool.subscribe(filters, dialled, paging=paging) as subscription:
            save = take or partial(self.save_arrivals, deliveries=deliveries)
            filling = self._tasks.start(feed.fill(subscription, save))
            try:
                yield feed
            finally:
                filling.cancel()
                await asyncio.wait([filling])

    async def save_arrivals(
        self, arrivals: Sequence[Arrival], deliveries: Deliveries | None = None
    ) -> int:
        """Save what arrived and write down the copies; how many were new here.

        What strangers send has its quotas: for some there may be no room.
        """
        statuses = await self.take_arrivals(arrivals, deliveries)
        return sum(status in _NEW for status in statuses.values())

    async def take_arrivals(
        self, arrivals: Sequence[Arrival], deliveries: Deliveries | None = None
    ) -> dict[str, SaveStatus]:
        """The same; what became of each event, by id: of those for which there was room, and that
        are not to be kept away."""
        arrivals = [a for a in arrivals if not self.is_gone(a.event.id)]
        quotas = self.store.quotas
        refused = await quotas.admit([(a.event, a.url) for a in arrivals])
        arrivals = [a for a in arrivals if a.event.id not in refused]
        events = {a.event.id: a.event for a in arrivals}
        brought = {a.event.id: a.url for a in reversed(arrivals)}
        results = await self.store.save(list(events.values()))
        held = {event.id for event, r in zip(events.values(), results, strict=True) if r.held}
        pairs = [(a.event.id, a.url) for a in arrivals if a.event.id in held]
        if pairs:
            await self.store.ledger.confirm(pairs, CopyGrade.READ_BACK)
        for arrival in arrivals:
            self.book.observe(arrival.event, arrival.url)
            if deliveries is not None and not arrival.live and arrival.event.id in held:
                deliveries.take(arrival.event, arrival.url)
        self.on_saved([event for event in events.values() if event.id in held])
        fresh = [e for e, r in zip(events.values(), results, strict=True) if r.status in _NEW]
        quotas.charge((event, brought[event.id]) for event in fresh)
        return {event_id: r.status for event_id, r in zip(events, results, strict=True)}


def authors_of(filters: Sequence[Filter]) -> frozenset[str]:
    """Everybody whom the filters ask for by name."""
    return frozenset().union(*(f.authors or () for f in filters))


def alike(routes: Routes) -> list[tuple[Sequence[Filter], list[str]]]:
    """The relays that are asked the same, together: what several send is checked once."""
    groups: list[tuple[Sequence[Filter], list[str]]] = []
    for url, filters in routes.items():
        urls = next((urls for asked, urls in groups if asked == filters), None)
        if urls is None:
            groups.append((filters, [url]))
        else:
            urls.append(url)
    return groups
