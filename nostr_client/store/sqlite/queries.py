# ruff: noqa: S608 - SQL is made of constants; values are always bound
"""The reader's part of an `EventStore`: every way to ask it.

Each answer is one snapshot, but for those that come in slices. What a question costs is bounded by
a time limit; what may be seen, by `reader`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from functools import lru_cache

from nostr_client.errors import TooMany
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import is_hex64
from nostr_client.store import visibility
from nostr_client.store.contract import PAGE_BYTES, Page, Priority
from nostr_client.store.index_keys import IndexKeys, id_key
from nostr_client.store.indexes import NEWEST, Cursor, Slice
from nostr_client.store.slices import lowest, merged
from nostr_client.store.sqlite import search
from nostr_client.store.sqlite.connections import LONGEST_VALUE
from nostr_client.store.sqlite.database import Database
from nostr_client.store.sqlite.entry_conditions import leaves
from nostr_client.store.sqlite.reader import SLICE, TableReader
from nostr_client.store.sqlite.search_index import Indexer
from nostr_client.store.visibility import Reader


class StoreQueries:
    """The reader's part of an `EventStore`."""

    _db: Database
    _keys: IndexKeys
    _reading: TableReader
    _clock: Callable[[], float]
    _indexer: Indexer | None

    async def get(self, event_id: str) -> Event | None:
        found = await self.known([event_id])
        if not found:
            return None
        event = Event.from_trusted(found[event_id])
        expires = event.expiration
        return None if expires is not None and expires <= self._clock() else event

    async def get_address(self, address: str) -> Event | None:
        key, now = self._keys.address(address), int(self._clock())
        sql = (
            "SELECT json FROM event WHERE seq IN (SELECT seq FROM new_tag WHERE key = :key"
            " UNION ALL SELECT seq FROM tag WHERE key = :key)"
            f" AND (expires IS NULL OR expires > :now) AND NOT {leaves('event.seq')}"
        )
        row = await self._db.read(lambda c: c.execute(sql, {"key": key, "now": now}).fetchone())
        return None if row is None else _list_from(row[0])

    async def known(self, ids: Collection[str]) -> dict[str, bytes]:
        wanted = [event_id for event_id in frozenset(ids) if is_hex64(event_id)]
        held: dict[str, bytes] = {}
        for start in range(0, len(wanted), SLICE):
            some = wanted[start : start + SLICE]
            found = await self._db.read(lambda c, some=some: self._reading.known(c, some))  # type: ignore[misc]
            held |= found
        return held

    async def query(
        self, filters: Sequence[Filter], *, reader: Collection[str] | Reader | None = None
    ) -> list[Event]:
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
        if self._indexer is not None:
            self._indexer.asked()
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
        priority: Priority = Priority.NORMAL,
        time_limit: float | None = None,
        reader: Collection[str] | Reader | None = None,
    ) -> Page:
        read = self._pager(filters, reader, max_limit, max_bytes)
        return await self._db.read(read, priority, time_limit)

    def page_at_once(
        self,
        filters: Sequence[Filter],
        *,
        seconds: float,
        max_limit: int | None = None,
        max_bytes: int = PAGE_BYTES,
        reader: Collection[str] | Reader | None = None,
    ) -> Page:
        return self._db.at_once(self._pager(filters, reader, max_limit, max_bytes), seconds)

    def _pager(
        self,
        filters: Sequence[Filter],
        reader: Collection[str] | Reader | None,
        max_limit: int | None,
        max_bytes: int,
    ) -> Callable[[sqlite3.Connection], Page]:
        now = int(self._clock())
        asked = [(self._for(f, reader), lowest(f.limit, max_limit)) for f in filters]
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
        walks = [aiter(self._slices(self._for(f, reader), size)) for f in filters]
        async for part in merged(walks, size):
            yield part

    async def count(
        self,
        filters: Sequence[Filter],
        *,
        priority: Priority = Priority.NORMAL,
        time_limit: float | None = None,
        reader: Collection[str] | Reader | None = None,
    ) -> int:
        asked = [self._for(f, reader) for f in filters]
        full = [f for f in asked if not visibility.is_empty(f)]
        if not full:
            return 0
        now = int(self._clock())
        return await self._db.read(
            lambda c: self._reading.count(c, full, now), priority, time_limit
        )

    async def sketch(
        self,
        f: Filter,
        offset: int,
        *,
        priority: Priority = Priority.NORMAL,
        time_limit: float | None = None,
        reader: Collection[str] | Reader | None = None,
    ) -> tuple[int, bytes]:
        f, now = self._for(f, reader), int(self._clock())
        if visibility.is_empty(f):
            return 0, bytes(256)
        return await self._db.read(
            lambda c: self._reading.sketch(c, f, offset, now), priority, time_limit
        )

    async def ids(
        self, f: Filter, *, reader: Collection[str] | Reader | None = None, most: int | None = None
    ) -> list[tuple[int, bytes]]:
        f = self._for(f, reader)
        found: list[tuple[int, bytes]] = []
        if visibility.is_empty(f):
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
        key = self._keys.address(address)
        sql = "SELECT json FROM history WHERE address = ? ORDER BY created_at DESC, tie DESC"
        rows = await self._db.read(lambda c: c.execute(sql, (key,)).fetchall())
        return [Event.from_trusted(row[0]) for row in rows]

    # Inside

    def _for(self, f: Filter, reader: Collection[str] | Reader | None) -> Filter:
        visibility.check(f, searchable=self._indexer is not None)
        return visibility.for_reader(f, reader)

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
            after = Cursor(events[-1].created_at, id_key(events[-1].id), 0)


@lru_cache(maxsize=16)
def _list_from(data: bytes) -> Event:
    """An event that may have thousands of tags, and is asked for again and again."""
    return Event.from_trusted(data)
