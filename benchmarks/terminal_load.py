"""What `benchmarks.terminal` measures while events arrive, and while hours pass."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks.crowd import Home
from benchmarks.network import signed
from benchmarks.pseudo_terminal import PseudoTerminal
from benchmarks.table import Row
from benchmarks.terminal_sittings import (
    Sittings,
    Took,
    at_home,
    chosen,
    cpu_rows,
    middle,
    p99,
    press,
    walls,
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
IDLE = 90
UNTIL_AT_REST = 65.0
"""Seconds without a key after which the client looks more rarely."""
UNTIL_INDEXED = 5.0
"""Seconds after which a client begins to index what it has."""
UNTIL_SUBSCRIBED = 8.0
"""Seconds from the start in which the client has asked the relay for all that it wants."""


def fresh_notes(home: Home, count: int, now: float, step: float = 0) -> list[Event]:
    """So many signed notes of the followed, the first made `now`, each `step` seconds after
    another."""
    crowd, notes = home.crowd, list[Event]()
    while len(notes) < count:
        made = crowd._event(int(now + step * len(notes)))
        if made.kind == kinds.NOTE:
            notes.append(made)
    return [Event.parse(data) for data in signed(crowd, notes)]


async def publish(url: str, events: list[Event], rate: float) -> float:
    """Send them to a relay from another process, so many a second; the seconds that it took."""
    command = (sys.executable, "-m", "benchmarks.publishing", url, f"{rate}")
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    said, _ = await process.communicate(b"\n".join(event.json for event in events))
    if process.returncode:
        raise RuntimeError(f"the events were not sent: {process.returncode}")
    return float(said.split()[1])


@contextlib.asynccontextmanager
async def arriving(
    url: str, events: list[Event], rate: float
) -> AsyncIterator[asyncio.Task[float]]:
    """They arrive while the block runs, and all have when it ends."""
    async with asyncio.TaskGroup() as group:
        yield group.create_task(publish(url, events, rate))


async def held(home: Home, events: list[Event]) -> int:
    """How many of these are in the client's store."""
    async with open_store(home.paths.data / "events.db") as store:
        return len(await store.known([event.id for event in events]))


def type_while(client: PseudoTerminal, sending: asyncio.Task[float]) -> list[Took]:
    """How long each row down took, until all is sent."""
    took: list[Took] = []
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
        Row(
            f"{RATE} events a second arriving: key to painted, p50", middle(walls(took)), unit="ms"
        ),
        Row("  p99", p99(walls(took)), 150, "ms"),
        *cpu_rows(took),
        Row(
            "  so many came a second, until the relay had taken all",
            len(events) / sending.result(),
            0.98 * RATE,
            "",
            least=True,
        ),
        Row("  events dropped", lost, 0, "", note=f"of {len(events):,}"),
        Row("  processor time an event", 1000 * cpu / len(events), unit="ms"),
    ]


async def index(sittings: Sittings) -> list[Row]:
    """Keys while all that is stored is made ready to be searched, beside keys without that."""
    home = sittings.unindexed
    building, ready = list[Took](), list[Took]()
    with sittings.client(home) as client, sittings.client(sittings.large) as other:
        at_home(client)
        at_home(other)
        client.watch(UNTIL_INDEXED)
        before = await asyncio.to_thread(unindexed, home)
        for _ in range(sittings.rounds(150)):
            for terminal, took in ((client, building), (other, ready)):
                took.append(press(terminal, "j", chosen))
                terminal.watch(0.05)
        left = await asyncio.to_thread(unindexed, home)
    assert left, "it was ready before the keys were typed"
    return [
        Row("keys while the search index is built, p50", middle(walls(building)), 30, "ms"),
        Row("  p99", p99(walls(building)), 100, "ms"),
        Row(
            "  of the same keys when it is there, p50",
            middle(walls(building)) / middle(walls(ready)),
        ),
        Row("  of the same keys when it is there, p99", p99(walls(building)) / p99(walls(ready))),
        *cpu_rows(building, ready, "the same keys'"),
        Row("  events indexed meanwhile", before - left, 1, "", least=True),
    ]


def unindexed(home: Home) -> int:
    """How many commits are not in the search index yet."""
    path = f"file:{home.paths.data / 'events.db'}?mode=ro"
    with contextlib.closing(sqlite3.connect(path, uri=True)) as db:
        left: int = db.execute("SELECT seq - coalesce(indexed, 0) FROM state").fetchone()[0]
    return left


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
    seconds = 30 if sittings.quick else IDLE
    with sittings.client(sittings.large) as client:
        at_home(client)
        client.watch(UNTIL_AT_REST)
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


def _use(client: PseudoTerminal, sending: asyncio.Task[float]) -> list[float]:
    sizes: list[float] = []
    number = 0
    while not sending.done():
        client.send(KEYS[number % len(KEYS)])
        client.watch(0.2)
        number += 1
        if number % 5 == 0:
            sizes.append(client.memory)
    return sizes
