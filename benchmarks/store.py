"""How fast the store saves and answers, alone: `python -m benchmarks.store [--events N]`.

Events are like those of a public relay (three quarters notes with threads, mentions and hashtags,
the rest reactions and reposts; about 630 bytes), unsigned, since a store leaves signatures to its
callers. Every save is durable: its figures say as much about the disk as about us.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

from nostr_client.protocol.event import Event, event_digest
from nostr_client.protocol.filters import Filter
from nostr_client.store.events import EventStore

AUTHORS = 2000
SPAN = 30 * 86_400
START = 1_700_000_000
ROUNDS = 300
WARM = 30
WORDS = tuple(f"w{number:x}" for number in range(0, 1 << 16, 97))
Tag = tuple[str, ...]


def event(pubkey: str, kind: int, created_at: int, tags: Sequence[Tag], content: str) -> Event:
    digest = event_digest(pubkey, created_at, kind, tags, content).hex()
    fields = {"id": digest, "pubkey": pubkey, "created_at": created_at, "kind": kind}
    return Event.from_dict({**fields, "tags": tags, "content": content, "sig": digest * 2})


class Network:
    """People of whom few write much, and what they write."""

    def __init__(self, count: int) -> None:
        self.rng = random.Random(7)
        self.people = [sha256(b"%d" % number).hexdigest() for number in range(AUTHORS)]
        self.weights = list(
            itertools.accumulate(1 / (number + 1) ** 0.8 for number in range(AUTHORS))
        )
        self.notes: list[Event] = []
        self.count = count

    def someone(self) -> str:
        return self.rng.choices(self.people, cum_weights=self.weights)[0]

    def events(self) -> Iterator[Event]:
        for number in range(self.count):
            made = self._event(START + SPAN * number // self.count)
            if made.kind == 1:
                self.notes.append(made)
            yield made

    def _event(self, created_at: int) -> Event:
        rng, hint = self.rng, "wss://relay.example.com"
        recent = self.notes[-2000:]
        if rng.random() < 0.25 and recent:
            target = rng.choice(recent)
            tags: list[Tag] = [("e", target.id, hint), ("p", target.pubkey), ("k", "1")]
            return event(self.someone(), 7 if rng.random() < 0.8 else 6, created_at, tags, "+")
        tags = []
        if rng.random() < 0.5 and recent:
            target = rng.choice(recent)
            tags += [("e", target.id, hint, "root"), ("p", target.pubkey)]
        if rng.random() < 0.15:
            tags += [("t", rng.choice(WORDS)) for _ in range(rng.randint(1, 4))]
        length = max(1, min(400, int(rng.lognormvariate(3.0, 0.9))))
        return event(self.someone(), 1, created_at, tags, " ".join(rng.choices(WORDS, k=length)))

    def questions(self) -> dict[str, Callable[[], Filter]]:
        rng = self.rng

        def note_id() -> str:
            return rng.choice(self.notes).id

        def some(count: int) -> list[str]:
            return list({self.someone() for _ in range(count)})

        return {
            "20 authors, limit 500": lambda: Filter.of(authors=some(26)[:20], kinds=[1], limit=500),
            "1,000 authors, limit 500": lambda: Filter.of(
                authors=rng.sample(self.people, 1000), kinds=[1, 6], limit=500
            ),
            "single id": lambda: Filter.of(ids=[note_id()]),
            "100 ids": lambda: Filter.of(ids=[note_id() for _ in range(100)]),
            "#e thread": lambda: Filter.of(kinds=[1], e=[note_id()], limit=500),
            "kind + since": lambda: Filter.of(
                kinds=[1], since=START + SPAN - rng.randint(600, 6000), limit=500
            ),
            "#p notifications": lambda: Filter.of(kinds=[1, 6, 7], p=[self.someone()], limit=100),
            "reactions to 50 notes": lambda: Filter.of(
                kinds=[7], e=[note_id() for _ in range(50)], limit=500
            ),
            "my reaction to a note": lambda: Filter.of(
                kinds=[7], authors=[self.someone()], e=[note_id()]
            ),
            "newest of all": lambda: Filter.of(limit=500),
        }


async def timed(run: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await run()
    return time.perf_counter() - started


async def save(store: EventStore, events: Sequence[Event], size: int, callers: int) -> float:
    """Seconds for all of them, `size` at a time, by as many callers at once."""
    batches = iter([events[start : start + size] for start in range(0, len(events), size)])

    async def caller() -> None:
        for batch in batches:
            await store.save(batch)

    async def all_callers() -> None:
        await asyncio.gather(*(caller() for _ in range(callers)))

    return await timed(all_callers)


async def saving(store: EventStore, network: Network) -> None:
    """Notes, the way a relay gets them."""
    spent, done = 0.0, 0
    made = network.events()
    while part := list(itertools.islice(made, 20_000)):
        spent += await save(store, part, size=200, callers=8)
        done += len(part)
    print(f"save, 8 callers with 200 each: {done / spent:>9,.0f} events/s, of {done:,}")


async def special(store: EventStore, network: Network) -> None:
    """What costs more than a note."""
    now = START + SPAN
    singles = [event(network.someone(), 1, now, (), f"single {n}") for n in range(300)]
    took = [await timed(lambda one=one: store.save([one])) for one in singles]  # type: ignore[misc]
    print(f"save, one at a time:           {statistics.median(took) * 1e3:>9.2f} ms, median")
    lists = [
        event(person, 3, now + n, [("p", other) for other in network.people[:100]], "")
        for n in range(10)
        for person in network.people[:200]
    ]
    spent = await save(store, lists, size=200, callers=1)
    print(f"save, lists that replace each other: {len(lists) / spent:>3,.0f} events/s")
    deletions = [event(n.pubkey, 5, now, [("e", n.id)], "") for n in network.notes[:2000]]
    spent = await save(store, deletions, size=200, callers=1)
    print(f"save, deletions:               {len(deletions) / spent:>9,.0f} events/s")


async def answering(store: EventStore, network: Network) -> None:
    print(f"\n{'page':<26}{'p50 ms':>9}{'p99 ms':>9}{'events':>9}{'p50 busy':>10}")
    for name, question in network.questions().items():
        filters = [[question()] for _ in range(ROUNDS + WARM)]
        sizes = [len((await store.page(f, max_limit=500)).events) for f in filters[:WARM]]
        quiet = await ask(store, filters[WARM:])
        async with busy_loop():
            busy = await ask(store, filters[WARM : WARM + 50])
        p99 = quiet[len(quiet) * 99 // 100]
        print(
            f"{name:<26}{statistics.median(quiet) * 1e3:>9.2f}{p99 * 1e3:>9.2f}"
            f"{statistics.mean(sizes):>9.0f}{statistics.median(busy) * 1e3:>10.2f}"
        )


async def ask(store: EventStore, filters: Sequence[list[Filter]]) -> list[float]:
    async def one(f: list[Filter]) -> float:
        return await timed(lambda: store.page(f, max_limit=500))

    return sorted([await one(f) for f in filters])


@asynccontextmanager
async def busy_loop() -> AsyncIterator[None]:
    """Something that keeps the loop, and with it Python's lock, busy all the time."""
    done = False

    async def spin() -> None:
        while not done:
            until = time.perf_counter() + 0.001
            while time.perf_counter() < until:
                sum(range(100))
            await asyncio.sleep(0)

    task = asyncio.create_task(spin())
    try:
        yield
    finally:
        done = True
        await task


async def run(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.db"
        network = Network(count)
        async with EventStore.open(path, clock=lambda: START + SPAN) as store:
            await saving(store, network)
            await answering(store, network)
            print()
            await special(store, network)
            took = await timed(lambda: store.count([Filter()]))
            print(f"count of all: {took * 1e3:.1f} ms", end="; ")
        print(f"on disk: {path.stat().st_size / 1e6:,.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    asyncio.run(run(parser.parse_args().events))


if __name__ == "__main__":
    main()
