"""Sets compared with those who are not ours: nostr-sdk, as a client and as a relay (Rust)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import nostr_sdk as sdk

from nostr_client.protocol.event import Event
from nostr_client.rehearsal.relay_process import RelayProcess
from nostr_client.store.opening import open_store
from relays.config.relay_config import RelayConfig
from relays.operations.sync_once import SyncTask, sync_once
from tests.relays.talk import NOW, note, wire

WAIT = timedelta(seconds=20)
LIMIT = 60.0


@asynccontextmanager
async def client(url: str, folder: Path, events: list[Event]) -> AsyncIterator[sdk.Client]:
    """A client of nostr-sdk that holds `events`."""
    sdk.uniffi_set_event_loop(asyncio.get_running_loop())
    # Its database is called back from threads of its own.
    database = await sdk.NostrLmdb.open(str(folder))
    one = sdk.ClientBuilder().database(database).build()
    await one.add_relay(sdk.RelayUrl.parse(url))
    await one.connect(WAIT)
    for event in events:
        await database.save_event(sdk.Event.from_json(event.json.decode()))
    try:
        yield one
    finally:
        await one.shutdown()
        sdk.uniffi_set_event_loop(None)


@asynccontextmanager
async def foreign_relay(events: list[Event]) -> AsyncIterator[str]:
    """A relay of nostr-sdk that holds `events`."""
    rate = sdk.RateLimit(max_reqs=1000, notes_per_minute=100_000)
    relay = sdk.LocalRelayBuilder().addr("127.0.0.1").rate_limit(rate).build()
    await asyncio.wait_for(relay.run(), LIMIT)
    try:
        url = str(await relay.url())
        async with wire(url) as peer:
            for event in events:
                assert (await peer.publish(event))[2]
        yield url
    finally:
        relay.shutdown()


def held(events: list[Event]) -> set[str]:
    return {event.id for event in events}


async def test_its_client_compares_with_our_relay(relay: RelayProcess, tmp_path: Path) -> None:
    events = [note(f"note {n}", at=NOW + n) for n in range(400)]
    async with wire(relay.url) as peer:
        for event in events[:300]:
            await peer.offer(event)
        for _ in range(300):
            assert (await peer.recv())[2]
    async with client(relay.url, tmp_path / "theirs", events[100:]) as one, asyncio.timeout(LIMIT):
        options = sdk.SyncOptions().direction(sdk.SyncDirection.BOTH)
        done = await one.sync(sdk.Filter().kind(sdk.Kind(1)), opts=options)
        assert not done.failed
        assert {id.to_hex() for id in done.report.received} == held(events[:100])
        assert {id.to_hex() for id in done.report.sent} == held(events[300:])
        again = await one.sync(sdk.Filter().kind(sdk.Kind(1)), opts=options)
        assert not again.report.received
        assert not again.report.sent
    async with wire(relay.url) as peer:
        await peer.send("COUNT", "all", {"kinds": [1]})
        assert (await peer.recv())[2]["count"] == len(events)


async def test_our_sync_compares_with_its_relay(tmp_path: Path) -> None:
    events = [note(f"note {n}", at=NOW + n) for n in range(400)]
    async with open_store(tmp_path / "events.db") as store:
        await store.save(events[100:])
    async with foreign_relay(events[:300]) as url, asyncio.timeout(LIMIT):
        outcome = await sync_once(tmp_path, SyncTask(url=url), RelayConfig())
        assert not outcome.steps.pages
        assert outcome.tally.stored == 100
        assert outcome.sent.accepted == 100
        again = await sync_once(tmp_path, SyncTask(url=url), RelayConfig())
        assert again.steps.compared == 1
        assert (again.tally.lines, again.sent.accepted) == (0, 0)
