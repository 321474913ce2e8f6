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
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from nostr_client.errors import InvalidEvent, Outdated, SecretFound, StoreError
from nostr_client.net.outcome import Cause, How
from nostr_client.net.pool import RelayPool
from nostr_client.net.report import Answer, PublishReport
from nostr_client.nips import nip10
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, event_address
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import is_hex64
from nostr_client.protocol.kinds import is_ephemeral
from nostr_client.protocol.refusals import FINAL, Meaning, next_try
from nostr_client.routing.address_policy import relay_url
from nostr_client.routing.key_refusals import KeyRefusals, earlier
from nostr_client.routing.planner import (
    Audience,
    PersonRelays,
    addressed,
    home,
    is_protected,
    left_out,
    mentioned,
    plan_publish,
    vanishes_everywhere,
)
from nostr_client.routing.reader import RelayReader
from nostr_client.routing.relay_book import RelayBook
from nostr_client.routing.under_way import Coming, TakenCopies, UnderWay, answer_of
from nostr_client.signing.gate import OwnKeys
from nostr_client.signing.leaks import leaked_by
from nostr_client.signing.secret_search import SoughtKeys
from nostr_client.store.contract import GONE, CopyState, EventStore, SaveStatus
from nostr_client.store.rules import ALL_RELAYS
from nostr_client.tasks import together

log = logging.getLogger(__name__)

PUBLISH_LIMIT: Final = 10.0
"""Seconds that relays have to answer to a publication."""
LOOKED_FOR: Final = 86_400
"""Seconds after it was written in which an event's people are looked for, to be sent to them."""
EVERYWHERE: Final = frozenset({ALL_RELAYS})
"""In place of relays: no relay at all."""
SLICE: Final = 500
"""Events whose copies are looked up in one go."""
ROUNDS: Final = 4
"""Times that a publication is sent to other relays while none could be reached."""

OnAnswer = Callable[[Answer], None]
Logins = Callable[[], Awaitable[frozenset[str]]]
PrivateRelayUrls = Callable[[], Awaitable[tuple[str, ...] | None]]
"""None while they are not known."""


async def _no_relays() -> None:
    return None


