"""Many events, published as the courier publishes one: saved, written down as wanted, and only then
sent; every answer goes to the ledger, and a report by relay comes of each.

What is done for each event there is done here for a batch: one look for keys, one save, one line of
the ledger for many copies, one plan for all that an author writes of a kind. What is planned in
another way (`_is_plain` says which) goes the courier's own road, some at a time.

Where none of an author's relays can be reached no others are tried here: what is wanted stands in
the ledger, and the replication places it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Final

from nostr_client.errors import NostrError, SecretFound, StoreError
from nostr_client.net.bulk_sender import BulkSender
from nostr_client.net.report import Answer, PublishReport
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.kinds import is_ephemeral
from nostr_client.routing.courier import (
    KEY_FOUND,
    PUBLISH_LIMIT,
    Courier,
    Destinations,
    told_before,
    unheld,
)
from nostr_client.routing.planner import is_protected, mentioned
from nostr_client.routing.under_way import Coming, TakenCopies, answer_of
from nostr_client.store.contract import GONE
from nostr_client.tasks import all_of, together

ALONE: Final = 32
"""Events on the courier's own road at a time."""
PLAN_AGE: Final = 5.0
"""Seconds for which a plan holds: relays die, and lists are read, meanwhile."""
_OWN_ROADS: Final = frozenset({kinds.DELETION, kinds.VANISH, kinds.DRAFT_WRAP, *kinds.GIFT_WRAPS})
Done = Callable[[Event, PublishReport | NostrError], None]
"""Told of each event what came of it: the error is that of `Courier.publish`."""


class _Sending:
    """One event that is being sent: `answers` by URL, in the order in which they are asked; so many
    are `open`. `told` are answers that nobody waits for. It was given here so many `times`."""

    __slots__ = ("answers", "event", "goes", "open", "times", "told")

    def __init__(self, event: Event, goes: Destinations) -> None:
        self.event = event
        self.goes = goes
        self.answers: dict[str, Answer | None] = {}
        self.told: tuple[Answer, ...] = goes.told
        self.open = 0
        self.times = 1

    def report(self) -> PublishReport:
        heard = tuple(answer for answer in self.answers.values() if answer is not None)
        answers = (*heard, *self.told)
        known = self.goes.known
        instead = tuple(a.url for a in answers if a.url not in known) if known else ()
        return PublishReport(self.event.id, answers, instead=instead)


