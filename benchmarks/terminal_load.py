"""What `benchmarks.terminal` measures while events arrive, and while hours pass."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
from websockets.asyncio.client import connect

from benchmarks.crowd import Home
from benchmarks.network import signed
from benchmarks.pseudo_terminal import PseudoTerminal
from benchmarks.table import Row
from benchmarks.terminal_sittings import (
    Sittings,
    at_home,
    chosen,
    middle,
    p99,
    press,
)
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.rehearsal.relay_process import RelayProcess
from nostr_client.store.opening import open_store

RATE = 100
"""Events a second that arrive."""
SECONDS = 20
SPEED = 20.0
"""How much faster the clock runs that passes an hour; for a day five times that."""
HOUR_RATE = 10
"""Events a second that arrive meanwhile, by our clock."""
KEYS = "jjjj\r\x1bjkG1g"
IDLE = 120
UNTIL_AT_REST = 80.0
"""Seconds without a key after which the client looks more rarely."""
UNTIL_SUBSCRIBED = 8.0
"""Seconds from the start in which the client has asked the relay for all that it wants."""


def fresh_notes(home: Home, count: int, now: float, step: float = 0) -> list[Event]:
    """Signed notes of the followed, the first made `now`, each `step` seconds after another."""
    crowd = home.crowd
    made = [crowd._event(int(now + step * number)) for number in range(count)]
    notes = [note for note in made if note.kind == kinds.NOTE]
    return [Event.parse(data) for data in signed(crowd, notes)]


async def publish(url: str, events: list[Event], rate: float) -> None:
    """Send them to a relay, so many a second."""
    async with connect(url, compression=None) as socket, asyncio.TaskGroup() as group:

        async def hear() -> None:
            for _ in events:
                said = msgspec.json.decode(await socket.recv())
                assert said[0] == "OK", said
                assert said[2], said

        group.create_task(hear())
        began = time.perf_counter()
        for number, event in enumerate(events):
            await asyncio.sleep(max(began + number / rate - time.perf_counter(), 0))
            await socket.send(b'["EVENT",' + event.json + b"]", text=True)


@contextlib.asynccontextmanager
async def arriving(url: str, events: list[Event], rate: float) -> AsyncIterator[asyncio.Task[None]]:
    """They arrive while the block runs, and all have when it ends."""
    async with asyncio.TaskGroup() as group:
        yield group.create_task(publish(url, events, rate))


async def held(home: Home, events: list[Event]) -> int:
    """How many of these are in the client's store."""
    async with open_store(home.paths.data / "events.db") as store:
        return len(await store.known([event.id for event in events]))


def type_while(client: PseudoTerminal, sending: asyncio.Task[None]) -> list[float]:
    """Milliseconds for each row down, until all is sent."""
    took: list[float] = []
    while not sending.done():
        took.append(press(client, "j", chosen))
        client.watch(0.1)
    return took


async def arrivals(sittings: Sittings) -> list[Row]:
    home = sittings.large
    events = fresh_notes(home, RATE * (5 if sittings.quick else SECONDS), time.time())
    with sittings.client(home) as client:
        at_home(client)
        client.watch(UNTIL_SUBSCRIBED)
        before = client.cpu
        async with arriving(sittings.relay, events, RATE) as sending:
            took = await asyncio.to_thread(type_while, client, sending)
        client.watch(3.0)
        cpu = client.cpu - before
    lost = len(events) - await held(home, events)
    return [
        Row(f"{RATE} events a second arriving: key to painted, p50", middle(took), unit="ms"),
        Row("  p99", p99(took), 150, "ms"),
        Row("  events dropped", lost, 0, "", note=f"of {len(events):,}"),
        Row("  processor time an event", 1000 * cpu / len(events), unit="ms"),
    ]


async def hasty_relay(folder: Path, speed: float) -> tuple[RelayProcess, str]:
    """A relay by a fast clock, and its address: what is dated by one is of its time."""
    arguments = RelayProcess.arguments(folder)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.fast_clock", f"{speed}", "relays", *arguments),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        start_new_session=True,
    )
    relay = await RelayProcess.listening(process, folder)
    return relay, relay.url


async def idle(sittings: Sittings) -> list[Row]:
    seconds = 20 if sittings.quick else IDLE
    with sittings.client(sittings.large) as client:
        at_home(client)
        client.watch(20.0 if sittings.quick else UNTIL_AT_REST)
        before = client.cpu
        client.watch(seconds)
        used = client.cpu - before
    note = f"of a core, over {seconds} s; an hour is as long as it likes"
    return [Row("idle", 100 * used / seconds, 1, "%", note=note)]


async def hours(sittings: Sittings) -> list[Row]:
    """Keys and arrivals for hours by the fast clock, with the key of the account at hand."""
    home = sittings.large
    speed = SPEED * min(sittings.hours, 5)
    wall = 3600 * sittings.hours / speed
    relay, url = await hasty_relay(home.folder / "relay", speed)
    try:
        home.configure(url)
        began = time.time()
        with sittings.hasty_client(home, speed) as client:
            at_home(client)
            client.watch(UNTIL_SUBSCRIBED)
            now = began + (time.time() - began) * speed
            events = fresh_notes(home, int(HOUR_RATE * wall), now, speed / HOUR_RATE)
            async with arriving(url, events, HOUR_RATE) as sending:
                sizes = await asyncio.to_thread(_use, client, sending)
            client.watch(2.0)
            sizes.append(client.memory)
            mapped = client.mapped
    finally:
        await relay.stop()
        home.configure(sittings.relay)
    quarter = max(len(sizes) // 4, 1)
    growth = middle(sizes[-quarter:]) / middle(sizes[quarter : 2 * quarter])
    return [
        Row(
            f"memory after {sittings.hours} h by a clock {speed:.0f} times as fast",
            sizes[-1],
            200,
            "MB",
        ),
        Row("  pages of files that the system has mapped beside it", mapped, unit="MB"),
        Row("  last quarter of it, of the second quarter", growth, 1.05),
        Row(
            "  events dropped",
            len(events) - await held(home, events),
            0,
            "",
            note=f"of {len(events):,}",
        ),
    ]


def _use(client: PseudoTerminal, sending: asyncio.Task[None]) -> list[float]:
    sizes: list[float] = []
    number = 0
    while not sending.done():
        client.send(KEYS[number % len(KEYS)])
        client.watch(0.2)
        number += 1
        if number % 5 == 0:
            sizes.append(client.memory)
    return sizes
