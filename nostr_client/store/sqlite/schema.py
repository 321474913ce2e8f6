"""The tables, their versions, and how an older file becomes a newer one.

`event` holds each event once, as the JSON that was checked. `tie` stands for its id and sorts
against it, so that one backward walk over (created_at, tie) is NIP-01's order. A `seq` is given
once and never again. `state` is one row: the last seq, the secret that keys the hashes of
`index_keys`, and how far `index_merge` and
`search_index` have come.

The indexes that are met at random, `id`, `author` and `tag` (single-letter tags, and addresses),
have two tables each. Entries come into the small one, `new_...`, and are moved on to the large one
in the order of their keys, many at a time: so a page of the large one is written once for many
events, and not once for each. What is looked up is looked up in both.
"""

from __future__ import annotations

import secrets
import sqlite3
from typing import Final

from nostr_client.errors import StoreError

APPLICATION_ID: Final = 0x6E6F7374
"""Marks a file as ours ("nost"), so that no other database is ever written to."""

_EVENTS: Final = (
    "CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL,"
    " secret BLOB NOT NULL)",
    "CREATE TABLE event (seq INTEGER PRIMARY KEY, created_at INTEGER NOT NULL,"
    " tie INTEGER NOT NULL, kind INTEGER NOT NULL, author INTEGER NOT NULL,"
    " expires INTEGER, json BLOB NOT NULL)",
    "CREATE INDEX event_tie ON event (tie)",
    "CREATE INDEX event_time ON event (created_at, tie)",
    "CREATE INDEX event_kind ON event (kind, created_at, tie)",
    "CREATE INDEX event_author_kind ON event (author, kind, created_at, tie)",
    "CREATE INDEX event_expires ON event (expires) WHERE expires IS NOT NULL",
    "CREATE TABLE tag (key INTEGER, created_at INTEGER, tie INTEGER, seq INTEGER, kind INTEGER,"
    " PRIMARY KEY (key, created_at, tie, seq, kind)) WITHOUT ROWID",
    # What must not come back: NIP-09, for events seen and not seen yet, and NIP-62.
    "CREATE TABLE tombstone (target INTEGER, author INTEGER, until INTEGER NOT NULL,"
    " PRIMARY KEY (target, author)) WITHOUT ROWID",
    "CREATE TABLE vanished (author INTEGER PRIMARY KEY, until INTEGER NOT NULL)",
)
_HISTORY_AND_COPIES: Final = (
    "CREATE TABLE keeper (author INTEGER PRIMARY KEY)",
    "CREATE TABLE history (address INTEGER, created_at INTEGER, tie INTEGER, author INTEGER,"
    " json BLOB NOT NULL, PRIMARY KEY (address, created_at, tie)) WITHOUT ROWID",
    "CREATE TABLE relay (id INTEGER PRIMARY KEY, url TEXT NOT NULL UNIQUE)",
    "CREATE TABLE copy (tie INTEGER, relay INTEGER, state TEXT NOT NULL, attempts INTEGER NOT NULL,"
    " next_try INTEGER NOT NULL, prefix TEXT NOT NULL, reason TEXT NOT NULL,"
    " updated_at INTEGER NOT NULL, wanted INTEGER NOT NULL, PRIMARY KEY (tie, relay))"
    " WITHOUT ROWID",
    "CREATE INDEX copy_due ON copy (next_try) WHERE state IN ('wanted', 'failed')",
)
_ID: Final = "tie INTEGER, seq INTEGER, PRIMARY KEY (tie, seq)"
_AUTHOR: Final = (
    "author INTEGER, kind INTEGER, created_at INTEGER, tie INTEGER, seq INTEGER,"
    " PRIMARY KEY (author, kind, created_at, tie, seq)"
)
_TAG: Final = (
    "key INTEGER, created_at INTEGER, tie INTEGER, seq INTEGER, kind INTEGER,"
    " PRIMARY KEY (key, created_at, tie, seq, kind)"
)
_TWO_TABLES_AN_INDEX: Final = (
    f"CREATE TABLE id ({_ID}) WITHOUT ROWID",
    f"CREATE TABLE new_id ({_ID}) WITHOUT ROWID",
    f"CREATE TABLE author ({_AUTHOR}) WITHOUT ROWID",
    f"CREATE TABLE new_author ({_AUTHOR}) WITHOUT ROWID",
    f"CREATE TABLE new_tag ({_TAG}) WITHOUT ROWID",
    "INSERT INTO id SELECT tie, seq FROM event ORDER BY tie, seq",
    "INSERT INTO author SELECT author, kind, created_at, tie, seq FROM event ORDER BY 1, 2, 3, 4",
    "DROP INDEX IF EXISTS event_tie",
    "DROP INDEX IF EXISTS event_author",
    "DROP INDEX IF EXISTS event_author_kind",
    "ALTER TABLE state ADD COLUMN unsettled INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE state ADD COLUMN settled_to INTEGER NOT NULL DEFAULT 0",
)
_SEARCH: Final = (
    # Up to which seq `search_index` has come; NULL while there is no index.
    "ALTER TABLE state ADD COLUMN indexed INTEGER",
)
_VANISHING: Final = (
    # Whose events are being taken out, by NIP-62, and are as if they were not there.
    "CREATE TABLE leaving (author INTEGER PRIMARY KEY, person INTEGER NOT NULL,"
    " until INTEGER NOT NULL)",
)
_MARKS: Final = (
    # Marks of keys of which there was nothing here, nor gift wraps for them: so many are kept.
    "ALTER TABLE vanished ADD COLUMN idle INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX vanished_idle ON vanished (until) WHERE idle = 1",
)
_RECEIPTS: Final = (
    # How a copy is known (`CopyGrade`), and when it is looked for again. What was confirmed before
    # rests on what the relay said; its audits are spread over a week.
    "ALTER TABLE copy ADD COLUMN grade INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE copy ADD COLUMN audit_at INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE copy ADD COLUMN audits INTEGER NOT NULL DEFAULT 0",
    "UPDATE copy SET grade = 1 WHERE state = 'confirmed'",
    "UPDATE copy SET audit_at = CAST(strftime('%s', 'now') AS INTEGER) + abs(random()) % 604800"
    " WHERE state = 'confirmed' AND wanted = 1",
    "CREATE INDEX copy_audit ON copy (audit_at) WHERE audit_at > 0",
)
_AS_TYPED: Final = (
    # The index keeps names and tags besides (`store.as_typed`): it is made anew.
    "DROP TABLE IF EXISTS words",
    "UPDATE state SET indexed = NULL",
)
STEPS: Final[tuple[tuple[str, ...], ...]] = (
    _EVENTS,
    _HISTORY_AND_COPIES,
    _TWO_TABLES_AN_INDEX,
    _SEARCH,
    _VANISHING,
    _MARKS,
    _RECEIPTS,
    _AS_TYPED,
)
"""Step n makes version n + 1 of the schema out of version n."""

