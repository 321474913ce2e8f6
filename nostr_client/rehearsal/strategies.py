"""How relays are taken down: which of them, in how many blows. Pure.

- `random`: half of them, by lot.
- `top-k`: the third that most people write to.
- `one-cloud`: all in the largest cloud; `three-clouds`: all that stand in any.
- `rolling`: half of them, a few at a time.
- `adaptive`: exactly the relays of one author, the one whom most follow.
- `notice`: half of them, by lot; they say so before, and take nothing any more.
- `all`: all of them, and the first indexer; as many as half of them come new.
- `liars`: none; relays lie instead.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, Literal, get_args

Strategy = Literal[
    "random", "top-k", "one-cloud", "three-clouds", "rolling", "adaptive", "notice", "all", "liars"
]
STRATEGIES: Final[tuple[Strategy, ...]] = get_args(Strategy)
BLOWS: Final = 5
"""Of `rolling`."""

Doomed = list[list[int]]
"""The relays that fall, by their numbers, blow by blow."""


def doomed(
    strategy: Strategy,
    places: Sequence[str],
    lists: Sequence[Sequence[int]],
    chance: random.Random,
    *,
    top: float = 1 / 3,
) -> Doomed:
    """What falls. `places` are the clouds of the relays (empty: none), `lists` the relays that
    authors name, of the author whom most follow first; `top` is the share that falls by `top-k`."""
    count = len(places)
    half = chance.sample(range(count), count // 2)
    match strategy:
        case "random" | "notice":
            return [half]
        case "rolling":
            size = math.ceil(len(half) / BLOWS)
            return [half[start : start + size] for start in range(0, len(half), size)]
        case "top-k":
            named = Counter(number for listed in lists for number in listed)
            ranked = sorted(range(count), key=lambda number: (-named[number], number))
            return [ranked[: math.ceil(round(count * top, 6))]]
        case "one-cloud" | "three-clouds":
            sizes = Counter(place for place in places if place)
            fallen = [place for place, _ in sizes.most_common(1 if strategy == "one-cloud" else 3)]
            return [[number for number, place in enumerate(places) if place in fallen]]
        case "adaptive":
            return [sorted(set(lists[0]))]
        case "all":
            return [list(range(count))]
        case "liars":
            return []


def expected_readable(named: Mapping[str, int], weights: Mapping[str, int]) -> float:
    """The share that is readable when half of all relays are gone by lot, by the goal: 1 - 2^-n of
    a note that is to be found at n relays which its author names, each weighing as much as readers
    look for it."""
    total = sum(weights.values())
    return sum(w * (1 - 2.0 ** -named[n]) for n, w in weights.items()) / total if total else 1.0
