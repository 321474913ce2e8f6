"""How much comes twice: two relays hold the same notes of 50 authors, who write to both.

A client follows all 50: one relay streams them, the other is compared with what came. Measured at
the pool, with relays that compare by ids (NIP-77) and with the same relays that do not, each over
`--seeds` worlds of which the worst counts:

- first run: nothing is held, and both relays hold 2,000 notes, of which a backlog is read;
- resumed run: half a day later, with 300 notes more;
- live: 30 notes come to both while the client runs. It looks `SPEED` times as often as in earnest,
  so what looking costs is overstated;
- killed: the streaming relay is killed, and a note comes to the other: how long until it is here;
- dropping: the streaming relay lacks a tenth of what it stores, in half of the worlds, and a tenth
  of 30 notes that come live: is all here at last, and how long after it was written is each of
  those (the time is multiplied by `SPEED`)?

An event frame is counted as coming again if it brought nothing new. Bytes are those of all messages
from both relays, comparing included, beside the new events' own JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from benchmarks.table import Row, print_table
from nostr_client.client import NostrClient
from nostr_client.net.pool import RelayPool
from nostr_client.paths import Paths
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.rehearsal.relay_process import RelayProcess
from nostr_client.signing.verifier import Verifier
from nostr_client.social import feed_audit, second_look
from nostr_client.store.opening import open_store

NOTES = 2_000
AUTHORS = 50
LATER = 300
LIVE = 30
AWAY = 12 * 3600
"""Seconds from the first run to the second."""
DROPPED = 0.1
SPEED = 10
SETTLED = 2
"""Seconds, in place of `second_look.SETTLE`."""
LIMIT = 60.0
WORDS = ("the", "relay", "went", "dark", "and", "nobody", "noticed", "for", "six", "others")
NO_NIP_77 = "[negentropy]\nsessions = 0\n"


@dataclass
class World:
    """Who writes what, and the lists that a client starts with."""

    chance: Random
    me: SecretKey
    people: list[SecretKey]

    @classmethod
    def of(cls, seed: int) -> World:
        chance = Random(seed)
        keys = [SecretKey(chance.randbytes(32)) for _ in range(AUTHORS + 1)]
        return cls(chance, keys[0], keys[1:])

    def notes(self, count: int, since: float, until: float) -> list[Event]:
        """Of some lengths, spread over a span of time."""
        return [self.note(int(self.chance.uniform(since, until))) for _ in range(count)]

    def note(self, at: int) -> Event:
        length = max(1, min(400, int(self.chance.lognormvariate(3.0, 0.9))))
        text = " ".join(self.chance.choices(WORDS, k=length))
        text = f"{text} {self.chance.getrandbits(40):x}"
        return Draft(kinds.NOTE, text).sign(self.chance.choice(self.people), at)

    def lists(self, urls: Sequence[str], at: int) -> list[Event]:
        names = tuple(("r", url) for url in urls)
        made = [Draft(kinds.RELAY_LIST, "", names).sign(key, at) for key in (*self.people, self.me)]
        follows = tuple(("p", key.public_key.hex) for key in self.people)
        return [*made, Draft(kinds.FOLLOWS, "", follows).sign(self.me, at)]


@dataclass
class Cost:
    """What some reading brought: `new` events of `size` bytes, and all that came for that."""

    frames: int
    heard: int
    new: int
    size: int

    @property
    def again(self) -> float:
        return 100 * (1 - self.new / self.frames)

    @property
    def times(self) -> float:
        return self.heard / self.size


@dataclass
class Found:
    """By name, what each seed showed."""

    again: dict[str, list[float]] = field(default_factory=dict)
    times: dict[str, list[float]] = field(default_factory=dict)
    recall: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    failover: list[float] = field(default_factory=list)

    def add(self, name: str, cost: Cost) -> None:
        self.again.setdefault(name, []).append(cost.again)
        self.times.setdefault(name, []).append(cost.times)


@asynccontextmanager
async def relay_with(
    folder: Path, events: Sequence[Event], *, compares: bool, port: int = 0
) -> AsyncIterator[RelayProcess]:
    async with open_store(folder / "events.db") as store:
        await store.save(events)
    settings = folder / "settings.toml"
    settings.write_text("" if compares else NO_NIP_77)
    relay = await RelayProcess.start(folder, "--config", str(settings), port=port)
    try:
        yield relay
    finally:
        await relay.kill()


class Reader:
    """A client on `folder` that follows the world's people at two relays."""

    def __init__(self, client: NostrClient, urls: Sequence[str]) -> None:
        self.client = client
        self.urls = urls
        self._begun = (0, 0, set[str]())

    @classmethod
    @asynccontextmanager
    async def open(
        cls, world: World, urls: Sequence[str], folder: Path, ago: int = 0
    ) -> AsyncIterator[Reader]:
        paths = Paths(folder / "config", folder / "data", folder / "state")
        now = int(time.time())
        async with NostrClient.open(
            None,
            pubkey=world.me.public_key.hex,  # who writes nothing, so that nothing of it comes back
            paths=paths,
            relays=urls,
            own_relay=False,
            clock=lambda: time.time() - ago,
        ) as client:
            client.book.policy.allow(urls)
            await client.store.save(world.lists(urls, now - 2 * AWAY))
            reader = cls(client, urls)
            await reader.begin()
            client.start_reading()
            await until(lambda: client.feed_sync.status.is_caught_up)
            yield reader

    async def begin(self) -> None:
        """Count from here on."""
        frames, heard = self._counters()
        self._begun = frames, heard, {event.id for event in await self.notes()}

    async def cost(self) -> Cost:
        frames, heard = self._counters()
        before = self._begun
        new = [event for event in await self.notes() if event.id not in before[2]]
        size = sum(len(event.json) for event in new)
        return Cost(frames - before[0], heard - before[1], len(new), size)

    async def notes(self) -> list[Event]:
        return await self.client.store.query([Filter.of(kinds=[kinds.NOTE])])

    async def wait_for(self, events: Sequence[Event]) -> float:
        """The share of these that is here at last."""
        wanted = {event.id for event in events}
        ends = time.monotonic() + LIMIT
        while True:
            held = await self.client.store.known(wanted)
            if len(held) == len(wanted) or time.monotonic() > ends:
                return len(held) / len(wanted)
            await asyncio.sleep(0.02)

    def _counters(self) -> tuple[int, int]:
        counters = [self.client.pool.health(url).counters for url in self.urls]
        return sum(c.events for c in counters), sum(c.heard_bytes for c in counters)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT):
        while not holds():
            await asyncio.sleep(0.02)


