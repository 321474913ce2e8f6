"""The engines of the store, for tests that each of them must pass."""

from __future__ import annotations

import pytest

from nostr_client.store.memory.store import MemoryStore
from nostr_client.store.sqlite.store import SqliteStore

ENGINES = ("sqlite", "memory")


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every store that the test opens is of this engine, whatever path it gives."""
    if request.param == "memory":
        monkeypatch.setattr(SqliteStore, "open", lambda _, options: MemoryStore.open(options))
    name: str = request.param
    return name
