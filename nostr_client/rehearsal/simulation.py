"""A simulated takedown: 1,000 relays and a million users in memory, instead of real processes.

The same strategies as in the drill, and the product's rules for where copies go
(`simulated_people`). What it says, what it leaves out and how it was checked: docs/simulation.md.

Everything is drawn from the seed. A strategy that depends on lot (which half, where clouds stand)
is played `strikes` times; each figure is the mean of these, with an interval in which it lies 95
times of 100, and the worst of them. Halves are drawn in pairs, one half and the other, so that
their mean is known with fewer of them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

from nostr_client.rehearsal.simulated_network import TOP_SHARE, SimulatedNetwork, draw_network
from nostr_client.rehearsal.simulated_people import (
    FRESH,
    NONE,
    NOTE_AGES,
    Array,
    PeopleOptions,
    any_in,
    candidates,
    draw_people,
    draw_relays,
    evacuated,
    filled,
    keeping,
    living,
    place,
)
from nostr_client.rehearsal.strategies import Strategy, doomed

SIMULATED: Final[tuple[Strategy, ...]] = (
    "random",
    "top-k",
    "one-cloud",
    "three-clouds",
    "adaptive",
    "liars",
    "all",
)
"""`rolling` and `notice` are `random` here, where nothing takes time."""
LIARS: Final = 0.1
"""The share of relays, by lot, that say OK and keep nothing."""
REPAIRED: Final = 12_000
"""People for whom it is worked out what is there after repair: in `REPAIRED_STRIKES` strikes."""
REPAIRED_STRIKES: Final = 3
PUBLISHED: Final[Mapping[Strategy, float]] = {"random": 0.89, "top-k": 0.87, "three-clouds": 0.86}
"""What was found elsewhere for three copies of each note, on relays that many use."""
REPAIRED_GOAL: Final = 0.995
"""The share that foreign readers are to find after repair."""
HELD_GOALS: Final[Mapping[Strategy, float]] = {
    "random": 0.99,
    "top-k": 0.999,
    "three-clouds": 0.995,
}
_BASELINE_COPIES: Final = 3


class SimulationOptions(msgspec.Struct, frozen=True):
    """How large, from which seed, and how often each strategy is played that depends on lot."""

    relays: int = 1000
    people: PeopleOptions = PeopleOptions()
    seed: int = 1
    strikes: int = 40


class Estimate(msgspec.Struct, frozen=True):
    """A share from 0 to 1: the mean, from where to where it lies 95 times of 100, and the worst of
    all strikes."""

    mean: float
    low: float
    high: float
    worst: float


class SimulatedTakedown(msgspec.Struct, frozen=True, kw_only=True):
    """What one strategy came to. None: not worked out.

    `held_before`: notes that a living relay holds before repair, reserves counted, of those who
    have a relay list, and `fresh_held` of those notes that no relay is too forgetful for;
    `readable_before` those that a foreign reader finds, who knows the list and
    the indexers; `readable_by_named` the same for such fresh notes, by how
    many relays the list names, and `named_goals` 1 - 2^-n less a point. `legacy_readable` is that
    of people with one relay and no list. `three_copies_held`: on three much used relays instead,
    as published elsewhere.
    """

    strategy: Strategy
    seed: int
    relays: int
    users: int
    strikes: int
    fallen: float
    held_before: Estimate
    fresh_held: Estimate
    held_goal: float | None
    readable_before: Estimate
    readable_by_named: dict[int, Estimate]
    named_goals: dict[int, float]
    held_after: Estimate | None
    readable_after: Estimate | None
    legacy_readable: Estimate
    three_copies_held: Estimate | None
    three_copies_published: float | None


class SimulationReport(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `readable_intact` is what foreign readers find while nothing has fallen: some
    notes are older than every relay of their author's list keeps them."""

    options: SimulationOptions
    readable_intact: float
    takedowns: tuple[SimulatedTakedown, ...]


