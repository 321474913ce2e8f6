"""Several nodes on one database: they end as one relay would, and each hears of all."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest

from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import EventStore, Stored, StoreOptions
from tests import postgres
from tests.store import samples
from tests.store.naive import NaiveStore
from tests.waiting import until

asyncpg: Any = pytest.importorskip("asyncpg", reason="no asyncpg")


class Nodes(NamedTuple):
    """Stores on one database, and its URL."""

    stores: list[EventStore]
    url: str

    async def empty(self) -> None:
        """As if nothing had ever been stored, but for the seqs."""
        database = await asyncpg.connect(self.url)
        await database.execute(
            "TRUNCATE event, tag, words, tombstone, vanished, leaving, history;"
            " UPDATE state SET used = 0, indexed = seq"
        )
        await database.close()


@contextlib.asynccontextmanager
async def nodes_of(count: int, *urls: str) -> AsyncIterator[Nodes]:
    options = StoreOptions(service_urls=urls, clock=lambda: samples.NOW)
    async with postgres.new_schemas() as url_of, contextlib.AsyncExitStack() as stack:
        from nostr_client.store.postgres.store import PostgresStore  # an extra

        opened = (PostgresStore.open(url_of("one"), options) for _ in range(count))
        yield Nodes([await stack.enter_async_context(each) for each in opened], url_of("one"))


async def test_whoever_writes_what_they_end_alike() -> None:
    async with nodes_of(3, samples.SERVICE_URL) as nodes:
        await ends_alike(nodes.stores, seed=0, count=60)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(4))
async def test_a_thousand_orders(part: int) -> None:
    async with nodes_of(3, samples.SERVICE_URL) as nodes:
        for seed in range(1_000 + 250 * part, 1_250 + 250 * part):
            await ends_alike(nodes.stores, seed=seed, count=20)
            await nodes.empty()


async def ends_alike(nodes: list[EventStore], *, seed: int, count: int) -> None:
    """Versions of lists, events and their deletions, requests to vanish, and the same event twice,
    offered to three nodes at once: what is left is what one relay has that was offered what was
    taken, in the order in which it was taken; and what it would say of all of it once more."""
    rng = random.Random(seed)
    made = samples.events(rng, count, authors=3, seconds=8)
    heard: list[list[tuple[int, Event]]] = [[] for _ in nodes]
    taken: dict[int, Event] = {}

    async def offer(node: EventStore) -> None:
        mine = rng.sample(made, len(made))
        while mine:
            size = rng.choice((1, 1, 3, 10))
            batch, mine = mine[:size], mine[size:]
            results = await node.save(batch)
            taken.update(
                (found.seq, event) for found, event in zip(results, batch, strict=True) if found.seq
            )

    async with contextlib.AsyncExitStack() as stack:
        for node, events in zip(nodes, heard, strict=True):

            def hear(stored: Stored, events: list[tuple[int, Event]] = events) -> None:
                events.extend(stored.events)

            await stack.enter_async_context(node.listen(hear))
        await asyncio.gather(*map(offer, nodes))
        await until(lambda: all(events and events[-1][0] >= max(taken) for events in heard))
    for events in heard:
        assert [seq for seq, _ in events] == sorted({seq for seq, _ in events})
        assert all(taken[seq] == event for seq, event in events)
    one = NaiveStore([samples.SERVICE_URL + "/", "ALL_RELAYS"], [])
    for _, event in sorted(taken.items()):
        assert one.save(event, int(samples.NOW)).value in {"stored", "replaced"}
    expected = one.query([Filter()])
    for node, events in zip(nodes, heard, strict=True):
        assert await node.query([Filter()]) == expected
        assert {event.id for event in expected} <= {event.id for _, event in events}
    again = [found.status for found in await rng.choice(nodes).save(made)]
    assert again == [one.save(event, int(samples.NOW)) for event in made]
    await nodes[0].check()
