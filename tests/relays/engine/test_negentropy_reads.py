"""NIP-77 over the wire, with our own client's side of the algorithm."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, cast

import pytest

from nostr_client.nips.nip77 import Items, NegentropyClient
from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import EventStore
from nostr_client.store.visibility import Reader
from relays.config.relay_config import RelayConfig
from relays.config.sections import Limits, Negentropy
from relays.engine.actions import OpenNegentropy
from relays.engine.negentropy import NegentropySession, Reconciler
from relays.engine.negentropy_reads import LINE, NegentropyReads
from relays.engine.session import RelaySession
from relays.metrics import Metrics
from tests.relays.conftest import Serve
from tests.relays.rules import plain_rules
from tests.relays.talk import LIMIT, OTHER, Wire, note, wire

each_engine = pytest.mark.usefixtures("engine")

HELD = [note(f"note {n}", at=1_700_000_000 + n // 3) for n in range(300)]


def items(events: list[Any]) -> Items:
    return Items((event.created_at, bytes.fromhex(event.id)) for event in events)


async def compare(client: Wire, mine: Items, f: dict[str, Any]) -> tuple[set[str], set[str]]:
    """The ids that only we have, and those that only the relay has."""
    ours = NegentropyClient(mine)
    have: set[str] = set()
    need: set[str] = set()
    await client.send("NEG-OPEN", "n", f, ours.first().hex())
    while True:
        frame = await client.recv()
        assert frame[:2] == ["NEG-MSG", "n"], frame
        found = ours.answer(bytes.fromhex(frame[2]))
        have |= {id.hex() for id in found.have}
        need |= {id.hex() for id in found.need}
        if not found.message:
            await client.send("NEG-CLOSE", "n")
            return have, need
        await client.send("NEG-MSG", "n", found.message.hex())


@each_engine
async def test_sets_are_compared(serve: Serve) -> None:
    served = await serve()
    async with wire(served.url) as client:
        for event in HELD:
            await client.publish(event)
        mine = [*HELD[:100], *HELD[150:], note("mine alone"), note("mine too")]
        have, need = await compare(client, items(mine), {})
        assert have == {event.id for event in mine[-2:]}
        assert need == {event.id for event in HELD[100:150]}
        some = {"since": HELD[0].created_at + 50}
        newer = [event for event in mine if event.created_at >= some["since"]]
        have, need = await compare(client, items(newer), some)
        assert not have
        assert need == {e.id for e in HELD[100:150] if e.created_at >= some["since"]}
        newest = await client.stored({"limit": 50})
        assert await compare(client, items([]), {"limit": 50}) == (set(), set(newest))
        assert await compare(client, items([]), {"limit": 0}) == (set(), set())


@each_engine
async def test_a_comparison_and_a_subscription_of_one_id(serve: Serve) -> None:
    served = await serve()
    async with wire(served.url) as client:
        assert (await client.req("n", {"kinds": [7]}))[1][0] == "EOSE"
        await compare(client, items([]), {})
        live = note("live", kind=7)
        await client.offer(live)
        frames = [await client.recv(), await client.recv()]
        assert ["EVENT", "n"] in [frame[:2] for frame in frames]


@each_engine
async def test_wrapped_messages_are_compared_by_those_whom_they_name(serve: Serve) -> None:
    served = await serve()
    wrap = note("sealed", kind=1059, tags=(("p", OTHER.public_key.hex),))
    async with wire(served.url) as client:
        await client.publish(wrap)
        assert await compare(client, items([]), {}) == (set(), set())
        first = NegentropyClient(items([])).first().hex()
        await client.send("NEG-OPEN", "n", {"kinds": [1059]}, first)
        label, challenge = await client.recv()
        assert label == "AUTH"
        refused = await client.recv()
        assert refused[:2] == ["NEG-ERR", "n"]
        assert refused[2].startswith("auth-required:")
        at = int(time.time())
        tags = (("relay", served.url), ("challenge", challenge))
        event = note("", kind=22242, tags=tags, at=at, key=OTHER)
        await client.raw(b'["AUTH",' + event.json + b"]")
        assert (await client.recv())[2] is True
        assert await compare(client, items([]), {}) == (set(), {wrap.id})


async def test_comparisons_are_bounded(serve: Serve) -> None:
    bounds = Negentropy(sessions=2, events=5)
    served = await serve(RelayConfig(negentropy=bounds))
    first = NegentropyClient(items([])).first().hex()
    async with wire(served.url) as client:
        for id in ("a", "b", "c"):
            await client.send("NEG-OPEN", id, {}, first)
        frames = [await client.recv() for _ in range(3)]
        assert sorted(frame[0] for frame in frames) == ["NEG-ERR", "NEG-MSG", "NEG-MSG"]
        await client.send("NEG-CLOSE", "a")
        for event in HELD[:6]:
            await client.publish(event)
        await client.send("NEG-OPEN", "d", {}, first)
        refused = await client.recv()
        assert refused[:2] == ["NEG-ERR", "d"]
        assert refused[2].startswith("blocked:")
        for hostile in ("", "00", "61" + "ff" * 40, "6100"):
            await client.send("NEG-OPEN", "e", {"kinds": [7]}, hostile)
            assert (await client.recv())[0] in ("NEG-ERR", "NEG-MSG")
        await client.send("NEG-OPEN", "f", {}, "no hex")
        assert (await client.recv())[:2] == ["NEG-ERR", "f"]
        await client.send("NEG-MSG", "nobody", first)
        assert (await client.recv())[:2] == ["NEG-ERR", "nobody"]
        assert await client.silent()


class Line:
    """A store whose counts wait until they are let go on, and the line before it."""

    def __init__(self, count: int = 1, memory: int = 10_000) -> None:
        self.counted: list[Filter] = []
        self.read = 0
        self.go_on = asyncio.Semaphore(0)
        self.told: list[tuple[RelaySession, bytes]] = []
        self._count = count
        self.heard = asyncio.Condition()
        bounds = Negentropy(sessions=3, events=5, memory=memory)
        self.reconciler = Reconciler(bounds, 64 * 1024)
        store = cast(EventStore, self)
        self.comparing = NegentropyReads(store, self.reconciler, self._send, lambda: 0.0, Metrics())
        self._rules = plain_rules(Limits())

    async def count(self, filters: Sequence[Filter], *, reader: Reader) -> int:
        self.counted += filters
        async with self.heard:
            self.heard.notify_all()
        await self.go_on.acquire()
        return self._count

    async def ids(self, f: Filter, *, reader: Reader, most: int) -> list[tuple[int, bytes]]:
        self.read += 1
        return [(1, b"1" * 32)]

    def _send(self, session: RelaySession, frames: bytes) -> None:
        self.told.append((session, frames))

    def client(self) -> RelaySession:
        return RelaySession(self._rules, negentropy=self.reconciler.connect())

    def ask(self, session: RelaySession, kind: int, id: str = "") -> None:
        assert session.negentropy is not None
        begun = session.negentropy.begin(id or f"{kind}", NegentropyClient(Items([])).first(), 0.0)
        assert isinstance(begun, NegentropySession)
        self.comparing.ask(session, OpenNegentropy(begun, Filter.of(kinds=[kind])))

    async def until(self, count: int) -> list[int]:
        """The kinds that were counted for, once they are so many."""
        async with asyncio.timeout(LIMIT), self.heard:
            await self.heard.wait_for(lambda: len(self.counted) >= count)
        return [kind for f in self.counted for kind in f.kinds or ()]


async def test_one_client_does_not_hold_the_line() -> None:
    line = Line()
    greedy, other = line.client(), line.client()
    running = asyncio.create_task(line.comparing.run())
    for number in range(10 * LINE):  # each ends the one before it
        line.ask(greedy, 1, "again")
        line.ask(greedy, 2 + number % 2)
    assert line.comparing.waiting() == 1
    line.ask(other, 7)
    # Both are served at the same time, and then turn about.
    assert sorted(await line.until(2))[-1] == 7
    line.ask(other, 8)
    line.go_on.release()
    line.go_on.release()
    assert 8 in (await line.until(4))[2:]
    assert not line.told or all(b"NEG-MSG" in frame for _, frame in line.told)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(("count", "memory"), [(6, 10_000), (5, 300)])
async def test_a_set_that_is_too_large_is_not_read(count: int, memory: int) -> None:
    line = Line(count, memory)
    client = line.client()
    line.ask(client, 1)
    line.go_on.release()
    running = asyncio.create_task(line.comparing.run())
    async with asyncio.timeout(LIMIT):
        while not line.told:
            await asyncio.sleep(0)
    assert b"NEG-ERR" in line.told[0][1]
    assert line.read == line.reconciler.memory == 0
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
