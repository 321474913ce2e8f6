# ruff: noqa: S608 - SQL is made of constants; values are always bound
"""What the keeper of a store does with it, beside whoever reads and writes it meanwhile.

Nothing here holds a transaction for long: work is done in slices, and between two of them others
have their turn.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

from nostr_client.errors import StoreError
from nostr_client.protocol.filters import Filter
from nostr_client.store import plans
from nostr_client.store.database import Database
from nostr_client.store.plans import NEWEST, Cursor
from nostr_client.store.reading import Reading
from nostr_client.store.removing import Removal
from nostr_client.store.search_index import Indexer

REMOVED_AT_ONCE: Final = 64
"""Events of one transaction: about 10 ms with its commit."""
_LISTED: Final = "(SELECT value FROM json_each(?))"


class Keeping:
    """The keeper's part of an `EventStore`."""

    _db: Database
    _reading: Reading
    _removal: Removal
    _indexer: Indexer | None
    _clock: Callable[[], float]

    async def remove(self, filters: Sequence[Filter]) -> int:
        """Take out all that match now, as if it had never come; returns how many events.

        It may come again: to bar it is the caller's affair. Limits are not read, expired events go
        too, what is known of copies elsewhere is forgotten; kept history and deletions stay.
        Raises StoreError, InvalidFilter.
        """
        for f in filters:
            plans.check(f, searchable=self._indexer is not None)
        return sum([await self._remove_all(f) for f in filters if not plans.is_empty(f)])

    async def _remove_all(self, f: Filter) -> int:
        removed = 0
        after: Cursor | None = NEWEST
        while after is not None:
            start = after
            rows, after = await self._db.read(lambda c, s=start: self._reading.held(c, f, s))  # type: ignore[misc]
            for first in range(0, len(rows), REMOVED_AT_ONCE):
                removed += await self._remove(rows[first : first + REMOVED_AT_ONCE])
        return removed

    async def _remove(self, rows: Sequence[Cursor]) -> int:
        ties = json.dumps([row.tie for row in rows])

        def run(db: sqlite3.Connection) -> int:
            db.execute(f"DELETE FROM copy WHERE tie IN {_LISTED}", (ties,))
            return self._removal.remove(db, [row.seq for row in rows], archive=False)

        return await self._db.write(run, weight=len(rows))

    async def purge(self) -> None:
        """Take out what has expired; reads leave it out in any case."""
        now = int(self._clock())

        def run(db: sqlite3.Connection) -> int:
            rows = db.execute(
                "SELECT seq FROM event WHERE expires <= ? LIMIT ?", (now, REMOVED_AT_ONCE)
            ).fetchall()
            return self._removal.remove(db, [row[0] for row in rows], archive=False)

        while await self._db.write(run) == REMOVED_AT_ONCE:
            pass

    async def index_lag(self) -> int:
        """How many of the last commits a search does not see yet; 0 without search."""
        return 0 if self._indexer is None else await self._indexer.lag()

    async def finish_index(self) -> None:
        """Let searches see all that is stored now, without waiting for an idle moment."""
        if self._indexer is not None:
            await self._indexer.finish()

    async def check(self) -> None:
        """Raises StoreError if the file is damaged."""
        rows = await self._db.apart(lambda c: c.execute("PRAGMA integrity_check(10)").fetchall())
        if rows != [(b"ok",)]:
            found = "; ".join(row[0].decode(errors="replace") for row in rows)
            raise StoreError(f"{self._db.path}: the file is damaged: {found}")
