"""Workers of one relay in one process: what they tell each other, and what holds for all of them.

Each has a port of its own here, so that a test knows whom it talks to. Nothing is found by looking
now and then (`told_alone`): what is known was told.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest
from websockets.exceptions import InvalidStatus

from nostr_client.store.sqlite import store as sqlite_store
from relays.config.relay_config import RelayConfig, Web
from relays.config.sections import Limits, Rated, Rates
from relays.config.values import Rate
from relays.moderation import state as moderation_state
from relays.process import bus as bus_room
from relays.process.answering import Answering
from relays.process.bus import Bus, Committed, Hub, Missed, Present
from relays.process.neighbours import Neighbours
from relays.process.worker_settings import share_of
from tests.relays.serving import Served, serving
from tests.relays.talk import KEY, LIMIT, NOW, Wire, note, plain, wire
from tests.waiting import until

Work = Callable[..., Awaitable[list[Served]]]
FROM_AFAR = {"X-Forwarded-For": "203.0.113.9"}
PROXIED = Web(trusted_proxies=("127.0.0.1",), metrics_from=("127.0.0.1",))


@pytest.fixture(autouse=True)
def told_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_store, "POLL_SECONDS", 600.0)
    monkeypatch.setattr(moderation_state, "POLL", 600.0)


@pytest.fixture
async def work(tmp_path: Path) -> AsyncIterator[Work]:
    """Starts workers over one folder: `await work()`, or with a configuration."""
    async with AsyncExitStack() as stack:

        async def start(
            config: RelayConfig | None = None, count: int = 2, said: int = 0
        ) -> list[Served]:
            hub = Hub(lambda *_: None)
            found: list[Served] = []
            for number in range(count):
                served = await stack.enter_async_context(serving(tmp_path, config, lambda: NOW))
                ours, theirs = socket.socketpair()
                await hub.add(number, ours, lambda: None)
                bus = Bus()
                await bus.open(theirs)
                stack.push_async_callback(bus.close)
                neighbours = Neighbours(bus, Answering(served.rooms, served.server), said or count)
                await stack.enter_async_context(neighbours.told())
                found.append(served)
            hub.tell_all(Present(said or count))
            return found

        yield start


async def live(client: Wire, count: int) -> list[str]:
    """The ids of so many events, as they come."""
    found: list[str] = []
    while len(found) < count:
        frame = await client.recv()
        assert frame[0] == "EVENT"
        found.append(frame[2]["id"])
    return found


async def test_what_one_stores_all_hear_once_and_in_one_order(work: Work) -> None:
    one, two = await work()
    events = [note(f"{number}", at=NOW + number) for number in range(60)]
    async with (
        wire(one.url) as writer,
        wire(two.url) as another,
        wire(one.url) as here,
        wire(two.url) as there,
    ):
        for reader in (here, there):
            await reader.req("live", {"kinds": [1], "limit": 0})
        for number, event in enumerate(events):
            await (writer if number % 2 else another).offer(event)
        for client in (writer, another):
            for _ in range(30):
                assert (await client.recv())[2] is True
        heard = [await live(reader, 60) for reader in (here, there)]
        assert sorted(heard[0]) == sorted(event.id for event in events)
        assert heard[0] == heard[1]
        assert await here.silent()
        assert await there.silent()


async def test_a_ban_on_one_holds_on_all(work: Work) -> None:
    one, two = await work()
    async with wire(two.url) as client:
        assert (await client.publish(note("before")))[2] is True
        await one.rooms.actions.ban_pubkey(KEY.public_key.hex, by="keeper", reason="spam")
        await until(lambda: bool(two.rooms.state.bans.pubkeys))
        assert (await client.publish(note("after")))[3].startswith("blocked:")
        assert await client.stored({}) == []


async def test_what_is_not_stored_is_passed_on_once(work: Work) -> None:
    one, two = await work()
    passing = note("typing", kind=20_001)
    async with wire(one.url) as writer, wire(two.url) as another, wire(two.url) as reader:
        await reader.req("live", {"kinds": [20_001]})
        assert (await writer.publish(passing))[2] is True
        assert await live(reader, 1) == [passing.id]
        assert (await another.publish(passing))[3].startswith("duplicate:")
        assert await reader.silent()


async def test_a_rate_holds_for_all_together(work: Work) -> None:
    rates = Rates(
        events=Rated(address=Rate(5, 3600, 5)),
        queries=Rated(address=Rate(8, 3600, 8)),
    )
    one, two = await work(RelayConfig(rates=rates, web=PROXIED))
    async with (
        wire(one.url, additional_headers=FROM_AFAR) as here,
        wire(two.url, additional_headers=FROM_AFAR) as there,
    ):
        for number in range(5):
            assert (await here.publish(note(f"{number}")))[2] is True
        held = two.rooms.sub_relays
        [limiters] = [sub_relay.policies.rates for sub_relay in held]
        buckets = limiters.events._tables["address"]
        await until(lambda: buckets.wait("203.0.113.9", 1, NOW) > 0)
        assert (await there.publish(note("one too many")))[3].startswith("rate-limited:")
        for _ in range(8):
            await there.stored({"kinds": [1]})
        asked = next(iter(one.rooms.sub_relays)).policies.rates.queries._tables["address"]
        await until(lambda: asked.wait("203.0.113.9", 1, NOW) > 0)
        await here.send("REQ", "more", {"kinds": [1]})
        assert (await here.recv())[2].startswith("rate-limited:")


async def test_a_key_pays_for_its_event_once(work: Work) -> None:
    """All hear what is stored, and take from its author's bucket then."""
    one, two = await work(RelayConfig(rates=Rates(events=Rated(key=Rate(4, 3600, 4)))))
    async with wire(one.url) as here, wire(two.url) as there:
        for number in range(3):
            assert (await here.publish(note(f"{number}")))[2] is True
        await until(lambda: two.relay.live_seq == one.relay.live_seq)
        assert (await there.publish(note("the fourth")))[2] is True
        assert (await there.publish(note("the fifth")))[3].startswith("rate-limited:")


