"""A keeper's desk: his records beside a store, and the acts on both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest

from nostr_client.store.events import EventStore
from relays.config import Membership, Moderation, RelayConfig
from relays.moderation.acts import Acts
from relays.moderation.keeper import Keeper
from tests.relays.talk import NOW, OTHER

URL = "wss://relay.example.com"


class Desk(msgspec.Struct):
    """What a test of moderation has before it."""

    acts: Acts
    keeper: Keeper
    store: EventStore
    folder: Path


OpenDesk = Callable[..., Awaitable[Desk]]


@pytest.fixture
async def open_desk(tmp_path: Path) -> AsyncIterator[OpenDesk]:
    """Opens desks on one folder: as many, as there are processes."""
    async with AsyncExitStack() as stack:

        async def open_one(
            settings: Membership | None = None, clock: Callable[[], float] = lambda: NOW
        ) -> Desk:
            keeper = await stack.enter_async_context(
                Keeper.open(tmp_path, service_urls=[URL], clock=clock)
            )
            store = await stack.enter_async_context(
                EventStore.open(tmp_path / "events.db", service_urls=[URL], clock=clock)
            )
            settings = settings or Membership(enabled=True)
            moderation = Moderation(admins={"olga": OTHER.public_key.hex})
            config = RelayConfig(members=settings, moderation=moderation)
            return Desk(Acts(keeper, [store], config), keeper, store, tmp_path)

        yield open_one


@pytest.fixture
async def desk(open_desk: OpenDesk) -> Desk:
    """One desk."""
    return await open_desk()