class Simulation:
    """One world: relays, people, and where the note of each lies."""

    def __init__(self, options: SimulationOptions, network: SimulatedNetwork | None = None) -> None:
        """Draw it; `network` in place of one that is drawn."""
        self.options = options
        self.chance = random.Random(f"{options.seed}")  # noqa: S311 - no secret
        self.network = network or draw_network(options.relays, self.chance)
        self.people = draw_people(self.network, options.people, options.seed)
        people = self.people
        placed = np.concatenate(
            [
                self._placed(people.listed[part], people.reserve[part], people.age[part], part)
                for part in people.chunks(len(people.size))
            ]
        )
        width = people.listed.shape[1]
        self.at_home, self.elsewhere = placed[:, :width], placed[:, width:]
        self.elsewhere[~people.has_list] = NONE
        three = np.full(len(people.size), _BASELINE_COPIES, np.int8)
        lot = np.random.default_rng((options.seed, _BASELINE_COPIES))
        self.three = draw_relays(self.network.weights, three, _BASELINE_COPIES, lot)
        self._named: list[list[int]] = [people.listed[0][people.listed[0] != NONE].tolist()]
        for n in np.unique(people.size[1:]):
            self._named += people.listed[1:][people.size[1:] == n, :n].tolist()

    def _placed(self, listed: Array, reserve: Array, age: Array, part: slice) -> Array:
        copies = self.people.options.copies
        lot = np.random.default_rng((self.options.seed, part.start, copies))
        return place(self.network, listed, reserve, age, copies=copies, chance=lot)

    def fallen(self, strategy: Strategy) -> Array:
        """Which relays fall, or lie, in a strike (bool, by number): clouds are drawn anew."""
        count = len(self.network.urls)
        gone = np.zeros(count, bool)
        if strategy == "liars":
            gone[self.chance.sample(range(count), round(LIARS * count))] = True
        else:
            places = self.network.clouds(self.chance)
            for blow in doomed(strategy, places, self._named, self.chance, top=TOP_SHARE):
                gone[blow] = True
        return gone

    def strikes(self, strategy: Strategy, count: int) -> Iterator[dict[str, float]]:
        """`count` times the shares before repair, by name, and how many relays have `fallen`."""
        if strategy == "adaptive":
            yield self._each_alone()
            return
        gone = self.fallen(strategy)
        for number in range(count):
            if number:
                pair = strategy == "random" and number % 2
                gone = ~gone if pair else self.fallen(strategy)
            yield self.shares(~gone)

    def shares(self, alive: Array) -> dict[str, float]:
        """What is left while the relays `alive` (bool, by number) live: each share, by name."""
        people = self.people
        readable = any_in(living(alive, self.at_home))
        held = readable | any_in(living(alive, self.elsewhere))
        return {
            "fallen": float((~alive).sum()),
            "three": _mean(any_in(living(alive, self.three))),
            **self._of(held, readable),
            "legacy": _mean(readable[~people.has_list]),
        }

    def _of(self, held: Array, readable: Array) -> dict[str, float]:
        people = self.people
        fresh = people.age >= FRESH
        of = people.has_list
        named = {}
        for n, _ in people.options.sizes:
            these = of & (people.size == n)
            named[f"all {n}"] = _mean(readable[these])
            named[f"named {n}"] = _mean(readable[these & fresh])
        return {
            "held": _mean(held[of]),
            "fresh": _mean(held[of & fresh]),
            "readable": _mean(readable[of]),
            **named,
        }

    def _each_alone(self) -> dict[str, float]:
        """Each author in turn loses exactly the relays of his list, and nobody else any."""
        people = self.people
        others = any_in(self.elsewhere != NONE)  # none of them is in the list
        nothing = np.zeros(len(people.size), bool)
        return {
            "fallen": _mean(people.size[people.has_list]),
            **self._of(others, nothing),
            "legacy": 0.0,
        }

    def after(self, gone: Array, most: int = REPAIRED) -> dict[str, float]:
        """The shares after repair: of the first `most` people, as far as they have lists, lists
        moved by an evacuation, reserves chosen anew, all placed again from their authors' disks."""
        held, readable = [], []
        alive, people, network = ~gone, self.people, self.network
        for part in people.chunks(min(most, len(people.size))):
            keys = candidates(people, part)
            keys[:, gone] = NONE
            listed, reserve = people.listed[part], people.reserve[part]
            moved = evacuated(network, keys, listed, reserve, alive)
            kept = np.where(living(alive, reserve), reserve, NONE)
            kept[(kept[:, :, None] == moved[:, None, :]).any(axis=2)] = NONE
            spread = filled(network, keys, moved, kept, people.options.copies)
            age, mine = people.age[part], people.has_list[part]
            held.append(any_in(living(alive, self._placed(moved, spread, age, part)))[mine])
            readable.append(any_in(keeping(network, moved, age))[mine])
        return {
            "held": _mean(np.concatenate(held)),
            "readable": _mean(np.concatenate(readable)),
        }


def simulate(
    options: SimulationOptions,
    strategies: Sequence[Strategy] = SIMULATED,
    say: Callable[[SimulatedTakedown], None] = lambda _: None,
) -> SimulationReport:
    """Play it all; `say` hears of each strategy when it was played.

    A million users and a thousand relays take about 70 s of one core, and half a GB.
    """
    world = Simulation(options)
    everybody = np.ones(len(world.network.urls), bool)
    takedowns = []
    for strategy in strategies:
        takedowns.append(_played(world, strategy))
        say(takedowns[-1])
    intact = world.shares(everybody)["readable"]
    return SimulationReport(
        options=options, readable_intact=round(intact, 5), takedowns=tuple(takedowns)
    )


