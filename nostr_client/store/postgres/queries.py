# ruff: noqa: S608 - SQL is made of constants; values are always bound
"""The reader's part of an `EventStore`: every way to ask it.

Each answer is one snapshot, but for those that come in slices. What a question costs is bounded by
a time limit; what may be seen, by `reader`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import TYPE_CHECKING, TypeVar

from nostr_client.errors import TooMany
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import is_hex64
from nostr_client.store import visibility
from nostr_client.store.contract import PAGE_BYTES, Page, Priority
from nostr_client.store.index_keys import IndexKeys, id_key
from nostr_client.store.indexes import NEWEST, Cursor
from nostr_client.store.postgres.connections import Ask, Connections
from nostr_client.store.postgres.reader import SLICE, PostgresReader
from nostr_client.store.postgres.walk_sql import leaves
from nostr_client.store.slices import lowest, merged
from nostr_client.store.visibility import Reader

if TYPE_CHECKING:
    from asyncpg import Connection

T = TypeVar("T")
_Asker = Collection[str] | Reader | None


class PostgresQueries:
    """The reader's part of an `EventStore`."""

    _db: Connections
    _keys: IndexKeys
    _reading: PostgresReader
    _clock: Callable[[], float]
    _searchable: bool

    def _seen(self) -> int:
        """The last commit that this node knows of."""
        raise NotImplementedError

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
            "SELECT json FROM event WHERE seq IN (SELECT seq FROM tag WHERE key = $1)"
            f" AND (expires IS NULL OR expires > $2) AND NOT {leaves('event.seq')}"
        )
        data = await self._read(lambda db: db.fetchval(sql, key, now))
        return None if data is None else Event.from_trusted(data)

    async def known(self, ids: Collection[str]) -> dict[str, bytes]:
        wanted = [event_id for event_id in frozenset(ids) if is_hex64(event_id)]
        held: dict[str, bytes] = {}
        for start in range(0, len(wanted), SLICE):
            some = wanted[start : start + SLICE]
            held |= await self._read(lambda db, some=some: self._reading.known(db, some))  # type: ignore[misc]
        return held

    async def query(self, filters: Sequence[Filter], *, reader: _Asker = None) -> list[Event]:
        found: dict[str, Event] = {}
        for f in [self._for(f, reader) for f in filters]:
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
        reader: _Asker = None,
    ) -> Page:
        now = int(self._clock())
        asked = [(self._for(f, reader), lowest(f.limit, max_limit)) for f in filters]
        return await self._read(
            lambda db: self._reading.page(db, asked, max_limit, now, max_bytes),
            priority,
            time_limit,
        )

    async def stream(
        self, filters: Sequence[Filter], *, size: int = 500, reader: _Asker = None
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
        reader: _Asker = None,
    ) -> int:
        asked = [self._for(f, reader) for f in filters]
        full = [f for f in asked if not visibility.is_empty(f)]
        if not full:
            return 0
        now = int(self._clock())
        return await self._read(lambda db: self._reading.count(db, full, now), priority, time_limit)

    async def sketch(
        self,
        f: Filter,
        offset: int,
        *,
        priority: Priority = Priority.NORMAL,
        time_limit: float | None = None,
        reader: _Asker = None,
    ) -> tuple[int, bytes]:
        f, now = self._for(f, reader), int(self._clock())
        if visibility.is_empty(f):
            return 0, bytes(256)
        return await self._read(
            lambda db: self._reading.sketch(db, f, offset, now), priority, time_limit
        )

    async def ids(
        self, f: Filter, *, reader: _Asker = None, most: int | None = None
    ) -> list[tuple[int, bytes]]:
        f = self._for(f, reader)
        found: list[tuple[int, bytes]] = []
        if visibility.is_empty(f):
            return found
        now = int(self._clock())
        after: Cursor | None = NEWEST
        while after is not None:
            part = await self._read(
                lambda db, start=after: self._reading.places(db, f, start, now)  # type: ignore[misc]
            )
            found += part.places
            after = part.after
            if most is not None and len(found) > most:
                raise TooMany(f"more than {most} events match")
        return sorted(found)

    async def history(self, address: str) -> list[Event]:
        key = self._keys.address(address)
        sql = "SELECT json FROM history WHERE address = $1 ORDER BY created_at DESC, tie DESC"
        rows = await self._read(lambda db: db.fetch(sql, key))
        return [Event.from_trusted(row[0]) for row in rows]

    # Inside

    async def _read(
        self,
        ask: Ask[T],
        priority: Priority = Priority.NORMAL,
        time_limit: float | None = None,
    ) -> T:
        """At any server that has seen what this node has told of, and what it has saved."""
        return await self._db.read(ask, priority, time_limit, self._seen())

    def _for(self, f: Filter, reader: _Asker) -> Filter:
        visibility.check(f, searchable=self._searchable)
        return visibility.for_reader(f, reader)

    async def _slices(self, f: Filter, size: int) -> AsyncIterator[list[Event]]:
        """All of one filter, newest first, in parts of `size`."""
        after, now = NEWEST, int(self._clock())
        while size > 0:
            start = after

            async def read(db: Connection, start: Cursor = start) -> tuple[list[bytes], bool]:
                part = await self._reading.slice(db, f, size, now, start)
                return part.events, part.complete

            found, complete = await self._read(read)
            events = [Event.from_trusted(data) for data in found]
            if events:
                yield events
            if complete or not events:
                return
            after = Cursor(events[-1].created_at, id_key(events[-1].id), 0)
