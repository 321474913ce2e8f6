"""Several nodes on one database: they end as one relay would, and each hears of all."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import pytest

from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import EventStore, Stored, StoreOptions
from tests import postgres
from tests.store import samples
from tests.store.naive import NaiveStore
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("postgres")

Nodes = list[EventStore]


@contextlib.asynccontextmanager
async def nodes_of(count: int, *urls: str) -> AsyncIterator[Nodes]:
    options = StoreOptions(service_urls=urls, clock=lambda: samples.NOW)
    async with postgres.new_schemas() as url_of, contextlib.AsyncExitStack() as stack:
        from nostr_client.store.postgres.store import PostgresStore  # an extra

        opened = (PostgresStore.open(url_of("one"), options) for _ in range(count))
        yield [await stack.enter_async_context(each) for each in opened]


async def test_whoever_writes_what_they_end_alike() -> None:
    await ends_alike(0)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(4))
async def test_a_thousand_orders(part: int) -> None:
    for seed in range(1_000 + 250 * part, 1_250 + 250 * part):
        await ends_alike(seed)


async def ends_alike(seed: int) -> None:
    """Versions of lists, events and their deletions, requests to vanish, and the same event twice,
    offered to three nodes at once: what is left is what one relay would have kept, in any order."""
    rng = random.Random(seed)
    made = samples.events(rng, 60, authors=3, seconds=8)
    async with nodes_of(3, samples.SERVICE_URL) as nodes:
        heard: list[list[tuple[int, Event]]] = [[] for _ in nodes]
        async with contextlib.AsyncExitStack() as stack:
            for node, events in zip(nodes, heard, strict=True):

                def hear(stored: Stored, events: list[tuple[int, Event]] = events) -> None:
                    events.extend(stored.events)

                await stack.enter_async_context(node.listen(hear))

            async def offer(node: EventStore) -> int:
                mine = rng.sample(made, len(made))
                last = 0
                while mine:
                    size = rng.choice((1, 1, 3, 10))
                    batch, mine = mine[:size], mine[size:]
                    last = max([last, *(found.seq for found in await node.save(batch))])
                return last

            last = max(await asyncio.gather(*map(offer, nodes)))
            await until(lambda: all(events and events[-1][0] >= last for events in heard))
        for events in heard[1:]:
            assert events == heard[0] or gaps_only(events, heard[0])
        naive = NaiveStore([samples.SERVICE_URL + "/", "ALL_RELAYS"], [])
        for event in rng.sample(made, len(made)):
            naive.save(event, int(samples.NOW))
        expected = naive.query([Filter()])
        for node, events in zip(nodes, heard, strict=True):
            assert await node.query([Filter()]) == expected
            assert {event.id for event in expected} <= {event.id for _, event in events}
        await nodes[0].check()


def gaps_only(some: list[tuple[int, Event]], others: list[tuple[int, Event]]) -> bool:
    """Is the one the other, but for what was taken out again before a node had read it?"""
    seqs = [seq for seq, _ in some]
    held = dict(others)
    return seqs == sorted(set(seqs)) and all(held.get(seq, event) == event for seq, event in some)
