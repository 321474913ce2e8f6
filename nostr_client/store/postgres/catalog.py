"""What is in a database: which of its schemas have tables of ours."""

from __future__ import annotations

from typing import Final

from nostr_client.store.postgres.connections import CONNECT_LIMIT, Connections

_SCHEMAS: Final = (
    "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relname = $1 AND c.relkind = 'r'"
)


async def schemas_with(url: str, table: str) -> frozenset[str]:
    """Names of the schemas that have a `table` of this name. Raises StoreError."""
    async with Connections.open(url, CONNECT_LIMIT) as connections:
        rows = await connections.read(lambda db: db.fetch(_SCHEMAS, table))
    return frozenset(row[0] for row in rows)
