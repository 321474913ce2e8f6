"""How a table of `keeper.db` is asked: one step of a transaction after the other, on the thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Step(Protocol):
    """Carries out one step of a transaction. Raises StoreError, also once that is over."""

    async def __call__(self, work: Callable[[sqlite3.Connection], T]) -> T: ...


class SqliteTable:
    """What all tables share."""

    def __init__(self, step: Step) -> None:
        self.step = step

    async def execute(self, sql: str, *values: object) -> int:
        """How many rows it changed."""
        return await self.step(lambda db: db.execute(sql, values).rowcount)

    async def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return await self.step(lambda db: db.execute(sql, values).fetchall())

    async def first(self, sql: str, *values: object) -> tuple[Any, ...] | None:
        rows = await self.rows(sql, *values)
        return rows[0] if rows else None