async def same(seed: int, *, compares: bool, found: Found) -> None:
    """Both relays hold the same: what comes twice, and how soon the second takes over."""
    world, now = World.of(seed), int(time.time())
    before = world.notes(NOTES, now - 30 * 86_400, now - AWAY)
    later = world.notes(LATER, now - AWAY, now - 60)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        relays = [
            await stack.enter_async_context(
                relay_with(folder / f"relay{n}", before, compares=compares)
            )
            for n in range(2)
        ]
        urls = [relay.url for relay in relays]
        verifier = await stack.enter_async_context(Verifier())
        writer = await stack.enter_async_context(RelayPool(verifier=verifier))
        async with Reader.open(world, urls, folder / "client", AWAY) as reader:
            found.add("first run", await reader.cost())
        for note in later:
            (await writer.publish(note, urls)).raise_if_failed()
        async with Reader.open(world, urls, folder / "client") as reader:
            await reader.wait_for(later)
            found.add("resumed run", await reader.cost())
            await reader.begin()
            notes = await publish_live(world, writer, [urls] * LIVE)
            await reader.wait_for(notes)
            await asyncio.sleep(feed_audit.PACE_MOST + SETTLED)  # for a look at the last of them
            found.add("live", await reader.cost())
            health = reader.client.pool.health
            first = max(relays, key=lambda relay: health(relay.url).counters.events)
            await first.kill()
            other = [url for url in urls if url != first.url]
            begun = time.monotonic()
            note = world.note(int(time.time()))
            (await writer.publish(note, other)).raise_if_failed()
            await reader.wait_for([note])
            found.failover.append(time.monotonic() - begun)


