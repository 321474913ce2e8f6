"""Audits: is what a relay said it has really there, and shown to strangers?

An OK is a word (`CopyGrade.SAID`). A copy is looked for within a minute, after an hour, a day and a
week (`STAGES`), first as a stranger: on a short connection of its own that says nothing of who
asks, one a relay at a time, and over another circuit where a proxy makes them. What strangers are
not shown is asked for as ourselves.

- Shown to strangers: a receipt. Shown to nobody, or to us alone, while the relay answers: the copy
  is dropped, and another relay is to hold the event.
- One look asks as readers do, for what an author wrote in some hours, the next one by ids
  (`audit_questions`): who shows what is asked for by id, and nothing to readers, is found out.
- Where only members may read, a stranger's look tells nothing, and what we see ourselves counts.
  What nobody but its recipients may read is not looked for: the OK is the best that can be had.
- A relay that does not answer is asked again in an hour: silence accuses nobody.
- What is due on a relay is asked in one REQ. Each relay has a purse of requests (`BURST`, and one
  more every `REFILL` seconds), so that a busy author asks no more than a quiet one: what is due
  waits for the next look, and goes with it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import StoreError
from nostr_client.net.outcome import End, How
from nostr_client.net.pool import RelayPool
from nostr_client.paths import write_private
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.resilience.audit_questions import MOST_SHOWN, as_readers_ask
from nostr_client.store.contract import (
    FIRST_AUDIT,
    Audited,
    ClientStore,
    Copy,
    CopyGrade,
    CopyState,
)
from nostr_client.tasks import all_of

log = logging.getLogger(__name__)

STAGES: Final = (FIRST_AUDIT, 3_600, 86_400, 7 * 86_400)
"""Seconds from the confirmation, or the last look, to each look."""
AGAIN: Final = 3_600
"""Seconds until a relay that did not answer is asked again."""
BURST: Final = 8.0
"""Requests that a relay may be asked at once: all looks of one lone note."""
REFILL: Final = 3 * 3_600
"""Seconds for one request more."""
MOST_IDS: Final = 250
"""Events in one REQ: what relays that cap a page still answer whole."""
MOST_DUE: Final = 2_000
MOST_PURSES: Final = 500
AT_ONCE: Final = 4
"""Relays that are asked at the same time, so that one that hangs holds up few."""
READ_LIMIT: Final = 10.0
_UNSEEN: Final = frozenset({kinds.DIRECT_MESSAGE, *kinds.GIFT_WRAPS})
"""Kinds that a relay may well show to their recipients alone (NIP-17, NIP-42)."""

Stranger = Callable[[], AbstractAsyncContextManager[RelayPool]]
"""A pool that shares no connection and no circuit with another, and authenticates to nobody."""


class Purse(msgspec.Struct, frozen=True):
    """What a relay may be asked: so many requests, as of `at` (seconds since 1970). `by_id`: the
    next look asks by ids."""

    requests: float = BURST
    at: int = 0
    by_id: bool = False

    def now(self, now: float, refill: float = REFILL) -> float:
        """Requests left at `now`, with one more every `refill` seconds; a clock that was set back
        gives none, and takes none."""
        return min(BURST, self.requests + max(0.0, now - self.at) / refill)

    def spend(self, requests: int, now: float, refill: float = REFILL) -> Purse:
        """What is left after `requests`; never less than nothing."""
        return Purse(max(0.0, self.now(now, refill) - requests), int(now), self.by_id)


class Auditor:
    """Looks after the copies of what `pubkeys` wrote, and those of whom `others` names.

    `pool` is the account's own, `stranger` makes another for a moment. `folder` keeps the purses.
    In rehearsals looks come `early`, by so many seconds, and `refill` is shorter.
    For one process at a time: whoever holds the account's lock.
    """

    def __init__(
        self,
        store: ClientStore,
        pool: RelayPool,
        stranger: Stranger,
        *,
        pubkeys: Collection[str],
        folder: Path,
        others: Callable[[], Collection[str]] = frozenset,
        early: float = 0.0,
        refill: float = REFILL,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._early = early
        self._refill = refill
        self._saving = asyncio.Lock()
        self._store = store
        self._pool = pool
        self._stranger = stranger
        self._pubkeys = tuple(pubkeys)
        self._others = others
        self._path = folder / f"audits-{min(self._pubkeys, default='')[:16]}.json"
        self._clock = clock
        self._purses: dict[str, Purse] | None = None
        self.requests = 0
        """REQs that were sent, since the start."""

    async def look(self, besides: Collection[str] = ()) -> list[str]:
        """Look for everything that is due, but on the relays `besides`. Returns the ids of events
        of which a copy turned out to be dropped. Raises StoreError."""
        purses = await self._load()
        now = self._clock()
        poor = [url for url, purse in purses.items() if purse.now(now, self._refill) < 1.0]
        due = await self._store.ledger.audits_due(
            {*self._pubkeys, *self._others()},
            now + self._early,
            MOST_DUE,
            besides=[*besides, *poor],
        )
        return await self._look_at_all(due)

    async def check(self, event_ids: Collection[str], urls: Collection[str]) -> list[str]:
        """Look now for the confirmed copies of these events on these relays. Returns as `look`."""
        await self._load()
        copies = await self._store.ledger.copies_of(event_ids)
        every = [copy for each in copies.values() for copy in each]
        there = [c for c in every if c.url in urls and c.state is CopyState.CONFIRMED]
        return await self._look_at_all(there)

    async def _look_at_all(self, copies: Sequence[Copy]) -> list[str]:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one_relay(url: str, copies: Sequence[Copy]) -> list[str]:
            async with gate:
                results = await self._look_at(url, copies)
            await self._store.ledger.audited(results)
            gone = [r.event_id for r in results if r.state is CopyState.DROPPED]
            if gone:
                log.warning("%d events that %s had taken are not there", len(gone), url)
            return gone

        by_relay = _by_relay(copies)
        dropped = await all_of(one_relay(url, each[:MOST_IDS]) for url, each in by_relay.items())
        return [event_id for gone in dropped for event_id in gone]

    async def _look_at(self, url: str, copies: Sequence[Copy]) -> list[Audited]:
        ids = frozenset(copy.event_id for copy in copies)
        events = {e.id: e for e in await self._store.query([Filter(ids=ids)])}
        public = {e.id: e for e in events.values() if _is_for_everybody(e)}
        results = [_unchanged(copy, 0) for copy in copies if copy.event_id not in public]
        rest = [copy for copy in copies if copy.event_id in public]
        if rest:
            answers = [answer async for answer in self._ask(url, list(public.values()))]
            results += [self._judge(copy, answers) for copy in rest]
        return results

    async def _ask(self, url: str, events: Sequence[Event]) -> AsyncIterator[_Answer]:
        """What strangers see there and then, where that is not all, what we see."""
        ids = frozenset(event.id for event in events)
        by_id = [Filter(ids=ids)]
        filters = by_id if await self._asks_by_id(url) else as_readers_ask(events)
        if filters is not by_id and await self._is_much(filters):
            filters = by_id
        async with self._stranger() as pool:
            answer = await self._read(pool, url, filters)
        yield answer
        missing = ids - answer.ids
        if missing and answer.end.how is not How.UNREACHABLE:
            yield await self._read(self._pool, url, [Filter(ids=missing)])

    async def _asks_by_id(self, url: str) -> bool:
        """How this look asks; the next one asks otherwise."""
        purses = await self._load()
        purse = purses.get(url, Purse())
        purses[url] = msgspec.structs.replace(purse, by_id=not purse.by_id)
        return purse.by_id

    async def _is_much(self, filters: Sequence[Filter]) -> bool:
        """Is it more than relays show in one page, or nothing that can be asked in one question?"""
        most = [filter.changed(limit=MOST_SHOWN + 1) for filter in filters]
        return not filters or len(await self._store.query(most)) > MOST_SHOWN

    async def _read(self, pool: RelayPool, url: str, filters: Sequence[Filter]) -> _Answer:
        self.requests += 1
        await self._pay(url)
        fetched = await pool.fetch(filters, [url], timeout=READ_LIMIT)
        return _Answer(frozenset(e.id for e in fetched.events), fetched.ends[url])

    def _judge(self, copy: Copy, answers: Sequence[_Answer]) -> Audited:
        """What the looks at one copy came to; the stranger's is the first of them."""
        stranger, ourselves = answers[0], answers[-1]
        if copy.event_id in stranger.ids:
            return self._seen(copy, CopyGrade.READ_AS_STRANGER)
        if not (stranger.end.answered or stranger.end.how is How.NOT_ALLOWED):
            return _unchanged(copy, int(self._clock()) + AGAIN)
        if copy.event_id in ourselves.ids:
            if stranger.end.how is How.NOT_ALLOWED:
                return self._seen(copy, CopyGrade.READ_BACK)
            return _dropped(copy, "it shows it to you, and not to whoever looks for it")
        if ourselves is not stranger and ourselves.end.how is How.NOT_ALLOWED:
            return self._seen(copy, copy.grade)
        if ourselves is stranger or not ourselves.end.answered:
            return _unchanged(copy, int(self._clock()) + AGAIN)
        return _dropped(copy, "it said that it had it, and does not show it")

    def _seen(self, copy: Copy, grade: CopyGrade) -> Audited:
        audits = copy.audits + 1
        at = int(self._clock()) + STAGES[audits] if audits < len(STAGES) else 0
        return Audited(copy.event_id, copy.url, CopyState.CONFIRMED, grade, at, audits)

    # The purses

    async def _load(self) -> dict[str, Purse]:
        if self._purses is None:
            self._purses = await asyncio.to_thread(_read_purses, self._path)
        return self._purses

    async def _pay(self, url: str) -> None:
        purses = await self._load()
        now = self._clock()
        purses[url] = purses.get(url, Purse()).spend(1, now, self._refill)
        full = [u for u, purse in purses.items() if purse.now(now, self._refill) >= BURST]
        for one in full[: max(0, len(purses) - MOST_PURSES)]:
            del purses[one]
        try:
            async with self._saving:
                data = msgspec.json.encode(purses)
                await asyncio.to_thread(write_private, self._path, data)
        except StoreError as error:
            log.warning("what relays may still be asked was not saved: %s", error)


class _Answer(msgspec.Struct, frozen=True):
    """What one look brought, and how it ended."""

    ids: frozenset[str]
    end: End


def _read_purses(path: Path) -> dict[str, Purse]:
    """Blocks. What is damaged says nothing: purses are full then."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Purse])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        log.warning("what relays may still be asked was not read: %s", error)
        return {}


def _is_for_everybody(event: Event) -> bool:
    """May strangers read it wherever it is? Not what has recipients, or is protected (NIP-70)."""
    return event.kind not in _UNSEEN and not any(tag[0] == "-" for tag in event.tags)


def _unchanged(copy: Copy, audit_at: int) -> Audited:
    return Audited(
        copy.event_id, copy.url, CopyState.CONFIRMED, copy.grade, audit_at, copy.audits, copy.reason
    )


def _dropped(copy: Copy, reason: str) -> Audited:
    return Audited(
        copy.event_id, copy.url, CopyState.DROPPED, CopyGrade.NONE, 0, copy.audits + 1, reason
    )


def _by_relay(copies: Sequence[Copy]) -> Mapping[str, list[Copy]]:
    relays: dict[str, list[Copy]] = {}
    for copy in copies:
        relays.setdefault(copy.url, []).append(copy)
    return relays
