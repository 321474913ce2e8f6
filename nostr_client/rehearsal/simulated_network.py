"""The relays of a simulation: who keeps them, where they stand, what they keep. No numpy here.

Relays are numbered by how many write to them, the first the most (Zipf). Most operators keep one
relay, some keep several, all of those in one cloud. What the product knows of a relay, it knows
here: facts as they are read from information documents, of which `operators` makes groups.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from nostr_client.rehearsal.drill_relays import KEEPS, SORTS, by_zipf
from nostr_client.routing.operators import RelayFacts, operators
from nostr_client.routing.starter_relays import starter_relays

WALLED: Final = 0.2
"""The share of relays that want money or a login: never in reserve."""
JOINED: Final = 0.2
"""The share of relays whose operator keeps another one, too."""
CLOUD_COUNT: Final = 20
"""Clouds, their sizes by Zipf: the largest three have half of all relays."""
TOP_SHARE: Final = 0.03
"""Of all relays fall by `top-k`: 30 of 1,000."""


class SimulatedNetwork(msgspec.Struct, frozen=True):
    """Relays by number: their `urls`, `facts` by URL, the number of each one's operator (by the
    product's rule), for how many seconds it keeps notes (`keeps`, infinite for ever), and the most
    used ones that everybody knows from the start (`starters`)."""

    urls: Sequence[str]
    facts: Mapping[str, RelayFacts]
    operator: Sequence[int]
    keeps: Sequence[float]
    starters: Sequence[int]

    @property
    def weights(self) -> list[float]:
        """How likely each is named."""
        return by_zipf(len(self.urls))

    def clouds(self, chance: random.Random) -> list[str]:
        """Where each relay stands, drawn by operators."""
        names = [f"cloud {number}" for number in range(CLOUD_COUNT)]
        drawn = chance.choices(names, by_zipf(CLOUD_COUNT), k=len(self.urls))
        return [drawn[operator] for operator in self.operator]


def draw_network(count: int, chance: random.Random) -> SimulatedNetwork:
    """`count` relays."""
    starters = range(min(len(starter_relays().urls("general")), count // 3))
    urls = [f"wss://{chance.getrandbits(64):016x}.example" for _ in range(count)]
    keepers: list[str] = []
    facts: dict[str, RelayFacts] = {}
    for rank, url in enumerate(urls):
        if keepers and chance.random() < JOINED:
            keeper = chance.choice(keepers)  # whoever keeps more gets more
        else:
            keeper = f"{chance.getrandbits(256):064x}"
        keepers.append(keeper)
        walled = chance.random() < WALLED and rank not in starters
        walls = ("payment",) if walled else ()
        facts[url] = RelayFacts(
            url, answered=True, pubkey=keeper, walls=walls, lower_limit=_said(rank)
        )
    names = operators(urls, facts)
    number = {url: n for n, url in enumerate(urls)}
    return SimulatedNetwork(
        urls,
        facts,
        [number[names[url]] for url in urls],
        [_said(n) or math.inf for n in range(count)],
        starters,
    )


def _said(rank: int) -> int:
    """For how many seconds a relay keeps notes, as its document says, too; 0: for ever."""
    return KEEPS.get(SORTS[rank % len(SORTS)], 0)
