"""The tables, their versions, and how an older database becomes a newer one.

They are what SQLite's are (`store.sqlite.schema`), with one table an index. `state` is one row, and
whoever writes holds it: so `seq` is the order of commits. `used` counts the bytes that all events
are charged with (`contract.cost`).
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from nostr_client.store.postgres.versions import Versions

if TYPE_CHECKING:
    from asyncpg import Connection

_OFTEN: Final = (
    "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,"
    " autovacuum_vacuum_cost_delay = 0"
)
"""Of what changes with every commit: its dead rows have room on their own page, and go soon."""
_MUCH: Final = (
    "autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05,"
    " autovacuum_analyze_scale_factor = 0.02"
)
"""Of what is large: it is looked after before a good part of it is dead, or not known yet."""
_EVENTS: Final = (
    "CREATE TABLE state (one smallint PRIMARY KEY CHECK (one = 1), version int NOT NULL,"
    " seq bigint NOT NULL, used bigint NOT NULL, indexed bigint NOT NULL, secret bytea NOT NULL)"
    f" WITH (fillfactor = 10, {_OFTEN})",
    "CREATE TABLE event (seq bigint PRIMARY KEY, created_at bigint NOT NULL, tie bigint NOT NULL,"
    " kind int NOT NULL, author bigint NOT NULL, expires bigint, json bytea NOT NULL)"
    f" WITH ({_MUCH})",
    "CREATE INDEX event_tie ON event (tie)",
    "CREATE INDEX event_time ON event (created_at, tie, seq)",
    "CREATE INDEX event_kind ON event (kind, created_at, tie, seq)",
    "CREATE INDEX event_author ON event (author, kind, created_at, tie, seq)",
    "CREATE INDEX event_expires ON event (expires) WHERE expires IS NOT NULL",
    "CREATE TABLE tag (key bigint, created_at bigint, tie bigint, seq bigint, kind int NOT NULL,"
    f" PRIMARY KEY (key, created_at, tie, seq)) WITH ({_MUCH})",
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
    # What passes between nodes and is too long to be said.
    "CREATE UNLOGGED TABLE passing (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    f" at timestamptz NOT NULL DEFAULT now(), json bytea NOT NULL) WITH ({_OFTEN})",
)
STEPS: Final[tuple[tuple[str, ...], ...]] = (_EVENTS,)
"""Step n makes version n + 1 of the schema out of version n."""


async def _begin(db: Connection) -> None:
    sql = "INSERT INTO state VALUES (1, 0, 0, 0, 0, $1)"
    await db.execute(sql, secrets.token_bytes(32))


TABLES: Final = Versions("the store", "state", "event", STEPS, _begin)
VERSION: Final = TABLES.newest
version_of = TABLES.found
prepare = TABLES.prepare
