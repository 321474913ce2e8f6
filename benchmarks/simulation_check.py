"""The simulation held against real processes: 100 relays, the same events, the same end.

One world is drawn, and given to both. Every event is sent to the real relays where the simulation
has it, and to those that are to refuse it for its age. Relays are killed by strategy; then a reader
who is not ours looks for the note of every author at the relays of the author's list, one after the
other, and what is found at none is looked for where its author has it in reserve. Compared are:

- world: the simulation of this very world, note by note. Any difference is a fault;
- parameters: the simulation of other people, drawn anew by the same laws, with these relays and the
  same end. That is what a simulation is for: it has to agree within half a point.

    python -m benchmarks.simulation_check --users 48000
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.rehearsal.drill_relays import SETTINGS, SORTS
from nostr_client.rehearsal.foreign_reader import ReadingCost, shown
from nostr_client.rehearsal.plain_socket import PlainSocket, plain_socket
from nostr_client.rehearsal.relay_process import RelayProcess
from nostr_client.rehearsal.simulated_network import draw_network
from nostr_client.rehearsal.simulated_people import (
    NONE,
    NOTE_AGES,
    PeopleOptions,
    any_in,
    keeping,
    living,
)
from nostr_client.rehearsal.simulation import Simulation, SimulationOptions
from nostr_client.rehearsal.strategies import Strategy

PLAYED: tuple[Strategy, ...] = ("top-k", "three-clouds", "random")
"""In this order the fewest relays have to be started again."""
SIZES = ((2, 0.31), (3, 0.25), (4, 0.22), (5, 0.22))
"""Most of those whose figures vary most."""
OTHERS = 300_000
"""People in the simulation from parameters."""
AGREES = 0.5
"""Points."""
READINGS = 10_000
"""Of a cell, for its verdict to count."""
AT_ONCE = 4
"""Relays that are started, sent to or asked."""
WINDOW = 400
"""Events that a relay has not answered yet."""
MANY = 2000
"""Events asked for in one connection."""
PATIENCE = 90.0


class Cell(NamedTuple):
    """Of so many `readings` the share that was found, in points: in fact, and as simulated."""

    strategy: str
    what: str
    readings: int
    real: float
    world: float
    parameters: float

    @property
    def agrees(self) -> bool:
        return abs(self.real - self.parameters) <= AGREES


def drawn_world(relays: int, users: int, seed: int) -> Simulation:
    """Whom to compare: who is followed is as likely for everybody, for where few people decide
    what all have in reserve, two draws differ by more than is to be seen here."""
    people = PeopleOptions(users=users, legacy=0.05, sizes=SIZES, celebrities=False)
    network = draw_network(relays, random.Random(f"{relays}"))
    return Simulation(SimulationOptions(relays=relays, people=people, seed=seed), network)


class RealWorld:
    """The same as processes."""

    def __init__(self, world: Simulation, folder: Path) -> None:
        self.world, self.folder = world, folder
        self.events: list[Event] = []
        self.relays: dict[int, RelayProcess] = {}
        self.urls: dict[int, str] = {}
        self.cost = ReadingCost()
        self.accepted = self.refused = 0

    @classmethod
    @asynccontextmanager
    async def start(cls, world: Simulation, folder: Path) -> AsyncIterator[RealWorld]:
        """All relays, with all that belongs there."""
        self = cls(world, folder)
        try:
            self.events = await asyncio.to_thread(self._written)
            everyone = range(len(world.network.urls))
            await self.restart(everyone)
            say(f"{len(self.relays)} relays run")
            await self._each(self._offer, everyone)
            say(f"{self.accepted} events taken, {self.refused} refused for their age")
            yield self
        finally:
            await asyncio.gather(*(relay.kill() for relay in self.relays.values()))

    async def restart(self, numbers: Iterable[int]) -> None:
        """Those of `numbers` that do not run."""
        await self._each(self._start, [n for n in numbers if n not in self.relays])

    async def kill(self, numbers: Iterable[int]) -> None:
        """As a seized machine ends."""
        gone = [self.relays.pop(n) for n in numbers if n in self.relays]
        await asyncio.gather(*(relay.kill() for relay in gone))

    async def find(self) -> tuple[np.ndarray, np.ndarray]:
        """Whose notes are found where their lists point, and whose at any relay at all."""
        found = np.zeros(len(self.events), bool)
        await self._look(self.world.people.listed, found)
        readable = found.copy()
        await self._look(self.world.elsewhere, found)
        return readable, found

    # Inside

    def _written(self) -> list[Event]:
        now, events = int(time.time()), []
        for number, age in enumerate(self.world.people.age):
            key = SecretKey(sha256(f"checked {number}".encode()).digest())
            draft = Draft(kinds.NOTE, f"note of {number}")
            events.append(draft.sign(key, now - NOTE_AGES[age]))
        return events

    async def _each(self, act, numbers: Iterable[int]) -> None:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> None:
            async with gate:
                await act(number)

        await asyncio.gather(*(one(number) for number in numbers))

    async def _start(self, number: int) -> None:
        sort = SORTS[number % len(SORTS)]
        sort = sort if sort.startswith("prunes") else "plain"
        folder = self.folder / f"relay-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "relay.toml").write_text(SETTINGS[sort], encoding="utf-8")
        options = ("--config", str(folder / "relay.toml")) if SETTINGS[sort] else ()
        self.relays[number] = await RelayProcess.start(folder / "data", *options)
        self.urls[number] = self.relays[number].url

    async def _offer(self, number: int) -> None:
        """All that its author's client would send there."""
        world, people = self.world, self.world.people
        tried = np.concatenate([people.listed, people.reserve, world.elsewhere], axis=1)
        offered = np.flatnonzero(any_in(tried == number))
        keeps = keeping(world.network, np.full((len(offered), 1), number), people.age[offered])
        accepted, refused = 0, 0
        async with plain_socket(self.urls[number], PATIENCE) as socket:
            for start in range(0, len(offered), WINDOW):
                some = offered[start : start + WINDOW]
                for at in some:
                    await socket.send(f'["EVENT",{self.events[at].json.decode()}]')
                taken = await _taken(socket, len(some))
                accepted += taken
                refused += len(some) - taken
        if accepted != keeps.sum():
            raise SystemExit(f"relay {number} took {accepted} of {len(offered)}, not {keeps.sum()}")
        self.accepted += accepted
        self.refused += refused

    async def _look(self, places: np.ndarray, found: np.ndarray) -> None:
        """Column by column, whatever was not found so far."""
        number_of = {event.id: number for number, event in enumerate(self.events)}

        async def ask(relay: int) -> None:
            ids = [self.events[at].id for at in np.flatnonzero(~found & (column == relay))]
            for start in range(0, len(ids), MANY):
                part = ids[start : start + MANY]
                for event_id in await shown(self.urls[relay], part, self.cost, PATIENCE):
                    found[number_of[event_id]] = True

        for index in range(places.shape[1]):
            column = places[:, index]
            await self._each(ask, (int(n) for n in np.unique(column[~found]) if n != NONE))


