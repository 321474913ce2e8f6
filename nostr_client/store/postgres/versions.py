"""Versions of the tables in one schema: how they are made, and an older one becomes a newer one.

One node takes the steps while others wait; a node that is older than the tables refuses.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from nostr_client.errors import StoreError

if TYPE_CHECKING:
    from asyncpg import Connection

_LOCK: Final = "SELECT pg_advisory_xact_lock(1852797812, hashtext(current_setting('search_path')))"
""" "nost": one node at a time looks after the tables."""
_NEW_SCHEMA: Final = (
    "SELECT format('CREATE SCHEMA %I', trim(both '\"' from current_setting('search_path')))"
)
"""The one that the URL names (`search_path`), where it is not there yet."""
_NO_SUCH_COLUMN: Final = "42703"


class Versions(NamedTuple):
    """The tables of one purpose: `what` they are, for people."""

    what: str
    about: str
    """The table of one row whose column `version` says which."""
    another: str
    """One that is never there without `about`, unless it is another program's."""
    steps: Sequence[Sequence[str]]
    """Step n makes version n + 1 out of version n."""
    begin: Callable[[Connection], Awaitable[object]]
    """Puts into new tables what they begin with, the row of `about` too."""

    @property
    def newest(self) -> int:
        """The version that this program knows."""
        return len(self.steps)

    async def found(self, db: Connection) -> int:
        """The version of the tables, 0 for none yet. Raises StoreError for a newer one."""
        another = StoreError("the database has another program's tables")
        if await db.fetchval("SELECT to_regclass($1)", self.about) is None:
            if await db.fetchval("SELECT to_regclass($1)", self.another) is not None:
                raise another
            return 0
        try:
            version: int = await db.fetchval(f"SELECT version FROM {self.about}")  # noqa: S608
        except Exception as error:
            if getattr(error, "sqlstate", "") == _NO_SUCH_COLUMN:
                raise another from None
            raise
        if version > self.newest:
            raise StoreError(
                f"a newer version of this program has written {self.what} (format {version}, this"
                f" one knows {self.newest}): please update"
            )
        return version

    async def prepare(self, db: Connection) -> None:
        """Create or migrate the tables, while others wait. Raises StoreError as `found` does."""
        if await self.found(db) == self.newest:
            return
        async with db.transaction():
            await db.execute(_LOCK)
            if await db.fetchval("SELECT current_schema()") is None:
                await db.execute(await db.fetchval(_NEW_SCHEMA))
            version = await self.found(db)
            for statement in [each for step in self.steps[version:] for each in step]:
                await db.execute(statement)
            if version == 0:
                await self.begin(db)
            await db.execute(f"UPDATE {self.about} SET version = $1", self.newest)  # noqa: S608