VERSION: Final = len(STEPS)


def identify(db: sqlite3.Connection) -> int:
    """The version of the tables, 0 for none yet.

    Raises StoreError for another program's file, and for one of a newer version of this one.
    """
    alone = not db.in_transaction
    if alone:
        db.execute("BEGIN")  # one look at all three: another process may be creating the tables
    try:
        version: int = db.execute("PRAGMA user_version").fetchone()[0]
        owner: int = db.execute("PRAGMA application_id").fetchone()[0]
        empty = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    finally:
        if alone and db.in_transaction:
            db.execute("COMMIT")
    if owner != APPLICATION_ID and not (empty and version == owner == 0):
        raise StoreError("the file is a database of another program")
    if version > VERSION:
        raise StoreError(
            f"the store was written by a newer version of this program (format {version},"
            f" this one knows {VERSION}): please update"
        )
    return version


def prepare(db: sqlite3.Connection) -> None:
    """Create or migrate the tables. Raises StoreError as `identify` does."""
    if identify(db) == VERSION:
        return
    db.execute("BEGIN IMMEDIATE")  # another process may be doing the same at this moment
    try:
        version = identify(db)
        for statement in [s for step in STEPS[version:] for s in step]:
            db.execute(statement)
        if version == 0:
            secret = secrets.token_bytes(32)
            db.execute("INSERT INTO state (one, seq, secret) VALUES (1, 0, ?)", (secret,))
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def confirm(db: sqlite3.Connection) -> None:
    """Raises StoreError if a newer program has changed the tables while this one had them open."""
    if db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
        raise StoreError("a newer version of this program has changed the store: please restart")
