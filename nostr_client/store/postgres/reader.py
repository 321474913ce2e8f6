# ruff: noqa: S608 - SQL is made of constants; values are always bound
"""Reading: walks carried out on one connection.

Everything is cut at a limit and walked on from a cursor, so that nothing need fit into memory that
was not asked for in one piece.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import asyncpg

from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.store import indexes, visibility, words
from nostr_client.store.contract import Page, Stored
from nostr_client.store.hyperloglog import registers_of
from nostr_client.store.index_keys import MAX, IndexKeys, id_key, id_of, place_of
from nostr_client.store.indexes import NEWEST, Cursor, Slice
from nostr_client.store.postgres import filter_sql
from nostr_client.store.postgres.filter_sql import BoundQuery
from nostr_client.store.postgres.walk_sql import leaves
from nostr_client.store.postgres.walks import Walk, walk
from nostr_client.store.slices import END, Place, fitting

if TYPE_CHECKING:
    from asyncpg import Connection

SLICE: Final = 1000
"""Events that are read at once where nobody said how many."""
_COUNTED_TOGETHER: Final = 100
_SMALLEST: Final = 300
"""Bytes: no event's JSON is shorter."""
_Page = Callable[..., BoundQuery]
_Sized = tuple[Place, tuple[int, int]]
"""A place, and the bytes and the seq of what stands there."""
_SEQ: Final = "SELECT seq FROM state"
_BY_ID: Final = (
    "SELECT (SELECT seq FROM state), EXISTS (SELECT 1 FROM leaving),"
    " (SELECT string_agg(json, '\\x0a'::bytea) FROM event WHERE tie = ANY($1::bigint[])"
    " AND (expires IS NULL OR expires > $2::bigint) AND kind <> ALL($3::int[]))"
)
Asked = tuple[Filter, int | None]
"""A filter and its limit."""


class PlaceSlice(NamedTuple):
    """(created_at, id), and the seq, of each; `after`: where to go on, None at the end."""

    places: list[tuple[int, bytes]]
    seqs: list[int]
    after: Cursor | None


