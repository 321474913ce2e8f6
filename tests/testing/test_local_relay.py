"""Relays for the tests of others: real ones, with clocks to turn and faults to order."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from nostr_client.client import NostrClient
from nostr_client.config import ClientConfig
from nostr_client.errors import NostrError
from nostr_client.net import http
from nostr_client.net.dial import DialOptions
from nostr_client.nips import nip11
from nostr_client.paths import Paths
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.testing import LocalRelay, relay
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("quick_relays")
KEY = SecretKey.from_hex("1" * 64)
LIMIT = 30.0


def note(r: LocalRelay, text: str, *, ago: int = 0, expires: int | None = None) -> Event:
    at = int(r.clock()) - ago
    tags = () if expires is None else (("expiration", str(at + expires)),)
    return Draft(kind=1, content=text, created_at=at, tags=tags).sign(KEY, at)


class Talk:
    """A plain client."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, *parts: Any) -> None:
        await self.socket.send(json.dumps(parts))

    async def hear(self) -> Any:
        async with asyncio.timeout(LIMIT):
            return json.loads(await self.socket.recv())

    async def publish(self, event: Event) -> Any:
        await self.say("EVENT", json.loads(event.json))
        return await self.hear()

    async def ask(self) -> list[Any]:
        """Everything, up to what ends the answer."""
        await self.say("REQ", "q", {})
        heard = []
        while not heard or heard[-1][0] == "EVENT":
            heard.append(await self.hear())
        await self.say("CLOSE", "q")
        return heard


@asynccontextmanager
async def talking(r: LocalRelay) -> AsyncIterator[Talk]:
    async with connect(r.url, proxy=None, open_timeout=LIMIT) as socket:
        yield Talk(socket)


async def test_a_relay_for_a_test(tmp_path: Path) -> None:
    async with relay(name="Quick", limits={"event_tags": 1}) as r:
        folder = r.data.parent
        where = Paths(tmp_path / "config", tmp_path / "data", tmp_path / "state")
        async with NostrClient.open(
            KEY, relays=[r.url], paths=where, config=ClientConfig(own_relay=False), clock=r.clock
        ) as client:
            posted = await client.post("hi")
        posted.report.raise_if_failed()
        assert await r.events(Filter.of(kinds=[1])) == [posted.event]
        answer = await http.get(
            r.url, DialOptions(private=True, proxy=None), accept=nip11.MEDIA_TYPE
        )
        assert json.loads(answer.body)["name"] == "Quick"
        tags = (("t", "a"), ("t", "b"))
        now = int(r.clock())
        with pytest.raises(NostrError, match="did not take"):  # as the settings have it
            await r.add(Draft(kind=1, content="", tags=tags).sign(KEY, now))
        # It is stopped, and comes back where it was, with what it had.
        await r.stop()
        with pytest.raises(ConnectionRefusedError):
            await connect(r.url, proxy=None)
        await r.start()
        assert await r.events(Filter.of(kinds=[1])) == [posted.event]
        async with talking(r) as talk:
            await r.kill()
            with pytest.raises(ConnectionClosed) as ended:
                await talk.hear()
            assert ended.value.rcvd is None
    assert not folder.exists()


async def test_the_clock_is_turned() -> None:
    async with relay() as r:
        fleeting, ahead = note(r, "fleeting", expires=600), note(r, "later", ago=-7200)
        async with talking(r) as talk:
            await talk.publish(fleeting)
            assert (await talk.publish(ahead))[2] is False  # dated in the future
            assert [heard[0] for heard in await talk.ask()] == ["EVENT", "EOSE"]
            r.clock.turn(7200)
            assert (await talk.publish(ahead))[2] is True
            shown = await talk.ask()
            assert [heard[2]["content"] for heard in shown[:-1]] == ["later"]
        r.clock.stop(1_700_000_000)
        assert r.clock() == r.clock() == 1_700_000_000
        r.clock.turn(5)
        assert r.clock() == 1_700_000_005
        r.clock.set(1_600_000_000)
        assert 1_600_000_000 <= r.clock() < 1_600_000_000 + LIMIT
        await r.add(note(r, "of 2020"))


async def test_faults_are_ordered() -> None:
    async with relay() as r:
        new, old = note(r, "new"), note(r, "old", ago=10)
        await r.add(new, old, note(r, "older", ago=20))
        async with talking(r) as talk:
            with r.faults.refuse("rate-limited: slow down", times=1) as refused:
                assert (await talk.publish(note(r, "x")))[2:] == [False, "rate-limited: slow down"]
                assert refused.happened == 1
                assert (await talk.publish(new))[2] is True
            with r.faults.refuse("auth-required: who?", "REQ"):
                assert await talk.ask() == [["CLOSED", "q", "auth-required: who?"]]
            with r.faults.half_page():
                shown = await talk.ask()
                assert [heard[2]["id"] for heard in shown[:-1]] == [new.id, old.id]
                assert shown[-1] == ["EOSE", "q"]
            with r.faults.forge(times=1), r.faults.forge(field="sig", times=2):
                first, second, third, _ = await talk.ask()
            with pytest.raises(NostrError):
                Event.from_dict(first[2])
            assert not Event.from_dict(second[2]).verify()
            assert Event.from_dict(third[2]).verify()
            with r.faults.drop("EVENT", when=lambda message: message[2]["id"] == new.id):
                assert len(await talk.ask()) == 3
            with r.faults.delay(0.02, times=2) as late:
                assert len(await talk.ask()) == 4
            assert late.happened == 2
            with r.faults.garbage(times=1):
                await talk.say("REQ", "q", {"limit": 1})
                with pytest.raises(ValueError, match="Expecting"):
                    await talk.hear()
                assert (await talk.hear())[0] == "EVENT"
                assert (await talk.hear())[0] == "EOSE"
            r.faults.drop()
            r.faults.clear()
            assert len(await talk.ask()) == 4
            with r.faults.cut("EVENT"), pytest.raises(ConnectionClosed) as ended:
                await talk.ask()
            assert ended.value.rcvd is None
        async with talking(r) as talk:
            with r.faults.close(1013), pytest.raises(ConnectionClosed) as ended:
                await talk.ask()
            assert ended.value.rcvd is not None
            assert ended.value.rcvd.code == 1013
        async with talking(r) as talk:
            assert len(await talk.ask()) == 4
            assert r.connections == 1
            r.drop_connections()
            with pytest.raises(ConnectionClosed):
                await talk.hear()
        await until(lambda: r.connections == 0)


@pytest.mark.slow
async def test_settings_that_are_wrong_are_said() -> None:
    with pytest.raises(NostrError, match="event_tags"):
        async with relay(limits={"event_tags": "many"}):
            pass


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="what children took is not told there")
async def test_a_relay_is_there_in_under_a_second() -> None:
    """As the processor counts it: a machine that is busy with others counts otherwise."""
    resource = importlib.import_module("resource")

    def taken() -> float:
        used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(each.ru_utime + each.ru_stime for each in used)

    starts: list[float] = []
    for _ in range(3):
        before = taken()
        async with relay():
            pass
        starts.append(taken() - before)
    assert sorted(starts)[1] < 1.0, starts
