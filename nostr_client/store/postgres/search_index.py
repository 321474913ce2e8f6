"""The index that searches are answered from: the words of each event, `state.indexed` behind.

Events are indexed in the order of their commits, some time after them, by whichever node has that
duty. What is taken out of `event` is taken out here in the same transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nostr_client.protocol.event import Event
from nostr_client.store.postgres.connections import Connections
from nostr_client.store.words import SEARCHED_KINDS, words_of

if TYPE_CHECKING:
    from asyncpg import Connection

AT_ONCE: Final = 200
"""Events of one transaction."""
_NEXT: Final = "SELECT seq, kind, json FROM event WHERE seq > $1 ORDER BY seq LIMIT $2"
_ADD: Final = (
    "INSERT INTO words SELECT $1::bigint, $2::text[]"
    " WHERE EXISTS (SELECT 1 FROM event WHERE seq = $1)"
)


class WordIndexer:
    """Brings the index of one store up to date."""

    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def lag(self) -> int:
        """How many of the last commits a search does not see yet."""
        lag = await self._db.read(lambda db: db.fetchval("SELECT seq - indexed FROM state"))
        return int(lag)

    async def finish(self) -> None:
        """Index all that is stored now. Raises StoreError."""
        while await self.step():
            pass

    async def step(self) -> bool:
        """Index some of what is not; is there more?"""
        return await self._db.write(self._step)

    async def _step(self, db: Connection) -> bool:
        last, done = await db.fetchrow("SELECT seq, indexed FROM state FOR UPDATE")
        if done >= last:
            return False
        rows = await db.fetch(_NEXT, done, AT_ONCE)
        found = [
            (seq, sorted(frozenset(words_of(Event.from_trusted(data)))))
            for seq, kind, data in rows
            if kind in SEARCHED_KINDS
        ]
        await db.executemany(_ADD, [(seq, words) for seq, words in found if words])
        done = rows[-1][0] if len(rows) == AT_ONCE else last
        await db.execute("UPDATE state SET indexed = $1", done)
        return bool(done < last)
