"""The store under test. Another implementation of the contract would be put in here."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import pytest

from nostr_client.store import opening
from nostr_client.store.contract import EventStore, StoreOptions
from nostr_client.store.sqlite import index_merge
from tests.store.samples import NOW


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now: float = NOW

    def __call__(self) -> float:
        return self.now


class OpenStore(Protocol):
    def __call__(
        self,
        name: str = "events.db",
        *,
        keep_history_of: Collection[str] = (),
        service_urls: Collection[str] = (),
        clock: Callable[[], float] | None = None,
        time_limit: float = 5.0,
        search: bool = False,
    ) -> AbstractAsyncContextManager[EventStore]: ...


@pytest.fixture(autouse=True)
def small_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few events go through everything that this implementation does for many."""
    monkeypatch.setattr(index_merge, "ROUND", 128)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_store(tmp_path: Path, clock: Clock) -> OpenStore:
    """Opens stores below the test's folder; the same name is the same store."""

    def open(
        name: str = "events.db",
        *,
        keep_history_of: Collection[str] = (),
        service_urls: Collection[str] = (),
        clock: Callable[[], float] | None = clock,
        time_limit: float = 5.0,
        search: bool = False,
    ) -> AbstractAsyncContextManager[EventStore]:
        assert clock is not None
        return opening.open_store(
            tmp_path / name,
            StoreOptions(
                keep_history_of=keep_history_of,
                service_urls=service_urls,
                clock=clock,
                time_limit=time_limit,
                search=search,
            ),
        )

    return open


@pytest.fixture
async def store(open_store: OpenStore) -> AsyncIterator[EventStore]:
    async with contextlib.AsyncExitStack() as stack:
        yield await stack.enter_async_context(open_store())
