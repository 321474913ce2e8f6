"""Our set of events and that of relays made alike (NIP-77): one way, the other, or both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from enum import Enum

import msgspec

from nostr_client.net.outcome import End, How
from nostr_client.net.report import PublishReport
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.resilience.comparison import Comparison
from nostr_client.resilience.history import History
from nostr_client.routing.bulk_publishing import in_bulk
from nostr_client.routing.courier import Courier
from nostr_client.routing.planner import UNPUBLISHED, is_protected

SLICE = 256
"""Events that are read from the store, and sent, at a time."""
_PRIVATE = frozenset({kinds.DRAFT_WRAP, *kinds.GIFT_WRAPS})


class Direction(Enum):
    """Which way events go."""

    NONE = "none"
    """It is only said how the sets differ."""
    DOWN = "down"
    """What only the relay has is brought here."""
    UP = "up"
    """What only we have is sent to the relay."""
    BOTH = "both"


class Reconciled(msgspec.Struct, frozen=True):
    """What became of one relay.

    `compared` says how the sets differed before, by which road, and how it ended. `brought` events
    are new here; of what only we had `sent` were accepted and `refused` were not; `withheld` were
    not offered: protected ones of others (NIP-70), and, unless the filter names their kinds, gift
    wraps and drafts.
    """

    url: str
    compared: Comparison
    sent: int = 0
    refused: int = 0
    withheld: int = 0

    @property
    def brought(self) -> int:
        """Events that came and were not here before."""
        return self.compared.new

    @property
    def complete(self) -> bool:
        """Was all compared, and did everything that was to go go?"""
        return self.compared.complete and not self.refused and not self.compared.unsent


async def reconciled(
    sets: History,
    courier: Courier,
    filter: Filter,
    relays: Sequence[str],
    *,
    direction: Direction,
    limit: float,
) -> AsyncIterator[Reconciled]:
    """See `NostrClient.reconcile`."""
    down = direction in (Direction.DOWN, Direction.BOTH)
    up = direction in (Direction.UP, Direction.BOTH)
    for url in relays:
        compared = await _compared(sets, url, filter, keep=down, limit=limit)
        done = Reconciled(url, compared)
        if up and compared.here:
            done = await _sent(courier, done, filter, limit)
        yield done


async def _compared(
    sets: History, url: str, filter: Filter, *, keep: bool, limit: float
) -> Comparison:
    """Within `limit` seconds; what was found by then counts."""
    latest = Comparison(url=url, end=End(url=url, how=How.SILENT), complete=False)

    async def step(found: Comparison, floor: int | None) -> bool:
        nonlocal latest
        latest = found
        return True

    try:
        async with asyncio.timeout(limit):
            return await sets.compare(url, filter, keep=keep, step=step)
    except TimeoutError:
        words = f"not compared to the end within {limit:g} s"
        latest.stopped(End(url=url, how=How.SILENT, problem=words))
        return latest


async def _sent(courier: Courier, done: Reconciled, filter: Filter, limit: float) -> Reconciled:
    """Send what only we have; the newest goes first."""
    ids = sorted(id.hex() for id in done.compared.here)
    sent = refused = withheld = 0
    came = asyncio.Event()
    open_ = 0

    def told(event: Event, report: PublishReport | Exception) -> None:
        nonlocal sent, refused, open_
        open_ -= 1
        accepted = isinstance(report, PublishReport) and report.ok
        sent, refused = sent + accepted, refused + (not accepted)
        came.set()

    async with in_bulk(courier, told, relays=[done.url]) as bulk:
        for start in range(0, len(ids), SLICE):
            part = frozenset(ids[start : start + SLICE])
            events = await courier.store.query([Filter(ids=part)])
            offered = list(_offered(events, filter, courier.book.owner))
            withheld += len(events) - len(offered)
            open_ += len(offered)
            await bulk.publish(offered)
            while open_:
                came.clear()
                await came.wait()
    return msgspec.structs.replace(done, sent=sent, refused=refused, withheld=withheld)


def _offered(events: Iterable[Event], filter: Filter, owner: str) -> Iterable[Event]:
    named = filter.kinds or frozenset()
    for event in events:
        if event.kind in UNPUBLISHED or (is_protected(event) and event.pubkey != owner):
            continue
        if event.kind not in _PRIVATE or event.kind in named:
            yield event
