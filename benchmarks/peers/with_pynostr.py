"""What `benchmarks.peers.work` asks, by pynostr: its `RelayManager`, which checks signatures."""

from __future__ import annotations

import json
import time
from typing import Any

from pynostr.event import Event
from pynostr.filters import Filters, FiltersList
from pynostr.relay_manager import RelayManager

from benchmarks.peers.work import Found, Stopwatch, Work, lines_of, serve


async def fetch(work: Work) -> Found:
    """Everything that a relay has: verified, in its message pool."""
    watch = Stopwatch()
    manager = RelayManager(timeout=0)
    for url in work["urls"]:
        manager.add_relay(url)
    manager.add_subscription_on_all_relays("all", FiltersList([Filters(limit=work["limit"])]))
    await manager.prepare_relays()
    return watch.found(count=manager.message_pool.events.qsize())


async def publish(work: Work) -> Found:
    """Events sent to every relay, each confirmed by each."""
    events = [Event.from_dict(each) for each in map(json.loads, lines_of(work["events"]))]
    manager = RelayManager(timeout=0)
    taken = dict.fromkeys(work["urls"], 0)

    def heard(message: list[Any], url: str) -> None:
        if message[0] == "OK":
            taken[url] += bool(message[2])
            if taken[url] == len(events):
                manager.relays[url].close()

    for url in work["urls"]:
        manager.add_relay(url, message_callback=heard, message_callback_url=True)
    watch = Stopwatch()
    for event in events:
        manager.publish_event(event)
    await manager.prepare_relays()
    return watch.found(count=sum(taken.values()))


async def listen(work: Work) -> Found:
    """When each event came, by the clock that all processes share."""
    came: dict[str, float] = {}
    [url] = work["urls"]
    manager = RelayManager(timeout=0)

    def heard(message: list[Any]) -> None:
        if message[0] == "EOSE":
            print("ready", flush=True)
        elif message[0] == "EVENT":
            came[message[2]["id"]] = time.monotonic()
            if len(came) == work["count"]:
                manager.relays[url].close()

    manager.add_relay(url, close_on_eose=False, message_callback=heard)
    manager.add_subscription_on_all_relays("live", FiltersList([Filters(kinds=[1, 6, 7], limit=0)]))
    watch = Stopwatch()
    await manager.prepare_relays()
    return watch.found(came=came)


if __name__ == "__main__":
    serve({"fetch": fetch, "publish": publish, "listen": listen})