class PostgresReader:
    """Reads the tables of one store."""

    def __init__(self, keys: IndexKeys) -> None:
        self._keys = keys

    async def slice(
        self, db: Connection, f: Filter, limit: int | None, now: int, after: Cursor = NEWEST
    ) -> Slice:
        """The newest `limit` after a place; fewer where that many are too large for one answer."""
        most = SLICE if limit is None else limit
        while True:
            try:
                found = await self.newest(db, f, most, now, after)
            except asyncpg.ProgramLimitExceededError:
                if most <= 1:
                    raise
                most = max(1, most // 4)
                continue
            return found

    async def newest(
        self, db: Connection, f: Filter, limit: int | None, now: int, after: Cursor = NEWEST
    ) -> Slice:
        """As `slice`. Raises ProgramLimitExceededError where it is too large for one answer."""
        if visibility.is_empty(f):
            return Slice([], True, False, await db.fetchval(_SEQ))
        if (
            after is NEWEST
            and indexes.is_by_id(f, limit)
            and (quick := await self._by_id(db, f, now))
        ):
            return quick
        wanted = None if limit is None else limit + 1
        if f.search is not None and words.is_phrased(f.search):
            seq, events = await self._phrased(db, f, wanted, now, after)
        else:
            seq, events = await self._walked(db, f, after, wanted, now)
        if limit is None or len(events) <= limit:
            return Slice(events, True, False, seq)
        split = limit > 0 and place_of(events[limit])[0] == place_of(events[limit - 1])[0]
        return Slice(events[:limit], False, split, seq)

    async def _walked(
        self, db: Connection, f: Filter, after: Cursor, limit: int | None, now: int
    ) -> tuple[int, list[bytes]]:
        choices = indexes.choices(f, self._keys)
        if choices and limit is not None:
            several = [walk(f, self._keys, after, choice) for choice in choices]
            ask: _Page = partial(filter_sql.either, choices, several, limit, now)
        else:
            w = await self._walk(db, f, after)
            quick = None if limit is None else filter_sql.scan(w, limit, now)
            if quick is not None:
                seq, any_gone, joined = await _row(db, quick)
                if not any_gone and len(found := lines(joined)) == limit:
                    return seq, found
            ask = partial(filter_sql.page, w, limit, now)
        seq, any_gone, joined = await _row(db, ask(alive=False))
        if any_gone:
            seq, _, joined = await _row(db, ask(alive=True))
        return seq, lines(joined)

    async def _by_id(self, db: Connection, f: Filter, now: int) -> Slice | None:
        """The commonest question; None where somebody is vanishing, and a longer way is taken."""
        hidden = list(f.hidden) if isinstance(f, visibility.FilterOf) else []
        ids = f.ids or frozenset()
        seq, leaving, found = await db.fetchrow(_BY_ID, list(map(id_key, ids)), now, hidden)
        if leaving:
            return None
        # Ids that begin alike have one tie, so that another's event may have come along.
        events = sorted((data for data in lines(found) if id_of(data) in ids), key=place_of)
        return Slice(events, True, False, seq)

    async def _phrased(
        self, db: Connection, f: Filter, limit: int | None, now: int, after: Cursor
    ) -> tuple[int, list[bytes]]:
        """What has the words side by side, too, which the index does not tell."""
        found: list[bytes] = []
        while True:
            seq, events = await self._walked(db, f, after, SLICE, now)
            for data in events:
                if words.matches(f.search or "", Event.from_trusted(data)):
                    found.append(data)
                    if len(found) == limit:
                        return seq, found
            if len(events) < SLICE:
                return seq, found
            second, id = place_of(events[-1])
            after = Cursor(-second, id_key(id.decode()), 0)

    async def page(
        self, db: Connection, filters: Sequence[Asked], cap: int | None, now: int, most: int
    ) -> Page:
        """The newest of each filter with its limit, united, all of one snapshot, in `most` bytes.

        Where `cap` cuts, it leaves a second whole. Of what is larger than `most`, the newest comes:
        whole seconds, if there is more than one, and at least one event.
        """
        # Who asks the same twice is answered once.
        asked = [one for index, one in enumerate(filters) if one not in filters[:index]]
        try:
            if len(asked) == 1:
                f, limit = asked[0]
                found = await self.newest(db, f, limit, now)
                if (not found.split or limit != cap) and _size(found.events) <= most:
                    return Page(found.events, found.complete, found.seq)
            united = await self._united(db, asked, cap, now, most)
        except asyncpg.ProgramLimitExceededError:
            united = None
        return united or await self._large_page(db, asked, cap, now, most)

    async def _united(
        self, db: Connection, asked: Sequence[Asked], cap: int | None, now: int, most: int
    ) -> Page | None:
        """The page, each filter's part as a whole; None where `most` is not enough."""
        united: dict[Place, bytes] = {}
        size, complete = 0, True
        async with snapshot(db):
            seq = await db.fetchval(_SEQ)
            for f, limit in asked:
                found = await self.newest(db, f, limit, now)
                if found.split and limit == cap:
                    found = await self._whole_second(db, f, found, now)
                size += _size(found.events)
                if size > most:
                    return None
                united |= {place_of(data): data for data in found.events}
                complete = complete and found.complete
        return Page([united[place] for place in sorted(united)], complete, seq)

    async def _large_page(
        self, db: Connection, asked: Sequence[Asked], cap: int | None, now: int, most: int
    ) -> Page:
        """The page by way of the places and sizes of its events: each is then read once."""
        found: dict[Place, tuple[int, int]] = {}
        complete, edge = True, END
        enough = most // _SMALLEST + 2
        async with snapshot(db):
            seq = await db.fetchval(_SEQ)
            for f, limit in asked:
                read = enough if limit is None else min(limit + 1, enough)
                sizes = await self._sizes(db, f, read, now)
                if len(sizes) == read:
                    complete = False
                    beyond = sizes.pop()[0]
                    split = limit == cap and sizes and sizes[-1][0][0] == beyond[0]
                    if split or len(sizes) != limit:
                        edge = min(edge, beyond)
                found |= dict(sizes)
            numbers, fits = fitting(found, edge, most)
            rows = await db.fetch("SELECT json FROM event WHERE seq = ANY($1::bigint[])", numbers)
        events = sorted((row[0] for row in rows), key=place_of)
        return Page(events, complete and fits, seq)

    async def _sizes(self, db: Connection, f: Filter, limit: int, now: int) -> list[_Sized]:
        """The newest, each as its place, its bytes and its seq."""
        if visibility.is_empty(f):
            return []
        if f.search is not None and words.is_phrased(f.search):
            _, events = await self._phrased(db, f, limit, now, NEWEST)
            ties = {id_of(data): data for data in events}
            rows = await db.fetch(
                "SELECT seq, substring(json FROM 8 FOR 64) FROM event"
                " WHERE tie = ANY($1::bigint[])",
                [id_key(id) for id in ties],
            )
            seqs = {row[1].decode(): row[0] for row in rows}
            return [(place_of(data), (len(data), seqs[id])) for id, data in ties.items()]
        rows = await self._rows(db, await self._walk(db, f, NEWEST), limit, now)
        return [((-row[0], row[3]), (row[4], row[2])) for row in rows]

    async def _rows(
        self, db: Connection, w: Walk, limit: int | None, now: int
    ) -> list[asyncpg.Record]:
        rows = await _rows(db, filter_sql.places(w, limit, now, alive=False))
        if rows and rows[0][5]:
            rows = await _rows(db, filter_sql.places(w, limit, now, alive=True))
        return rows

    async def _whole_second(self, db: Connection, f: Filter, part: Slice, now: int) -> Slice:
        """`part`, and as many again of those that share its last created_at."""
        last = part.events[-1]
        second = -place_of(last)[0]
        this = f.changed(since=second, until=second)
        cursor = Cursor(second, id_key(id_of(last)), 0)
        rest = await self.newest(db, this, len(part.events), now, cursor)
        complete = rest.complete
        if complete and second > 0:
            complete = (await self.newest(db, f.changed(until=second - 1), 0, now)).complete
        return Slice(part.events + rest.events, complete, rest.split, part.seq)

    async def count(self, db: Connection, filters: Sequence[Filter], now: int) -> int:
        """How many events match any of these filters (none of them empty)."""
        phrased = [f for f in filters if f.search is not None and words.is_phrased(f.search)]
        if phrased or len(filters) > _COUNTED_TOGETHER:
            found: set[bytes] = set()
            async with snapshot(db):
                for f in filters:
                    after: Cursor | None = NEWEST
                    while after is not None:
                        part = await self.places(db, f, after, now)
                        found.update(id for _, id in part.places)
                        after = part.after
            return len(found)
        walks = [await self._walk(db, f, NEWEST) for f in filters]
        return int((await _row(db, filter_sql.count(walks, now)))[0])

    async def sketch(self, db: Connection, f: Filter, offset: int, now: int) -> tuple[int, bytes]:
        """How many events match, and 256 registers of who wrote them, as NIP-45 has them."""
        if f.search is not None and words.is_phrased(f.search):
            _, events = await self._phrased(db, f, None, now, NEWEST)
            authors = [Event.from_trusted(data).pubkey[2 * offset :] for data in events]
            leasts: dict[str, str] = {}
            for end in authors:
                leasts[end[:2]] = min(end, leasts.get(end[:2], end))
            return len(authors), registers_of(leasts.values())
        rows = await _rows(db, filter_sql.sketch(await self._walk(db, f, NEWEST), offset, now))
        return sum(row[2] for row in rows), registers_of(
            (first + least).decode() for first, least, _ in rows
        )

    async def places(self, db: Connection, f: Filter, after: Cursor, now: int) -> PlaceSlice:
        """(created_at, id) and seq of a large slice, newest first."""
        limit = 10 * SLICE
        if f.search is not None and words.is_phrased(f.search):
            rows = await self._sizes(db, f, MAX, now)
            found = [(-second, bytes.fromhex(id.decode())) for (second, id), _ in rows]
            return PlaceSlice(found, [seq for _, (_, seq) in rows], None)
        held = await self._rows(db, await self._walk(db, f, after), limit, now)
        found = [(row[0], bytes.fromhex(row[3].decode())) for row in held]
        last = Cursor(*held[-1][:3]) if len(held) == limit else None
        return PlaceSlice(found, [row[2] for row in held], last)

    async def known(self, db: Connection, ids: Sequence[str]) -> dict[str, bytes]:
        """Of these ids, those that are held, each with its JSON."""
        rows = await db.fetch(
            f"SELECT json FROM event WHERE tie = ANY($1::bigint[]) AND NOT {leaves('event.seq')}",
            [id_key(event_id) for event_id in ids],
        )
        held = {id_of(row[0]): row[0] for row in rows}
        return {event_id: held[event_id] for event_id in ids if event_id in held}

    async def since(self, db: Connection, seq: int) -> Stored:
        """What was stored after `seq`, at most a slice of it."""
        async with snapshot(db):
            last = await db.fetchval(_SEQ)
            rows = await db.fetch(
                f"SELECT seq, json FROM event WHERE seq > $1 ORDER BY seq LIMIT {SLICE}", seq
            )
        events = [(row[0], Event.from_trusted(row[1])) for row in rows]
        return Stored(events, seq, events[-1][0] if len(events) == SLICE else max(last, seq))

    async def _walk(self, db: Connection, f: Filter, after: Cursor) -> Walk:
        choices = indexes.choices(f, self._keys)
        if not choices:
            return walk(f, self._keys, after)
        counted = await _row(db, filter_sql.probe(choices))
        costs = [n * choice.scale for n, choice in zip(counted, choices, strict=True)]
        return walk(f, self._keys, after, choices[costs.index(min(costs))])


@contextlib.asynccontextmanager
async def snapshot(db: Connection) -> AsyncIterator[None]:
    """Several statements that see the same state."""
    if db.is_in_transaction():
        yield
        return
    await db.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        yield
    except asyncpg.ProgramLimitExceededError:  # to be asked otherwise
        await db.execute("ROLLBACK")
        raise
    await db.execute("COMMIT")


def lines(joined: bytes | None) -> list[bytes]:
    """JSON encodings hold no line break."""
    return [] if joined is None else joined.split(b"\n")


def _size(events: Sequence[bytes]) -> int:
    return sum(map(len, events)) + len(events)


async def _row(db: Connection, statement: BoundQuery) -> asyncpg.Record:
    return await db.fetchrow(statement.sql, *statement.values)


async def _rows(db: Connection, statement: BoundQuery) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await db.fetch(statement.sql, *statement.values)
    return rows
