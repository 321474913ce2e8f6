"""Publishing, subscribing and asking at the same time: no loss, nothing twice."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest

from nostr_client.protocol.event import Event
from nostr_client.rehearsal.relay_process import RelayProcess
from tests.relays.serving import Served
from tests.relays.talk import KEY, LIMIT, NOW, OTHER, Wire, note, wire


@pytest.fixture
def url(engine: str, request: pytest.FixtureRequest) -> str:
    """Of a relay over each engine; the usual one is a process of its own."""
    relay: RelayProcess | Served
    relay = request.getfixturevalue("relay" if engine == "sqlite" else "served")
    return relay.url


async def publish_all(client: Wire, events: list[Event]) -> None:
    """Send all at once, then take the answers."""
    for event in events:
        await client.offer(event)
    for _ in events:
        assert (await client.recv())[2] is True


async def collect(client: Wire, id: str, until: set[str]) -> list[str]:
    """Everything that comes under `id`, until all of `until` came."""
    found: list[str] = []
    missing = set(until)
    while missing:
        frame = await client.recv()
        if frame[0] == "EVENT":
            assert frame[1] == id
            found.append(frame[2]["id"])
            missing.discard(frame[2]["id"])
        else:
            assert frame[0] == "EOSE", frame
    return found


async def test_subscribing_while_others_publish(url: str) -> None:
    events = [note(f"event {n}", at=NOW + n % 50) for n in range(600)]
    wanted = {e.id for e in events}

    async def subscriber(number: int) -> None:
        await asyncio.sleep(number * 0.01)
        limit = (500, 1, 0, 30)[number % 4]
        async with wire(url) as client:
            await client.send("REQ", "s", {"kinds": [1], "limit": limit})
            after_req = await client.recv()
            found = [after_req[2]["id"]] if after_req[0] == "EVENT" else []
            ready.release()
            await all_published.wait()
            await client.send("COUNT", "end", {"ids": ["00" * 32]})
            async with asyncio.timeout(LIMIT):
                while (frame := await client.recv())[0] != "COUNT":
                    if frame[0] == "EVENT":
                        found.append(frame[2]["id"])
            assert max(Counter(found).values(), default=1) == 1  # limit 0 may have come too late
            if limit == 500:
                # The page is cut at 500; whoever came late enough was not there for the others.
                assert len(found) >= 500

    ready = asyncio.Semaphore(0)
    all_published = asyncio.Event()
    async with wire(url) as first, wire(url) as writer, wire(url) as other:
        await first.send("REQ", "first", {"kinds": [1], "limit": 1})
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(subscriber(n)) for n in range(12)]
            await asyncio.gather(
                publish_all(writer, events[:300]), publish_all(other, events[300:])
            )
            for _ in tasks:
                async with asyncio.timeout(LIMIT):
                    await ready.acquire()
            all_published.set()
        found = await collect(first, "first", wanted)
        assert max(Counter(found).values()) == 1


async def test_what_is_published_after_req_comes_exactly_once(url: str) -> None:
    """However the scan, the commit and the news of it overlap."""
    async with wire(url) as reader, wire(url) as writer:
        await publish_all(writer, [note(f"old {n}", at=NOW - n) for n in range(100)])
        for turn in range(40):
            events = [note(f"{turn}.{n}", at=NOW + n - 500 * (turn % 2)) for n in range(5)]
            id = f"turn {turn}"
            await reader.send("REQ", id, {"kinds": [1], "limit": (1, 50, 0)[turn % 3]})
            await publish_all(writer, events)
            found = await collect(reader, id, {e.id for e in events})
            assert max(Counter(found).values()) == 1
            await reader.send("CLOSE", id)
            await reader.send("COUNT", "end", {"ids": ["00" * 32]})
            while (frame := await reader.recv())[0] != "COUNT":
                assert frame[0] == "EOSE" or frame[2]["id"] not in found


async def test_a_replaced_subscription_gets_only_its_own(url: str) -> None:
    async with wire(url) as reader, wire(url) as writer:
        ones = [note(f"{n}", kind=1) for n in range(50)]
        twos = [note(f"{n}", kind=2) for n in range(50)]
        await publish_all(writer, ones + twos)
        for _ in range(20):
            for _ in range(5):
                await reader.send("REQ", "s", {"kinds": [1]})
            await reader.send("REQ", "s", {"kinds": [2]})
            await reader.send("COUNT", "end", {"ids": ["00" * 32]})
            kinds = []
            while (frame := await reader.recv())[0] != "COUNT":
                kinds.append(frame[2]["kind"] if frame[0] == "EVENT" else frame[0])
            # Scans of replaced ones may have ended before the next REQ came; never later.
            assert kinds[-51:] == [2] * 50 + ["EOSE"]
            assert kinds[:-51] == ([1] * 50 + ["EOSE"]) * (len(kinds[:-51]) // 51)


async def test_duplicates_in_flight_wait_for_the_same_commit(url: str) -> None:
    events = [note(f"{n}") for n in range(30)]
    async with wire(url) as a, wire(url) as b, wire(url) as reader:
        await reader.req("s", {"kinds": [1]})
        for event in events:
            await a.offer(event)
            await b.offer(event)
            await a.offer(event)
        answers = [await a.recv() for _ in range(60)] + [await b.recv() for _ in range(30)]
        assert all(frame[0] == "OK" and frame[2] is True for frame in answers)
        fresh = Counter(frame[1] for frame in answers if frame[3] == "")
        assert fresh == {e.id: 1 for e in events}
        found = await collect(reader, "s", {e.id for e in events})
        assert len(found) == 30
        assert await reader.silent()


async def test_forgeries_in_flight_do_not_suppress_the_truth(url: str) -> None:
    events = [note(f"{n}") for n in range(40)]
    async with wire(url) as liar, wire(url) as honest:
        for event in events:
            forged = json.loads(event.json) | {"sig": note("other").sig}
            await liar.send("EVENT", forged)
            await honest.offer(event)
        for _ in events:
            assert (await liar.recv())[2:] == [False, "invalid: the signature is wrong"]
            assert (await honest.recv())[2:] == [True, ""]
        assert len(await honest.stored({"limit": 500})) == 40


async def test_versions_and_deletions_published_at_once(url: str) -> None:
    """Whatever the order in which they come, the newest version and the deletion win."""
    versions = [note(f"{n}", kind=30_000, at=NOW + n, tags=(("d", "x"),)) for n in range(20)]
    gone = [note(f"gone {n}") for n in range(20)]
    deletions = [note("", kind=5, at=NOW + 1, tags=(("e", e.id),)) for e in gone]
    async with wire(url) as a, wire(url) as b:

        async def send(client: Wire, events: list[Event]) -> None:
            for event in events:
                await client.offer(event)
            for _ in events:
                assert (await client.recv())[0] == "OK"

        await asyncio.gather(
            send(a, [*versions[::-1], *gone]), send(b, [*deletions, *versions[::2]])
        )
        assert await a.stored({"kinds": [30_000]}) == [versions[-1].id]
        assert await a.stored({"kinds": [1]}) == []
        assert len(await a.stored({"kinds": [5]})) == 20


async def test_ten_clients_with_windows_of_their_own(relay: RelayProcess) -> None:
    keys = (KEY, OTHER)
    async with asyncio.TaskGroup() as group:

        async def one(number: int) -> None:
            async with wire(relay.url) as client:
                events = [note(f"{number} {n}", key=keys[number % 2]) for n in range(50)]
                await publish_all(client, events)
                mine = {"ids": [e.id for e in events]}
                assert set(await client.stored(mine)) == {e.id for e in events}

        for number in range(10):
            group.create_task(one(number))
