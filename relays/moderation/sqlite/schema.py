# ruff: noqa: S608 - SQL is made of constants; values are always bound
"""The tables of `keeper.db`."""

from __future__ import annotations

import sqlite3
from typing import Final

from nostr_client.errors import StoreError
from relays.moderation.records import Area

VERSION: Final = 1
APPLICATION: Final = 0x4E4B5052
"""`NKPR`: marks the file as ours."""


_TABLES: Final = """
CREATE TABLE rule (
    sort TEXT NOT NULL, value TEXT NOT NULL,
    reason TEXT NOT NULL, by TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (sort, value)
) WITHOUT ROWID;
CREATE TABLE member (
    pubkey TEXT NOT NULL PRIMARY KEY,
    reason TEXT NOT NULL, by TEXT NOT NULL, at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE role (
    id TEXT NOT NULL PRIMARY KEY,
    label TEXT NOT NULL, description TEXT NOT NULL, color INTEGER, place INTEGER
) WITHOUT ROWID;
CREATE TABLE holder (
    pubkey TEXT NOT NULL REFERENCES member ON DELETE CASCADE,
    role TEXT NOT NULL REFERENCES role ON DELETE CASCADE,
    PRIMARY KEY (pubkey, role)
) WITHOUT ROWID;
CREATE TABLE invite (
    hash BLOB NOT NULL PRIMARY KEY,
    uses INTEGER NOT NULL, used INTEGER NOT NULL, expires INTEGER NOT NULL,
    role TEXT NOT NULL, by TEXT NOT NULL, at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE setting (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE counter (name TEXT NOT NULL PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE latest (name TEXT NOT NULL PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE heard (
    target TEXT NOT NULL, reporter TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (target, reporter)
) WITHOUT ROWID;
CREATE TABLE once (id TEXT NOT NULL PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE log (number INTEGER PRIMARY KEY, id TEXT NOT NULL, entry BLOB NOT NULL);
CREATE TRIGGER log_is_not_changed BEFORE UPDATE ON log
    BEGIN SELECT RAISE(ABORT, 'the log is only added to'); END;
CREATE TRIGGER log_is_not_cut BEFORE DELETE ON log
    BEGIN SELECT RAISE(ABORT, 'the log is only added to'); END;
"""

_AREA_OF: Final = {
    "rule": Area.RULES,
    "member": Area.MEMBERS,
    "role": Area.MEMBERS,
    "holder": Area.MEMBERS,
    "setting": Area.SETTINGS,
}


def _changes() -> str:
    """Triggers that count changes, so that no writer can forget to."""
    rows = [f"INSERT INTO counter VALUES ('{area}', 1);" for area in Area]
    triggers = [
        f"CREATE TRIGGER {table}_{act.lower()} AFTER {act} ON {table} BEGIN"
        f" UPDATE counter SET number = number + 1 WHERE name = '{area}'; END;"
        for table, area in _AREA_OF.items()
        for act in ("INSERT", "UPDATE", "DELETE")
    ]
    return "\n".join([*rows, *triggers])


def identify(db: sqlite3.Connection) -> int:
    """The version of the tables, 0 for none yet. Raises StoreError for a file that is not ours."""
    alone = not db.in_transaction
    if alone:
        db.execute("BEGIN")  # one look at all: another process may be making the tables
    try:
        found, version = _marks(db)
        empty = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    finally:
        if alone and db.in_transaction:
            db.execute("COMMIT")
    if found != APPLICATION and not (empty and found == version == 0):
        raise StoreError("the keeper's records are the database of another program")
    if version > VERSION:
        raise StoreError(
            f"the keeper's records were written by a newer version of this program ({version})"
        )
    return version


def prepare(db: sqlite3.Connection) -> None:
    """Make the tables in an empty file. Raises StoreError as `identify` does."""
    if identify(db) == VERSION:
        return
    db.execute("BEGIN IMMEDIATE")  # another process may be making them
    try:
        if identify(db) == 0:
            for statement in _statements(_TABLES + _changes()):
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION}")
            db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _statements(script: str) -> list[str]:
    """One by one: `executescript` would commit in between."""
    found: list[str] = []
    start = ""
    for line in script.splitlines(keepends=True):
        start += line
        if sqlite3.complete_statement(start):
            found.append(start)
            start = ""
    return found


def _marks(db: sqlite3.Connection) -> tuple[int, int]:
    application: int = db.execute("PRAGMA application_id").fetchone()[0]
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return application, version


def counters(db: sqlite3.Connection) -> dict[Area, int]:
    """How often each area was changed."""
    rows = db.execute("SELECT name, number FROM counter").fetchall()
    return {Area(name): number for name, number in rows}
