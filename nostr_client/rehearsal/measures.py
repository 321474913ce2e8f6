"""What a drill measures, from outside: what relays show strangers, what readers found."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

from nostr_client.protocol.filters import Filter
from nostr_client.rehearsal.drill_people import DrillAuthor
from nostr_client.rehearsal.drill_relays import DrillRelay
from nostr_client.rehearsal.drill_world import DrillWorld
from nostr_client.rehearsal.foreign_reader import ForeignReader, PublicReader, ReadingCost, shown
from nostr_client.store.contract import CopyState
from nostr_client.tasks import all_of

STRAYS: Final = 5.0
LOOK: Final = 0.5
"""Seconds between two looks."""


async def census(
    relays: Iterable[DrillRelay], ids: Collection[str], cost: ReadingCost
) -> dict[str, int]:
    """How many of `relays` show strangers each of the events `ids`."""
    found = await all_of(shown(relay.url, ids, cost) for relay in relays)
    return {event_id: sum(event_id in there for there in found) for event_id in ids}


async def recovery_times(
    relays: Sequence[DrillRelay], wanted: Mapping[str, int], limit: float, cost: ReadingCost
) -> dict[str, float]:
    """Seconds until each event was shown by as many of `relays` as wanted; without those of which
    that did not come to hold within `limit`. Once it holds for 95 of 100, the others have `STRAYS`
    seconds more."""
    began = time.monotonic()
    left, times = dict(wanted), dict[str, float]()
    while left and time.monotonic() - began < limit:
        if (most := p95(times, len(wanted))) < math.inf:
            limit = min(limit, most + STRAYS)
        found = await census(relays, left, cost)
        now = time.monotonic() - began
        for event_id in [i for i, count in found.items() if count >= left[i]]:
            times[event_id] = now
            del left[event_id]
        await asyncio.sleep(LOOK)
    return times


async def reached(
    followers: Sequence[PublicReader], notes: Mapping[str, str], limit: float
) -> set[tuple[int, str]]:
    """Which followers (by number) found the note (id) of which author (hex), of those whom they
    follow, within `limit` seconds."""
    wanted = {(n, a) for n, f in enumerate(followers) for a in f.follows & notes.keys()}
    found: set[tuple[int, str]] = set()

    async def look(number: int, deadline: float) -> None:
        follower = followers[number]
        mine = {pair for pair in wanted if pair[0] == number}
        while not mine <= found and time.monotonic() < deadline:
            await follower.read()
            found.update(pair for pair in mine if notes[pair[1]] in follower.seen)
            await asyncio.sleep(LOOK)

    deadline = time.monotonic() + limit
    await all_of(look(number, deadline) for number in range(len(followers)))
    return found


def pairs(readers: Sequence[PublicReader], authors: Collection[str]) -> dict[str, int]:
    """How many of `readers` follow each of `authors`."""
    return {a: sum(a in reader.follows for reader in readers) for a in authors}


def share_found(readers: Sequence[PublicReader], notes: Mapping[str, Collection[str]]) -> float:
    """Of the notes (ids, by author) that each reader is after, the share that was found."""
    sought = found = 0
    for reader in readers:
        for author in reader.follows & notes.keys():
            sought += len(notes[author])
            found += len(reader.seen.intersection(notes[author]))
    return found / sought if sought else 1.0


def share_by_hint(readers: Iterable[PublicReader], notes: Mapping[str, Collection[str]]) -> float:
    """Of the notes (ids, by author) that readers were shown, the share that no relay of the
    author's list showed; readers that take no hints are left out."""
    ours = frozenset().union(*notes.values())
    hearing = [reader for reader in readers if isinstance(reader, ForeignReader)]
    seen = sum(len(reader.seen & ours) for reader in hearing)
    elsewhere = sum(len((reader.seen - reader.where_listed) & ours) for reader in hearing)
    return elsewhere / seen if seen else 0.0


def p95(times: Mapping[str, float], of: int) -> float:
    """The time within which 95 of 100 of all (`of`) came to hold; infinite where fewer did."""
    rank = math.ceil(0.95 * of)
    ordered = sorted(times.values())
    return ordered[rank - 1] if 0 < rank <= len(ordered) else math.inf


async def forged_in(author: DrillAuthor) -> int:
    """Events on an author's disk that are not what somebody signed."""
    events = await author.client.store.query([Filter()])
    return await asyncio.to_thread(lambda: sum(not event.verify() for event in events))


class DropWatch:
    """Sees how long it takes until a relay is found out that took an event and does not have it.

    `run` looks at the authors' ledgers until it is cancelled.
    """

    def __init__(self, world: DrillWorld, clock: Callable[[], float] = time.monotonic) -> None:
        self._world = world
        self._clock = clock
        self._said: dict[tuple[str, str], float] = {}
        self.found: dict[tuple[str, str], float] = {}
        """Seconds from the OK until it was known to be a lie, by event and relay."""
        self._trusted: dict[str, set[tuple[str, str]]] = {}
        """What each author counts as copies, at the last look: of what is current, and wanted."""

    async def run(self) -> None:
        while True:
            async with self._world.at_work:
                await all_of(self._look(author) for author in self._world.authors)
            await asyncio.sleep(LOOK)

    async def _look(self, author: DrillAuthor) -> None:
        copies = await author.copies([event.id for event in await author.written()])
        now, trusted = self._clock(), set[tuple[str, str]]()
        self._trusted[author.pubkey] = trusted
        for copy in (copy for each in copies.values() for copy in each):
            pair = copy.event_id, copy.url
            if copy.state is CopyState.CONFIRMED:
                if copy.wanted:
                    trusted.add(pair)
                self._said.setdefault(pair, now)
            elif copy.state is CopyState.DROPPED and pair not in self.found:
                self.found[pair] = now - self._said.get(pair, now)

    async def all_found(self, limit: float) -> bool:
        """Wait until every relay of a list that lies is found out, at most `limit` seconds."""
        deadline = self._clock() + limit
        while len(self._trusted) < len(self._world.authors) or self.unfound():
            if self._clock() > deadline:
                return False
            await asyncio.sleep(LOOK)
        return True

    def unfound(self) -> int:
        """Copies that authors count on, and that a lying relay took and does not have."""
        return sum(
            (event_id, relay.url) in trusted
            for relay in self._world.relays
            if relay.front
            for event_id in relay.front.taken
            for trusted in self._trusted.values()
        )


async def false_accusations(world: DrillWorld) -> float:
    """Of the copies on honest relays that were looked for, the share that is said to be dropped
    while the relay lived and never took anything out."""
    honest = {relay.url for relay in world.living if relay.is_honest}
    accused = looked = 0
    for author in world.authors:
        copies = await author.copies([event.id for event in await author.written()])
        for copy in (copy for each in copies.values() for copy in each):
            if copy.url in honest and (copy.audits or copy.state is CopyState.DROPPED):
                looked += 1
                accused += copy.state is CopyState.DROPPED
    return accused / looked if looked else 0.0
