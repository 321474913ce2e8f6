"""What is found while it is being typed (`store.as_typed`): texts, names and hashtags.

Texts and people come newest first. Of more than `LOOKED_AT` that match only those that were stored
last are looked at, so that what half of all texts have costs no more than that.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Final

from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.kinds import METADATA
from nostr_client.store import as_typed, visibility
from nostr_client.store.contract import Priority
from nostr_client.store.index_keys import IndexKeys
from nostr_client.store.sqlite import filter_sql
from nostr_client.store.sqlite.database import Database
from nostr_client.store.sqlite.plans import Plan, plan
from nostr_client.store.sqlite.reader import lines
from nostr_client.store.sqlite.search_index import Indexer

LOOKED_AT: Final = 5_000
TIME_LIMIT: Final = 2.0
"""Seconds: nobody who types waits longer."""
_PEOPLE: Final = frozenset({METADATA})
_JSON_OF: Final = (
    "SELECT group_concat(json, char(10)) FROM event WHERE seq IN (SELECT value FROM json_each(?))"
)
_TAGS: Final = (
    "SELECT term, doc FROM word_terms WHERE term >= ? AND term <= ? ORDER BY doc DESC, term LIMIT ?"
)


class SearchAsTyped:
    """The part of a `FindsAsTyped` that SQLite does."""

    _db: Database
    _keys: IndexKeys
    _clock: Callable[[], float]
    _indexer: Indexer | None

    async def texts_typed(self, f: Filter, typed: str) -> list[Event]:
        return await self._typed(f, as_typed.expression(typed))

    async def people_typed(self, f: Filter, typed: str) -> list[Event]:
        return await self._typed(f.changed(kinds=_PEOPLE), as_typed.name_expression(typed))

    async def tags_typed(self, typed: str, most: int) -> list[tuple[str, int]]:
        visibility.check(Filter(search=typed), searchable=self._indexer is not None)
        ends = as_typed.tag_range(typed)
        if ends is None:
            return []
        rows = await self._db.read(
            lambda c: c.execute(_TAGS, (*ends, most)).fetchall(), Priority.NORMAL, TIME_LIMIT
        )
        return [(as_typed.tag_kept(term.decode()), count) for term, count in rows]

    async def _typed(self, f: Filter, words: str) -> list[Event]:
        """The newest of `f` that have these words, in FTS5's language."""
        f = f.changed(search=words)
        visibility.check(f, searchable=self._indexer is not None)
        if not words or any(part is not None and not part for part in (f.ids, f.authors, f.kinds)):
            return []
        wanted = plan(f, self._keys)._replace(words=words)
        now = int(self._clock())

        return await self._db.read(
            lambda c: _read(c, wanted, f.limit, now), Priority.NORMAL, TIME_LIMIT
        )


def _read(db: sqlite3.Connection, wanted: Plan, limit: int | None, now: int) -> list[Event]:
    seqs: list[int] = []
    for alive in (False, True):  # most often nothing has expired, and one look is enough
        statement = filter_sql.ranked(
            wanted, limit, now, candidates=LOOKED_AT, alive=alive, scored=False
        )
        _, any_gone, joined = db.execute(statement.sql, statement.parameters).fetchone()
        seqs = [int(line.split(b",")[0]) for line in lines(joined)]
        if not any_gone:
            break
    texts = db.execute(_JSON_OF, (json.dumps(seqs),)).fetchone()[0]
    found = (Event.from_trusted(data) for data in lines(texts))
    return sorted(found, key=lambda event: event.order)
