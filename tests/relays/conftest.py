"""Relays of ours: as processes (`relay`, of all tests), in the test's own loop (`serve`), and
a keeper's records beside a store (`desk`)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from nostr_client.store.contract import StoreOptions
from nostr_client.store.opening import open_store
from relays.config.relay_config import Membership, Moderation, RelayConfig
from relays.moderation.actions import ModerationActions
from relays.moderation.opening import open_state
from relays.process.stores import RelayStores
from tests.engines import Engine
from tests.relays.desk import URL, Desk, OpenDesk
from tests.relays.serving import Served, serving
from tests.relays.talk import NOW, OTHER

__all__ = ["Serve", "Served", "serve"]

Serve = Callable[..., Awaitable[Served]]


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Starts relays: `await serve()`, or with what `serving` takes."""
    async with AsyncExitStack() as stack:

        async def start(
            config: RelayConfig | None = None,
            clock: Callable[[], float] = time.time,
            send_buffer: int | None = None,
        ) -> Served:
            return await stack.enter_async_context(serving(tmp_path, config, clock, send_buffer))

        yield start


@pytest.fixture
async def served(serve: Serve) -> Served:
    """One relay in this process."""
    return await serve()


@pytest.fixture
async def open_desk(tmp_path: Path) -> AsyncIterator[OpenDesk]:
    """Opens desks on one folder: as many, as there are processes."""
    async with AsyncExitStack() as stack:

        async def open_one(
            settings: Membership | None = None, clock: Callable[[], float] = lambda: NOW
        ) -> Desk:
            state = await stack.enter_async_context(
                open_state(tmp_path, service_urls=[URL], clock=clock)
            )
            store = await stack.enter_async_context(
                open_store(tmp_path / "events.db", StoreOptions(service_urls=[URL], clock=clock))
            )
            settings = settings or Membership(enabled=True)
            moderation = Moderation(admins={"olga": OTHER.public_key.hex})
            config = RelayConfig(members=settings, moderation=moderation)
            return Desk(ModerationActions(state, [store], config), state, store, tmp_path)

        yield open_one


@pytest.fixture
async def desk(open_desk: OpenDesk) -> Desk:
    """One desk."""
    return await open_desk()


@pytest.fixture(autouse=True)
def records_of_the_engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a test is one of each store's `engine`, the keeper's records are of it, too."""
    if "engine" not in request.fixturenames:
        return
    engine: Engine = request.getfixturevalue("engine")
    if engine == "memory":
        monkeypatch.setattr(RelayStores, "records", "memory:")
    elif engine.url_of is not None:
        monkeypatch.setattr(RelayStores, "records", engine.url_of("keeper"))


@pytest.hookimpl(tryfirst=True)  # before those are left out that are slow
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On PostgreSQL the relay's protocol is enough for every day; its parts are among the slow."""
    for item in items:
        engine = getattr(getattr(item, "callspec", None), "params", {}).get("engine")
        if engine == "postgres" and "tests/relays/engine/" in item.path.as_posix():
            item.add_marker(pytest.mark.slow)