def free_ports() -> list[int]:
    """Two, the first of which streams where both relays are thought to be as good."""
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        ports = [each.getsockname()[1] for each in (one, two)]
    return sorted(ports, key=str)


async def publish_live(
    world: World, writer: RelayPool, places: Sequence[Sequence[str]]
) -> list[Event]:
    """A note to each of `places`, one a second."""
    notes = []
    for urls in places:
        await asyncio.sleep(1.0)
        notes.append(world.note(int(time.time())))
        (await writer.publish(notes[-1], urls)).raise_if_failed()
    return notes


async def dropping(seed: int, *, compares: bool, found: Found) -> None:
    """The relay that streams lacks a tenth; in half of the worlds only of what comes live."""
    world, now = World.of(100 + seed), int(time.time())
    every = world.notes(400, now - 30 * 86_400, now - 7200)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        held = [e for e in every if seed % 2 or world.chance.random() >= DROPPED]
        drops, whole = [
            await stack.enter_async_context(
                relay_with(folder / f"{port}", events, compares=compares, port=port)
            )
            for port, events in zip(free_ports(), (held, every), strict=True)
        ]
        verifier = await stack.enter_async_context(Verifier())
        writer = await stack.enter_async_context(RelayPool(verifier=verifier))
        urls = [drops.url, whole.url]
        async with Reader.open(world, urls, folder / "client") as reader:
            places = [[whole.url] if world.chance.random() < DROPPED else urls for _ in range(LIVE)]
            waiting, notes = list[asyncio.Task[float]](), list[Event]()
            for place in places:
                notes += await publish_live(world, writer, [place])
                if len(place) == 1:
                    waiting.append(asyncio.create_task(lateness(reader, notes[-1])))
            found.recall.append(100 * await reader.wait_for([*every, *notes]))
            found.late += [SPEED * late for late in await asyncio.gather(*waiting)]


async def lateness(reader: Reader, note: Event) -> float:
    """Seconds until a note is here that has just come to a relay."""
    begun = time.monotonic()
    await reader.wait_for([note])
    return time.monotonic() - begun


def in_a_hurry() -> None:
    """Looks come `SPEED` times as often."""
    for name in ("PACE_FIRST", "PACE_MOST"):
        setattr(feed_audit, name, getattr(feed_audit, name) / SPEED)
    for module in (feed_audit, second_look):
        module.__dict__["SETTLE"] = SETTLED


def rows(found: Found, most: float, kind: str) -> list[Row]:
    """The worst of all seeds."""
    made = [
        Row(f"{kind}, {name}: event frames that come again", max(each), most, "%")
        for name, each in found.again.items()
    ]
    made += [
        Row(f"{kind}, {name}: bytes for each byte of new events", max(each), 1.3)
        for name, each in found.times.items()
    ]
    dropping = f"{kind}, the stream drops a tenth"
    return [
        *made,
        Row(f"{dropping}: recall", min(found.recall), 100, "%", least=True),
        Row(f"{dropping}: each is here after", max(found.late, default=0.0), 120, "s"),
        Row(f"{kind}, the stream is killed: the next comes after", max(found.failover), 5, "s"),
    ]


async def measure(seeds: int) -> list[Row]:
    with_it, without = Found(), Found()
    for seed in range(seeds):
        await asyncio.gather(
            *(same(seed, compares=found is with_it, found=found) for found in (with_it, without)),
            *(
                dropping(seed, compares=found is with_it, found=found)
                for found in (with_it, without)
            ),
        )
    return rows(with_it, 5, "NIP-77") + rows(without, 20, "without")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    seeds = parser.parse_args().seeds
    print(
        f"duplicates: two relays with the same notes of {AUTHORS} authors, worst of {seeds} seeds"
    )
    in_a_hurry()
    print_table(asyncio.run(measure(seeds)))


if __name__ == "__main__":
    main()
