"""Events between this relay's store and one peer: fetched by id, sent by id; counted, bounded.

Rules
- What comes is verified by the pool and judged as an import is (`EventImporter`), part by part as
  it comes: what waits is bounded by the pool.
- What goes was stored here, so it is true. Two things stay: what its author alone may publish
  (NIP-70), and private messages, unless they are asked for by their kind: here they are shown only
  to those whom they name, and nobody knows what the peer does.
- What is refused for now is tried again, some times; what is refused for good is counted with the
  peer's words. A peer that takes nothing of the first `PATIENCE` events is not sent the others.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from typing import Final

import msgspec

from nostr_client.errors import ConnectionLost, Refused, RelayTimeout
from nostr_client.net.outcome import How
from nostr_client.net.pool import RelayPool
from nostr_client.net.rejected_ids import RejectedIds
from nostr_client.net.report import Answer
from nostr_client.net.session.paging import Paging
from nostr_client.net.subscription import Arrival, Ended, EndOfStored
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.refusals import PAUSES, is_for_now
from nostr_client.safe_text import safe_line
from nostr_client.store.visibility import PRIVATE
from nostr_client.tasks import all_of
from relays.engine.importing import EventImporter, count_reason

IDS: Final = 250
"""Events that one REQ asks for by id."""
REQUESTS: Final = 8
"""Such REQs at the same time."""
SENDING: Final = 100
"""Events that are sent before their OKs are waited for."""
SENDERS: Final = 4
"""So many times as many are under way, once the first had their answers."""
PATIENCE: Final = 500
IDLE: Final = 60.0
"""Seconds that a peer may be silent while it owes us something."""
PAUSES_IN_ALL: Final = 30
REMEMBERED: Final = 100_000
"""Events that came: so many are not sent back."""
_WORDS: Final = 100

OnEvents = Callable[[list[Event]], Awaitable[object]]


class SentCounts(msgspec.Struct):
    """What became of what was to be sent. `kept` stayed here, and `reasons` are the peer's words,
    by how often; `unsent`: the peer takes nothing, so these were not offered."""

    accepted: int = 0
    duplicate: int = 0
    unsent: int = 0
    kept: Counter[str] = msgspec.field(default_factory=Counter)
    reasons: Counter[str] = msgspec.field(default_factory=Counter)

    @property
    def refused(self) -> int:
        return self.reasons.total()

    @property
    def hopeless(self) -> bool:
        """Does the peer take nothing?"""
        return self.refused >= PATIENCE and not self.accepted + self.duplicate

    def __str__(self) -> str:
        head = f"accepted {self.accepted}, duplicate {self.duplicate}, refused {self.refused}"
        unsent = [f"{self.unsent} not sent: the relay takes nothing"] if self.unsent else []
        lists = ((self.reasons, "refused"), (self.kept, "kept here"))
        why = [
            f"  {count} x {word}: {reason}"
            for reasons, word in lists
            for reason, count in reasons.most_common()
        ]
        return "\n".join([", ".join([head, *unsent]), *why])


class PeerTransfer:
    """Carries between the store of `importer` and the peer `url`."""

    def __init__(
        self,
        pool: RelayPool,
        url: str,
        importer: EventImporter,
        rejected: RejectedIds | None = None,
    ) -> None:
        self.url = url
        self.rejected = RejectedIds() if rejected is None else rejected
        self.sent = SentCounts()
        self.missing = 0
        """Events that the peer has said to hold and did not send."""
        self.importer = importer
        self.pool = pool
        self._pauses = PAUSES_IN_ALL
        self._came: OrderedDict[str, None] = OrderedDict()

    def reset_patience(self) -> None:
        """It is a new day: there is patience again."""
        self._pauses = PAUSES_IN_ALL

    # Down

    async def fetch(self, ids: Collection[bytes]) -> None:
        """Fetch these events from the peer. Raises RelayError; what came before is stored."""
        parts = _parts([id for id in ids if id not in self.rejected], IDS)

        async def work() -> None:
            for part in parts:  # shared: each takes the next
                await self._fetch({id.hex() for id in part})

        await all_of(work() for _ in range(REQUESTS))

    async def _fetch(self, wanted: set[str]) -> None:
        async def read(events: list[Event]) -> None:
            held = {event.id for event in await self.take(events)}
            ids = {event.id for event in events}
            wanted.difference_update(ids)
            self.rejected.add(map(bytes.fromhex, ids - held))

        pauses = iter((*PAUSES, 0.0))
        while wanted:
            before = len(wanted)
            try:
                await self.read(Filter(ids=frozenset(wanted), limit=before), read)
            except Refused as refusal:
                pause = next(pauses)
                if not pause or self._pauses <= 0 or not is_for_now(refusal.prefix):
                    raise
                await self._wait(pause)
            else:
                if len(wanted) == before:  # it may have sent a part at a time
                    break
        self.missing += len(wanted)

    async def take(self, events: Sequence[Event]) -> list[Event]:
        """Judge and store verified events of the peer; returns those held now.

        Raises StoreError.
        """
        for event in events:
            self._came[event.id] = None
        while len(self._came) > REMEMBERED:
            self._came.popitem(last=False)
        return await self.importer.save([event for event in events if self.importer.admit(event)])

    async def count(self, filter: Filter) -> int | None:
        """How many events of `filter` the peer has, if it says so exactly (NIP-45)."""
        [answer] = await self.pool.count([filter], [self.url])
        return None if answer.approximate else answer.count

    def came_from_peer(self, event: Event) -> bool:
        """Did the peer send us this, not long ago?"""
        return event.id in self._came

    async def read(
        self, filter: Filter, on_events: OnEvents, paging: Paging | None = None
    ) -> EndOfStored:
        """Hand the peer's stored events of `filter`, verified, to `on_events`; is that all of them?

        Raises Refused, ConnectFailed, ConnectionLost, RelayTimeout.
        """
        lost = False
        paging = paging or Paging()
        async with self.pool.subscribe([filter], [self.url], live=False, paging=paging) as sub:
            while True:
                try:
                    async with asyncio.timeout(IDLE):
                        batch = await sub.next_batch()
                except TimeoutError:
                    raise RelayTimeout(self.url, f"timeout: no event within {IDLE:g} s") from None
                if batch is None:
                    raise ConnectionLost(self.url, "the pool is closed")
                if events := [item.event for item in batch if isinstance(item, Arrival)]:
                    await on_events(events)
                for item in batch:
                    if isinstance(item, EndOfStored):
                        return item
                    if isinstance(item, Ended):
                        if item.cause.how is How.INCOMPLETE:
                            return EndOfStored(self.url, complete=False)
                        if lost or item.cause.how is not How.LOST:
                            raise item.cause.error(self.url)
                        lost = True  # it may have closed an idle socket just now: once more

    # Up

    async def send(self, ids: Collection[bytes], filter: Filter) -> None:
        """Send these events, which match `filter`. Raises RelayError when there is no answer."""
        parts = _parts(ids, SENDING)

        async def work() -> None:
            for part in parts:  # shared: each takes the next
                await self._send(part, filter)

        if first := next(parts, None):
            await self._send(first, filter)
        await all_of(work() for _ in range(SENDERS))

    async def _send(self, ids: Sequence[bytes], filter: Filter) -> None:
        held = await self.importer.store.known([id.hex() for id in ids])
        events = [Event.from_trusted(data) for data in held.values()]
        await self.send_events(sorted(events, key=lambda event: event.created_at), [filter])

    async def send_events(self, events: list[Event], filters: Sequence[Filter]) -> None:
        """Send at most `SENDING` events, which match `filters`. Raises as `send` does."""
        if self.sent.hopeless:
            self.sent.unsent += len(events)
            return
        named = frozenset[int]().union(*(one.kinds or () for one in filters))
        events = [event for event in events if self._goes(event, named)]
        for pause in (*PAUSES, 0.0):
            answers = await self.offer(events)
            if events and all(answer.accepted is None for answer in answers):
                raise answers[0].cause.error(self.url)
            later: list[Event] = []
            again = pause and self._pauses > 0
            for event, answer in zip(events, answers, strict=True):
                if again and answer.accepted is False and is_for_now(answer.prefix):
                    later.append(event)
                else:
                    self._count(answer)
            if not later:
                return
            events = later
            await self._wait(pause)

    async def offer(self, events: Sequence[Event]) -> list[Answer]:
        """Publish `events` to the peer; its answers, in their order."""
        reports = await all_of(
            self.pool.publish(event, [self.url], timeout=IDLE) for event in events
        )
        return [report.answers[0] for report in reports]

    def _goes(self, event: Event, kinds: Collection[int]) -> bool:
        if event.is_protected:
            self.sent.kept["protected, for its author alone to publish"] += 1
        elif event.kind in PRIVATE and event.kind not in kinds:
            self.sent.kept["a private message, of a kind that was not asked for"] += 1
        else:
            expires = event.expiration
            return expires is None or expires > time.time()
        return False

    def _count(self, answer: Answer) -> None:
        if answer.accepted is None:
            count_reason(self.sent.reasons, safe_line(answer.problem, _WORDS))
        elif not answer.accepted:
            words = safe_line(str(answer.cause), _WORDS)
            count_reason(self.sent.reasons, words or "without a reason")
        elif answer.prefix == "duplicate":
            self.sent.duplicate += 1
        else:
            self.sent.accepted += 1

    async def _wait(self, pause: float) -> None:
        self._pauses -= 1
        await asyncio.sleep(pause)


def _parts(ids: Collection[bytes], size: int) -> Iterator[list[bytes]]:
    ordered = list(ids)
    return (ordered[start : start + size] for start in range(0, len(ordered), size))