async def _taken(socket: PlainSocket, count: int) -> int:
    taken = 0
    async with asyncio.timeout(PATIENCE):
        for _ in range(count):
            match json.loads(await socket.recv(decode=True)):
                case ["OK", str(), bool(ok), *_]:
                    taken += ok
                case answer:
                    raise SystemExit(f"no OK: {answer}")
    return taken


def cells_of(
    strategy: str,
    world: Simulation,
    gone: np.ndarray,
    found: tuple[np.ndarray, np.ndarray],
    shares: Mapping[str, float],
) -> Iterator[Cell]:
    """`found` as `RealWorld.find` has it; `shares` from parameters."""
    people = world.people
    readable, held = found
    at_home = any_in(living(~gone, world.at_home))
    anywhere = at_home | any_in(living(~gone, world.elsewhere))
    differ = int((readable != at_home).sum() + (held != anywhere).sum())
    if differ:
        raise SystemExit(f"{strategy}: {differ} notes are not where this very world has them")
    has_list = people.has_list
    rows = [
        (f"found, {n} relays named", has_list & (people.size == n), readable, at_home, f"all {n}")
        for n, _ in people.options.sizes
    ]
    rows.append(("found, all", has_list, readable, at_home, "readable"))
    rows.append(("held", has_list, held, anywhere, "held"))
    rows.append(("found, no list", ~has_list, readable, at_home, "legacy"))
    for what, who, real, simulated, name in rows:
        points = (100 * real[who].mean(), 100 * simulated[who].mean(), 100 * shares[name])
        yield Cell(strategy, what, int(who.sum()), *map(float, points))


async def check(relays: int, users: int, seed: int, strategies: Sequence[Strategy]) -> list[Cell]:
    """Play them all; raises SystemExit where the very world is not as simulated."""
    world = drawn_world(relays, users, seed)
    others = drawn_world(relays, max(users, OTHERS), seed + 1)
    cells: list[Cell] = []
    with tempfile.TemporaryDirectory(prefix="nostr-check-") as name:
        async with RealWorld.start(world, Path(name)) as real:
            for strategy in strategies:
                gone = world.fallen(strategy)
                await real.restart(np.flatnonzero(~gone).tolist())
                await real.kill(np.flatnonzero(gone).tolist())
                say(f"{strategy}: {gone.sum()} relays are dead")
                found = await real.find()
                cells += cells_of(strategy, world, gone, found, others.shares(~gone))
    return cells


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--relays", type=int, default=100)
    parser.add_argument("--users", type=int, default=48_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    cells = asyncio.run(check(given.relays, given.users, given.seed, PLAYED))
    print(f"{'strategy':>13}  {'':<22}{'readings':>9}{'real':>8}{'world':>8}{'params':>8}  agrees")
    for cell in cells:
        verdict = "yes" if cell.agrees else "NO"
        few = "" if cell.readings >= READINGS else " (too few readings to count)"
        figures = "".join(f"{one:>8.2f}" for one in (cell.real, cell.world, cell.parameters))
        print(f"{cell.strategy:>13}  {cell.what:<22}{cell.readings:>9}{figures}  {verdict}{few}")
    if not all(cell.agrees for cell in cells if cell.readings >= READINGS):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
