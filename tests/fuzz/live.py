"""Subscriptions that come, change and go while events stream in: each event exactly once.

A round has phases. In each, readers subscribe, replace and close while publishers publish, all at
once; then comes a sentinel, which is stored after everything that was acknowledged, so that whoever
has it has all the others. What a subscription must have been sent:

- of what was offered after the relay had read the REQ: everything that matches, whatever the limit;
- without a limit, of what was offered before, too, unless it is ephemeral.

Nothing comes that does not match, that was refused, or twice. An event that another one may
supersede or delete need not come; neither need what no sentinel followed before the end of the
subscription.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.protocol.kinds import is_ephemeral
from relays.config.relay_config import RelayConfig
from relays.config.sections import Limits
from tests.fuzz.oracle import Filter, asks_private, matching, may_see
from tests.fuzz.questions import keys_for, log_in
from tests.fuzz.serving import Clock, publish_all, served
from tests.fuzz.world import AHEAD, NOW, World
from tests.relays.talk import LIMIT, Wire, wire

SENTINEL: Final = 9998
"""A kind that nothing else here has."""
REFUSED: Final[Filter] = {"nonsense": 1}
MANY: Final = 100_000


class Subscription:
    """One REQ. `window`: what came between this REQ and the sign that it had been read: it may
    belong to the REQ that this one replaced, too."""

    def __init__(self, filters: list[Filter], replaced: Subscription | None) -> None:
        self.filters = filters
        self.sure = replaced is None or replaced.over or (replaced.sure and replaced.ends > 0)
        """The first EOSE is its own, and none of the one before it."""
        self.window: list[str] = []
        self.got: list[str] = []
        self.ends = 0
        self.read_at: int | None = None
        """How many events had been offered when the relay had read the REQ for sure."""
        self.until = 0
        """How many events were offered before the last sentinel under it."""
        self.open = True
        self.over = False
        """The relay has read what ended it."""


class Reader:
    """A client that subscribes; `chains` holds the subscriptions of each id, one after another."""

    def __init__(self, client: Wire, play: _Round, keys: list[SecretKey]) -> None:
        self.keys = frozenset(key.public_key.hex for key in keys)
        self._client = client
        self._round = play
        self._signs = 0
        self._waiting: dict[str, asyncio.Event] = {}
        self._in_window: set[str] = set()
        self.sentinels: set[str] = set()
        self.live_seq = asyncio.Event()
        self.chains: dict[str, list[Subscription]] = {}

    async def read(self) -> None:
        """Take frames until the connection ends."""
        async for data in self._client.socket:
            self._take(json.loads(data))

    def _take(self, frame: list[Any]) -> None:
        label, id = frame[:2]
        if label == "CLOSED" and id in self._waiting:
            self._waiting.pop(id).set()
        elif label == "EVENT" and id == "sentinel":
            self.sentinels.add(frame[2]["id"])
            self.live_seq.set()
        elif label == "EOSE" and id == "sentinel":
            pass
        elif label in ("EVENT", "EOSE"):
            last = self.chains[id][-1]
            assert not last.over, f"{label} after the end"
            if label == "EOSE":
                last.ends += 1
                self.live_seq.set()
            else:
                (last.window if id in self._in_window else last.got).append(frame[2]["id"])
        else:
            assert label == "CLOSED", frame
            assert frame[2].startswith(("unsupported:", "invalid:")), frame

    async def sign(self) -> None:
        """Returns when the relay has read all that was sent before."""
        self._signs += 1
        id = f"sign {self._signs}"
        seen = self._waiting[id] = asyncio.Event()
        await self._client.send("COUNT", id, REFUSED)
        async with asyncio.timeout(LIMIT):
            await seen.wait()

    async def subscribe(self, id: str, filters: list[Filter]) -> None:
        chain = self.chains.setdefault(id, [])
        if chain:
            chain[-1].open = False
        chain.append(Subscription(filters, chain[-1] if chain else None))
        self._in_window.add(id)
        await self._client.raw(self._round.world.text(["REQ", id, *filters]))
        await self.sign()
        self._in_window.discard(id)
        chain[-1].read_at = len(self._round.offered)

    async def close(self, id: str, frame: list[Any]) -> None:
        """End a subscription by `frame`: by CLOSE, or by a REQ that is refused."""
        chain = self.chains[id]
        chain[-1].open = False
        await self._client.send(*frame)
        await self.sign()
        chain[-1].over = True

    async def synchronised(self, sentinel: Event, offered: int) -> None:
        """Returns when the sentinel and all pages have come, so that everything before has."""
        last = [chain[-1] for chain in self.chains.values() if chain[-1].open]
        async with asyncio.timeout(LIMIT):
            while sentinel.id not in self.sentinels or any(one.sure > one.ends for one in last):
                self.live_seq.clear()
                await self.live_seq.wait()
        for one in last:
            if one.sure or one.ends > 1:
                one.until = offered


async def play(seed: str, folder: Path) -> int:
    """One round; how many deliveries were checked. Raises AssertionError."""
    return await _Round(seed).run(folder)


class _Round:
    def __init__(self, seed: str) -> None:
        self.rng = rng = random.Random(seed)
        self.world = World(rng)
        self.world.vanish_urls = ("wss://other.example",)  # nobody vanishes here
        self.offered: list[Event] = []
        self.accepted: dict[str, bool] = {}
        self.readers: list[Reader] = []
        self.left: list[Reader] = []

    async def run(self, folder: Path) -> int:
        limits = Limits(max_limit=MANY, default_limit=MANY, outbox_bytes=2**26, page_bytes=2**26)
        async with (
            served(folder, RelayConfig(limits=limits), Clock(float(NOW))) as url,
            AsyncExitStack() as stack,
        ):
            publishers = [await self._join(stack, url) for _ in range(self.rng.choice((1, 3)))]
            for publisher in publishers:
                await log_in(publisher, url, [], NOW)
            await self._publish(publishers[0], self.rng.choice((1, 50, 500)))
            for _ in range(self.rng.choice((1, 2, 4))):
                await self._new_reader(stack, url)
            for _ in range(self.rng.choice((3, 8))):
                async with asyncio.TaskGroup() as group:
                    for publisher in publishers:
                        size = self.rng.choice((1, 10, 60, 200))
                        group.create_task(self._publish(publisher, size))
                    for reader in self.readers:
                        group.create_task(self._do_things(reader))
                await self._sentinel(publishers[0])
            return self._check()

    async def _join(self, stack: AsyncExitStack, url: str) -> Wire:
        return await stack.enter_async_context(wire(url, max_size=None, max_queue=None))

    async def _new_reader(self, stack: AsyncExitStack, url: str) -> None:
        client = await self._join(stack, url)
        keys = keys_for(self.world)
        await log_in(client, url, keys, NOW)
        reader = Reader(client, self, keys)
        reading = asyncio.create_task(reader.read())

        async def stop() -> None:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading

        stack.push_async_callback(stop)
        await client.send("REQ", "sentinel", {"kinds": [SENTINEL], "limit": 0})
        await reader.sign()
        self.readers.append(reader)

    async def _publish(self, client: Wire, count: int) -> None:
        while count > 0:
            size = min(count, self.rng.choice((1, 1, 5, 40)))
            count -= size
            await self._offer(client, [self.world.event() for _ in range(size)])
            if self.rng.random() < 0.2:
                await asyncio.sleep(self.rng.random() * 0.01)

    async def _offer(self, client: Wire, events: list[Event]) -> None:
        self.offered += events
        for id, (accepted, _) in (await publish_all(client, events)).items():
            self.accepted[id] = accepted

    async def _do_things(self, reader: Reader) -> None:
        rng = self.rng
        for _ in range(rng.choice((0, 1, 4, 12))):
            id = rng.choice(("a", "b", "ç\n", "d" * 64))
            chain = reader.chains.get(id)
            if chain and chain[-1].open and rng.random() < 0.4:
                frame = rng.choice((["CLOSE", id], ["REQ", id, REFUSED], ["REQ", id, {"ids": 1}]))
                await reader.close(id, frame)
            else:
                await reader.subscribe(id, self._filters(reader))
            if rng.random() < 0.5:
                await asyncio.sleep(rng.random() * 0.02)

    def _filters(self, reader: Reader) -> list[Filter]:
        filters = self.world.filters() if self.rng.random() < 0.7 else [{}]
        return [{}] if asks_private(filters) and not reader.keys else filters

    async def _sentinel(self, client: Wire) -> None:
        sentinel = self.world.event(at=NOW, kind=SENTINEL)
        while refused(sentinel):
            sentinel = self.world.event(at=NOW, kind=SENTINEL)
        await self._offer(client, [sentinel])
        assert self.accepted[sentinel.id]
        for reader in self.readers:
            await reader.synchronised(sentinel, len(self.offered))

    # What came

    def _check(self) -> int:
        steady = self._steady()
        checked = 0
        for reader in self.readers:
            events = [event for event in self.offered if may_see(event, reader.keys)]
            visible = steady & {event.id for event in events}
            for id, chain in reader.chains.items():
                for number, one in enumerate(chain):
                    after = chain[number + 1].window if number + 1 < len(chain) else []
                    self._check_one(one, after, visible)
                    checked += len(one.got)
                    assert one.ends <= (1 if one.sure else 2), "too many EOSE"
                self._check_chain(chain, events, f"under {id!r}")
        return checked

    def _check_one(self, one: Subscription, after: list[str], due_here: set[str]) -> None:
        assert one.read_at is not None
        due = {e.id for e in matching(self.offered[one.read_at : one.until], one.filters)}
        if not any("limit" in f for f in one.filters):
            before = self.offered[: min(one.read_at, one.until)]
            due |= {e.id for e in matching(before, one.filters) if not is_ephemeral(e.kind)}
        missing = due & due_here - {*one.window, *one.got, *after}
        assert not missing, f"{len(missing)} of {len(due)} did not come to {one.filters!r}"
        twice = [id for id, times in Counter(one.got).items() if times > 1]
        assert not twice, f"{len(twice)} came twice to {one.filters!r}"

    def _check_chain(self, chain: list[Subscription], events: list[Event], where: str) -> None:
        allowed: Counter[str] = Counter()
        for one in chain:
            allowed.update(event.id for event in matching(events, one.filters))
        for one in chain:
            for id in (*one.window, *one.got):
                assert self.accepted[id], f"a refused event came {where}"
                allowed[id] -= 1
                assert allowed[id] >= 0, f"an event came too often or unasked {where}"
            assert set(one.got) <= {e.id for e in matching(events, one.filters)}, where

    def _steady(self) -> set[str]:
        """The ids of events that no other one here removes, whatever the order."""
        deleted = {value for e in self.offered if e.kind == 5 for value in e.values("e")}
        addresses = {value for e in self.offered if e.kind == 5 for value in e.values("a")}
        newest: dict[str, tuple[int, str]] = {}
        for event in self.offered:
            if event.address is not None and not refused(event):
                order = (-event.created_at, event.id)
                newest[event.address] = min(newest.get(event.address, order), order)
        found = set()
        for event in self.offered:
            if refused(event) or event.id in deleted:
                continue
            if event.address is not None:
                bare = event.address.removesuffix(":")
                if {event.address, bare} & addresses:
                    continue
                if newest[event.address] != (-event.created_at, event.id):
                    continue
            assert self.accepted[event.id], event.json
            found.add(event.id)
        return found


def refused(event: Event) -> bool:
    expired = event.expiration is not None and event.expiration <= NOW
    return expired or event.is_protected or event.created_at > NOW + AHEAD
