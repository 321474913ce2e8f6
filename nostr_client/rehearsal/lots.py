"""What strangers would find, had the lot fallen otherwise.

Which half of the relays falls is drawn once in a run, and in a small world one author who loses all
of his is much of what readers look for. So what every relay showed just before is written down, and
the same readers ask it once more for many other halves, with nothing but that: each relay shows
what it showed, or is dead.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import Final

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.rehearsal.foreign_reader import (
    Asking,
    ForeignReader,
    PlainFilter,
    ReadingCost,
    ask,
)
from nostr_client.rehearsal.measures import share_found
from nostr_client.tasks import all_of

LOTS: Final = 100
READ_KINDS: Final = (kinds.NOTE, kinds.FOLLOWS, kinds.RELAY_LIST)


class Snapshot:
    """What relays showed at one time, by URL."""

    def __init__(self, shown: Mapping[str, Sequence[Event]]) -> None:
        self._shown = shown

    @classmethod
    async def of(cls, urls: Sequence[str], authors: Collection[str], cost: ReadingCost) -> Snapshot:
        """Ask all of `urls` now for what `authors` (hex) wrote."""
        everything = {"authors": sorted(authors), "kinds": READ_KINDS}

        async def one(url: str) -> list[Event]:
            return [event async for event in ask(url, [everything], cost)]

        return cls(dict(zip(urls, await all_of(one(url) for url in urls), strict=True)))

    def without(self, dead: Collection[str]) -> Asking:
        """How to ask it as if the relays `dead` were."""

        async def asking(
            url: str, filters: Sequence[PlainFilter], cost: ReadingCost
        ) -> AsyncIterator[Event]:
            for event in () if url in dead else self._shown.get(url, ()):
                if any(event.pubkey in f["authors"] and event.kind in f["kinds"] for f in filters):
                    yield event

        return asking


async def share_by_lot(
    snapshot: Snapshot,
    urls: Sequence[str],
    readers: Callable[[], Sequence[ForeignReader]],
    notes: Mapping[str, Collection[str]],
    chance: random.Random,
) -> float:
    """The mean share of `notes` (ids, by author) that `readers`, made anew for each lot, find when
    half of `urls` are gone."""
    shares = []
    for _ in range(LOTS):
        asking = snapshot.without(frozenset(chance.sample(urls, len(urls) // 2)))
        anew = readers()
        for reader in anew:
            reader.asking = asking
            await reader.read()
        shares.append(share_found(anew, notes))
    return sum(shares) / len(shares)
