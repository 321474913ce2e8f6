"""What the commands that ask relays share: whom they ask, and how what comes is gathered.

What comes is printed and not kept: it is verified, and nothing of it goes into the store.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from nostr_client.exits import CommandError, Exit
from nostr_client.net.fetch import RelayEnds
from nostr_client.net.outcome import Cause, End, How
from nostr_client.net.subscription import Arrival, Ended, Subscription
from nostr_client.routing.reader import GRACE, alike, authors_of
from nostr_client.tasks import all_of

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient
    from nostr_client.net.session.paging import Paging
    from nostr_client.protocol.event import Event
    from nostr_client.protocol.filters import Filter
    from nostr_client.signing.signer import Signer

ANSWER_LIMIT: Final = 10.0
"""Seconds that relays have for what they store, unless `--timeout` says otherwise."""
PAGE_LIMIT: Final = 30.0
"""Seconds without anything new after which a relay that is read page by page is given up."""
SEEN: Final = 200_000
"""Events that are remembered as printed, the oldest forgotten first."""

Routes = Mapping[str, Sequence["Filter"]]
Take = Callable[[Sequence["Event"]], Awaitable[bool]]
"""Is given what came, and says whether more is wanted."""
OnEnded = Callable[[Ended, bool], None]
"""Hears of a relay that is lost or refuses, and whether nobody is heard any more."""


class EnoughFound(Exception):
    """What was wanted is there."""


class Patience(NamedTuple):
    """Seconds for all of it, and without anything new; None: no limit."""

    whole: float | None = ANSWER_LIMIT
    idle: float | None = None


@asynccontextmanager
async def asking(
    context: ClientContext, relays: Collection[str], login: Signer | None = None
) -> AsyncIterator[NostrClient]:
    """A client for one question to `relays`, which may be dialled wherever they lead; with `login`
    they are told who asks. Raises CommandError for one that is not dialled."""
    async with context.asking(login) as client:
        client.book.policy.allow(relays)
        for url in relays:
            if refusal := client.book.policy.refusal(url):
                raise CommandError(f"{url}: {refusal}", Exit.USAGE)
            if login is not None and client.authenticator is not None:
                client.authenticator.choices.choose_for_now(url, True)
        yield client


async def routes_of(
    client: NostrClient, filters: Sequence[Filter], relays: Collection[str]
) -> tuple[Routes, frozenset[str]]:
    """Whom to ask what: `relays`, or where the authors write; and which of them matter."""
    if relays:
        return dict.fromkeys(relays, filters), frozenset()
    await client.courier.fetch_lists(authors_of(filters))
    routes, firm = await client.courier.routed(filters)
    return routes, frozenset(firm)


async def gather(
    client: NostrClient,
    routes: Routes,
    take: Take,
    *,
    live: bool = False,
    paging: Paging | None = None,
    patience: Patience | None = None,
    firm: Collection[str] = (),
    on_ended: OnEnded = lambda ended, alone: None,
) -> dict[str, End]:
    """Ask, and give what comes to `take`, until relays have ended, more is not wanted, or patience
    is at its end; how each relay's part ended. `on_ended` hears of each that is lost meanwhile. One
    that does not allow it is over: nobody tells it more, in the run of a command.

    While `take` works, no time runs. Where the relays that matter (`firm`) have ended and something
    has come, the others have little time left.
    """
    gathering = Gathering(
        take, patience or Patience(), firm=frozenset(firm), live=live, on_ended=on_ended
    )
    subs = [
        client.pool.subscribe(filters, urls, live=live, paging=paging)
        for filters, urls in alike(routes)
    ]
    ends = await gathering.run(routes, subs)
    return {url: as_wanted(end, routes[url]) for url, end in ends.items()}


def as_wanted(end: End, filters: Sequence[Filter]) -> End:
    """A relay that holds more than it was asked for has answered."""
    wanted = [filter.limit for filter in filters]
    met = None not in wanted and end.events >= sum(limit or 0 for limit in wanted)
    if end.how is How.INCOMPLETE and met and not end.problem:
        return msgspec.structs.replace(end, how=How.ANSWERED)
    return end


class Gathering:
    """One `gather`."""

    def __init__(
        self,
        take: Take,
        patience: Patience,
        *,
        firm: frozenset[str],
        live: bool,
        on_ended: OnEnded,
    ) -> None:
        self._take = take
        self._patience = patience
        self._firm = firm
        self._live = live
        self._on_ended = on_ended
        self._ends = RelayEnds(())
        self._clock = asyncio.timeout(None)
        self._out: set[str] = set()
        """Relays that are lost, or refuse, at the moment."""
        self._came = False
        self._hurried = False

    async def run(self, urls: Iterable[str], subs: Iterable[Subscription]) -> dict[str, End]:
        self._ends = RelayEnds(urls)
        why = Cause(How.SILENT, "no answer in time")
        try:
            async with asyncio.timeout(self._patience.idle or self._patience.whole) as clock:
                self._clock = clock
                await all_of(self._collect(sub) for sub in subs)
        except TimeoutError:
            if self._hurried:
                why = Cause(How.NOT_AWAITED)
        except EnoughFound:
            why = Cause(How.NOT_AWAITED)
        self._ends.give_up(why)
        return self._ends.result()

    async def _collect(self, sub: Subscription) -> None:
        async with sub:
            async for batch in sub.batches():
                await self._hand_over([i.event for i in batch if isinstance(i, Arrival)])
                for item in batch:
                    ended = self._ends.take(item)
                    if not isinstance(item, Ended):
                        self._out.discard(item.url)
                        continue
                    self._out.add(item.url)
                    self._on_ended(item, self._ends.found.keys() <= self._out)
                    over = item.final or item.cause.how is How.NOT_ALLOWED
                    if over or (ended and not self._live):
                        sub.remove_relays([item.url])
                if not sub.urls:
                    return
                self._hurry()

    async def _hand_over(self, events: list[Event]) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        if events:
            self._came = True
            if not await self._take(events):
                raise EnoughFound
        now, at = loop.time(), self._clock.when()
        if at is None or self._clock.expired() or self._hurried:
            return
        idle = self._patience.idle
        self._clock.reschedule(at + now - begun if idle is None else now + idle)

    def _hurry(self) -> None:
        done = self._came and self._firm and not (self._firm & self._ends.waiting.keys())
        at = self._clock.when()
        if done and not (self._live or self._hurried or at is None or self._clock.expired()):
            self._hurried = True
            self._clock.reschedule(min(at, asyncio.get_running_loop().time() + GRACE))


class EventPrinter:
    """Prints each event once, as JSON, at most `most` of them."""

    def __init__(self, context: ClientContext, most: int | None = None) -> None:
        self.shown = 0
        self._out = context.out
        self._most = most
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._turn = asyncio.Lock()

    async def __call__(self, events: Sequence[Event]) -> bool:
        """Print those that are new. Waits, beside the loop, for whoever reads them."""
        async with self._turn:
            fresh = self._fresh(events)
            if self._most is not None:
                del fresh[max(0, self._most - self.shown) :]
            if fresh:
                await asyncio.to_thread(self._out.emit_json, [event.json for event in fresh])
                self.shown += len(fresh)
            return self._most is None or self.shown < self._most

    def _fresh(self, events: Sequence[Event]) -> list[Event]:
        fresh: list[Event] = []
        for event in events:
            key = bytes.fromhex(event.id[:32])
            if key not in self._seen:
                self._seen[key] = None
                fresh.append(event)
        while len(self._seen) > SEEN:
            self._seen.popitem(last=False)
        return fresh


class NewestEvents:
    """Keeps the newest `most` events, to be printed when all relays have answered."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._events: dict[str, Event] = {}

    async def __call__(self, events: Sequence[Event]) -> bool:
        self._events |= {event.id: event for event in events}
        if len(self._events) > 2 * self._most + 1000:
            self._events = {event.id: event for event in self.newest()}
        return True

    def newest(self) -> list[Event]:
        """The newest first."""
        found = sorted(self._events.values(), key=lambda event: (-event.created_at, event.id))
        return found[: self._most]
