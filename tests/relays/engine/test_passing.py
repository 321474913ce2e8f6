"""What is not stored reaches the clients of every node on one store."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from nostr_client.errors import StoreError
from nostr_client.protocol.event import Event
from nostr_client.store.contract import EventStore
from relays.engine import passing
from relays.engine.passing import PassingOn
from tests.engines import engine_of
from tests.relays.conftest import Serve
from tests.relays.talk import note, wire
from tests.waiting import until


@pytest.fixture
async def on_postgres(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    async with engine_of("postgres", monkeypatch):
        yield


@pytest.mark.xdist_group("postgres")
@pytest.mark.usefixtures("on_postgres")
async def test_clients_of_another_node_hear_it_once(serve: Serve) -> None:
    one, other = await serve(), await serve()
    async with wire(one.url) as writer, wire(other.url) as reader:
        await reader.req("s", {"kinds": [20_001]})
        async with asyncio.timeout(20):
            while True:  # a node listens some time after it was opened
                event = note("typing", kind=20_001)
                assert (await writer.publish(event))[2]
                try:
                    heard = await asyncio.wait_for(reader.recv(), 0.5)
                except TimeoutError:
                    continue
                break
        assert heard == ["EVENT", "s", json.loads(event.json)]
        assert (await reader.publish(event))[2:] == [True, "duplicate: already have this event"]
        assert await reader.stored({"kinds": [20_001]}) == []


class Bus:
    """A store that passes on, and may be cut off."""

    def __init__(self) -> None:
        self.passed: list[Event] = []
        self.cut = False
        self.go_on = asyncio.Event()

    async def pass_on(self, events: Sequence[Event]) -> None:
        await self.go_on.wait()
        if self.cut:
            raise StoreError("cut off")
        self.passed += events

    @asynccontextmanager
    async def hear_passing(self, hear: Callable[[Sequence[Event]], None]) -> AsyncIterator[None]:
        yield


async def test_what_cannot_be_handed_on_is_bounded_and_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(passing, "WAITING", 10)
    monkeypatch.setattr(passing, "AT_ONCE", 2)
    caplog.set_level(logging.WARNING)
    bus = Bus()
    heard: list[Any] = []
    others = PassingOn(cast("EventStore", bus), heard.append)
    task = asyncio.create_task(others.run())
    made = [note(str(number), kind=20_001) for number in range(30)]
    for event in made:
        others.pass_on(event)
    bus.go_on.set()
    await until(lambda: len(bus.passed) == 10)
    assert bus.passed == made[-10:]
    bus.cut = True
    for event in made[:6]:
        others.pass_on(event)
    await until(lambda: len(caplog.records) == 1 and not others.waiting)
    assert "cut off" in caplog.text
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert heard == []