class BulkPublishing:
    """Made by `in_bulk`. `publish` batches, one after the other; who calls it bounds how many
    events are under way, which `done` tells."""

    def __init__(
        self,
        courier: Courier,
        sender: BulkSender,
        mine: TakenCopies,
        group: asyncio.TaskGroup,
        *,
        relays: Sequence[str] | None,
        limit: float,
        done: Done,
    ) -> None:
        self._courier = courier
        self._sender = sender
        self._mine = mine
        self._group = group
        self._only = None if relays is None else Destinations(tuple(relays))
        self._limit = limit
        self._done = done
        self._sending: dict[str, _Sending] = {}
        self._answers: list[tuple[Event, Answer]] = []
        self._filled = asyncio.Event()
        self._plans: dict[tuple[str, int], tuple[float, Destinations]] = {}
        self._announced: dict[str, set[str]] = {}
        self._alone = asyncio.Semaphore(ALONE)

    async def publish(self, events: Sequence[Event]) -> None:
        """Save and send; what each comes to is told later, or at once. Raises StoreError."""
        courier, fine = self._courier, list[Event]()
        leaking = await courier.leaking(events)
        for event in events:
            if event.id in leaking:
                self._done(event, SecretFound(KEY_FOUND))
            elif running := self._sending.get(event.id):
                running.times += 1
            elif self._only is None and not _is_plain(event):
                await self._alone.acquire()
                self._group.create_task(self._publish_alone(event))
            else:
                fine.append(event)
        kept: list[_Sending] = []
        for event, result in zip(fine, await courier.store.save(fine), strict=True):
            if (problem := unheld(result.status)) is not None:
                self._done(event, problem)
            elif (running := self._sending.get(event.id)) is not None:  # twice in one batch
                running.times += 1
            else:
                goes = self._only or await self._destinations(event)
                self._sending[event.id] = sending = _Sending(event, goes)
                kept.append(sending)
        await self._want(kept)
        for sending in kept:
            await self._send(sending)

    async def _publish_alone(self, event: Event) -> None:
        try:
            report = await self._courier.publish(event, timeout=self._limit)
        except StoreError:
            raise
        except NostrError as error:
            self._done(event, error)
        else:
            self._done(event, report)
        finally:
            self._alone.release()

    async def _destinations(self, event: Event) -> Destinations:
        """Where all goes that its author writes of its kind, as far as it is plain."""
        key = (event.pubkey, event.kind)
        made, goes = self._plans.get(key, (0.0, None))
        if goes is None or monotonic() - made > PLAN_AGE:
            audience = await self._courier.audience(event, ())
            goes = await self._courier.destinations(event, audience)
            self._plans[key] = monotonic(), goes
        return goes

    async def _want(self, batch: Sequence[_Sending]) -> None:
        """Write down where each is to be; what is over there stays so."""
        lasting = {each.event.id: each for each in batch if not is_ephemeral(each.event.kind)}
        known = await self._courier.ledger.copies_of(lasting)
        wanted: dict[str, list[str]] = {}
        for event_id, each in lasting.items():
            over = {c.url: c for c in known.get(event_id, ()) if c.state in GONE}
            urls = (*each.goes.urls, *each.goes.resting)
            each.told += told_before(over, urls)
            wanted[event_id] = [url for url in urls if url not in over]
            each.answers = dict.fromkeys(wanted[event_id])
        for each in batch:
            if each.event.id not in lasting:
                each.answers = dict.fromkeys(each.goes.urls)
            each.open = len(each.answers)
        await self._courier.ledger.want_all(wanted, anew=False)

    async def _send(self, sending: _Sending) -> None:
        event, urls = sending.event, list(sending.answers)
        if not urls:
            self._end(sending)
            return
        await self._announce(event, urls)
        taken: Mapping[str, Coming] = {}
        if not is_ephemeral(event.kind):
            taken = self._mine.take(event.id, urls)
        for url in urls:
            if url in taken:
                self._group.create_task(self._another_s(event, url, taken[url]))
            elif url in sending.goes.resting:
                self.heard(event, self._courier.resting(url))
            else:
                await self._sender.send(event, url)

    async def _another_s(self, event: Event, url: str, coming: Coming) -> None:
        answer = await answer_of(url, coming, self._limit)
        self._count(event.id, answer)  # who sent it writes it down

    async def _announce(self, event: Event, urls: Sequence[str]) -> None:
        """Where the author's notes go first, the author's relay list goes too (NIP-65)."""
        told = self._announced.setdefault(event.pubkey, set())
        if untold := [url for url in urls if url not in told]:
            told.update(untold)
            self._group.create_task(self._courier.announce(event, untold, self._limit))

    # What comes back

    def heard(self, event: Event, answer: Answer) -> None:
        """A relay answered; it is written down soon."""
        self._answers.append((event, answer))
        self._filled.set()

    async def record(self) -> None:
        """Write down what was answered, all that came meanwhile at once; for ever."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            heard, self._answers = self._answers, []
            lasting = [(e, a) for e, a in heard if not is_ephemeral(e.kind)]
            yes = [(event.id, answer.url) for event, answer in lasting if answer.accepted]
            await self._courier.ledger.confirm(yes)
            await all_of(
                self._courier.record(event.id, answer, self._not_before(event, answer))
                for event, answer in lasting
                if not answer.accepted
            )
            for event, answer in heard:
                self._mine.leave(event.id, answer.url, answer)
                self._count(event.id, answer)

    def _not_before(self, event: Event, answer: Answer) -> int:
        rests = answer.url in self._sending[event.id].goes.resting
        return self._courier.back_at(answer.url) if rests else 0

    def _count(self, event_id: str, answer: Answer) -> None:
        sending = self._sending[event_id]
        sending.answers[answer.url] = answer
        sending.open -= 1
        if not sending.open:
            self._end(sending)

    def _end(self, sending: _Sending) -> None:
        del self._sending[sending.event.id]
        report = sending.report()
        for _ in range(sending.times):
            self._done(sending.event, report)


@asynccontextmanager
async def in_bulk(
    courier: Courier,
    done: Done,
    *,
    relays: Sequence[str] | None = None,
    limit: float = PUBLISH_LIMIT,
) -> AsyncIterator[BulkPublishing]:
    """Publish much through `courier`; with `relays`, normal URLs that may be dialled, to these
    alone. `limit` in seconds is for each event. What is under way when the block ends is not waited
    for: it is saved, and wanted. Raises StoreError."""
    bulk: BulkPublishing

    def heard(event: Event, answer: Answer) -> None:
        bulk.heard(event, answer)

    with courier.under_way.sending() as mine:
        async with courier.pool.sending(heard, limit=limit) as sender, together() as group:
            bulk = BulkPublishing(
                courier, sender, mine, group, relays=relays, limit=limit, done=done
            )
            recording = group.create_task(bulk.record())
            try:
                yield bulk
            finally:
                recording.cancel()
    courier.on_planned()


def _is_plain(event: Event) -> bool:
    """Is it planned by its author and its kind alone?"""
    return not (event.kind in _OWN_ROADS or is_protected(event) or mentioned(event))
