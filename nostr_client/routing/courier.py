"""Courier: where the store meets the network. The only road for events, out and in.

Out. An event is saved, then what is wanted of it is written down (which relays should hold it),
and only then is it sent; every answer goes to the ledger. A crash in between loses nothing: what is
saved and not planned, or planned and not confirmed, is found again by `resilience.replication`.

In. `routing.reader`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import msgspec

from nostr_client.errors import InvalidEvent, Outdated, SecretFound, StoreError
from nostr_client.net.outcome import Cause, How
from nostr_client.net.pool import RelayPool
from nostr_client.net.report import Answer, PublishReport
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, event_address
from nostr_client.protocol.kinds import is_ephemeral
from nostr_client.protocol.refusals import FINAL, Meaning, next_try
from nostr_client.routing.key_refusals import KeyRefusals, earlier
from nostr_client.routing.planner import (
    Audience,
    is_protected,
    left_out,
)
from nostr_client.routing.publish_plans import PublishPlans
from nostr_client.routing.relay_book import RelayBook
from nostr_client.routing.under_way import Coming, TakenCopies, UnderWay, answer_of
from nostr_client.signing.gate import OwnKeys
from nostr_client.signing.leaks import leaked_by
from nostr_client.signing.secret_search import SoughtKeys
from nostr_client.store.contract import GONE, ClientStore, Copy, SaveStatus
from nostr_client.tasks import together

log = logging.getLogger(__name__)

PUBLISH_LIMIT: Final = 10.0
"""Seconds that relays have to answer to a publication."""
ROUNDS: Final = 4
"""Times that a publication is sent to other relays while none could be reached."""

KEY_FOUND: Final = "this holds a secret key of yours: it is not sent"
OnAnswer = Callable[[Answer], None]


class Destinations(NamedTuple):
    """The relays that an event is sent to, those that get it when they are back (`resting`), and
    what those that do not get it said before (`told`). `shut` take nothing of its author's. Of the
    `keepers` one must answer. `known`: those that stand in for nobody."""

    urls: tuple[str, ...]
    resting: tuple[str, ...] = ()
    told: tuple[Answer, ...] = ()
    shut: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    keepers: frozenset[str] = frozenset()


class Courier(PublishPlans):
    """Publishes, and reads as a `RelayReader` does, for one client, inside `async with`.

    What holds a secret key of `own`, those of all accounts of the folder, is neither saved nor
    sent, whoever signed it. `on_planned` is called after wants were written down and the first
    round of sending is over, so that whoever replicates can look at what is left.
    """

    def __init__(
        self,
        store: ClientStore,
        pool: RelayPool,
        book: RelayBook,
        *,
        folder: Path | None = None,
        own: OwnKeys = tuple,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(store, pool, book, folder=folder, clock=clock)
        self.key_refusals = KeyRefusals(store, clock)
        self.under_way = UnderWay()
        self._own = own
        self.on_planned: Callable[[], None] = lambda: None

    async def __aenter__(self) -> Self:
        self.pool.on_late = self._on_late_answer
        return await super().__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.pool.on_late = lambda event_id, answer: None
        await super().__aexit__(kind, error, trace)

    # Out

    async def publish(
        self,
        event: Event,
        *,
        also: Collection[str] = (),
        only: Sequence[str] | None = None,
        on_answer: OnAnswer | None = None,
        timeout: float = PUBLISH_LIMIT,  # noqa: ASYNC109 - it ends in a report, not in an error
    ) -> PublishReport:
        """Save, write down where it should be, send; `also` names relays beside the plan's, `only`
        those, and `also`, that get it in place of the plan's: these may be dialled.

        Returns when every relay has answered, or after `timeout` seconds. A relay that is known to
        be down is not tried now, unless nobody else is there to keep it. Where none of the author's
        could be reached, the next ones of the plan are sent to, at most `ROUNDS` times in all, with
        `timeout` seconds each. That nobody answers is a report like any other. Raises StoreError,
        and InvalidEvent for what the store will not hold (a newer version is there, it was deleted,
        it has expired); SecretFound.
        """
        await self.refuse_leak(event)
        copies = await self.where_it_bears(event)  # once it is saved, what it deletes is gone
        await self.save(event)
        if only is not None:
            urls = tuple(dict.fromkeys((*only, *also)))
            return await self.send(event, urls, on_answer=on_answer, timeout=timeout)
        audience = await self.audience(event, copies)
        goes = await self.destinations(event, audience, also)
        report = await self.send(
            event, goes.urls, goes.resting, on_answer=on_answer, timeout=timeout
        )
        answers, homes = [*report.answers, *goes.told], goes.keepers
        tried = {*goes.shut, *goes.urls, *goes.resting}
        for _ in range(1, ROUNDS):
            if not homes or any(a.url in homes and a.accepted is not None for a in answers):
                break
            more = [u for u in await self.plan_for(event, audience, avoid=tried) if u not in tried]
            if not more:
                break
            tried |= set(more)
            others = await self.send(event, more, on_answer=on_answer, timeout=timeout)
            answers += others.answers
        known = {*goes.known, *also, *audience.author.write}
        return PublishReport(
            event.id,
            tuple(answers),
            instead=tuple(answer.url for answer in answers if answer.url not in known),
            left_out=left_out(event, audience, {answer.url for answer in answers}),
        )

    async def destinations(
        self, event: Event, audience: Audience, also: Collection[str] = ()
    ) -> Destinations:
        """Where `event`, which is saved and concerns `audience`, is sent now; `also` to these."""
        shut = await self.key_refusals.shut_to(event)
        wanted = await self.plan_for(event, audience, down=frozenset())
        told = tuple(earlier(shut[url]) for url in wanted if url in shut)
        wanted = tuple(url for url in wanted if url not in shut)
        urls = await self.plan_for(event, audience, avoid=shut)
        more = [url for url in also if self.book.policy(url) and url not in shut]
        urls = tuple(dict.fromkeys((*urls, *more)))
        keepers = self.keepers(event, audience.author)
        if not (keepers.intersection(urls) if keepers else urls):
            urls = tuple(dict.fromkeys((*urls, *wanted)))  # one of them may be back
        resting = tuple(url for url in wanted if url not in urls)
        known = frozenset({self.book.policy.own_relay, *wanted})
        return Destinations(urls, resting, told, frozenset(shut), known, keepers)

    async def save(self, event: Event) -> SaveStatus:
        """Save an event of our own. Raises as `publish` does."""
        await self.refuse_leak(event)
        status = (await self.store.save([event]))[0].status
        if (problem := unheld(status)) is not None:
            raise problem
        return status

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

        Those that are `resting` should hold it too, but are down: they get it later. One that
        refused it for good is not sent it again: its answer is what it said then; and where it is
        being sent already, the answer to that is waited for. Raises StoreError, SecretFound.
        """
        await self.refuse_leak(event)
        lasting = not is_ephemeral(event.kind)
        with self.under_way.sending() as mine:
            taken = mine.take(event.id, urls) if lasting else {}
            known = await self.ledger.copies(event.id) if lasting else []
            over = {copy.url: copy for copy in known if copy.state in GONE}
            before = told_before(over, (*urls, *resting))
            urls, resting = ([url for url in each if url not in over] for each in (urls, resting))
            if lasting and (urls or resting):
                await self.ledger.want(event.id, [*urls, *resting], anew=False)
            answers: asyncio.Queue[Answer | None] = asyncio.Queue(
                2 * (len(urls) + len(resting)) + 8
            )

            def heard(answer: Answer) -> None:
                answers.put_nowait(answer)
                if on_answer is not None:
                    on_answer(answer)

            async with together() as group:
                if lasting:
                    group.create_task(self._record_all(event.id, answers, resting, mine))
                group.create_task(self.announce(event, urls, timeout))
                untried = tuple(map(self.resting, resting))
                for answer in untried:
                    heard(answer)
                if on_answer is not None:
                    for answer in before:
                        on_answer(answer)
                others = [
                    group.create_task(self._another_s(url, taken[url], timeout, on_answer))
                    for url in urls
                    if url in taken
                ]
                free = [url for url in urls if url not in taken]
                report = await self.pool.publish(event, free, timeout=timeout, on_answer=heard)
                answers.put_nowait(None)
        if lasting:
            self.on_planned()
        told = (task.result() for task in others)
        return msgspec.structs.replace(report, answers=(*report.answers, *told, *untried, *before))

    async def _another_s(
        self, url: str, coming: Coming, limit: float, on_answer: OnAnswer | None
    ) -> Answer:
        """The answer to what somebody else sends there now, who writes it down."""
        answer = await answer_of(url, coming, limit)
        if on_answer is not None:
            on_answer(answer)
        return answer

    async def refuse_leak(self, event: Event) -> None:
        if await self.leaking([event]):
            raise SecretFound(KEY_FOUND)

    async def leaking(self, events: Sequence[Event]) -> frozenset[str]:
        """The ids of those that hold a secret key of an account of this folder, or their own."""
        return await asyncio.to_thread(self._holding_keys, events)

    def _holding_keys(self, events: Sequence[Event]) -> frozenset[str]:
        own = self._own()
        return frozenset(e.id for e in events if leaked_by(e, SoughtKeys(own, (e.pubkey,))))

    def resting(self, url: str) -> Answer:
        """That of a relay which is down, and is not tried now."""
        outage = self.pool.outages.of(url)
        words = "it was down until just now"
        if outage is not None:
            words = f"down since {datetime.fromtimestamp(outage.since):%Y-%m-%d %H:%M}"
        return Answer.missing(url, Cause(How.UNREACHABLE, words))

    def back_at(self, url: str) -> int:
        """When a relay that is down is tried again, in seconds since 1970; 0 for at once."""
        outage = self.pool.outages.of(url)
        return outage.until if outage else 0

    def _on_late_answer(self, event_id: str, answer: Answer) -> None:
        """An OK counts whenever it comes; a no, if it is final."""
        if answer.accepted or answer.meaning in FINAL:
            self._tasks.start(self._record_late(event_id, answer))

    async def _record_late(self, event_id: str, answer: Answer) -> None:
        try:
            if await self.ledger.copies(event_id):
                await self.record(event_id, answer)
        except StoreError as error:
            log.warning("the late answer of %s was not written down: %s", answer.url, error)

    async def _record_all(
        self,
        event_id: str,
        answers: asyncio.Queue[Answer | None],
        resting: Collection[str],
        mine: TakenCopies,
    ) -> None:
        """Tell the ledger of each answer as it comes, until None."""
        while (answer := await answers.get()) is not None:
            not_before = self.back_at(answer.url) if answer.url in resting else 0
            await self.record(event_id, answer, not_before)
            mine.leave(event_id, answer.url, answer)

    async def record(self, event_id: str, answer: Answer, not_before: int = 0) -> None:
        """Tell the ledger. What is open stays open, for the replication to come back to."""
        if answer.accepted:
            await self.ledger.confirm([(event_id, answer.url)])
            return
        final = answer.meaning in FINAL
        now = self._clock()
        held = answer.meaning is Meaning.HELD  # to be looked for at once
        at = int(now) if held else next_try(answer.meaning, 0, now, 0.0)
        await self.ledger.refuse(
            event_id,
            answer.url,
            answer.prefix,
            answer.reason or answer.problem,
            final=final,
            next_try=0 if final else max(at, not_before),
            handed=answer.handed,
        )

    async def _relay_list_for(
        self, event: Event, urls: Sequence[str]
    ) -> tuple[Event, list[str]] | None:
        """NIP-65: whoever gets a note of ours should know where we write."""
        silent = (kinds.RELAY_LIST, kinds.VANISH, *kinds.GIFT_WRAPS)
        if event.kind in silent or is_protected(event) or is_ephemeral(event.kind):
            return None
        listed = await self.store.get_address(event_address(kinds.RELAY_LIST, event.pubkey))
        if listed is None or await self.leaking([listed]):
            return None
        told = {copy.url for copy in await self.ledger.copies(listed.id)}
        untold = [url for url in urls if url not in told and url not in self.book.indexers]
        return (listed, untold) if untold else None

    async def announce(self, event: Event, urls: Sequence[str], limit: float) -> None:
        """Tell `urls`, which `event` is sent to, where its author writes and reads (NIP-65), within
        `limit` seconds.

        Best effort: these relays owe us nothing, so nothing is wanted of them either; one that
        refuses is not told again."""
        announced = await self._relay_list_for(event, urls)
        if announced is None:
            return
        event, urls = announced
        with self.under_way.sending() as mine:
            others = mine.take(event.id, urls)
            told = {copy.url for copy in await self.ledger.copies(event.id)}
            untold = [url for url in urls if url not in told and url not in others]
            report = await self.pool.publish(event, untold, timeout=limit)
            await self.ledger.confirm([(event.id, url) for url in report.accepted])
            for answer in report.refused:
                if answer.meaning in FINAL:
                    await self.record(event.id, answer)
            for answer in report.answers:
                mine.leave(event.id, answer.url, answer)


def unheld(status: SaveStatus) -> InvalidEvent | None:
    """Why an event is not published that the store did this with; None where it may be."""
    if status in _SENT:
        return None
    words = _UNHELD.get(status, f"not stored: {status}")
    return Outdated(words) if status is SaveStatus.OUTDATED else InvalidEvent(words)


def told_before(over: Mapping[str, Copy], urls: Sequence[str]) -> tuple[Answer, ...]:
    """What those of `urls` said where the copy is over."""
    return tuple(earlier(over[url]) for url in urls if url in over)


_SENT: Final = frozenset(
    {SaveStatus.STORED, SaveStatus.REPLACED, SaveStatus.DUPLICATE, SaveStatus.EPHEMERAL}
)
_UNHELD: Final = {
    SaveStatus.OUTDATED: "a newer version of this is stored already",
    SaveStatus.DELETED: "this was deleted by its author",
    SaveStatus.EXPIRED: "this has expired already",
    SaveStatus.VANISHED: "its author asked for everything to be removed",
}
