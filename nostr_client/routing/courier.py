"""Courier: where the store meets the network. The only road for events, out and in.

Out. An event is saved, then what is wanted of it is written down (which relays should hold it),
and only then is it sent; every answer goes to the ledger. A crash in between loses nothing: what is
saved and not planned, or planned and not confirmed, is found again by `resilience.replication`.

In. Whatever a relay sends was verified by the pool, or equals what is held. It is saved in batches,
each arrival is written down as a copy, and the relay book learns from it. A store that fails for a
while stops the reading (the sockets fill up, nothing is dropped) until it works again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from types import TracebackType
from typing import Final, Self

import msgspec

from nostr_client.errors import InvalidEvent, Outdated, StoreError
from nostr_client.net.paging import Paging
from nostr_client.net.pool import RelayPool
from nostr_client.net.report import Answer, PublishReport
from nostr_client.net.subscription import Arrival, Ended, EndOfStored, Subscription
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.kinds import is_ephemeral
from nostr_client.protocol.messages import Meaning
from nostr_client.routing.arrivals import Asked, Following
from nostr_client.routing.owned_tasks import OwnedTasks
from nostr_client.routing.planner import WRAPS, Relays, mentioned, plan_publish, plan_read
from nostr_client.routing.relay_book import RelayBook
from nostr_client.store.copies import CopyLedger, CopyState
from nostr_client.store.events import EventStore, SaveStatus

log = logging.getLogger(__name__)

PUBLISH_LIMIT: Final = 10.0
"""Seconds that relays have to answer to a publication."""
FETCH_LIMIT: Final = 10.0
ROUNDS: Final = 4
"""Times that a publication is sent to other relays while none could be reached."""
READ_BACK_LIMIT: Final = 60.0
TO_THE_END: Final = Paging(most=20_000)
"""Page by page, so many events of one relay at most."""
STORE_PAUSE: Final = 2.0
"""Seconds before a batch is offered again to a store that failed."""
WAITS: Final = {None: 5, Meaning.HELD: 0, Meaning.ACT: 900, Meaning.LATER: 30}
"""Seconds before a copy is tried again, by what the first answer meant; None: no answer came."""
FINAL: Final = (Meaning.KEY_REFUSED, Meaning.EVENT_REFUSED)

OnAnswer = Callable[[Answer], None]


class Courier:
    """Publishes, fetches and follows for one client, inside `async with`.

    `on_planned` is called after wants were written down and the first round of sending is over,
    so that whoever replicates can look at what is left; `on_taken` with what came in and is held.
    """

    def __init__(
        self,
        store: EventStore,
        ledger: CopyLedger,
        pool: RelayPool,
        book: RelayBook,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self.ledger = ledger
        self.pool = pool
        self.book = book
        self.on_planned: Callable[[], None] = lambda: None
        self.on_taken: Callable[[Collection[Event]], None] = lambda events: None
        self._clock = clock
        self._tasks = OwnedTasks()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._tasks.__aexit__(kind, error, trace)

    # Out

    async def plan(self, event: Event, avoid: Collection[str] = ()) -> tuple[str, ...]:
        """The relays where `event` should be, most wanted first; none of those in `avoid`.

        One that is down stays wanted, and another one stands in for it.
        """
        copies: list[str] = []
        if event.kind == kinds.DELETION:
            copies = await self._copies_of_deleted(event)
        now = await self._plan(event, copies, avoid)
        later = await self._plan(event, copies, avoid, down=frozenset())
        return tuple(dict.fromkeys((*now, *later)))

    async def publish(
        self,
        event: Event,
        *,
        also: Collection[str] = (),
        on_answer: OnAnswer | None = None,
        timeout: float = PUBLISH_LIMIT,  # noqa: ASYNC109 - it ends in a report, not in an error
    ) -> PublishReport:
        """Save, write down where it should be, send; `also` names relays beside the plan's.

        Returns when every relay has answered, or after `timeout` seconds. A relay that is known to
        be down is not tried now. Where none of the author's could be reached, the next ones of the
        plan are sent to, at most `ROUNDS` times in all, with `timeout` seconds each. That nobody
        answers is a report like any other. Raises StoreError, and InvalidEvent for what the store
        will not hold (a newer version is there, it was deleted, it has expired).
        """
        copies: list[str] = []
        if event.kind == kinds.DELETION:  # once it is saved, what it deletes is gone
            copies = await self._copies_of_deleted(event)
        await self.keep(event)
        wanted = await self._plan(event, copies, down=frozenset())
        urls = await self._plan(event, copies)
        urls = tuple(dict.fromkeys((*urls, *(url for url in also if self.book.policy(url)))))
        resting = [url for url in wanted if url not in urls]
        report = await self.send(event, urls, resting, on_answer=on_answer, timeout=timeout)
        tried, answers = {*urls, *resting}, list(report.answers)
        author = await self.book.relays_of(event.pubkey)
        for _ in range(1, ROUNDS):
            if event.kind in WRAPS or self._is_at_home(author, answers):
                break
            more = [u for u in await self._plan(event, copies, avoid=tried) if u not in tried]
            if not more:
                break
            tried |= set(more)
            others = await self.send(event, more, on_answer=on_answer, timeout=timeout)
            answers += others.answers
        known = {self.book.policy.own_relay, *wanted, *also, *author.write}
        instead = tuple(answer.url for answer in answers if answer.url not in known)
        return PublishReport(event.id, tuple(answers), instead=instead)

    def _is_at_home(self, author: Relays, answers: Sequence[Answer]) -> bool:
        """Did a relay that keeps the author's notes for others answer, with yes or no?"""
        if author.source == "list" and not author.write:
            return True  # there is no such place
        answered = {answer.url for answer in answers if answer.accepted is not None}
        return bool(answered & {*author.write, *self.book.fallback})

    async def keep(self, event: Event) -> SaveStatus:
        """Save an event of our own. Raises as `publish` does."""
        result = (await self.store.save([event]))[0]
        if result.held or result.status is SaveStatus.EPHEMERAL:
            return result.status
        if result.status is SaveStatus.OUTDATED:
            raise Outdated(_UNHELD[result.status])
        raise InvalidEvent(_UNHELD.get(result.status, f"not stored: {result.status}"))

    async def send(
        self,
        event: Event,
        urls: Sequence[str],
        resting: Sequence[str] = (),
        *,
        on_answer: OnAnswer | None = None,
        timeout: float = PUBLISH_LIMIT,  # noqa: ASYNC109
    ) -> PublishReport:
        """Write down that `urls` should hold a saved event, and send it there.

        Those that are `resting` should hold it too, but are down: they get it later.
        """
        lasting = not is_ephemeral(event.kind)
        if lasting and (urls or resting):
            await self.ledger.want(event.id, [*urls, *resting])
        announce = await self._relay_list_for(event, urls)
        answers: asyncio.Queue[Answer | None] = asyncio.Queue(2 * (len(urls) + len(resting)) + 8)

        def heard(answer: Answer) -> None:
            answers.put_nowait(answer)
            if on_answer is not None:
                on_answer(answer)

        async with asyncio.TaskGroup() as group:
            if lasting:
                group.create_task(self._settle(event.id, answers, resting))
            if announce is not None:
                group.create_task(self._announce(*announce, timeout))
            untried = tuple(Answer.missing(url, self._why_resting(url)) for url in resting)
            for answer in untried:
                heard(answer)
            report = await self.pool.publish(event, urls, timeout=timeout, on_answer=heard)
            answers.put_nowait(None)
        if lasting:
            self.on_planned()
        return msgspec.structs.replace(report, answers=(*report.answers, *untried))

    def _why_resting(self, url: str) -> str:
        outage = self.pool.outages.of(url)
        if outage is None:
            return "connect: it was down until just now"
        return f"connect: down since {datetime.fromtimestamp(outage.since):%Y-%m-%d %H:%M}"

    async def _plan(
        self,
        event: Event,
        copies: Sequence[str],
        avoid: Collection[str] = (),
        down: frozenset[str] | None = None,
    ) -> tuple[str, ...]:
        """`down` as in `RelayBook.places`."""
        addressed = mentioned(event)
        places = await self.book.places(down=down)
        if event.kind in WRAPS:
            inboxes = await self.book.inboxes(list(event.values("p")))
            author = Relays(event.pubkey)
            return plan_publish(event, author, {}, places, inboxes=inboxes, avoid=avoid)
        people = await self.book.of_many({event.pubkey, *addressed})
        return plan_publish(
            event,
            people[event.pubkey],
            {pubkey: people[pubkey] for pubkey in addressed},
            places,
            copies=[url for url in copies if self.book.policy(url)],
            avoid=avoid,
        )

    async def _copies_of_deleted(self, event: Event) -> list[str]:
        ids = [value for value in event.values("e") if len(value) == 64]
        for address in event.values("a"):
            held = await self.store.get_address(address)
            if held is not None:
                ids.append(held.id)
        found = await self.ledger.copies_of(ids)
        return [
            copy.url
            for copies in found.values()
            for copy in copies
            if copy.state is not CopyState.REFUSED
        ]

    async def _settle(
        self, event_id: str, answers: asyncio.Queue[Answer | None], resting: Collection[str]
    ) -> None:
        """Tell the ledger of each answer as it comes, until None.

        What is open stays open, for the replication to come back to.
        """
        while (answer := await answers.get()) is not None:
            if answer.accepted:
                await self.ledger.confirm([(event_id, answer.url)])
                continue
            final = answer.meaning in FINAL
            wait = WAITS.get(answer.meaning, WAITS[Meaning.LATER])
            outage = self.pool.outages.of(answer.url) if answer.url in resting else None
            at = max(int(self._clock()) + wait, outage.until if outage else 0)
            await self.ledger.refuse(
                event_id,
                answer.url,
                answer.prefix,
                answer.reason or answer.problem,
                final=final,
                next_try=0 if final else at,
            )

    async def _relay_list_for(
        self, event: Event, urls: Sequence[str]
    ) -> tuple[Event, list[str]] | None:
        """NIP-65: whoever gets a note of ours should know where we write."""
        if event.kind in (kinds.RELAY_LIST, *WRAPS) or is_ephemeral(event.kind):
            return None
        listed = await self.store.get_address(f"{kinds.RELAY_LIST}:{event.pubkey}:")
        if listed is None:
            return None
        told = {copy.url for copy in await self.ledger.copies(listed.id)}
        untold = [url for url in urls if url not in told and url not in self.book.indexers]
        return (listed, untold) if untold else None

    async def _announce(self, event: Event, urls: Sequence[str], limit: float) -> None:
        """Best effort: these relays owe us nothing, so nothing is wanted of them either."""
        report = await self.pool.publish(event, urls, timeout=limit)
        await self.ledger.confirm([(event.id, url) for url in report.accepted])

    # In

    async def ask(
        self,
        filters: Sequence[Filter],
        urls: Collection[str],
        *,
        timeout: float = FETCH_LIMIT,  # noqa: ASYNC109
        paging: Paging | None = None,
    ) -> Asked:
        """Ask each relay for what it has stored, at most `timeout` seconds; save what comes.

        With `paging` a relay that sends its answer in pages is read to the end. Every relay of
        `urls` has an entry in `ends` afterwards. Raises StoreError.
        """
        asked = Asked()
        dialled = [url for url in dict.fromkeys(urls) if self.book.policy(url)]
        if dialled and filters:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._hear(filters, dialled, asked, paging)
        for url in urls:
            asked.ends.setdefault(url, Ended(url, "", "timeout: no answer in time", final=False))
        return asked

    async def fetch(
        self,
        filters: Sequence[Filter],
        urls: Collection[str] | None = None,
        *,
        timeout: float = FETCH_LIMIT,  # noqa: ASYNC109
    ) -> int:
        """Ask relays and save; how many events were new here.

        Without `urls` each filter's authors are asked for where they write, everything else at
        the client's own relays. Offline is 0, no error. Raises StoreError.
        """
        if urls is not None:
            return (await self.ask(filters, urls, timeout=timeout, paging=TO_THE_END)).new
        return await self.ask_each(await self.route(filters), limit=timeout)

    async def ask_each(
        self, routes: Mapping[str, Sequence[Filter]], *, limit: float = FETCH_LIMIT
    ) -> int:
        """Ask each relay its own question, all at once; how many events were new here."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self.ask(filters, [url], timeout=limit, paging=TO_THE_END))
                for url, filters in routes.items()
            ]
        return sum(task.result().new for task in tasks)

    async def route(
        self, filters: Sequence[Filter], avoid: Collection[str] = ()
    ) -> dict[str, list[Filter]]:
        """Where to send each filter: `{url: filters}` (NIP-65)."""
        places = await self.book.places()
        authors = frozenset().union(*(f.authors or () for f in filters))
        people = await self.book.of_many(authors)
        routes: dict[str, list[Filter]] = {}
        for filter in filters:
            if not filter.authors:
                for url in places.fallback:
                    routes.setdefault(url, []).append(filter)
                continue
            plan = plan_read([people[p] for p in sorted(filter.authors)], places, avoid=avoid)
            for url, part in plan.items():
                routes.setdefault(url, []).append(filter.changed(authors=part))
        return routes

    @asynccontextmanager
    async def follow(
        self, filters: Sequence[Filter], urls: Collection[str]
    ) -> AsyncIterator[Following]:
        """Keep a live subscription into the store for as long as the block runs."""
        dialled = [url for url in dict.fromkeys(urls) if self.book.policy(url)]
        following = Following(dialled)
        if not (dialled and filters):
            yield following
            return
        async with self.pool.subscribe(filters, dialled) as subscription:
            filling = self._tasks.start(self._fill(subscription, following))
            try:
                yield following
            finally:
                filling.cancel()
                await asyncio.wait([filling])

    async def read_back(
        self, filters: Sequence[Filter], url: str, *, limit: float = READ_BACK_LIMIT
    ) -> bool:
        """Read everything that `url` has for `filters`, page by page, and save it.

        False when the relay did not answer to the end within `limit` seconds.
        """
        asked = await self.ask(filters, [url], timeout=limit, paging=TO_THE_END)
        return asked.ends[url] is None

    async def take(self, arrivals: Sequence[Arrival]) -> int:
        """Save what arrived and write down the copies; how many were new here.

        What strangers send has its quotas: for some there may be no room.
        """
        quotas = self.store.quotas
        refused = await quotas.admit([(a.event, a.url) for a in arrivals])
        arrivals = [a for a in arrivals if a.event.id not in refused]
        events = {a.event.id: a.event for a in arrivals}
        brought = {a.event.id: a.url for a in reversed(arrivals)}
        results = await self.store.save(list(events.values()))
        held = {event.id for event, r in zip(events.values(), results, strict=True) if r.held}
        pairs = [(a.event.id, a.url) for a in arrivals if a.event.id in held]
        if pairs:
            await self.ledger.confirm(pairs)
        for arrival in arrivals:
            self.book.observe(arrival.event, arrival.url)
        self.on_taken([event for event in events.values() if event.id in held])
        fresh = [e for e, r in zip(events.values(), results, strict=True) if r.status in _NEW]
        quotas.charge((event, brought[event.id]) for event in fresh)
        return len(fresh)

    async def _hear(
        self, filters: Sequence[Filter], urls: Sequence[str], asked: Asked, paging: Paging | None
    ) -> None:
        waiting, lost = set(urls), set[str]()
        async with self.pool.subscribe(filters, urls, live=False, paging=paging) as subscription:
            async for batch in subscription.batches():
                arrivals = [item for item in batch if isinstance(item, Arrival)]
                ends = [item for item in batch if isinstance(item, EndOfStored | Ended)]
                if arrivals:
                    asked.new += await self.take(arrivals)
                for arrival in arrivals:
                    asked.events[arrival.event.id] = arrival.event
                    asked.found[arrival.url] = asked.found.get(arrival.url, 0) + 1
                for end in ends:
                    if _was_idle(end) and end.url not in lost:
                        lost.add(end.url)
                        continue
                    asked.ends[end.url] = end if isinstance(end, Ended) else None
                    waiting.discard(end.url)
                if not waiting:
                    return

    async def _fill(self, subscription: Subscription, following: Following) -> None:
        async for batch in subscription.batches():
            arrivals = [item for item in batch if isinstance(item, Arrival)]
            ends = [item for item in batch if isinstance(item, EndOfStored | Ended)]
            while arrivals:
                try:
                    following.arrived += await self.take(arrivals)
                    following.problem = ""
                    break
                except StoreError as error:
                    if not following.problem:
                        log.warning("reading pauses: %s", error)
                    following.problem = str(error)
                    await asyncio.sleep(STORE_PAUSE)
            for end in ends:
                following.done_with(end)


def _was_idle(end: EndOfStored | Ended) -> bool:
    """The relay may have closed an idle socket just now: it is asked once more by itself."""
    return isinstance(end, Ended) and not end.final and end.reason.startswith("lost:")


_NEW: Final = (SaveStatus.STORED, SaveStatus.REPLACED)
_UNHELD: Final = {
    SaveStatus.OUTDATED: "a newer version of this is stored already",
    SaveStatus.DELETED: "this was deleted by its author",
    SaveStatus.EXPIRED: "this has expired already",
    SaveStatus.VANISHED: "its author asked for everything to be removed",
}
