"""How fast the store saves and answers, alone: `python -m benchmarks.store [--events N]`.

Events are like those of a public relay (three quarters notes with threads, mentions and hashtags,
the rest reactions and reposts; about 630 bytes), unsigned, since a store leaves signatures to its
callers. Every save is durable: its figures say as much about the disk as about us.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.network import SPAN, Network, event
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import EventStore, StoreOptions
from nostr_client.store.opening import open_store

NOW = 1_700_000_000 + SPAN
ROUNDS = 300
WARM = 30


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
    now = NOW
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
        network = Network(count, NOW)
        async with open_store(path, StoreOptions(clock=lambda: NOW)) as store:
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
