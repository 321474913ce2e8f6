"""The tables of the keeper's records in PostgreSQL, and their versions.

They are what SQLite's are (`relays.moderation.sqlite.schema`). Whoever writes holds the one row of
`records`: so one transaction comes after the other, whichever node begins it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nostr_client.store.postgres.versions import Versions
from relays.moderation.records import Area

if TYPE_CHECKING:
    from asyncpg import Connection

LOCK: Final = "SELECT 1 FROM records FOR UPDATE"
_TABLES: Final = (
    "CREATE TABLE records (one smallint PRIMARY KEY CHECK (one = 1), version int NOT NULL)",
    "CREATE TABLE rule (sort text, value text, reason text NOT NULL, by text NOT NULL,"
    " at bigint NOT NULL, PRIMARY KEY (sort, value))",
    "CREATE TABLE member (pubkey text PRIMARY KEY, reason text NOT NULL, by text NOT NULL,"
    " at bigint NOT NULL)",
    "CREATE TABLE role (id text PRIMARY KEY, label text NOT NULL, description text NOT NULL,"
    " color int, place bigint)",
    "CREATE TABLE holder (pubkey text REFERENCES member ON DELETE CASCADE,"
    " role text REFERENCES role ON DELETE CASCADE, PRIMARY KEY (pubkey, role))",
    "CREATE TABLE invite (hash bytea PRIMARY KEY, uses bigint NOT NULL, used bigint NOT NULL,"
    " expires bigint NOT NULL, role text NOT NULL, by text NOT NULL, at bigint NOT NULL)",
    "CREATE TABLE setting (name text PRIMARY KEY, value text NOT NULL)",
    "CREATE TABLE counter (name text PRIMARY KEY, number bigint NOT NULL)",
    "CREATE TABLE latest (name text PRIMARY KEY, at bigint NOT NULL)",
    "CREATE TABLE heard (target text, reporter text, at bigint NOT NULL,"
    " PRIMARY KEY (target, reporter))",
    "CREATE TABLE once (id text PRIMARY KEY, until bigint NOT NULL)",
    "CREATE TABLE log (number bigint PRIMARY KEY, id text NOT NULL, entry bytea NOT NULL)",
    "CREATE FUNCTION log_is_only_added_to() RETURNS trigger LANGUAGE plpgsql AS"
    " $$BEGIN RAISE EXCEPTION 'the log is only added to'; END$$",
    "CREATE TRIGGER log_is_not_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON log"
    " EXECUTE FUNCTION log_is_only_added_to()",
    # The relay's own secret key, where no node has it in a file.
    "CREATE TABLE relay_key (one smallint PRIMARY KEY CHECK (one = 1), key bytea NOT NULL)",
)
_AREA_OF: Final = {
    "rule": Area.RULES,
    "member": Area.MEMBERS,
    "role": Area.MEMBERS,
    "holder": Area.MEMBERS,
    "setting": Area.SETTINGS,
}


def _changes() -> tuple[str, ...]:
    """Triggers that count changes, so that no writer can forget to."""
    function = (
        "CREATE FUNCTION count_change() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
        " EXECUTE format('UPDATE %I.counter SET number = number + 1 WHERE name = $1',"
        " TG_TABLE_SCHEMA) USING TG_ARGV[0]; RETURN NULL; END$$"
    )
    triggers = (
        f"CREATE TRIGGER {table}_is_changed AFTER INSERT OR UPDATE OR DELETE ON {table}"
        f" FOR EACH ROW EXECUTE FUNCTION count_change('{area}')"
        for table, area in _AREA_OF.items()
    )
    return (function, *triggers)


async def _begin(db: Connection) -> None:
    await db.execute("INSERT INTO records VALUES (1, 0)")
    await db.executemany("INSERT INTO counter VALUES ($1, 1)", [(area.value,) for area in Area])


TABLES: Final = Versions(
    "the keeper's records", "records", "rule", ((*_TABLES, *_changes()),), _begin
)


async def counters(db: Connection) -> dict[Area, int]:
    """How often each area was changed."""
    rows = await db.fetch("SELECT name, number FROM counter")
    return {Area(name): number for name, number in rows}
