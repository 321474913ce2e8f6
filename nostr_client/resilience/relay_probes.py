"""What a relay does for this account just now: it is reached, written to, and read as a stranger.

It is tried with an event that is its own anyway (the relay list, or else the profile, or the newest
note), so that nothing is written that would not be there in the end. What a relay refused for good
is not offered to it again, and what it refuses now goes into the ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec

from nostr_client.net.outcome import Cause, How
from nostr_client.net.pool import RelayPool
from nostr_client.net.report import Answer
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.refusals import FINAL
from nostr_client.resilience.audits import Stranger
from nostr_client.routing.under_way import UnderWay, answer_of
from nostr_client.store.contract import GONE, CopyGrade, CopyLedger
from nostr_client.tasks import all_of

LIMIT: Final = 8.0
"""Seconds for each of reading and writing."""
AT_ONCE: Final = 8


class RelayProbe(msgspec.Struct, frozen=True):
    """What came of one: `reached`, and `problem` in our words, or the relay's; empty when all is
    well."""

    url: str
    reached: bool = False
    problem: str = ""


class RelayProber:
    """Probes relays with `event`; `stranger` makes the pool that reads it back, and `under_way` is
    the account's."""

    def __init__(
        self,
        pool: RelayPool,
        ledger: CopyLedger,
        stranger: Stranger,
        event: Event,
        under_way: UnderWay,
    ) -> None:
        self._pool = pool
        self._ledger = ledger
        self._stranger = stranger
        self._event = event
        self._under_way = under_way

    async def look(self, urls: Collection[str]) -> Mapping[str, RelayProbe]:
        """Only connect and read. Raises StoreError, as all of them."""
        return await self._each(urls, write=False)

    async def try_out(self, urls: Collection[str]) -> Mapping[str, RelayProbe]:
        """Write, and read it back."""
        return await self._each(urls, write=True)

    async def _each(self, urls: Collection[str], *, write: bool) -> Mapping[str, RelayProbe]:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(url: str) -> RelayProbe:
            async with gate:
                return await (self._write(url) if write else self._read(url))

        wanted: Sequence[str] = list(dict.fromkeys(urls))
        self._pool.retry_now(wanted)
        return {probe.url: probe for probe in await all_of(one(url) for url in wanted)}

    async def _read(self, url: str) -> RelayProbe:
        mine = Filter(ids=frozenset({self._event.id}))
        fetched = await self._pool.fetch([mine], [url], timeout=LIMIT)
        end = fetched.ends[url]
        if end.answered or end.how is How.NOT_ALLOWED:
            return RelayProbe(url, reached=True)
        return RelayProbe(url, problem=end.words)

    async def _write(self, url: str) -> RelayProbe:
        event_id = self._event.id
        with self._under_way.sending() as mine:
            others = mine.take(event_id, [url])
            known = [c for c in await self._ledger.copies(event_id) if c.url == url]
            if known and known[0].state in GONE:
                return RelayProbe(url, reached=True, problem=f"it refused: {known[0].reason}")
            if url in others:
                answer = await answer_of(url, others[url], LIMIT)
            else:
                answer = await self._send(url)
                mine.leave(event_id, url, answer)
        if answer.accepted is None:
            return RelayProbe(url, problem=answer.problem)
        if not answer.accepted:
            return RelayProbe(url, reached=True, problem=f"it refused: {answer.cause}")
        return await self._read_back(url)

    async def _send(self, url: str) -> Answer:
        """What it says; what is final goes into the ledger."""
        report = await self._pool.publish(self._event, [url], timeout=LIMIT)
        if not report.answers:
            return Answer.missing(url, Cause(How.NOT_ASKED, "this address is not dialled"))
        answer = report.answers[0]
        if answer.meaning in FINAL:
            await self._ledger.refuse(
                *(self._event.id, url, answer.prefix, answer.reason), final=True, next_try=0
            )
        return answer

    async def _read_back(self, url: str) -> RelayProbe:
        async with self._stranger() as pool:
            mine = Filter(ids=frozenset({self._event.id}))
            fetched = await pool.fetch([mine], [url], timeout=LIMIT)
        if any(found.id == self._event.id for found in fetched.events):
            await self._ledger.confirm([(self._event.id, url)], CopyGrade.READ_AS_STRANGER)
            return RelayProbe(url, reached=True)
        await self._ledger.confirm([(self._event.id, url)])
        return RelayProbe(url, reached=True, problem="it took an event, and shows it to nobody")
