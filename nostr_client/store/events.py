"""EventStore: every event this program keeps, for a client and a relay alike.

What the rules say of an event comes back as a `SaveResult`; what goes wrong with the store itself
is a StoreError. Nothing above this room knows what kind of database it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from pathlib import Path
from typing import Final, Self

from nostr_client.errors import QueryTimeout, StoreError, TooMany
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.urls import normalize_relay_url
from nostr_client.store import plans, search_index, searching
from nostr_client.store.copies import CopyLedger
from nostr_client.store.database import LONGEST_VALUE, Database, Lane
from nostr_client.store.index_keys import IndexKeys, is_id, tie_of
from nostr_client.store.keeping import Keeping
from nostr_client.store.plans import NEWEST, Cursor
from nostr_client.store.reading import SLICE, Page, Reading, Slice
from nostr_client.store.saving import Saver, SaveResult, SaveStatus
from nostr_client.store.search_index import Indexer
from nostr_client.store.watching import Hearing, Stored, Watch, Watchers

__all__ = [
    "EventStore",
    "Lane",
    "Page",
    "QueryTimeout",
    "SaveResult",
    "SaveStatus",
    "Stored",
    "TooMany",
    "Watch",
]

_log = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.25
"""How soon a watch hears of what another process stored."""
PURGE_SECONDS: Final = 60.0
PAGE_BYTES: Final = 8 * 2**20
"""Bytes of JSON in one page, unless somebody says otherwise."""
_SAVE_AT_ONCE: Final = 2000
_QUEUED_EVENTS: Final = 50_000


class EventStore(Keeping):
    """Opened by `async with EventStore.open(path) as store`; safe beside other processes."""

    def __init__(
        self, db: Database, keys: IndexKeys, saver: Saver, clock: Callable[[], float]
    ) -> None:
        self._db = db
        self._keys = keys
        self._saver = saver
        self._removal = saver.removal
        self._reading = Reading(keys)
        self._clock = clock
        self._room = asyncio.Semaphore(_QUEUED_EVENTS // _SAVE_AT_ONCE)
        self._poke = asyncio.Event()
        self._watchers = Watchers(self._read_since, self._poke.set)
        self._indexer: Indexer | None = None
        self.ledger = CopyLedger(db, keys, clock)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        path: Path,
        *,
        keep_history_of: Collection[str] = (),
        service_urls: Collection[str] = (),
        clock: Callable[[], float] = time.time,
        time_limit: float = 5.0,
        search: bool = False,
    ) -> AsyncIterator[Self]:
        """The store in the file `path`, which is made if it is missing.

        `keep_history_of`: pubkeys whose superseded versions are kept. `service_urls`: a relay's
        own, for which it obeys requests to vanish (NIP-62); a client gives none. `time_limit`:
        seconds a query may take. `search`: answer filters with `search` (NIP-50), and index what is
        stored, later and in idle time. Raises StoreError, InvalidData for a service URL that is
        none.
        """
        urls = frozenset(normalize_relay_url(url) for url in service_urls)
        db = await Database.open(path, time_limit=time_limit)
        try:
            secret = await db.write(lambda c: c.execute("SELECT secret FROM state").fetchone()[0])
            keys = IndexKeys(secret)
            self = cls(db, keys, Saver(keys, urls), clock)
            await self.keep_history_of(keep_history_of)
            if urls:
                await db.write(self._removal.obey_stored)
            tasks = [asyncio.create_task(self._upkeep())]
            if search:
                await db.write(search_index.prepare)
                self._indexer = Indexer(db, self._read_since)
                tasks.append(asyncio.create_task(self._indexer.run()))
            try:
                yield self
            finally:
                self._watchers.end()
                for task in tasks:
                    task.cancel()
                for ended in await asyncio.gather(*tasks, return_exceptions=True):
                    if isinstance(ended, Exception):
                        raise ended
        finally:
            await db.close()

    # Writing

    async def save(self, events: Sequence[Event]) -> list[SaveResult]:
        """Durable on return; events are taken in the order given, their signatures for granted.

        Raises StoreError; then a part of a large batch may have been stored.
        """
        results: list[SaveResult] = []
        for start in range(0, len(events), _SAVE_AT_ONCE):
            part = events[start : start + _SAVE_AT_ONCE]
            async with self._room:
                results += await self._save(part)
        return results

    async def _save(self, events: Sequence[Event]) -> list[SaveResult]:
        now = int(self._clock())
        saved = await self._db.write(lambda c: self._saver.save(c, events, now), weight=len(events))
        if self._indexer is not None:
            self._indexer.saved()
        if self._watchers and saved.after != saved.before:
            fresh = [
                (result.seq, event)
                for result, event in zip(saved.results, events, strict=True)
                if result.seq
            ]
            self._watchers.committed(Stored(fresh, saved.before, saved.after))
        return saved.results

    async def keep_history_of(self, pubkeys: Collection[str]) -> None:
        """From now on keep the superseded versions of these authors, for good."""
        rows = json.dumps([self._keys.author(pubkey) for pubkey in pubkeys])
        if pubkeys:
            await self._db.write(
                lambda c: c.execute(
                    "INSERT OR IGNORE INTO keeper SELECT value FROM json_each(?)", (rows,)
                )
            )

    # Reading

    async def get(self, event_id: str) -> Event | None:
        """The event with this id."""
        found = await self.known([event_id])
        if not found:
            return None
        event = Event.from_trusted(found[event_id])
        expires = event.expiration
        return None if expires is not None and expires <= self._clock() else event

    async def get_address(self, address: str) -> Event | None:
        """The current version at `kind:pubkey:d`."""
        key, now = self._keys.address(address), int(self._clock())
        sql = (
            "SELECT json FROM event WHERE seq IN (SELECT seq FROM new_tag WHERE key = :key"
            " UNION ALL SELECT seq FROM tag WHERE key = :key)"
            " AND (expires IS NULL OR expires > :now)"
        )
        row = await self._db.read(lambda c: c.execute(sql, {"key": key, "now": now}).fetchone())
        return None if row is None else Event.from_trusted(row[0])

    async def known(self, ids: Collection[str]) -> dict[str, bytes]:
        """Of these ids, those that are held, each with its `Event.json`."""
        wanted = [event_id for event_id in frozenset(ids) if is_id(event_id)]
        held: dict[str, bytes] = {}
        for start in range(0, len(wanted), SLICE):
            some = wanted[start : start + SLICE]
            found = await self._db.read(lambda c, some=some: self._reading.known(c, some))  # type: ignore[misc]
            held |= found
        return held

    async def query(
        self, filters: Sequence[Filter], *, reader: Collection[str] | None = None
    ) -> list[Event]:
        """Each filter's newest `limit` (or all), united, newest first, then lowest id.

        Where there is a search among them, what fits it best comes first (see `searching`).

        `reader`, here and below: the pubkeys that whoever asks has shown to be; of gift wraps
        (kind 1059) he sees only those for one of them. None: he may see everything.
        Raises StoreError, QueryTimeout, InvalidFilter.
        """
        found: dict[str, Event] = {}
        asked = [self._for(f, reader) for f in filters]
        if searching.asks(asked):
            limits = [(f, f.limit) for f in asked]
            page = await self._db.read(
                lambda c: searching.page(
                    self._reading, c, limits, int(self._clock()), LONGEST_VALUE // 2
                )
            )
            return [Event.from_trusted(data) for data in page.events]
        for f in asked:
            left = f.limit
            async for part in self._slices(f, SLICE if left is None else min(left, SLICE)):
                events = part if left is None else part[:left]
                found |= {event.id: event for event in events}
                if left is not None:
                    left -= len(events)
                    if left <= 0:
                        break
        return sorted(found.values(), key=lambda event: event.order)

    async def page(
        self,
        filters: Sequence[Filter],
        *,
        max_limit: int | None = None,
        max_bytes: int = PAGE_BYTES,
        lane: Lane = Lane.BOTH,
        reader: Collection[str] | None = None,
    ) -> Page:
        """As `query`, without decoding anything; each limit is at most `max_limit`.

        Where it is `max_limit` that cuts, it does not cut a second in two: up to as many again that
        share the last one's created_at come too, so that paging by `until` misses nothing (NIP-67).
        Where the page would have more than `max_bytes`, its newest part comes, of whole seconds if
        there is more than one, and at least one event. Raises StoreError, QueryTimeout,
        InvalidFilter.
        """
        read = self._pager(filters, reader, max_limit, max_bytes)
        return await self._db.read(read, lane)

    def page_at_once(
        self,
        filters: Sequence[Filter],
        *,
        seconds: float,
        max_limit: int | None = None,
        max_bytes: int = PAGE_BYTES,
        reader: Collection[str] | None = None,
    ) -> Page:
        """As `page`, while the loop waits: for what is narrow, and so for `seconds` at most."""
        return self._db.at_once(self._pager(filters, reader, max_limit, max_bytes), seconds)

    def _pager(
        self,
        filters: Sequence[Filter],
        reader: Collection[str] | None,
        max_limit: int | None,
        max_bytes: int,
    ) -> Callable[[sqlite3.Connection], Page]:
        now = int(self._clock())
        asked = [(self._for(f, reader), _lowest(f.limit, max_limit)) for f in filters]
        if self._indexer is not None and searching.asks(filters):
            return lambda db: searching.page(self._reading, db, asked, now, max_bytes)
        return lambda db: self._reading.page(db, asked, max_limit, now, max_bytes)

    async def stream(
        self,
        filters: Sequence[Filter],
        *,
        size: int = 500,
        reader: Collection[str] | None = None,
    ) -> AsyncIterator[list[Event]]:
        """Everything that matches, newest first, in slices of at most `size`; limits are not read.

        Memory stays bounded. Each slice is its own snapshot.
        """
        walks = [aiter(self._slices(self._for(f, reader), size)) for f in filters]
        heads: list[list[Event]] = [await anext(walk, []) for walk in walks]
        while any(heads):
            # Up to the newest of the last ones, no walk can bring anything in between.
            edge = min(head[-1].order for head in heads if head)
            ready = {e.id: e for head in heads for e in head if e.order <= edge}
            out = sorted(ready.values(), key=lambda event: event.order)
            for start in range(0, len(out), size):
                yield out[start : start + size]
            for index, walk in enumerate(walks):
                had = bool(heads[index])
                heads[index] = [event for event in heads[index] if event.order > edge]
                if had and not heads[index]:
                    heads[index] = await anext(walk, [])

    async def count(
        self,
        filters: Sequence[Filter],
        *,
        lane: Lane = Lane.BOTH,
        reader: Collection[str] | None = None,
    ) -> int:
        """How many events match; limits are not read. Raises as `query` does."""
        asked = [self._for(f, reader) for f in filters]
        full = [f for f in asked if not plans.is_empty(f)]
        if not full:
            return 0
        now = int(self._clock())
        return await self._db.read(lambda c: self._reading.count(c, full, now), lane)

    async def sketch(
        self,
        f: Filter,
        offset: int,
        *,
        lane: Lane = Lane.BOTH,
        reader: Collection[str] | None = None,
    ) -> tuple[int, bytes]:
        """How many events match, and the 256 registers of a HyperLogLog of their authors (NIP-45).

        `offset`, 8 to 23, is where in a pubkey it looks (`nips.nip45`). Raises as `query` does.
        """
        f, now = self._for(f, reader), int(self._clock())
        if plans.is_empty(f):
            return 0, bytes(256)
        return await self._db.read(lambda c: self._reading.sketch(c, f, offset, now), lane)

    async def ids(
        self, f: Filter, *, reader: Collection[str] | None = None, most: int | None = None
    ) -> list[tuple[int, bytes]]:
        """(created_at, id) of all that match, oldest first, then lowest id: for reconciliation.

        Raises as `query` does, and TooMany when they are more than `most`.
        """
        f = self._for(f, reader)
        found: list[tuple[int, bytes]] = []
        if plans.is_empty(f):
            return found
        now = int(self._clock())
        after: Cursor | None = NEWEST
        while after is not None:
            places, after = await self._db.read(
                lambda c, start=after: self._reading.places(c, f, start, now)  # type: ignore[misc]
            )
            found += places
            if most is not None and len(found) > most:
                raise TooMany(f"more than {most} events match")
        return sorted(found)

    async def history(self, address: str) -> list[Event]:
        """The superseded versions that were kept, newest first."""
        key = self._keys.address(address)
        sql = "SELECT json FROM history WHERE address = ? ORDER BY created_at DESC, tie DESC"
        rows = await self._db.read(lambda c: c.execute(sql, (key,)).fetchall())
        return [Event.from_trusted(row[0]) for row in rows]

    def watch(self, filters: Sequence[Filter]) -> Watch:
        """Events stored from entering on, by this or another process: see `Watch`."""
        return Watch(filters, self._watchers, self._last_seq)

    @contextlib.asynccontextmanager
    async def listen(self, hear: Callable[[Stored], None]) -> AsyncIterator[int]:
        """Call `hear` on the loop with all that is stored from now on, in the order of commits.

        Gives the last commit before that. What this process saves is heard before `save` returns;
        `hear` must be quick and raise nothing.
        """
        hearing = Hearing(hear)
        if not self._watchers:
            self._watchers.told = await self._last_seq()
        self._watchers.add(hearing)
        try:
            yield self._watchers.told
        finally:
            self._watchers.discard(hearing)

    # Inner roads

    def _for(self, f: Filter, reader: Collection[str] | None) -> Filter:
        plans.check(f, searchable=self._indexer is not None)
        return plans.for_reader(f, reader)

    async def _slices(self, f: Filter, size: int) -> AsyncIterator[list[Event]]:
        """All of one filter, newest first, in parts of `size`."""
        after, now = NEWEST, int(self._clock())
        while size > 0:
            start = after

            def read(db: sqlite3.Connection, start: Cursor = start) -> tuple[Slice, list[Event]]:
                part = self._reading.slice(db, f, size, now, start)
                return part, [Event.from_trusted(data) for data in part.events]

            part, events = await self._db.read(read)
            if events:
                yield events
            if part.complete or not events:
                return
            after = Cursor(events[-1].created_at, tie_of(events[-1].id), 0)

    async def _last_seq(self) -> int:
        seq: int = await self._db.read(lambda c: c.execute("SELECT seq FROM state").fetchone()[0])
        return seq

    async def _read_since(self, seq: int) -> Stored:
        """What was stored after `seq`, at most a slice of it."""
        return await self._db.read(lambda c: self._reading.since(c, seq))

    async def _upkeep(self) -> None:
        """Tell watches what other processes stored; take expired events out."""
        purge_at = time.monotonic() + PURGE_SECONDS
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._poke.wait()
            self._poke.clear()
            try:
                if self._watchers and await self._last_seq() > self._watchers.told:
                    await self._tell()
                if time.monotonic() >= purge_at:
                    purge_at = time.monotonic() + PURGE_SECONDS
                    await self.purge()
            except StoreError as error:  # whoever saves or asks is told by an error of his own
                _log.warning("upkeep of the store failed, to be tried again: %s", error)

    async def _tell(self) -> None:
        while True:
            told = self._watchers.told
            stored = await self._read_since(told)
            if stored.after <= self._watchers.told:
                return
            if self._watchers.told == told:  # no commit of our own was told meanwhile
                self._watchers.tell(stored)


def _lowest(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)
