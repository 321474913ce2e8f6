"""Pages of searches: what fits best comes first (NIP-50).

The order is that of FTS5's bm25, then newest first; the limit comes after it. What other filters of
the same question find comes behind, each in its own order.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Final

from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import Page
from nostr_client.store.sqlite.reader import TableReader, lines, numbers, snapshot

RANKED: Final = 10_000
"""Of more events that match, those that were stored last are ranked: some 30 ms."""
_SEQ: Final = "SELECT seq FROM state"
_JSON_OF: Final = (
    "SELECT group_concat(seq), group_concat(json, char(10)) FROM event"
    " WHERE seq IN (SELECT value FROM json_each(?))"
)


def asks(filters: Sequence[Filter]) -> bool:
    """Is there a search among these?"""
    return any(f.search is not None for f in filters)


def page(
    reading: TableReader,
    db: sqlite3.Connection,
    asked: Sequence[tuple[Filter, int | None]],
    now: int,
    most: int,
) -> Page:
    """The best, or newest, of each filter with its limit, all of one snapshot, in `most` bytes."""
    found: dict[int, int] = {}
    complete = True
    with snapshot(db):
        seq = db.execute(_SEQ).fetchone()[0]
        for f, limit in asked:
            rows = reading.best(db, f, None if limit is None else limit + 1, now, RANKED)
            cut = limit is not None and len(rows) > limit
            complete = complete and not cut and not (f.search and len(rows) >= RANKED)
            found |= dict(rows[:limit])
        taken: list[int] = []
        for number, size in found.items():
            most -= size + 1
            if most < 0 and taken:
                complete = False
                break
            taken.append(number)
        seqs, joined = db.execute(_JSON_OF, (json.dumps(taken),)).fetchone()
    events = dict(zip(numbers(seqs), lines(joined), strict=True))
    return Page([events[number] for number in taken], complete, seq)
