"""Every way in which questions are answered, though few segments are many here."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from nostr_client.store.postgres import filter_sql, walk_sql, walks
from tests.engines import engine_of
from tests.store.conftest import Clock, OpenStore
from tests.store.test_differential import generated

pytestmark = pytest.mark.xdist_group("postgres")


@pytest.fixture(autouse=True)
async def on_postgres(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    monkeypatch.setattr(walks, "MERGED", 2)
    monkeypatch.setattr(walk_sql, "FEW", 1)
    monkeypatch.setattr(filter_sql, "SCANNED", 2)
    async with engine_of("postgres", monkeypatch):
        yield


async def test_many_segments(open_store: OpenStore, clock: Clock) -> None:
    await generated(open_store, clock, 5, filters=30)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(300, 304))
async def test_many_segments_of_much(open_store: OpenStore, clock: Clock, seed: int) -> None:
    await generated(open_store, clock, seed, filters=200)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(400, 404))
async def test_few_segments_of_much(
    open_store: OpenStore, clock: Clock, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walks, "MERGED", 64)
    await generated(open_store, clock, seed, filters=200)
