"""How a table of the keeper's records is asked: one step of a transaction after the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from asyncpg import Connection, Record

T = TypeVar("T")


class PostgresStep(Protocol):
    """Carries out one step of a transaction. Raises StoreError, also once that is over."""

    async def __call__(self, work: Callable[[Connection], Awaitable[T]]) -> T: ...


class PostgresTable:
    """What all tables share."""

    def __init__(self, step: PostgresStep) -> None:
        self.step = step

    async def execute(self, sql: str, *values: object) -> int:
        """How many rows it changed."""
        said: str = await self.step(lambda db: db.execute(sql, *values))
        return int(said.rpartition(" ")[2])

    async def rows(self, sql: str, *values: object) -> list[Record]:
        return await self.step(lambda db: db.fetch(sql, *values))

    async def first(self, sql: str, *values: object) -> Record | None:
        rows = await self.rows(sql, *values)
        return rows[0] if rows else None

    async def value(self, sql: str, *values: object) -> Any:
        """The one in the first row; None where there is none."""
        return await self.step(lambda db: db.fetchval(sql, *values))
