# ruff: noqa: S608 - SQL is made of constants; values are always bound
"""The reader's part of an `EventStore`: every way to ask it.

Each answer is one snapshot, but for those that come in slices. What a question costs is bounded by
its lane; what may be seen, by `reader`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Final

from nostr_client.errors import TooMany
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.store.sqlite import plans, search
from nostr_client.store.sqlite.conditions import leaves
from nostr_client.store.sqlite.database import LONGEST_VALUE, Database, Lane
from nostr_client.store.sqlite.index_keys import IndexKeys, is_id, tie_of
from nostr_client.store.sqlite.plans import NEWEST, Cursor
from nostr_client.store.sqlite.reader import SLICE, Page, Reading, Slice
from nostr_client.store.sqlite.search_index import Indexer
from nostr_client.store.visibility import Reader

PAGE_BYTES: Final = 8 * 2**20
"""Bytes of JSON in one page, unless somebody says otherwise."""


class Asking:
    """The reader's part of an `EventStore`."""

    _db: Database
    _keys: IndexKeys
    _reading: Reading
    _clock: Callable[[], float]
    _indexer: Indexer | None

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
            f" AND (expires IS NULL OR expires > :now) AND NOT {leaves('event.seq')}"
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
        self, filters: Sequence[Filter], *, reader: Collection[str] | Reader | None = None
    ) -> list[Event]:
        """Each filter's newest `limit` (or all), united, newest first, then lowest id.

        Where there is a search among them, what fits it best comes first (see `searching`).

        `reader`, here and below: the pubkeys that whoever asks has shown to be; of what is
        private (`visibility.PRIVATE`) he sees only what is for one of them. None: he
        may see everything.
        Raises StoreError, QueryTimeout, InvalidFilter.
        """
        found: dict[str, Event] = {}
        asked = [self._for(f, reader) for f in filters]
        if search.asks(asked):
            limits = [(f, f.limit) for f in asked]
            page = await self._db.read(
                lambda c: search.page(
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
        reader: Collection[str] | Reader | None = None,
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
        reader: Collection[str] | Reader | None = None,
    ) -> Page:
        """As `page`, while the loop waits: for what is narrow, and so for `seconds` at most."""
        return self._db.at_once(self._pager(filters, reader, max_limit, max_bytes), seconds)

    def _pager(
        self,
        filters: Sequence[Filter],
        reader: Collection[str] | Reader | None,
        max_limit: int | None,
        max_bytes: int,
    ) -> Callable[[sqlite3.Connection], Page]:
        now = int(self._clock())
        asked = [(self._for(f, reader), _lowest(f.limit, max_limit)) for f in filters]
        if self._indexer is not None and search.asks(filters):
            return lambda db: search.page(self._reading, db, asked, now, max_bytes)
        if self._indexer is not None:
            self._indexer.asked()
        return lambda db: self._reading.page(db, asked, max_limit, now, max_bytes)

    async def stream(
        self,
        filters: Sequence[Filter],
        *,
        size: int = 500,
        reader: Collection[str] | Reader | None = None,
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
        reader: Collection[str] | Reader | None = None,
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
        reader: Collection[str] | Reader | None = None,
    ) -> tuple[int, bytes]:
        """How many events match, and the 256 registers of a HyperLogLog of their authors (NIP-45).

        `offset`, 8 to 23, is where in a pubkey it looks (`nips.nip45`). Raises as `query` does.
        """
        f, now = self._for(f, reader), int(self._clock())
        if plans.is_empty(f):
            return 0, bytes(256)
        return await self._db.read(lambda c: self._reading.sketch(c, f, offset, now), lane)

    async def ids(
        self, f: Filter, *, reader: Collection[str] | Reader | None = None, most: int | None = None
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

    # Inner roads

    def _for(self, f: Filter, reader: Collection[str] | Reader | None) -> Filter:
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


def _lowest(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)
