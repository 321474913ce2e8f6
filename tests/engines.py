"""The engines of the store, for tests that each of them must pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from nostr_client.store.memory.store import MemoryStore
from nostr_client.store.sqlite.store import SqliteStore
from tests import postgres

CLIENT_ENGINES = ("sqlite", "memory")
"""Those that keep a client's ledger of copies and quotas of strangers, too."""
ENGINES = (*CLIENT_ENGINES, "postgres")


class Engine(str):
    """The name of one; `url_of` gives the URL of a schema of its own, where it has such."""

    url_of: Callable[[str], str] | None = None


@pytest.fixture(params=ENGINES)
async def engine(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[str]:
    """Every store that the test opens is of this engine, whatever path it gives."""
    async with engine_of(request.param, monkeypatch) as name:
        yield name


@pytest.fixture(params=CLIENT_ENGINES)
async def client_engine(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[str]:
    """As `engine`, of those that a client may have."""
    async with engine_of(request.param, monkeypatch) as name:
        yield name


@asynccontextmanager
async def engine_of(name: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engine]:
    if name == "memory":
        monkeypatch.setattr(SqliteStore, "open", lambda _, options: MemoryStore.open(options))
    if name != "postgres":
        yield Engine(name)
        return
    async with postgres.new_schemas() as url_of:
        from nostr_client.store.postgres.store import PostgresStore  # an extra

        monkeypatch.setattr(
            SqliteStore,
            "open",
            lambda path, options: PostgresStore.open(url_of(str(path)), options),
        )
        engine = Engine(name)
        engine.url_of = url_of
        yield engine
