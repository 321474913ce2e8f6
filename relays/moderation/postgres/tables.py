"""The tables of the keeper's records, each within one transaction (see
`relays.moderation.records`)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nostr_client.errors import InvalidKey, StoreError
from nostr_client.protocol.keys import SecretKey
from relays.moderation import key_file
from relays.moderation.postgres import schema
from relays.moderation.postgres.member_tables import (
    PostgresInviteTable,
    PostgresMemberTable,
    PostgresRoleTable,
)
from relays.moderation.postgres.step import PostgresStep, PostgresTable
from relays.moderation.records import LogRow, RecordTables, Rule, RuleType

if TYPE_CHECKING:
    from asyncpg import Connection


def tables_of(step: PostgresStep, relay_key: DatabaseKey) -> RecordTables:
    """Those of the transaction whose steps are taken by `step`."""
    return RecordTables(
        rules=PostgresRuleTable(step),
        members=PostgresMemberTable(step),
        roles=PostgresRoleTable(step),
        invites=PostgresInviteTable(step),
        dismissed_reports=PostgresDismissedReportTable(step),
        settings=PostgresSettingTable(step),
        dates=PostgresDateTable(step),
        used_requests=PostgresUsedRequestTable(step),
        log=PostgresLogTable(step),
        relay_key=relay_key,
        counters=lambda: step(schema.counters),
    )


class PostgresRuleTable(PostgresTable):
    async def put(self, rule: Rule) -> None:
        await self.execute(
            "INSERT INTO rule VALUES ($1, $2, $3, $4, $5)"
            " ON CONFLICT (sort, value) DO UPDATE SET reason = $3, by = $4, at = $5",
            *(rule.sort.value, rule.value, rule.reason, rule.by, rule.at),
        )

    async def remove(self, type: RuleType, value: str) -> bool:
        sql = "DELETE FROM rule WHERE (sort, value) = ($1, $2)"
        return bool(await self.execute(sql, type.value, value))

    async def reasons(self) -> list[tuple[str, str, str]]:
        rows = await self.rows("SELECT sort, value, reason FROM rule")
        return [(sort, value, reason) for sort, value, reason in rows]

    async def listed(self, types: Collection[RuleType]) -> list[Rule]:
        sql = "SELECT sort, value, reason, by, at FROM rule WHERE sort = ANY($1::text[])"
        rows = await self.rows(sql, [type.value for type in types])
        found = [Rule(RuleType(row[0]), *tuple(row)[1:]) for row in rows]
        return sorted(found, key=lambda rule: (-rule.at, rule.sort, rule.value))


class PostgresDismissedReportTable(PostgresTable):
    async def add(self, target: str, reporters: Collection[str], at: int) -> None:
        sql = "INSERT INTO heard SELECT $1, unnest($2::text[]), $3 ON CONFLICT DO NOTHING"
        await self.execute(sql, target, list(reporters), at)

    async def all(self) -> list[tuple[str, str]]:
        rows = await self.rows("SELECT target, reporter FROM heard")
        return [(target, reporter) for target, reporter in rows]


class PostgresSettingTable(PostgresTable):
    async def get(self, name: str) -> str | None:
        found: str | None = await self.value("SELECT value FROM setting WHERE name = $1", name)
        return found

    async def put(self, name: str, value: str) -> None:
        sql = "INSERT INTO setting VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = $2"
        await self.execute(sql, name, value)

    async def remove(self, name: str) -> None:
        await self.execute("DELETE FROM setting WHERE name = $1", name)

    async def all(self) -> Mapping[str, str]:
        return dict(await self.rows("SELECT name, value FROM setting"))


class PostgresDateTable(PostgresTable):
    async def get(self, name: str) -> int | None:
        found: int | None = await self.value("SELECT at FROM latest WHERE name = $1", name)
        return found

    async def put(self, name: str, at: int) -> None:
        sql = "INSERT INTO latest VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET at = $2"
        await self.execute(sql, name, at)


class PostgresUsedRequestTable(PostgresTable):
    async def add(self, id: str, until: int) -> bool:
        sql = "INSERT INTO once VALUES ($1, $2) ON CONFLICT DO NOTHING"
        return bool(await self.execute(sql, id, until))

    async def clean(self, now: int) -> None:
        await self.execute("DELETE FROM once WHERE until < $1", now)


class PostgresLogTable(PostgresTable):
    async def last(self) -> LogRow | None:
        row = await self.first("SELECT number, id, entry FROM log ORDER BY number DESC LIMIT 1")
        return None if row is None else LogRow(*row)

    async def append(self, row: LogRow) -> None:
        await self.execute("INSERT INTO log VALUES ($1, $2, $3)", *row)

    async def after(self, number: int, most: int) -> list[LogRow]:
        sql = "SELECT number, id, entry FROM log WHERE number > $1 ORDER BY number LIMIT $2"
        return [LogRow(*row) for row in await self.rows(sql, number, most)]


class DatabaseKey:
    """In the database, which all nodes share; or in a file that each of them has, which counts
    where it is there.

    `put_apart` writes it in a transaction of its own: that of the tables need not come to anything.
    """

    def __init__(
        self,
        step: PostgresStep,
        file: Path | None,
        put_apart: Callable[[SecretKey], Awaitable[None]],
    ) -> None:
        self._step = step
        self._file = file
        self._put_apart = put_apart
        where = "in the database" if file is None else f"{file}, or in the database"
        self.place = f"the relay's key ({where})"

    async def get(self) -> SecretKey | None:
        if self._file is not None:
            found = await asyncio.to_thread(key_file.read, self._file)
            if found is not None:
                return found
        raw = await self._step(lambda db: db.fetchval("SELECT key FROM relay_key"))
        try:
            return None if raw is None else SecretKey(raw)
        except InvalidKey:
            raise StoreError("what the database has for the relay's key is no key") from None

    async def put(self, key: SecretKey) -> None:
        await self._put_apart(key)


async def put_key(db: Connection, key: SecretKey) -> None:
    """Into the database."""
    sql = "INSERT INTO relay_key VALUES (1, $1) ON CONFLICT (one) DO UPDATE SET key = $1"
    await db.execute(sql, bytes(key))