async def test_connections_of_an_address_count_together(work: Work) -> None:
    limits = Limits(connections_of_address=2)
    one, two = await work(RelayConfig(limits=limits, web=PROXIED))
    async with wire(one.url, additional_headers=FROM_AFAR):
        async with wire(one.url, additional_headers=FROM_AFAR):
            await until(lambda: two.server.elsewhere.of("203.0.113.9") == 2)
            with pytest.raises(InvalidStatus, match="429"):
                async with wire(two.url, additional_headers=FROM_AFAR):
                    pass
        await until(lambda: two.server.elsewhere.of("203.0.113.9") == 1)
        async with wire(two.url, additional_headers=FROM_AFAR):
            assert two.server.elsewhere.total == 1


async def page(url: str, path: str, accept: str = "*/*") -> str:
    async with plain(url) as (reader, writer), asyncio.timeout(LIMIT):
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n"
        writer.write(head.encode())
        return (await reader.read()).partition(b"\r\n\r\n")[2].decode()


async def test_whoever_is_asked_speaks_of_the_whole(work: Work) -> None:
    one, two = await work()
    async with wire(one.url) as here, wire(two.url) as there:
        await here.publish(note("one"))
        await there.publish(note("two"))
        await there.publish(note("two"))
        for served in (one, two):
            told = await page(served.url, "/metrics")
            assert "nostr_relay_workers 2\n" in told
            assert "nostr_relay_workers_answered 2\n" in told
            assert "nostr_relay_connections 2\n" in told
            assert 'nostr_relay_events_accepted_total{as="stored"} 2\n' in told
            assert 'nostr_relay_events_accepted_total{as="duplicate"} 1\n' in told
            assert "nostr_relay_commit_events_count 3\n" in told
            shown = msgspec.json.decode(await page(served.url, "/", "application/json"))
            assert shown["texts"]["received"] == "3"
            assert await page(served.url, "/health") == "ok\n"


async def test_who_does_not_answer_is_missed(work: Work) -> None:
    one, _ = await work(said=3)
    assert await page(one.url, "/health") == "ok: 2 of 3 workers answered\n"
    told = await page(one.url, "/metrics")
    assert "nostr_relay_workers 3\n" in told
    assert "nostr_relay_workers_answered 2\n" in told


async def test_what_is_wrong_with_one_is_wrong_with_all(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await work()

    async def complaint() -> str:
        return "the store cannot write"

    monkeypatch.setattr(two.rooms._health, "complaint", complaint)
    assert await page(one.url, "/health") == "the store cannot write\n"


async def test_the_keeper_is_known_wherever_he_is_connected(work: Work) -> None:
    one, two = await work(RelayConfig(pubkey=KEY.public_key.hex, web=PROXIED))
    async with wire(two.url, additional_headers=FROM_AFAR) as client:
        await client.send("REQ", "mine", {"kinds": [1059]})
        frame = await client.recv()
        assert frame[0] == "AUTH"
        tags = (("relay", two.url), ("challenge", frame[1]))
        await client.raw(b'["AUTH",' + note("", kind=22242, tags=tags).json + b"]")
        await until(lambda: "203.0.113.9" in one.rooms.actions.operator_addresses())
    await until(lambda: not one.rooms.actions.operator_addresses())


async def test_who_does_not_read_is_not_handed_a_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_room, "MOST", 100_000)
    hub = Hub(lambda *_: None)
    told: list[object] = []
    pairs = [socket.socketpair() for _ in range(2)]
    for number, (ours, _) in enumerate(pairs):
        await hub.add(number, ours, lambda: None)
    talker = Bus()
    await talker.open(pairs[0][1])
    for seq in range(20_000):
        talker.tell(Committed("events", seq))
        if seq % 100 == 0:
            await asyncio.sleep(0)
    reader = Bus()
    reader.on(Committed, lambda _, message: told.append(message.seq))
    reader.on(Missed, lambda *_: told.append("missed"))
    await reader.open(pairs[1][1])
    await until(lambda: "missed" in told)
    talker.tell(Committed("events", 20_000))
    await until(lambda: told[-1] == 20_000)
    assert len(told) < 20_000
    seqs = [seq for seq in told if isinstance(seq, int)]
    assert seqs == sorted(seqs)
    for bus in (talker, reader):
        await bus.close()


def test_what_all_clients_may_hold_is_shared_out() -> None:
    config = share_of(RelayConfig(), 4)
    assert config.limits.all_pending_bytes == RelayConfig().limits.all_pending_bytes // 4
    assert config.limits.connections == RelayConfig().limits.connections
    assert share_of(RelayConfig(), 1) == RelayConfig()
