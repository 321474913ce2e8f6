"""How fast a client reads: 20,000 events from one relay, as a share of bare signature checks.

Three rates of one run, so that the machine's mood falls out of the ratios:

- bare: libsecp256k1 alone, on one core, over the same signatures;
- verified: relay -> socket -> parser -> id -> signature -> the reader's hands;
- stored: the same, and durable in the client's own store.

While the client reads, a ticker on its loop measures how late it is called.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from nostr_client.client import NostrClient
from nostr_client.net.pool import RelayPool
from nostr_client.paths import Paths
from nostr_client.protocol import keys
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.rehearsal.relay_process import RelayProcess
from nostr_client.signing.verifier import Verifier
from nostr_client.store.opening import open_store

EVENTS = 20_000
AUTHORS = 200
ROUNDS = 5
TICK = 0.005
"""Seconds between two calls of the ticker."""
READ_LIMIT = 120.0
WORDS = (
    "the",
    "relay",
    "went",
    "dark",
    "and",
    "nobody",
    "noticed",
    "for",
    "six",
    "others",
    "held",
    "it",
)


def make_events(count: int = EVENTS, authors: int = AUTHORS) -> list[Event]:
    """Signed notes of about 600 bytes, each by one of `authors` keys."""
    people = [SecretKey.generate() for _ in range(authors)]
    start = int(time.time()) - count
    events = []
    for n in range(count):
        text = " ".join(WORDS[(n + k * k) % len(WORDS)] for k in range(40))
        tags = (("p", people[(n * 7) % authors].public_key.hex), ("t", f"topic{n % 50}"))
        events.append(Draft(1, f"{text} {n}", tags).sign(people[n % authors], start + n))
    return events


def bare_rate(events: Sequence[Event]) -> float:
    """Signature checks a second on one core."""
    records = b"".join(bytes.fromhex(e.id + e.pubkey + e.sig) for e in events)
    began = time.perf_counter()
    verdicts = keys.verify_batch(records)
    took = time.perf_counter() - began
    assert all(verdicts)
    return len(events) / took


@asynccontextmanager
async def loaded_relay(folder: Path, events: Sequence[Event]) -> AsyncIterator[RelayProcess]:
    """A relay of ours that holds `events`."""
    data = folder / "relay"
    async with open_store(data / "events.db") as store:
        await store.save(events)
    relay = await RelayProcess.start(data)
    try:
        yield relay
    finally:
        await relay.kill()


async def read_verified(url: str) -> int:
    """Read everything the relay has; returns how many events were verified."""
    async with Verifier() as verifier, RelayPool(verifier=verifier) as pool:
        fetched = await pool.fetch([Filter.of(kinds=[1])], [url], timeout=READ_LIMIT)
        return len(fetched.events)


async def read_stored(url: str, folder: Path) -> int:
    """The same through the whole client, each event durable in a new store."""
    paths = Paths(folder / "config", folder / "data", folder / "state")
    async with NostrClient.open(None, paths=paths, relays=[url], own_relay=False) as client:
        await client.courier.read_back([Filter.of(kinds=[1])], url, limit=READ_LIMIT)
        return await client.store.count([Filter.of(kinds=[1])])


async def timed(read: Callable[[], Awaitable[int]], expected: int) -> tuple[float, list[float]]:
    """Events a second, and how late each tick of the loop was, in seconds."""
    late: list[float] = []

    async def tick() -> None:
        while True:
            due = time.perf_counter() + TICK
            await asyncio.sleep(TICK)
            late.append(time.perf_counter() - due)

    ticker = asyncio.create_task(tick())
    began = time.perf_counter()
    count = await read()
    took = time.perf_counter() - began
    ticker.cancel()
    assert count == expected, f"{count} of {expected} events arrived"
    return count / took, late


async def measure() -> None:
    events = make_events()
    verified, stored, lag = [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with loaded_relay(folder, events) as relay:
            for number in range(ROUNDS):
                bare = bare_rate(events)
                rate, late = await timed(lambda: read_verified(relay.url), EVENTS)
                fresh = folder / f"client-{number}"
                kept, later = await timed(lambda f=fresh: read_stored(relay.url, f), EVENTS)
                verified.append(rate / bare)
                stored.append(kept / bare)
                lag += [late, later]
                print(
                    f"  run {number + 1}: bare {bare:,.0f}/s, verified {rate:,.0f}/s"
                    f" ({rate / bare:.2f}), stored {kept:,.0f}/s ({kept / bare:.2f})"
                )
    p99 = [statistics.quantiles(late, n=100)[98] * 1000 for late in lag if len(late) > 1]
    print(f"  share of bare verification, median of {ROUNDS} runs:")
    print(f"    verified              {statistics.median(verified):.2f}   (at least 0.8)")
    print(f"    verified and stored   {statistics.median(stored):.2f}   (at least 0.4)")
    print(f"    loop lag p99, worst   {max(p99):.1f} ms (under 50 ms)")


def main() -> None:
    print(f"client reads {EVENTS:,} events from one relay (two cores, relay included)")
    asyncio.run(measure())


if __name__ == "__main__":
    main()
