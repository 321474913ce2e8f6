"""The tables, their versions, and how an older database becomes a newer one.

They are what SQLite's are (`store.sqlite.schema`), with one table an index. `state` is one row, and
whoever writes holds it: so `seq` is the order of commits. `used` counts the bytes that all events
are charged with (`contract.cost`).
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from nostr_client.errors import StoreError

if TYPE_CHECKING:
    from asyncpg import Connection

_EVENTS: Final = (
    "CREATE TABLE state (one smallint PRIMARY KEY CHECK (one = 1), version int NOT NULL,"
    " seq bigint NOT NULL, used bigint NOT NULL, indexed bigint NOT NULL, secret bytea NOT NULL)",
    "CREATE TABLE event (seq bigint PRIMARY KEY, created_at bigint NOT NULL, tie bigint NOT NULL,"
    " kind int NOT NULL, author bigint NOT NULL, expires bigint, json bytea NOT NULL)",
    "CREATE INDEX event_tie ON event (tie)",
    "CREATE INDEX event_time ON event (created_at, tie, seq)",
    "CREATE INDEX event_kind ON event (kind, created_at, tie, seq)",
    "CREATE INDEX event_author ON event (author, kind, created_at, tie, seq)",
    "CREATE INDEX event_expires ON event (expires) WHERE expires IS NOT NULL",
    "CREATE TABLE tag (key bigint, created_at bigint, tie bigint, seq bigint, kind int NOT NULL,"
    " PRIMARY KEY (key, created_at, tie, seq))",
    # What must not come back: NIP-09, for events seen and not seen yet, and NIP-62.
    "CREATE TABLE tombstone (target bigint, author bigint, until bigint NOT NULL,"
    " PRIMARY KEY (target, author))",
    "CREATE TABLE vanished (author bigint PRIMARY KEY, until bigint NOT NULL,"
    " idle boolean NOT NULL)",
    "CREATE INDEX vanished_idle ON vanished (until) WHERE idle",
    # Whose events are being taken out, by NIP-62, and are as if they were not there.
    "CREATE TABLE leaving (author bigint PRIMARY KEY, person bigint NOT NULL,"
    " until bigint NOT NULL)",
    "CREATE TABLE keeper (author bigint PRIMARY KEY)",
    "CREATE TABLE history (address bigint, created_at bigint, tie bigint, author bigint NOT NULL,"
    " json bytea NOT NULL, PRIMARY KEY (address, created_at, tie))",
    # The words of `store.words`, for events up to `state.indexed`.
    "CREATE TABLE words (seq bigint PRIMARY KEY, words text[] NOT NULL)",
    "CREATE INDEX words_words ON words USING gin (words)",
)
STEPS: Final[tuple[tuple[str, ...], ...]] = (_EVENTS,)
"""Step n makes version n + 1 of the schema out of version n."""
VERSION: Final = len(STEPS)
_LOCK: Final = "SELECT pg_advisory_xact_lock(1852797812, hashtext(current_setting('search_path')))"
""" "nost": one node at a time looks after the tables."""
_NEW_SCHEMA: Final = (
    "SELECT format('CREATE SCHEMA %I', trim(both '\"' from current_setting('search_path')))"
)
"""The one that the URL names (`search_path`), where it is not there yet."""


async def version_of(db: Connection) -> int:
    """The version of the tables, 0 for none yet. Raises StoreError for a newer one."""
    if await db.fetchval("SELECT to_regclass('state')") is None:
        if await db.fetchval("SELECT to_regclass('event')") is not None:
            raise StoreError("the database has another program's tables")
        return 0
    try:
        version: int = await db.fetchval("SELECT version FROM state")
    except Exception as error:
        if getattr(error, "sqlstate", "") == "42703":  # there is no such column
            raise StoreError("the database has another program's tables") from None
        raise
    if version > VERSION:
        raise StoreError(
            f"the store was written by a newer version of this program (format {version},"
            f" this one knows {VERSION}): please update"
        )
    return version


async def prepare(db: Connection) -> None:
    """Create or migrate the tables, while others wait. Raises StoreError as `version_of` does."""
    if await version_of(db) == VERSION:
        return
    async with db.transaction():
        await db.execute(_LOCK)
        if await db.fetchval("SELECT current_schema()") is None:
            await db.execute(await db.fetchval(_NEW_SCHEMA))
        version = await version_of(db)
        for statement in [s for step in STEPS[version:] for s in step]:
            await db.execute(statement)
        if version == 0:
            await db.execute(
                "INSERT INTO state VALUES (1, $1, 0, 0, 0, $2)", VERSION, secrets.token_bytes(32)
            )
        await db.execute("UPDATE state SET version = $1", VERSION)
