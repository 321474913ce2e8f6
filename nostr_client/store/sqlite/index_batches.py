"""What goes into the search index at once: the words of a few events, ready to be inserted.

To make them takes Python's lock and half of all the work, wherever it is done; to insert them is
done by SQLite alone, in three steps.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from nostr_client.protocol.event import Event
from nostr_client.store import as_typed
from nostr_client.store.contract import Stored

_WORDS_AT_ONCE: Final = 1000
"""Of one batch: about a millisecond of its transaction."""
_MERGED: Final = 8
"""Pages for each batch: more than it adds on all levels together, so that no level grows for ever.
"""


class IndexBatch(NamedTuple):
    """All of the order of commits from `before` to `after` that has words, as `rows`: a JSON object
    of texts by seq."""

    before: int
    after: int
    rows: str


def batches(stored: Stored) -> Iterator[IndexBatch]:
    """In order, without a gap; the last one ends where `stored` does."""
    rows: dict[int, str] = {}
    size, place = 0, stored.before
    for seq, text in texts(stored.events):
        rows[seq] = text
        size += text.count(" ") + 1
        if size >= _WORDS_AT_ONCE:
            yield IndexBatch(place, seq, json.dumps(rows))
            rows, size, place = {}, 0, seq
    if place < stored.after:
        yield IndexBatch(place, stored.after, json.dumps(rows))


def texts(events: Iterable[tuple[int, Event]]) -> Iterator[tuple[int, str]]:
    """What the index keeps of each event that has words."""
    for seq, event in events:
        if found := as_typed.entries_of(event):
            yield seq, " ".join(found)


def insertion(group: Sequence[IndexBatch]) -> Callable[[sqlite3.Connection], tuple[int, float]]:
    """A job that indexes these, which follow each other, unless somebody else went on from there.

    It says up to where the index has come then, and how many seconds that took.
    """

    def run(db: sqlite3.Connection) -> tuple[int, float]:
        started = time.monotonic()
        indexed: int | None = db.execute("SELECT indexed FROM state").fetchone()[0]
        if indexed is None or indexed != group[0].before:
            return indexed or 0, 0
        for batch in group:
            db.execute(
                "INSERT INTO words (rowid, text) SELECT e.seq, j.value"
                " FROM json_each(?) j CROSS JOIN event e ON e.seq = CAST(j.key AS INTEGER)",
                (batch.rows,),
            )
        db.execute("INSERT INTO words (words, rank) VALUES ('merge', ?)", (_MERGED * len(group),))
        db.execute("UPDATE state SET indexed = ?", (group[-1].after,))
        return group[-1].after, time.monotonic() - started

    return run