class Courier(RelayReader):
    """Publishes, and reads as a `RelayReader` does, for one client, inside `async with`.

    What holds a secret key of `own`, those of all accounts of the folder, is neither saved nor
    sent, whoever signed it. `on_planned` is called after wants were written down and the first
    round of sending is over, so that whoever replicates can look at what is left.
    """

    def __init__(
        self,
        store: EventStore,
        pool: RelayPool,
        book: RelayBook,
        *,
        folder: Path | None = None,
        own: OwnKeys = tuple,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(store, pool, book, folder=folder, clock=clock)
        self.ledger = store.ledger
        self.key_refusals = KeyRefusals(store, clock)
        self.under_way = UnderWay()
        self._own = own
        self.on_planned: Callable[[], None] = lambda: None
        self.logins: Logins = book.account_relays
        """The relays that may know who the account is (NIP-42): protected events go there alone."""
        self.private_relays: PrivateRelayUrls = _no_relays
        """Where the account keeps what only it can read (kind 10013): its drafts go there alone."""

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

    async def plan(self, event: Event, avoid: Collection[str] = ()) -> tuple[str, ...]:
        """The relays where `event` should be, most wanted first; none of those in `avoid`.

        One that is down stays wanted, and another one stands in for it. For an event that is older
        than `LOOKED_FOR` nobody's list is asked for any more. Where its author has asked to vanish
        since (NIP-62), it is not brought back.
        """
        left = await self.vanished_from(event)
        if left is EVERYWHERE:
            return ()
        avoid = {*avoid, *left}
        recent = self._clock() - event.created_at < LOOKED_FOR or event.kind in kinds.GIFT_WRAPS
        audience = await self._audience(event, await self._where_it_bears(event), ask=recent)
        now = await self._plan(event, audience, avoid)
        later = await self._plan(event, audience, avoid, down=frozenset())
        return tuple(dict.fromkeys((*now, *later)))

    async def vanished_from(self, event: Event) -> frozenset[str]:
        """The relays from which the author of `event` has asked to vanish since; `EVERYWHERE` for
        all there are."""
        if event.kind == kinds.VANISH or event.kind in kinds.GIFT_WRAPS:
            return frozenset()
        since = Filter(
            authors=frozenset({event.pubkey}),
            kinds=frozenset({kinds.VANISH}),
            since=event.created_at,
        )
        requests = await self.store.query([since])
        if any(map(vanishes_everywhere, requests)):
            return EVERYWHERE
        named = (relay_url(text) for each in requests for text in each.values("relay"))
        return frozenset(url for url in named if url)

    async def homes(self, pubkey: str) -> tuple[str, ...]:
        """The relays where what `pubkey` writes belongs, dead or alive: see `planner.home`."""
        ours = await self.book.client_relays(down=frozenset())
        return tuple(home(await self.book.relays_of(pubkey), ours))

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
        be down is not tried now, unless nobody else is there to keep it. Where none of the author's
        could be reached, the next ones of the plan are sent to, at most `ROUNDS` times in all, with
        `timeout` seconds each. That nobody answers is a report like any other. Raises StoreError,
        and InvalidEvent for what the store will not hold (a newer version is there, it was deleted,
        it has expired); SecretFound.
        """
        await self._refuse_leak(event)
        copies = await self._where_it_bears(event)  # once it is saved, what it deletes is gone
        await self.save(event)
        audience = await self._audience(event, copies)
        shut = await self.key_refusals.shut_to(event)
        wanted = await self._plan(event, audience, down=frozenset())
        told = [earlier(shut[url]) for url in wanted if url in shut]
        wanted = tuple(url for url in wanted if url not in shut)
        urls = await self._plan(event, audience, avoid=shut)
        more = [url for url in also if self.book.policy(url) and url not in shut]
        urls = tuple(dict.fromkeys((*urls, *more)))
        homes = self._homes(event, audience.author)
        if not (homes.intersection(urls) if homes else urls):
            urls = tuple(dict.fromkeys((*urls, *wanted)))  # one of them may be back
        resting = [url for url in wanted if url not in urls]
        report = await self.send(event, urls, resting, on_answer=on_answer, timeout=timeout)
        answers = [*report.answers, *told]
        tried = {*shut, *urls, *resting}
        for _ in range(1, ROUNDS):
            if not homes or any(a.url in homes and a.accepted is not None for a in answers):
                break
            more = [u for u in await self._plan(event, audience, avoid=tried) if u not in tried]
            if not more:
                break
            tried |= set(more)
            others = await self.send(event, more, on_answer=on_answer, timeout=timeout)
            answers += others.answers
        known = {self.book.policy.own_relay, *wanted, *also, *audience.author.write}
        return PublishReport(
            event.id,
            tuple(answers),
            instead=tuple(answer.url for answer in answers if answer.url not in known),
            left_out=left_out(event, audience, {answer.url for answer in answers}),
        )

    def _homes(self, event: Event, author: PersonRelays) -> frozenset[str]:
        """The relays that keep the author's notes for others, of which one must have answered, with
        yes or no. None for what goes elsewhere, and for a relay list that is empty on purpose."""
        if event.kind in (kinds.VANISH, *kinds.GIFT_WRAPS) or (
            author.source == "list" and not author.write
        ):
            return frozenset()
        return frozenset((*author.write, *self.book.fallback))

    async def save(self, event: Event) -> SaveStatus:
        """Save an event of our own. Raises as `publish` does."""
        await self._refuse_leak(event)
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

        Those that are `resting` should hold it too, but are down: they get it later. One that
        refused it for good is not sent it again: its answer is what it said then; and where it is
        being sent already, the answer to that is waited for. Raises StoreError, SecretFound.
        """
        await self._refuse_leak(event)
        lasting = not is_ephemeral(event.kind)
        with self.under_way.sending() as mine:
            taken = mine.take(event.id, urls) if lasting else {}
            known = await self.ledger.copies(event.id) if lasting else []
            over = {copy.url: copy for copy in known if copy.state in GONE}
            before = tuple(earlier(over[url]) for url in (*urls, *resting) if url in over)
            urls, resting = ([url for url in each if url not in over] for each in (urls, resting))
            if lasting and (urls or resting):
                await self.ledger.want(event.id, [*urls, *resting], anew=False)
            announce = await self._relay_list_for(event, urls)
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
                if announce is not None:
                    group.create_task(self._announce(*announce, timeout))
                untried = tuple(Answer.missing(url, self._why_resting(url)) for url in resting)
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

    async def _refuse_leak(self, event: Event) -> None:
        if await self._leaks(event):
            raise SecretFound("this holds a secret key of yours: it is not sent")

    async def _leaks(self, event: Event) -> bool:
        return await asyncio.to_thread(self._holds_key, event)

    def _holds_key(self, event: Event) -> bool:
        return bool(leaked_by(event, SoughtKeys(self._own(), (event.pubkey,))))

    def _why_resting(self, url: str) -> Cause:
        outage = self.pool.outages.of(url)
        if outage is None:
            return Cause(How.UNREACHABLE, "it was down until just now")
        since = datetime.fromtimestamp(outage.since)
        return Cause(How.UNREACHABLE, f"down since {since:%Y-%m-%d %H:%M}")

    async def _plan(
        self,
        event: Event,
        audience: Audience,
        avoid: Collection[str] = (),
        down: frozenset[str] | None = None,
    ) -> tuple[str, ...]:
        """`down` as in `RelayBook.client_relays`."""
        ours = await self.book.client_relays(down=down)
        return plan_publish(event, audience, ours, avoid=avoid)

    async def _audience(self, event: Event, copies: Sequence[str], *, ask: bool = True) -> Audience:
        """Whom `event` concerns, and their relays: whoever is answered first. `ask`: once the lists
        that are not here were looked for."""
        if event.kind in kinds.GIFT_WRAPS:
            recipients = nip10.people_of(event)
            await self.fetch_lists(recipients, kind=kinds.DM_RELAYS)
            inboxes = await self.book.dm_relays(recipients)
            return Audience(PersonRelays(event.pubkey), inboxes=inboxes)
        if event.kind == kinds.DRAFT_WRAP:
            mine = event.pubkey == self.book.owner
            private = await self.private_relays() if mine else None
            return Audience(PersonRelays(event.pubkey), private=private or ())
        pubkeys = await self._addressed(event)
        if ask:
            await self.fetch_lists({event.pubkey, *pubkeys})
        people = await self.book.relays_of_many(pubkeys)
        return Audience(
            await self.book.relays_of(event.pubkey),
            {pubkey: people[pubkey] for pubkey in pubkeys},
            copies=[url for url in copies if self.book.policy(url)],
            logins=await self._logins(event),
        )

    async def _logins(self, event: Event) -> frozenset[str] | None:
        if not is_protected(event):
            return None
        return await self.logins() if event.pubkey == self.book.owner else frozenset()

    async def _addressed(self, event: Event) -> tuple[str, ...]:
        if not mentioned(event):
            return ()
        follows = await self.store.get_address(event_address(kinds.FOLLOWS, event.pubkey))
        return addressed(event, frozenset(follows.values("p")) if follows else frozenset())

    async def _where_it_bears(self, event: Event) -> list[str]:
        """Where the events are that a deletion names; what a request to vanish names, or wherever
        its author's events are. Nothing for any other event."""
        if event.kind == kinds.VANISH and not vanishes_everywhere(event):
            return [url for text in event.values("relay") if (url := relay_url(text))]
        if event.kind == kinds.VANISH:
            return await self._copies_held(await self.ledger.tracked([event.pubkey]))
        if event.kind != kinds.DELETION:
            return []
        ids = list(filter(is_hex64, event.values("e")))
        for address in event.values("a"):
            held = await self.store.get_address(address)
            if held is not None:
                ids.append(held.id)
        return await self._copies_held(ids)

    async def _copies_held(self, ids: Sequence[str]) -> list[str]:
        """The relays that have any of these events, or may have."""
        urls: dict[str, None] = {}
        for start in range(0, len(ids), SLICE):
            found = await self.ledger.copies_of(ids[start : start + SLICE])
            each = (copy for copies in found.values() for copy in copies)
            urls |= {copy.url: None for copy in each if copy.state is not CopyState.REFUSED}
        return list(urls)

    def _on_late_answer(self, event_id: str, answer: Answer) -> None:
        """An OK counts whenever it comes; a no, if it is final."""
        if answer.accepted or answer.meaning in FINAL:
            self._tasks.start(self._record_late(event_id, answer))

    async def _record_late(self, event_id: str, answer: Answer) -> None:
        try:
            if await self.ledger.copies(event_id):
                await self._record(event_id, answer)
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
            outage = self.pool.outages.of(answer.url) if answer.url in resting else None
            await self._record(event_id, answer, not_before=outage.until if outage else 0)
            mine.leave(event_id, answer.url, answer)

    async def _record(self, event_id: str, answer: Answer, not_before: int = 0) -> None:
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
        if listed is None or await self._leaks(listed):
            return None
        told = {copy.url for copy in await self.ledger.copies(listed.id)}
        untold = [url for url in urls if url not in told and url not in self.book.indexers]
        return (listed, untold) if untold else None

    async def _announce(self, event: Event, urls: Sequence[str], limit: float) -> None:
        """Best effort: these relays owe us nothing, so nothing is wanted of them either; one that
        refuses is not told again."""
        with self.under_way.sending() as mine:
            others = mine.take(event.id, urls)
            told = {copy.url for copy in await self.ledger.copies(event.id)}
            untold = [url for url in urls if url not in told and url not in others]
            report = await self.pool.publish(event, untold, timeout=limit)
            await self.ledger.confirm([(event.id, url) for url in report.accepted])
            for answer in report.refused:
                if answer.meaning in FINAL:
                    await self._record(event.id, answer)
            for answer in report.answers:
                mine.leave(event.id, answer.url, answer)


_UNHELD: Final = {
    SaveStatus.OUTDATED: "a newer version of this is stored already",
    SaveStatus.DELETED: "this was deleted by its author",
    SaveStatus.EXPIRED: "this has expired already",
    SaveStatus.VANISHED: "its author asked for everything to be removed",
}
