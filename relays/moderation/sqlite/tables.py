"""The tables of `keeper.db`, each within one transaction (see `relays.moderation.records`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from nostr_client.protocol.keys import SecretKey
from relays.moderation import key_file
from relays.moderation.records import LogRow, RecordTables, Rule, RuleType
from relays.moderation.sqlite import schema
from relays.moderation.sqlite.member_tables import (
    SqliteInviteTable,
    SqliteMemberTable,
    SqliteRoleTable,
)
from relays.moderation.sqlite.step import SqliteTable, Step


def tables_of(step: Step, key: Path) -> RecordTables:
    """Those of the transaction whose steps are taken by `step`; `key`: the file of the key."""
    return RecordTables(
        rules=SqliteRuleTable(step),
        members=SqliteMemberTable(step),
        roles=SqliteRoleTable(step),
        invites=SqliteInviteTable(step),
        dismissed_reports=SqliteDismissedReportTable(step),
        settings=SqliteSettingTable(step),
        dates=SqliteDateTable(step),
        used_requests=SqliteUsedRequestTable(step),
        log=SqliteLogTable(step),
        relay_key=KeyFile(step, key),
        counters=lambda: step(schema.counters),
    )


class SqliteRuleTable(SqliteTable):
    async def put(self, rule: Rule) -> None:
        row = (rule.sort, rule.value, rule.reason, rule.by, rule.at)
        await self.execute("INSERT OR REPLACE INTO rule VALUES (?, ?, ?, ?, ?)", *row)

    async def remove(self, type: RuleType, value: str) -> bool:
        sql = "DELETE FROM rule WHERE (sort, value) = (?, ?)"
        return bool(await self.execute(sql, type, value))

    async def reasons(self) -> list[tuple[str, str, str]]:
        return await self.rows("SELECT sort, value, reason FROM rule")

    async def listed(self, types: Collection[RuleType]) -> list[Rule]:
        rows: list[tuple[Any, ...]] = []
        for type in types:
            sql = "SELECT sort, value, reason, by, at FROM rule WHERE sort = ?"
            rows += await self.rows(sql, type)
        rows.sort(key=lambda row: (-row[4], row[:2]))
        return [Rule(RuleType(row[0]), *row[1:]) for row in rows]


class SqliteDismissedReportTable(SqliteTable):
    async def add(self, target: str, reporters: Collection[str], at: int) -> None:
        rows = [(target, reporter, at) for reporter in reporters]
        sql = "INSERT OR IGNORE INTO heard VALUES (?, ?, ?)"
        await self.step(lambda db: db.executemany(sql, rows))

    async def all(self) -> list[tuple[str, str]]:
        return await self.rows("SELECT target, reporter FROM heard")


class SqliteSettingTable(SqliteTable):
    async def get(self, name: str) -> str | None:
        row = await self.first("SELECT value FROM setting WHERE name = ?", name)
        return None if row is None else str(row[0])

    async def put(self, name: str, value: str) -> None:
        await self.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", name, value)

    async def remove(self, name: str) -> None:
        await self.execute("DELETE FROM setting WHERE name = ?", name)

    async def all(self) -> Mapping[str, str]:
        return dict(await self.rows("SELECT name, value FROM setting"))


class SqliteDateTable(SqliteTable):
    async def get(self, name: str) -> int | None:
        row = await self.first("SELECT at FROM latest WHERE name = ?", name)
        return None if row is None else int(row[0])

    async def put(self, name: str, at: int) -> None:
        await self.execute("INSERT OR REPLACE INTO latest VALUES (?, ?)", name, at)


class SqliteUsedRequestTable(SqliteTable):
    async def add(self, id: str, until: int) -> bool:
        return bool(await self.execute("INSERT OR IGNORE INTO once VALUES (?, ?)", id, until))

    async def clean(self, now: int) -> None:
        await self.execute("DELETE FROM once WHERE until < ?", now)


class SqliteLogTable(SqliteTable):
    async def last(self) -> LogRow | None:
        row = await self.first("SELECT number, id, entry FROM log ORDER BY number DESC LIMIT 1")
        return None if row is None else LogRow(*row)

    async def append(self, row: LogRow) -> None:
        await self.execute("INSERT INTO log VALUES (?, ?, ?)", *row)

    async def after(self, number: int, most: int) -> list[LogRow]:
        sql = "SELECT number, id, entry FROM log WHERE number > ? ORDER BY number LIMIT ?"
        return [LogRow(*row) for row in await self.rows(sql, number, most)]


class KeyFile:
    """Read and written by the same thread as the tables."""

    def __init__(self, step: Step, path: Path) -> None:
        self._step = step
        self._path = path
        self.place = str(path)

    async def get(self) -> SecretKey | None:
        return await self._step(lambda _: key_file.read(self._path))

    async def put(self, key: SecretKey) -> None:
        await self._step(lambda _: key_file.write(self._path, key))
