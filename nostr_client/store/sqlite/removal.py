# ruff: noqa: S608 - SQL is made of constants; values are always bound
"""Taking events out of the tables: superseded, deleted (NIP-09), vanished (NIP-62), expired.

What has been superseded or deleted goes into the history of those who keep one; so not even a
stolen key can erase an owner's lists from his own store. A relay keeps no history.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from nostr_client.protocol.event import Event
from nostr_client.protocol.kinds import DELETION, GIFT_WRAP, VANISH, is_replaceable
from nostr_client.store import rules
from nostr_client.store.index_keys import MAX, IndexKeys, id_key
from nostr_client.store.sqlite import search_index

_AT_ONCE: Final = 256
VANISHED_AT_ONCE: Final = 256
"""What a request to vanish covers beyond these is taken out in slices."""
IDLE_MARKS: Final = 100_000
"""Requests to vanish that are remembered of keys of which there was nothing here. Those of all
others are remembered for ever."""
_Rows = list[tuple[Any, ...]]
_LISTED: Final = "(SELECT value FROM json_each(:listed))"
SEQS_OF_IDS: Final = (
    f"SELECT seq FROM new_id WHERE tie IN {_LISTED}"
    f" UNION ALL SELECT seq FROM id WHERE tie IN {_LISTED}"
)
"""`listed`: a JSON array of ties. Ids that meet in their ties are for the caller to tell apart."""
ENTRIES_OF_KEYS: Final = (
    f"SELECT key, created_at, kind, seq FROM new_tag WHERE key IN {_LISTED}"
    f" UNION ALL SELECT key, created_at, kind, seq FROM tag WHERE key IN {_LISTED}"
)
"""`listed`: a JSON array of keys of tags and addresses."""


_KNOWN: Final = "SELECT " + " OR ".join(
    f"EXISTS (SELECT 1 FROM {new}author WHERE author = :author AND kind <> :vanish)"
    f" OR EXISTS (SELECT 1 FROM {new}tag WHERE key = :person AND kind = :wrap)"
    for new in ("new_", "")
)
"""Is anything here by `author`, but for requests to vanish, or a gift wrap for him (`person`)?"""


class Removal:
    """Used on the writer's thread only, within a transaction.

    `places` (`place_of`) are those for which requests to vanish are obeyed.
    """

    def __init__(self, keys: IndexKeys, places: Collection[str]) -> None:
        self._keys = keys
        self._places = frozenset(places)
        self.unfinished = True
        """Somebody may be leaving."""
        self._idle_marks: int | None = None
        """How many there are, at least; None: not counted yet."""

    def remove(self, db: sqlite3.Connection, seqs: Collection[int], *, archive: bool) -> int:
        """Take events out; with `archive`, into the history of those who keep one. How many."""
        if not seqs:
            return 0
        listed = {"listed": json.dumps(list(seqs))}
        found = db.execute(f"SELECT seq, json FROM event WHERE seq IN {_LISTED}", listed).fetchall()
        events = {seq: Event.from_trusted(data) for seq, data in found}
        self._remove_entries(db, events)
        search_index.forget(db, events)
        db.execute(f"DELETE FROM event WHERE seq IN {_LISTED}", listed)
        if archive:
            self.archive(db, events.values())
        return len(events)

    def _remove_entries(self, db: sqlite3.Connection, events: Mapping[int, Event]) -> None:
        ids: _Rows = []
        authors: _Rows = []
        tags: _Rows = []
        for seq, event in events.items():
            place = event.created_at, id_key(event.id), seq
            ids.append(place[1:])
            authors.append((self._keys.author(event.pubkey), event.kind, *place))
            tags += [(key, *place, event.kind) for key in self._keys.tags(event)]
        for new in ("", "new_"):
            _delete_rows(db, f"{new}id", "tie, seq", ids)
            _delete_rows(db, f"{new}author", "author, kind, created_at, tie, seq", authors)
            _delete_rows(db, f"{new}tag", "key, created_at, tie, seq, kind", tags)

    def archive(self, db: sqlite3.Connection, events: Iterable[Event]) -> None:
        """Keep those that are versions of something, and whose authors' histories are kept."""
        versions = [event for event in events if is_replaceable(event.kind)]
        if not versions:
            return
        authors = json.dumps([self._keys.author(event.pubkey) for event in versions])
        rows = db.execute(
            f"SELECT author FROM keeper WHERE author IN {_LISTED}", {"listed": authors}
        )
        keepers = {row[0] for row in rows}
        for event in versions:
            author = self._keys.author(event.pubkey)
            if author in keepers:
                place = self._keys.address(event.address or ""), event.created_at, id_key(event.id)
                db.execute(
                    "INSERT OR IGNORE INTO history VALUES (?, ?, ?, ?, ?)",
                    (*place, author, event.json),
                )

    def obey_deletion(self, db: sqlite3.Connection, deletion: Event) -> None:
        """Remove what a kind 5 event names, and remember it for what is still to come."""
        targets = rules.deletion_of(deletion)
        ties, addresses, author = self._marks(deletion)
        for marks, until in ((ties, MAX), (addresses, deletion.created_at)):
            db.execute(
                "INSERT INTO tombstone SELECT value, ?, ? FROM json_each(?) WHERE true"
                " ON CONFLICT (target, author) DO UPDATE SET until = max(until, excluded.until)",
                (author, until, json.dumps(marks)),
            )
        rows = db.execute(
            f"SELECT seq, json FROM event WHERE seq IN ({SEQS_OF_IDS})",
            {"listed": json.dumps(ties)},
        ).fetchall()
        named = {seq: Event.from_trusted(data) for seq, data in rows}
        gone = {
            seq
            for seq, event in named.items()
            if event.id in targets.ids and deletion.pubkey in rules.deleters(event)
        }
        rows = db.execute(
            f"SELECT seq FROM ({ENTRIES_OF_KEYS}) WHERE created_at <= :until",
            {"listed": json.dumps(addresses), "until": deletion.created_at},
        ).fetchall()
        self.remove(db, gone.union(row[0] for row in rows), archive=True)

    def lift_deletions(self, db: sqlite3.Connection, seqs: Collection[int]) -> None:
        """Forget what the kind 5 events among these bar: it takes about as much room as they."""
        rows = db.execute(
            f"SELECT json FROM event WHERE seq IN {_LISTED} AND kind = {DELETION}",
            {"listed": json.dumps(list(seqs))},
        )
        for (data,) in rows.fetchall():
            ties, addresses, author = self._marks(Event.from_trusted(data))
            db.execute(
                f"DELETE FROM tombstone WHERE author = :author AND target IN {_LISTED}",
                {"author": author, "listed": json.dumps([*ties, *addresses])},
            )

    def _marks(self, deletion: Event) -> tuple[list[int], list[int], int]:
        """What a kind 5 event bars, by id and by address, and whose it is."""
        targets = rules.deletion_of(deletion)
        ties = [id_key(event_id) for event_id in targets.ids]
        addresses = [self._keys.address(address) for address in targets.addresses]
        return ties, addresses, self._keys.author(deletion.pubkey)

    def obey_vanish(self, db: sqlite3.Connection, request: Event) -> None:
        """Remove what a kind 62 event covers, if it speaks to this store, and bar its return.

        What is remembered is the key and the date, in some 40 bytes, whether the request itself is
        kept or not. What is much is marked as leaving, so that nobody sees it, and taken out later.
        """
        if not rules.vanish_reaches(request, self._places):
            return
        bound = self._bound(request)
        known = db.execute(_KNOWN, {**bound, "vanish": VANISH, "wrap": GIFT_WRAP}).fetchone()[0]
        self._mark(db, bound["author"], bound["until"], idle=not known)
        db.execute("DELETE FROM history WHERE author = :author AND created_at <= :until", bound)
        covered = self.covered(db, **bound, most=VANISHED_AT_ONCE + 1)
        if len(covered) <= VANISHED_AT_ONCE:
            self.remove(db, covered, archive=False)
            return
        db.execute(
            "INSERT INTO leaving VALUES (:author, :person, :until)"
            " ON CONFLICT (author) DO UPDATE SET until = max(until, excluded.until)",
            bound,
        )
        self.unfinished = True

    def covers_any(self, db: sqlite3.Connection, request: Event) -> bool:
        """Would a kind 62 event take out anything here? It may be any connection's `db`."""
        reaches = rules.vanish_reaches(request, self._places)
        return reaches and bool(self.covered(db, **self._bound(request), most=1))

    def _bound(self, request: Event) -> dict[str, int]:
        """What a request to vanish is about, as `covered` is asked."""
        return {
            "author": self._keys.author(request.pubkey),
            "person": self._keys.tag("p", request.pubkey),
            "until": request.created_at,
        }

    def _mark(self, db: sqlite3.Connection, author: int, until: int, *, idle: bool) -> None:
        """Bar the return of what `author` wrote; `idle`: nothing of his was here."""
        db.execute(
            "INSERT INTO vanished VALUES (?, ?, ?) ON CONFLICT (author) DO UPDATE"
            " SET until = max(until, excluded.until), idle = min(idle, excluded.idle)",
            (author, until, idle),
        )
        if not idle:
            return
        count = "SELECT count(*) FROM vanished WHERE idle = 1"
        if self._idle_marks is None:
            self._idle_marks = db.execute(count).fetchone()[0]
        else:
            self._idle_marks += 1
        if self._idle_marks > IDLE_MARKS:  # or fewer, where some came twice
            db.execute(
                "DELETE FROM vanished WHERE author IN (SELECT author FROM vanished"
                f" WHERE idle = 1 ORDER BY until LIMIT max(0, ({count}) - ?))",
                (IDLE_MARKS * 99 // 100,),
            )
            self._idle_marks = db.execute(count).fetchone()[0]

    def covered(
        self, db: sqlite3.Connection, author: int, person: int, until: int, most: int = MAX
    ) -> list[int]:
        """The seqs of what a request to vanish covers, at most so many and a few more."""
        bound = {
            **{"author": author, "until": until, "most": most, "listed": json.dumps([person])},
            **{"vanish": VANISH, "wrap": GIFT_WRAP},
        }
        own = db.execute(
            "SELECT seq FROM (SELECT * FROM new_author WHERE author = :author"
            " UNION ALL SELECT * FROM author WHERE author = :author)"
            " WHERE created_at <= :until AND NOT (kind = :vanish AND created_at = :until)"
            " LIMIT :most",
            bound,
        ).fetchall()
        wraps = db.execute(
            f"SELECT seq FROM ({ENTRIES_OF_KEYS}) WHERE created_at <= :until AND kind = :wrap"
            " LIMIT :most",
            bound,
        ).fetchall()
        return sorted({row[0] for row in (*own, *wraps)})

    def obey_stored(self, db: sqlite3.Connection) -> None:
        """Carry out the requests to vanish that came before their URL was known to be ours."""
        rows = db.execute("SELECT json FROM event WHERE kind = ?", (VANISH,)).fetchall()
        done = dict(db.execute("SELECT author, until FROM vanished").fetchall())
        for (data,) in rows:
            request = Event.from_trusted(data)
            if done.get(self._keys.author(request.pubkey), -1) < request.created_at:
                self.obey_vanish(db, request)


def _delete_rows(
    db: sqlite3.Connection, table: str, key: str, rows: Sequence[Sequence[Any]]
) -> None:
    """Many rows in few steps, each by its whole key."""
    for start in range(0, len(rows), _AT_ONCE):
        part = rows[start : start + _AT_ONCE]
        row = f"({','.join('?' * len(part[0]))})"
        db.execute(
            f"DELETE FROM {table} WHERE ({key}) IN (WITH gone ({key}) AS"
            f" (VALUES {','.join([row] * len(part))}) SELECT * FROM gone)",
            [value for values in part for value in values],
        )
