"""What `benchmarks.peers.work` asks, by this library."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.peers.work import LIMIT, Found, Stopwatch, Work, lines_of, resident, serve
from nostr_client import Event, Filter, NostrClient, Paths, RelayPool, SecretKey
from nostr_client.net.dial import DialPolicy
from nostr_client.signing.verifier import Verifier


def _paths(folder: str) -> Paths:
    where = Path(folder)
    return Paths(where / "config", where / "data", where / "state")


async def fetch(work: Work) -> Found:
    """Everything that a relay has: verified, in a list."""
    before, watch = resident(), Stopwatch()
    policy = DialPolicy(given=work["urls"])
    async with (
        Verifier() as verifier,
        RelayPool(verifier=verifier, dial=policy, proxy=None) as pool,
    ):
        fetched = await pool.fetch([Filter(limit=work["limit"])], work["urls"], timeout=LIMIT)
        found = watch.found(count=len(fetched.events))
        return found | {"held": resident() - before}


async def keep(work: Work) -> Found:
    """The same, all of it durable in a new store."""
    before, watch = resident(), Stopwatch()
    async with NostrClient.open(paths=_paths(work["folder"]), relays=work["urls"]) as client:
        async for _ in client.history(Filter(), relays=work["urls"], timeout=LIMIT):
            pass  # what comes is in the store
        found = watch.found(count=await client.store.count([Filter()]))
        return found | {"held": resident() - before}


async def publish(work: Work) -> Found:
    """Events sent to every relay, each confirmed by each."""
    events = [Event.parse(line) for line in lines_of(work["events"])]
    key, paths = SecretKey.generate(), _paths(work["folder"])
    async with NostrClient.open(key, paths=paths, relays=work["urls"]) as client:
        watch, confirmed = Stopwatch(), 0
        async for posted in client.publish_many(events, relays=work["urls"]):
            confirmed += sum(answer.accepted for answer in posted.report.answers)
        return watch.found(count=confirmed)


async def listen(work: Work) -> Found:
    """When each event came, by the clock that all processes share."""
    came: dict[str, float] = {}
    policy = DialPolicy(given=work["urls"])
    wanted = Filter(limit=0)
    watch = Stopwatch()
    async with (
        Verifier() as verifier,
        RelayPool(verifier=verifier, dial=policy, proxy=None) as pool,
        pool.subscribe([wanted], work["urls"]) as sub,
    ):
        print("ready", flush=True)
        async for item in sub:
            event = getattr(item, "event", None)
            if event is not None:
                came[event.id] = time.monotonic()
                if len(came) == work["count"]:
                    break
    return watch.found(came=came)


if __name__ == "__main__":
    serve({"fetch": fetch, "keep": keep, "publish": publish, "listen": listen})
