"""The store in PostgreSQL beside that in SQLite: `python -m benchmarks.store_engines`.

Both are filled and asked in turn, so that what else the machine does meets both alike; every save
is durable. PostgreSQL is the one at `--url`, in a schema of its own, or one that is started for it,
with its default durability.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.network import SPAN, Network
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import EventStore, StoreOptions
from nostr_client.store.opening import open_store
from tests import postgres

NOW = 1_700_000_000 + SPAN
WARM = 10
INGEST_GOAL = 0.6
GOAL = 1.5
GOALS = {"20 authors, limit 500": 2.5}
"""Of the time of SQLite, at most, in p50."""
_SETTINGS = {"listen_addresses": "", "shared_buffers": "256MB", "max_connections": "50"}


@asynccontextmanager
async def both(folder: Path, url: str) -> AsyncIterator[tuple[EventStore, EventStore]]:
    server = None
    if not url:
        server = postgres.new_server(folder / "postgres", _SETTINGS)
        url = postgres.url_of(folder / "postgres")
    try:
        options = StoreOptions(clock=lambda: NOW)
        async with open_store(folder / "e.db", options) as one, open_store(url, options) as other:
            yield one, other
    finally:
        if server is not None:
            server.terminate()
            server.wait()


async def ingest(stores: Sequence[EventStore], events: Sequence[Event], size: int) -> list[float]:
    """Seconds of each."""
    spent = [0.0 for _ in stores]
    for start in range(0, len(events), size):
        for index, store in enumerate(stores):
            begun = time.perf_counter()
            await store.save(events[start : start + size])
            spent[index] += time.perf_counter() - begun
    return spent


async def ask(stores: Sequence[EventStore], questions: Sequence[Filter]) -> list[list[float]]:
    """Seconds of each question, sorted, for each."""
    spent: list[list[float]] = [[] for _ in stores]
    for number, f in enumerate(questions):
        pages = []
        for index, store in enumerate(stores):
            begun = time.perf_counter()
            pages.append(await store.page([f], max_limit=500))
            if number >= WARM:
                spent[index].append(time.perf_counter() - begun)
        assert pages[0].events == pages[1].events, f
    return [sorted(times) for times in spent]


async def run(count: int, url: str, rounds: int, only: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        network = Network(count, NOW)
        events = list(network.events())
        async with both(folder, url) as stores:
            one, other = await ingest(stores, events, 500)
            rates = count / one, count / other
            print(f"{'':<26}{'SQLite':>10}{'PostgreSQL':>12}{'ratio':>8}{'goal':>7}{'p99':>8}")
            print(
                f"{'durable ingest, events/s':<26}{rates[0]:>10,.0f}{rates[1]:>12,.0f}"
                f"{rates[1] / rates[0]:>8.2f}{INGEST_GOAL:>7}"
            )
            for what, question in network.questions().items():
                if only and only not in what:
                    continue
                one_by, other_by = await ask(stores, [question() for _ in range(rounds + WARM)])
                p50 = statistics.median(one_by) * 1e3, statistics.median(other_by) * 1e3
                worst = other_by[len(other_by) * 99 // 100] / one_by[len(one_by) * 99 // 100]
                print(
                    f"{what:<26}{p50[0]:>7.2f} ms{p50[1]:>9.2f} ms{p50[1] / p50[0]:>8.2f}"
                    f"{GOALS.get(what, GOAL):>7}{worst:>8.2f}",
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=200, help="questions of each class")
    parser.add_argument("--only", default="", help="classes with this in their name")
    parser.add_argument("--url", default="", help="of a PostgreSQL database, with an empty schema")
    args = parser.parse_args()
    asyncio.run(run(args.events, args.url, args.rounds, args.only))


if __name__ == "__main__":
    main()
