"""The engines of the store, for tests that each of them must pass."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from nostr_client.store.memory.store import MemoryStore
from nostr_client.store.sqlite.store import SqliteStore
from tests import postgres

ENGINES = ("sqlite", "memory", "postgres")


@pytest.fixture(params=ENGINES)
async def engine(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[str]:
    """Every store that the test opens is of this engine, whatever path it gives."""
    name: str = request.param
    if name == "memory":
        monkeypatch.setattr(SqliteStore, "open", lambda _, options: MemoryStore.open(options))
    if name != "postgres":
        yield name
        return
    async with postgres.new_schemas() as url_of:
        from nostr_client.store.postgres.store import PostgresStore  # an extra

        monkeypatch.setattr(
            SqliteStore,
            "open",
            lambda path, options: PostgresStore.open(url_of(str(path)), options),
        )
        yield name
