"""The people of a simulation, by the million: which relays each names, which are in reserve, and
where one note of each lies. All of a kind at once, in arrays (numpy).

The rules are those of the product, written for arrays, and held against it by tests: `choose` is
`resilience.reserve_relays.choose`, `filled` is what `Reserves` chooses with it, `place` is
`planner.home` with `Reserves.plan`, `evacuated` is `missing` and `independent` of
`resilience.evacuation_plan`.

A matrix of relays has a row a person, and `NONE` behind the last.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from nostr_client.rehearsal.drill_world import AGES, DrillSize
from nostr_client.rehearsal.simulated_network import SimulatedNetwork
from nostr_client.resilience.evacuation_plan import LEAST, MOST
from nostr_client.resilience.reserves import SPARES
from nostr_client.routing.planner import CAPS

Array: TypeAlias = NDArray[Any]
NONE: Final = -1
CHUNK: Final = 4000
"""People whose candidates are looked at in one go: as many times the relays are in memory."""
_WIDE: Final = 2**20
"""Between the keys of relays that one person followed uses, and two."""
_MOST_HEARD: Final = 64
_STEPS: Final = tuple(
    math.sqrt(prime)
    for prime in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71)
)
"""How far apart even draws are: no two with a common measure. The last is for ages."""
NOTE_AGES: Final = (*AGES, *([0] * (DrillSize().notes - len(AGES))))
"""How old a note is, each as likely: seconds, as in the drill."""
FRESH: Final = len(AGES)
"""The first of `NOTE_AGES` that every relay keeps."""


class PeopleOptions(msgspec.Struct, frozen=True):
    """Who is there: `users`, of whom the share `legacy` have one relay and no list. `sizes` says
    how likely lists of so many write relays are; each follows `follows` others, some of whom most
    follow (`celebrities`, by Zipf) or all as likely, holds the lists of `heard` others, and wants
    `copies`."""

    users: int = 1_000_000
    legacy: float = 0.2
    sizes: tuple[tuple[int, float], ...] = ((2, 0.25), (3, 0.35), (4, 0.25), (5, 0.15))
    follows: int = 40
    celebrities: bool = True
    heard: int = 200
    copies: int = 7


@dataclass
class People:
    """Everybody, whom most follow first. `listed`: the relays that somebody names (of the older
    network: where they write); `size`: how many; `has_list`; `age`: which of `NOTE_AGES` their note
    has; `reserve`: their relays in reserve, none for the older network."""

    network: SimulatedNetwork
    options: PeopleOptions
    listed: Array
    size: Array
    has_list: Array
    age: Array
    reserve: Array
    seed: int

    def chunks(self, most: int) -> Iterator[slice]:
        """The first `most` of them, in parts."""
        for start in range(0, most, CHUNK):
            yield slice(start, min(start + CHUNK, most))


def draw_people(network: SimulatedNetwork, options: PeopleOptions, seed: int) -> People:
    """Everybody, with their lists and reserves."""
    chance = np.random.default_rng(seed)
    users = options.users
    numbers, likely = zip(*options.sizes, strict=True)
    size = chance.choice(np.array(numbers, np.int8), users, p=np.array(likely))
    has_list = chance.random(users) >= options.legacy
    size[~has_list] = 1
    people = People(
        network,
        options,
        draw_relays(network.weights, size, max(numbers), chance),
        size,
        has_list,
        (_even(size, len(_STEPS) - 1, chance) * len(NOTE_AGES)).astype(np.int8),
        np.full((users, 2 * options.copies), NONE, np.int16),
        seed,
    )
    for part in people.chunks(users):
        held = people.listed[part]
        nothing = people.reserve[part]
        more = filled(network, candidates(people, part), held, nothing, options.copies)
        people.reserve[part] = more[:, nothing.shape[1] :]
    people.reserve[~has_list] = NONE
    return people


def draw_relays(
    weights: Sequence[float], size: Array, most: int, chance: np.random.Generator
) -> Array:
    """For each as many different relays as `size` says, heavy ones more likely, at most `most`.

    The draws are even (quasi-random: a Kronecker sequence), so that many people differ from what
    is likely less than by lot alone.
    """
    steps = np.cumsum(weights) / math.fsum(weights)
    found = np.full((len(size), most), NONE, np.int16)
    count = np.zeros(len(size), np.int8)
    everybody = np.arange(len(size))
    for column in range(len(_STEPS) - 1):
        drawn = np.searchsorted(steps, _even(size, column, chance))
        one = np.minimum(drawn, len(steps) - 1).astype(np.int16)
        new = (count < size) & ~any_in(found == one[:, None])
        found[everybody[new], count[new]] = one[new]
        count[new] += 1
        if (count == size).all():
            break
    for row in np.flatnonzero(count < size):  # luck: what is missing is drawn among what is left
        left = np.array(weights)
        left[found[row, : count[row]]] = 0
        more = chance.choice(len(left), size[row] - count[row], replace=False, p=left / left.sum())
        found[row, count[row] : size[row]] = more
    return found


def _even(size: Array, column: int, chance: np.random.Generator) -> Array:
    """From 0 to 1, for those of each `size` evenly, and in each column in an order of its own."""
    drawn = np.empty(len(size))
    for n in np.unique(size):
        these = np.flatnonzero(size == n)
        drawn[these] = (chance.random() + np.arange(len(these)) * _STEPS[column]) % 1.0
    return drawn


# Candidates, as `RelayBook.reserve_candidates` has them


def candidates(people: People, part: slice) -> Array:
    """The keys of candidates (`wanted_keys`) for each of `part`; every time the same."""
    chance = np.random.default_rng((people.seed, part.start))
    others = people.listed[chance.integers(len(people.size), size=people.options.heard)]
    heard = np.bincount(others[others != NONE], minlength=len(people.network.urls))
    used = used_by_followed(people, part, chance)
    return wanted_keys(people.network, used, heard, chance)


def used_by_followed(people: People, part: slice, chance: np.random.Generator) -> Array:
    """For each of `part` how many of those whom they follow write to each relay."""
    options, relays = people.options, len(people.network.urls)
    rows = part.stop - part.start
    users, lot = len(people.size), chance.random((rows, options.follows))
    drawn = users**lot - 1 if options.celebrities else users * lot  # Zipf's law, nearly
    followed = people.listed[np.minimum(drawn.astype(np.int64), users - 1)]
    places = followed.reshape(rows, -1).astype(np.int64)
    flat = (places + np.arange(rows)[:, None] * relays)[places != NONE]
    return np.bincount(flat, minlength=rows * relays).reshape(rows, relays).astype(np.int32)


def wanted_keys(
    network: SimulatedNetwork, used: Array, heard: Array, chance: np.random.Generator
) -> Array:
    """In which order relays are candidates for each: the largest first, `NONE` for those that are
    none. The most used come first, then those that more of the other lists name that are here
    (`heard`), then in an order of each one's own; the starters before what one alone uses."""
    own_order = chance.integers(_WIDE // _MOST_HEARD, size=used.shape, dtype=np.int32)
    own_order += np.minimum(heard, _MOST_HEARD - 2).astype(np.int32) * (_WIDE // _MOST_HEARD)
    keys: Array = np.where(used > 0, used * np.int32(_WIDE) + own_order, np.int32(NONE))
    for place, starter in enumerate(network.starters):
        amid = 2 * _WIDE - 1 - place
        keys[:, starter] = np.where(used[:, starter] > 1, keys[:, starter], amid)
    keys[:, [bool(network.facts[url].walls) for url in network.urls]] = NONE
    return keys


# The product's rules


def operators_of(network: SimulatedNetwork, held: Array) -> Array:
    """How many operators keep the relays of each row."""
    names = np.sort(_operators(network, held), axis=1)
    new: Array = (names[:, 1:] != names[:, :-1]).sum(axis=1)
    count: Array = new + (names[:, 0] != NONE)
    return count


def choose(
    network: SimulatedNetwork,
    keys: Array,
    held: Array,
    missing: Array,
    width: int,
    *,
    both_ends: bool = True,
) -> Array:
    """For each row `missing` relays, in the order of `keys` (which is used up), whose operators
    keep none of `held` nor another of those chosen: from both ends in turn, or from the front."""
    siblings = _siblings(network)
    for column in range(held.shape[1]):
        _strike(keys, siblings, held[:, column])
    rows = np.arange(len(keys))
    chosen = np.full((len(keys), width), NONE, np.int16)
    for turn in range(min(width, int(missing.max(initial=0)))):
        last = both_ends and not turn % 2  # as a number without a sign, NONE is the largest
        one = keys.view(np.uint32).argmin(axis=1) if last else keys.argmax(axis=1)
        fit = (missing > turn) & (keys[rows, one] != NONE)
        chosen[fit, turn] = one[fit]
        _strike(keys, siblings, chosen[:, turn])
    return chosen


def filled(
    network: SimulatedNetwork, keys: Array, listed: Array, kept: Array, copies: int
) -> Array:
    """The reserve of each beside the relays `listed`, once it was looked after: those `kept`, then
    as many as `copies` operators and some to spare take, then more for what is old, where there are
    too few of these that keep it. `keys` are used up."""
    width = 2 * copies
    held = np.concatenate([listed, kept], axis=1)
    missing = copies + SPARES - operators_of(network, held)
    more = choose(network, keys, held, missing, width)
    reserve = np.concatenate([kept, more], axis=1)
    oldest = np.full(len(listed), int(np.argmax(NOTE_AGES)))
    at_home = np.where(keeping(network, listed, oldest), listed, NONE)
    short = copies - operators_of(network, at_home) - keeping(network, reserve, oldest).sum(axis=1)
    keys[:, np.array(network.keeps) <= max(NOTE_AGES)] = NONE
    room = width - (reserve != NONE).sum(axis=1)
    older = choose(network, keys, reserve, np.minimum(room, short), width)
    both = np.concatenate([more, older], axis=1)
    first = np.argsort(both == NONE, axis=1, kind="stable")[:, :width]
    return np.concatenate([kept, np.take_along_axis(both, first, axis=1)], axis=1)


def _strike(keys: Array, siblings: Array, gone: Array) -> None:
    """Relays of the operator of `gone` (one relay a row) are no candidates any more."""
    rows = np.flatnonzero(gone != NONE)
    keys[rows[:, None], siblings[gone[rows]]] = NONE


def _siblings(network: SimulatedNetwork) -> Array:
    """For each relay those of its operator, itself at the least; the rows filled with itself."""
    kept: dict[int, list[int]] = {}
    for relay, name in enumerate(network.operator):
        kept.setdefault(name, []).append(relay)
    most = max(map(len, kept.values()))
    rows = [kept[name] for name in network.operator]
    return np.array([[*row, *[n] * (most - len(row))] for n, row in enumerate(rows)], np.int16)


def _operators(network: SimulatedNetwork, relays: Array) -> Array:
    return np.where(relays == NONE, NONE, np.array(network.operator)[relays])


def keeping(network: SimulatedNetwork, relays: Array, age: Array) -> Array:
    """Which of `relays` keep a note of that age; as wide as `relays`."""
    ages = np.array(NOTE_AGES)[age]
    kept: Array = (relays != NONE) & (np.array(network.keeps)[relays] > ages[:, None])
    return kept


def place(
    network: SimulatedNetwork,
    listed: Array,
    reserve: Array,
    age: Array,
    *,
    copies: int,
    chance: np.random.Generator,
) -> Array:
    """Where the notes of each lie, once all that refused is avoided: on the relays of the list, on
    starters in place of those of the list that refuse, and on as many of the reserve, by lot, that
    `copies` operators have them, those of the list counted."""
    at_home = np.where(keeping(network, listed, age), listed, NONE)
    own = (at_home != NONE).sum(axis=1)
    short = np.minimum(CAPS.own_least, (listed != NONE).sum(axis=1)) - own
    shape = (len(listed), len(network.starters))
    starters = np.broadcast_to(np.array(network.starters, np.int16), shape)
    spare = keeping(network, starters, age)
    for column in range(listed.shape[1]):
        spare &= starters != listed[:, column : column + 1]
    spare &= spare.cumsum(axis=1) <= short[:, None]
    lot = np.where(keeping(network, reserve, age), chance.random(reserve.shape), np.inf)
    drawn = np.argsort(lot, axis=1)[:, :copies]
    lacking = copies - operators_of(network, at_home)
    fit = np.isfinite(np.take_along_axis(lot, drawn, axis=1))
    fit &= np.arange(copies) < lacking[:, None]
    kept = np.where(fit, np.take_along_axis(reserve, drawn, axis=1), NONE)
    return np.concatenate([at_home, np.where(spare, starters, NONE), kept], axis=1)


def evacuated(
    network: SimulatedNetwork, keys: Array, listed: Array, reserve: Array, alive: Array
) -> Array:
    """The list of each after an evacuation: what lives stays, and as many join as its rule says,
    the reserve first, then the starters, then by `keys`; none that is dead."""
    size = (listed != NONE).sum(axis=1)
    stays = np.where(living(alive, listed), listed, NONE)
    missing = np.clip(size, LEAST, MOST) - (stays != NONE).sum(axis=1)
    order = keys.copy()
    rank = int(order.max(initial=0))
    for starter in reversed(network.starters):
        rank += 1
        order[:, starter] = rank
    for column in reversed(range(reserve.shape[1])):
        rank += 1
        there = np.flatnonzero(reserve[:, column] != NONE)
        order[there, reserve[there, column]] = rank
    order[:, ~alive] = NONE
    joins = choose(network, order, stays, missing, MOST, both_ends=False)
    return np.concatenate([stays, joins], axis=1)


def any_in(there: Array) -> Array:
    """In which rows anything is true."""
    found: Array = np.logical_or.reduce(there, axis=1)
    return found


def living(alive: Array, relays: Array) -> Array:
    """Which of `relays` live."""
    there: Array = np.append(alive, np.False_)[relays]  # the last stands for `NONE`
    return there
