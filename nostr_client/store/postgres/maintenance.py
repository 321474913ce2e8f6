# ruff: noqa: S608 - SQL is made of constants; values are always bound
"""What the keeper of a store does with it, beside whoever reads and writes it meanwhile.

Nothing here holds a transaction for long: work is done in slices, and between two of them others
have their turn.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from nostr_client.errors import StoreError
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.kinds import DELETION, FOLLOWS, METADATA, VANISH
from nostr_client.store import visibility
from nostr_client.store.contract import OVERHEAD, Evicted, Size
from nostr_client.store.index_keys import MAX, IndexKeys
from nostr_client.store.indexes import NEWEST, Cursor
from nostr_client.store.postgres.connections import Connections
from nostr_client.store.postgres.reader import PostgresReader
from nostr_client.store.postgres.removal import PostgresRemoval, seqs_of
from nostr_client.store.postgres.search_index import WordIndexer
from nostr_client.store.postgres.writer import LOCK

if TYPE_CHECKING:
    from asyncpg import Connection

REMOVED_AT_ONCE: Final = 256
"""Events of one transaction."""
_OLDEST_READ: Final = 2048
_TABLES: Final = ("event", "tag", "words", "tombstone", "vanished", "leaving", "history", "keeper")
_EVICTABLE: Final = (
    f"kind NOT IN ({METADATA}, {FOLLOWS}, {DELETION}, {VANISH})"
    " AND kind NOT BETWEEN 10000 AND 19999 AND kind NOT BETWEEN 30000 AND 39999"
)
_OLDEST: Final = (
    "SELECT created_at, tie, seq, octet_length(json) FROM event"
    f" WHERE (created_at, tie) > ($1::bigint, $2::bigint) AND {_EVICTABLE}"
    " AND author <> ALL($3::bigint[]) AND kind <> ALL($4::int[]) ORDER BY created_at, tie"
    f" LIMIT {_OLDEST_READ}"
)
_AMONG: Final = (
    f"SELECT seq FROM event WHERE seq = ANY($1::bigint[]) AND {_EVICTABLE}"
    " AND author <> ALL($2::bigint[]) AND kind <> ALL($3::int[])"
)


class PostgresMaintenance:
    """The keeper's part of an `EventStore`."""

    _db: Connections
    _reading: PostgresReader
    _keys: IndexKeys
    _removal: PostgresRemoval
    _indexer: WordIndexer
    _clock: Callable[[], float]
    _searchable: bool

    async def remove(self, filters: Sequence[Filter]) -> int:
        for f in filters:
            visibility.check(f, searchable=self._searchable)
        return sum([await self._remove_all(f, None) for f in filters if not visibility.is_empty(f)])

    async def _remove_all(self, f: Filter, spared: tuple[list[int], list[int]] | None) -> int:
        """All that matches; with `spared`, authors and kinds, only what may be evicted."""
        removed = 0
        after: Cursor | None = NEWEST
        while after is not None:
            part = await self._db.read(
                lambda db, start=after: self._reading.places(db, f, start, -1)  # type: ignore[misc]
            )
            after, seqs = part.after, part.seqs
            for first in range(0, len(seqs), REMOVED_AT_ONCE):
                removed += await self._take_out(seqs[first : first + REMOVED_AT_ONCE], spared)
        return removed

    async def _take_out(
        self, seqs: Sequence[int], spared: tuple[list[int], list[int]] | None = None
    ) -> int:
        async def run(db: Connection) -> int:
            await db.fetchval(LOCK)
            among = seqs if spared is None else seqs_of(await db.fetch(_AMONG, seqs, *spared))
            return await self._removal.remove(db, among, archive=False)

        return await self._db.write(run)

    async def evict(
        self,
        filters: Sequence[Filter] = (),
        *,
        most_bytes: int | None = None,
        spared: Collection[str] = (),
        spared_kinds: Collection[int] = (),
    ) -> Evicted:
        for f in filters:
            visibility.check(f, searchable=self._searchable)
        kept = [self._keys.author(pubkey) for pubkey in spared], sorted(spared_kinds)
        count = 0
        for f in filters:
            if not visibility.is_empty(f):
                count += await self._remove_all(f, kept)
        if most_bytes is None:
            return Evicted(count, 0)
        oldest, floor = await self._evict_oldest(most_bytes, kept)
        return Evicted(count + oldest, floor)

    async def _evict_oldest(
        self, most_bytes: int, kept: tuple[list[int], list[int]]
    ) -> tuple[int, int]:
        """How many were taken, and the created_at before which nothing evictable is left."""
        used = (await self.size()).used
        if used <= most_bytes:
            return 0, 0
        taken, place = 0, (-1, -MAX)
        while rows := await self._db.read(lambda db: db.fetch(_OLDEST, *place, *kept)):  # noqa: B023
            for start in range(0, len(rows), REMOVED_AT_ONCE):
                part = []
                for row in rows[start : start + REMOVED_AT_ONCE]:
                    if used <= most_bytes:
                        break
                    part.append(row)
                    used -= row[3] + OVERHEAD
                if part:
                    taken += await self._take_out([row[2] for row in part])
                    place = part[-1][0], part[-1][1]
                if used <= most_bytes:
                    return taken, place[0]
        return taken, place[0] + 1

    async def purge(self) -> None:
        now = int(self._clock())
        await self._finish_vanishing()
        # By the earlier of two clocks: one of them may be wrong.
        theirs = "floor(extract(epoch FROM statement_timestamp()))::bigint"
        sql = f"SELECT seq FROM event WHERE expires <= least($1::bigint, {theirs}) LIMIT $2"
        while True:
            seqs = seqs_of(await self._db.read(lambda db: db.fetch(sql, now, REMOVED_AT_ONCE)))
            await self._take_out(seqs)
            if len(seqs) < REMOVED_AT_ONCE:
                return

    async def _finish_vanishing(self) -> None:
        """Take out, in slices, what requests to vanish have marked (`obey_vanish`)."""
        sql = "SELECT author, person, until FROM leaving"
        done = "DELETE FROM leaving WHERE author = $1 AND person = $2 AND until = $3"
        for author, person, until in await self._db.read(lambda db: db.fetch(sql)):
            of: tuple[int, int, int] = author, person, until
            while seqs := await self._db.read(partial(self._some_covered, of)):
                await self._take_out(seqs)
            await self._db.write(lambda db, of=of: db.execute(done, *of))  # type: ignore[misc]

    async def _some_covered(self, of: tuple[int, int, int], db: Connection) -> list[int]:
        return await self._removal.covered(db, *of, REMOVED_AT_ONCE)

    async def standing(self) -> int:
        sql = (
            f"SELECT coalesce(sum(octet_length(json) + {OVERHEAD}), 0) FROM event"
            f" WHERE NOT ({_EVICTABLE})"
        )
        return int(await self._db.read(lambda db: db.fetchval(sql)))

    async def size(self) -> Size:
        tables = " + ".join(f"pg_total_relation_size('{table}')" for table in _TABLES)
        row = await self._db.read(lambda db: db.fetchrow(f"SELECT used, {tables} FROM state"))
        used, allocated = int(row[0]), int(row[1])
        return Size(used, max(used, allocated))  # what is large is compressed

    async def index_lag(self) -> int:
        return await self._indexer.lag() if self._searchable else 0

    async def finish_index(self) -> None:
        if self._searchable:
            await self._indexer.finish()

    async def probe(self) -> None:
        await self._db.write(lambda db: db.execute("UPDATE state SET seq = seq"))

    async def check(self) -> None:
        """Do the tables belong together? What lies on the disk is for PostgreSQL's own tools."""
        damage = await self._db.read(lambda db: db.fetchrow(_CHECK), time_limit=600)
        for what, number in damage.items():
            if number:
                raise StoreError(f"the store is damaged: {number} {what.replace('_', ' ')}")


_CHECK: Final = (
    "SELECT (SELECT count(*) FROM tag t WHERE NOT EXISTS"
    " (SELECT 1 FROM event e WHERE e.seq = t.seq)) AS entries_of_no_event,"
    " (SELECT count(*) FROM words w WHERE NOT EXISTS"
    " (SELECT 1 FROM event e WHERE e.seq = w.seq)) AS words_of_no_event,"
    " (SELECT count(*) FROM event WHERE seq > (SELECT seq FROM state)) AS events_of_no_commit,"
    f" (SELECT abs((SELECT coalesce(sum(octet_length(json) + {OVERHEAD}), 0) FROM event)"
    " - (SELECT used FROM state))) AS bytes_miscounted"
)