def _played(world: Simulation, strategy: Strategy) -> SimulatedTakedown:
    options, people = world.options, world.people
    by_lot = strategy in ("random", "liars", "one-cloud", "three-clouds")
    strikes = list(world.strikes(strategy, options.strikes if by_lot else 1))
    after = []
    if strategy not in ("all", "adaptive"):  # nothing is left to repair with; each list its own
        again = REPAIRED_STRIKES if by_lot else 1
        after = [world.after(world.fallen(strategy)) for _ in range(again)]
    of = int(people.has_list.sum())
    fresh = of * (len(NOTE_AGES) - FRESH) / len(NOTE_AGES)
    repaired = min(REPAIRED, len(people.size)) * of / len(people.size)

    def before(name: str, count: float) -> Estimate:
        return estimated([one[name] for one in strikes], count, 2 if strategy == "random" else 1)

    def repair(name: str) -> Estimate | None:
        return estimated([one[name] for one in after], repaired) if after else None

    return SimulatedTakedown(
        strategy=strategy,
        seed=options.seed,
        relays=len(world.network.urls),
        users=len(people.size),
        strikes=len(strikes),
        fallen=round(math.fsum(one["fallen"] for one in strikes) / len(strikes), 2),
        held_before=before("held", of),
        fresh_held=before("fresh", fresh),
        held_goal=HELD_GOALS.get(strategy),
        readable_before=before("readable", of),
        readable_by_named={
            n: before(f"named {n}", fresh * share) for n, share in people.options.sizes
        },
        named_goals=_named_goals(people.options) if strategy == "random" else {},
        held_after=repair("held"),
        readable_after=repair("readable"),
        legacy_readable=before("legacy", len(people.size) - of),
        three_copies_held=before("three", len(people.size)) if "three" in strikes[0] else None,
        three_copies_published=PUBLISHED.get(strategy),
    )


def _named_goals(options: PeopleOptions) -> dict[int, float]:
    return {n: round(1 - 2.0**-n - 0.01, 5) for n, _ in options.sizes}


def estimated(shares: Sequence[float], count: float, group: int = 1) -> Estimate:
    """From a share a strike, each of `count` people, `group` strikes drawn in one: their spread is
    what is not known, and at least that of people drawn by lot."""
    mean = math.fsum(shares) / len(shares)
    within = mean * (1 - mean) / max(1.0, count)
    drawn = [math.fsum(shares[at : at + group]) / group for at in range(0, len(shares), group)]
    spread = math.fsum((one - mean) ** 2 for one in drawn) / max(1, len(drawn) - 1)
    wide = 1.96 * math.sqrt(max(within, spread / len(drawn)))
    low, high = max(0.0, mean - wide), min(1.0, mean + wide)
    return Estimate(*(round(one, 5) for one in (mean, low, high, min(shares))))


def _mean(of: Array) -> float:
    return float(of.mean()) if len(of) else 0.0


def line_of(one: SimulatedTakedown) -> str:
    """One strategy in a line under `HEAD`."""
    named = "  ".join(f"{n}: {_percent(one.readable_by_named[n])}" for n in one.readable_by_named)
    goal = f"{100 * one.held_goal:.1f}" if one.held_goal else "-"
    cells = (
        *(one.held_before, one.fresh_held, one.held_after),
        *(one.readable_before, one.readable_after, one.three_copies_held),
    )
    figures = "".join(f"{_percent(cell):>15}" for cell in cells)
    return f"{one.strategy:>13}{one.fallen:>8.1f}{goal:>7}{figures}   {named}"


def goals_missed(report: SimulationReport) -> list[str]:
    """A line for each goal that was missed."""
    held = [
        f"missed: held {_percent(one.fresh_held)}, goal {100 * one.held_goal:g}: {one.strategy}"
        for one in report.takedowns
        if one.held_goal and one.fresh_held.mean < one.held_goal
    ]
    found = [
        f"missed: found {_percent(share)} of {n} relays named, goal {100 * goal:g}: {one.strategy}"
        for one in report.takedowns
        for n, goal in one.named_goals.items()
        if (share := one.readable_by_named[n]).mean < goal
    ]
    repaired = [
        f"missed: found after repair {_percent(after)}, goal {100 * REPAIRED_GOAL:g}: "
        f"{one.strategy}"
        for one in report.takedowns
        if (after := one.readable_after) is not None and after.mean < REPAIRED_GOAL
    ]
    return held + found + repaired


def notes_on(report: SimulationReport) -> list[str]:
    """What is to be known to read the table."""
    published = ", ".join(f"{name} {100 * share:g}" for name, share in PUBLISHED.items())
    intact = f"{100 * report.readable_intact:.2f}"
    return [
        f"Nothing fallen, {intact} % are found: the others are older than their relays keep notes.",
        f"Published for three copies: {published} %.",
    ]


HEAD: Final = (
    f"{'strategy':>13}{'fallen':>8}{'goal':>7}"
    + "".join(f"{name:>15}" for name in ("held", "fresh held", "repaired", "found", "repaired"))
    + f"{'three copies':>15}   fresh, found by relays named"
)


def _percent(one: Estimate | None) -> str:
    return "-" if one is None else f"{100 * one.mean:.2f} +-{50 * (one.high - one.low):.2f}"
