"""How much comes twice: two relays hold the same 2,000 notes of 50 authors, who write to both.

A new client follows all 50 and reads until it has caught up. Measured at the pool: the event frames
that both relays sent, beside the events that were new. All notes are of one size, so the frames for
each new event are its bytes, too, but for the frames' heads.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks.client_read import loaded_relay
from benchmarks.table import Row, print_table
from nostr_client.client import NostrClient
from nostr_client.paths import Paths
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey

NOTES = 2_000
AUTHORS = 50
RELAYS = 2
LIMIT = 120.0
TEXT = "the relay went dark and nobody noticed for six others held it " * 6


async def read(me: SecretKey, urls: list[str], lists: list[Event], folder: Path) -> tuple[int, int]:
    """(event frames, notes that are held) once everything was read."""
    paths = Paths(folder / "config", folder / "data", folder / "state")
    async with NostrClient.open(me, paths=paths, relays=urls, own_relay=False) as client:
        client.book.policy.allow(urls)
        await client.store.save(lists)
        client.sync()
        async with asyncio.timeout(LIMIT):
            while not client.feed_sync.status.is_caught_up:
                await asyncio.sleep(0.05)
        held = await client.store.count([Filter.of(kinds=[kinds.NOTE])])
        return sum(client.pool.health(url).counters.events for url in urls), held


async def measure() -> None:
    now = int(time.time())
    people = [SecretKey.generate() for _ in range(AUTHORS)]
    notes = [
        Draft(kinds.NOTE, f"{TEXT}{n:04}").sign(people[n % AUTHORS], now - 3600 - n)
        for n in range(NOTES)
    ]
    me = SecretKey.generate()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        relays = [
            await stack.enter_async_context(loaded_relay(folder / f"{n}", notes))
            for n in range(RELAYS)
        ]
        urls = [relay.url for relay in relays]
        names = tuple(("r", url) for url in urls)
        lists = [Draft(kinds.RELAY_LIST, "", names).sign(key, now) for key in (*people, me)]
        follows = tuple(("p", key.public_key.hex) for key in people)
        lists.append(Draft(kinds.FOLLOWS, "", follows).sign(me, now))
        frames, held = await read(me, urls, lists, folder / "client")
    print(f"  {frames:,} event frames for {held:,} notes, from {RELAYS} relays")
    print_table(
        [
            Row("event frames that come again", 100 * (1 - held / frames), 5, "%"),
            Row("frames for each new event", frames / held, 1.3),
        ]
    )


def main() -> None:
    print(f"duplicates: {RELAYS} relays with the same {NOTES:,} notes of {AUTHORS} authors")
    asyncio.run(measure())


if __name__ == "__main__":
    main()
