"""What `benchmarks.peers.work` asks, by nostr-sdk, as its documents show it."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import nostr_sdk

from benchmarks.peers.work import LIMIT, Found, Stopwatch, Work, lines_of, resident, serve

AT_ONCE = 1024
"""Events under way, as many as of ours: with 100 or 512 it was slower, with 4,096 no faster."""
MOST = 1_000_000
"""Events that one question may bring: its own default is fewer than are asked for."""
WAIT = timedelta(seconds=LIMIT)


async def _client(work: Work, database: nostr_sdk.NostrDatabase | None = None) -> nostr_sdk.Client:
    builder = nostr_sdk.ClientBuilder()
    if database is not None:
        builder = builder.database(database)
    client = builder.build()
    for url in work["urls"]:
        await client.add_relay(nostr_sdk.RelayUrl.parse(url))
    await client.try_connect(timedelta(seconds=20))
    return client


def _target(work: Work) -> nostr_sdk.ReqTarget:
    return nostr_sdk.ReqTarget.auto([nostr_sdk.Filter().limit(work["limit"])])


async def fetch(work: Work) -> Found:
    """Everything that a relay has: verified, in a list."""
    before, watch = resident(), Stopwatch()
    client = await _client(work)
    events = await client.fetch_events(_target(work), WAIT, max_events=MOST)
    found = watch.found(count=len(events))
    found["held"] = resident() - before
    await client.shutdown()
    return found


async def keep(work: Work) -> Found:
    """The same, all of it in a new database of its own (LMDB)."""
    before, watch = resident(), Stopwatch()
    nostr_sdk.uniffi_set_event_loop(asyncio.get_running_loop())  # it calls the database through it
    database = await nostr_sdk.NostrLmdb.open(work["folder"])
    client = await _client(work, database)
    await client.fetch_events(_target(work), WAIT, max_events=MOST)
    # What it fetched is in the list before all of it is in the database.
    while (count := await database.count(nostr_sdk.Filter())) < work["limit"]:
        await asyncio.sleep(0.02)
    found = watch.found(count=count)
    found["held"] = resident() - before
    await client.shutdown()
    return found


async def publish(work: Work) -> Found:
    """Events sent to every relay, each confirmed by each."""
    events = [nostr_sdk.Event.from_json(line) for line in lines_of(work["events"])]
    free = asyncio.Semaphore(AT_ONCE)
    client = await _client(work)
    watch = Stopwatch()

    async def one(event: nostr_sdk.Event) -> int:
        async with free:
            return len((await client.send_event(event)).success)

    found = watch.found(count=sum(await asyncio.gather(*map(one, events))))
    await client.shutdown()
    return found


async def listen(work: Work) -> Found:
    """When each event came, by the clock that all processes share."""
    came: dict[str, float] = {}
    client = await _client(work)
    stream = client.notifications()
    wanted = nostr_sdk.Filter().limit(0)
    await client.subscribe(nostr_sdk.ReqTarget.auto([wanted]))
    print("ready", flush=True)
    watch = Stopwatch()
    while len(came) < work["count"]:
        told = await stream.next()
        if told is None:
            break
        if told.is_new_event():
            at = time.monotonic()
            came[told.event.id().to_hex()] = at
    found = watch.found(came=came)
    await client.shutdown()
    return found


if __name__ == "__main__":
    serve({"fetch": fetch, "keep": keep, "publish": publish, "listen": listen})
