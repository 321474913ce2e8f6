"""Opening a store by its path, or a URL that names its engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from nostr_client.errors import StoreError
from nostr_client.store.contract import (
    Compactable,
    CopiesToFile,
    EventStore,
    PagesAtOnce,
    StoreOptions,
)
from nostr_client.store.opening import MEMORY, open_store
from tests.store.samples import NOW, author, make

NOTE = make(author(1), 1, NOW)


async def holds(location: str | Path) -> bool:
    async with open_store(location) as store:
        return await store.get(NOTE.id) is not None


async def test_a_path_and_its_url_are_one_store(tmp_path: Path) -> None:
    path = tmp_path / "my events%20.db"
    async with open_store(path) as store:
        await store.save([NOTE])
    url = path.as_uri().replace("file:", "sqlite:")
    assert await holds(str(path))
    assert await holds(url)
    assert await holds(url.replace("sqlite", "SQLite"))


async def test_memory_is_new_each_time_and_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with open_store(MEMORY) as store, open_store(MEMORY) as other:
        await store.save([NOTE])
        assert await store.get(NOTE.id) == NOTE
        assert await other.get(NOTE.id) is None
    assert not await holds(MEMORY)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "url", ["mysql://db.example/events", "sqlite:events.db", "sqlite://host/events.db", "ram:"]
)
async def test_a_url_of_no_engine_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="no store is opened so"):
        await holds(url)


@pytest.mark.parametrize("location", ["memory:", "events.db"])
async def test_what_only_reads_makes_no_store(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError):
        async with open_store(location, StoreOptions(read_only=True)):
            pass
    assert not list(tmp_path.iterdir())


async def test_engines_say_what_they_can(tmp_path: Path) -> None:
    def abilities(store: EventStore) -> list[bool]:
        return [isinstance(store, able) for able in (PagesAtOnce, Compactable, CopiesToFile)]

    async with open_store(tmp_path / "events.db") as store, open_store(MEMORY) as other:
        assert abilities(store) == [True] * 3
        assert abilities(other) == [False] * 3
