# ruff: noqa: S608 - SQL is made of constants; values are always bound
"""What the keeper of a store does with it, beside whoever reads and writes it meanwhile.

Nothing here holds a transaction for long: work is done in slices, and between two of them others
have their turn.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final

from nostr_client.protocol.filters import Filter
from nostr_client.protocol.kinds import DELETION, FOLLOWS, METADATA, VANISH
from nostr_client.store import visibility
from nostr_client.store.contract import OVERHEAD, Evicted, Size
from nostr_client.store.index_keys import IndexKeys
from nostr_client.store.indexes import NEWEST, Cursor
from nostr_client.store.sqlite import backup
from nostr_client.store.sqlite.database import Database
from nostr_client.store.sqlite.reader import TableReader
from nostr_client.store.sqlite.removal import Removal
from nostr_client.store.sqlite.search_index import Indexer

REMOVED_AT_ONCE: Final = 64
"""Events of one transaction: about 10 ms with its commit."""
_OLDEST_READ: Final = 2048
_LISTED: Final = "(SELECT value FROM json_each(?))"
_EVICTABLE: Final = (
    f"kind NOT IN ({METADATA}, {FOLLOWS}, {DELETION}, {VANISH})"
    " AND kind NOT BETWEEN 10000 AND 19999 AND kind NOT BETWEEN 30000 AND 39999"
)


class StoreMaintenance:
    """The keeper's part of an `EventStore`."""

    _db: Database
    _reading: TableReader
    _keys: IndexKeys
    _removal: Removal
    _indexer: Indexer | None
    _clock: Callable[[], float]

    async def remove(self, filters: Sequence[Filter]) -> int:
        for f in filters:
            visibility.check(f, searchable=self._indexer is not None)
        removed = sum([await self._remove_all(f) for f in filters if not visibility.is_empty(f)])
        await backup.give_back(self._db)
        return removed

    async def _remove_all(self, f: Filter, condition: str = "true") -> int:
        removed = 0
        after: Cursor | None = NEWEST
        while after is not None:
            start = after
            rows, after = await self._db.read(lambda c, s=start: self._reading.held(c, f, s))  # type: ignore[misc]
            for first in range(0, len(rows), REMOVED_AT_ONCE):
                part = [row.seq for row in rows[first : first + REMOVED_AT_ONCE]]
                removed += await self._remove(part, condition)
        return removed

    async def _forget(self, seqs: Sequence[int]) -> int:
        """Take events out as if they had never come: what deletions among them barred may come."""
        return await self._remove(seqs, forget=True)

    async def _remove(
        self, seqs: Sequence[int], condition: str = "true", *, forget: bool = False
    ) -> int:
        listed = json.dumps(seqs)

        def run(db: sqlite3.Connection) -> int:
            sql = f"SELECT seq, tie FROM event WHERE seq IN {_LISTED} AND {condition}"
            found = db.execute(sql, (listed,)).fetchall()
            ties = json.dumps([tie for _, tie in found])
            db.execute(f"DELETE FROM copy WHERE tie IN {_LISTED}", (ties,))
            if forget:
                self._removal.lift_deletions(db, [seq for seq, _ in found])
            return self._removal.remove(db, [seq for seq, _ in found], archive=False)

        return await self._db.write(run, weight=len(seqs), frees=True)

    async def evict(
        self,
        filters: Sequence[Filter] = (),
        *,
        most_bytes: int | None = None,
        spared: Collection[str] = (),
        spared_kinds: Collection[int] = (),
    ) -> Evicted:
        for f in filters:
            visibility.check(f, searchable=self._indexer is not None)
        condition = self._evictable(spared, spared_kinds)
        count = 0
        for f in filters:
            if not visibility.is_empty(f):
                count += await self._remove_all(f, condition)
        oldest, floor = 0, 0
        if most_bytes is not None:
            oldest, floor = await self._evict_oldest(most_bytes, condition)
        await backup.give_back(self._db)
        return Evicted(count + oldest, floor)

    def _evictable(self, spared: Collection[str], kinds: Collection[int]) -> str:
        authors = ",".join(str(self._keys.author(pubkey)) for pubkey in spared)
        numbers = ",".join(str(int(kind)) for kind in kinds)
        return f"{_EVICTABLE} AND author NOT IN ({authors}) AND kind NOT IN ({numbers})"

    async def _evict_oldest(self, most_bytes: int, condition: str) -> tuple[int, int]:
        """How many were taken, and the created_at before which nothing evictable is left."""
        size = await self.size()
        if size.used <= most_bytes:
            return 0, 0
        held = await self._db.apart(lambda c: c.execute("SELECT count(*) FROM event").fetchone()[0])
        # Pages are freed some time after their rows: an estimate says when it is enough for now.
        enough = held * (size.used - most_bytes) // size.used + REMOVED_AT_ONCE
        taken, place = 0, (-1, 0)
        while rows := await self._oldest(place, condition):
            for start in range(0, len(rows), REMOVED_AT_ONCE):
                part = rows[start : start + REMOVED_AT_ONCE]
                taken += await self._remove([seq for _, _, seq in part])
                place = part[-1][:2]
                if taken >= enough or (await self.size()).used <= most_bytes:
                    return taken, place[0]
        return taken, place[0] + 1

    async def _oldest(self, place: tuple[int, int], condition: str) -> list[tuple[int, int, int]]:
        sql = (
            "SELECT created_at, tie, seq FROM event INDEXED BY event_time"
            f" WHERE (created_at, tie) > (?, ?) AND {condition} ORDER BY created_at, tie LIMIT ?"
        )
        return await self._db.apart(lambda c: c.execute(sql, (*place, _OLDEST_READ)).fetchall())

    async def purge(self) -> None:
        now = int(self._clock())
        await self._finish_vanishing()
        sql = "SELECT seq FROM event WHERE expires <= ? LIMIT ?"
        while True:
            rows = await self._db.read(lambda c: c.execute(sql, (now, _OLDEST_READ)).fetchall())
            await self._take_out([row[0] for row in rows])
            if len(rows) < _OLDEST_READ:
                return

    async def _finish_vanishing(self) -> None:
        """Take out, in slices, what requests to vanish have marked (see `Removal.obey_vanish`)."""
        if not self._removal.unfinished:
            return
        self._removal.unfinished = False  # first: what is marked from now on says so again
        sql = "SELECT author, person, until FROM leaving"
        done = "DELETE FROM leaving WHERE author = ? AND person = ? AND until = ?"
        for row in await self._db.read(lambda c: c.execute(sql).fetchall()):
            await self._take_out(
                await self._db.apart(lambda c, row=row: self._removal.covered(c, *row))  # type: ignore[misc]
            )
            await self._db.write(lambda c, row=row: c.execute(done, row), frees=True)  # type: ignore[misc]

    async def _take_out(self, seqs: Sequence[int]) -> None:
        for start in range(0, len(seqs), REMOVED_AT_ONCE):
            part = seqs[start : start + REMOVED_AT_ONCE]
            await self._db.write(
                lambda c, part=part: self._removal.remove(c, part, archive=False),  # type: ignore[misc]
                weight=len(part),
                frees=True,
            )

    async def standing(self) -> int:
        sql = f"SELECT total(length(json) + {OVERHEAD}) FROM event WHERE NOT ({_EVICTABLE})"
        return int(await self._db.apart(lambda c: c.execute(sql).fetchone()[0]))

    async def size(self) -> Size:
        return await backup.size(self._db)

    async def backup(self, path: Path) -> None:
        await backup.backup(self._db, path)

    async def compact(self) -> int:
        return await backup.compact(self._db)

    async def index_lag(self) -> int:
        return 0 if self._indexer is None else await self._indexer.lag()

    async def finish_index(self) -> None:
        if self._indexer is not None:
            await self._indexer.finish()

    async def probe(self) -> None:
        await self._db.write(lambda c: c.execute("UPDATE state SET seq = seq"))

    async def check(self) -> None:
        await backup.check(self._db)
