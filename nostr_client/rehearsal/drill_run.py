"""One run of the drill: relays fall, and what is left is measured, from outside wherever it can be.

The order: all is written and has its copies; relays fall; readers who have heard of nothing look
before anything is mended; each author writes a note, for which followers look until it is there;
all the while relays are asked what they have again, without anybody doing anything; then those
authors whose list names a dead relay put others into it, and such readers look once more.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from nostr_client.errors import NostrError
from nostr_client.paths import translated
from nostr_client.protocol import kinds
from nostr_client.rehearsal import measures
from nostr_client.rehearsal.drill_relays import DrillRelay, RelayCounts
from nostr_client.rehearsal.drill_world import DrillAuthor, DrillSize, DrillWorld
from nostr_client.rehearsal.foreign_reader import ForeignReader, PublicReader, ReadingCost
from nostr_client.rehearsal.sdk_reader import SdkReader
from nostr_client.rehearsal.strategies import Strategy, expected_readable
from nostr_client.resilience.replication import Pace
from nostr_client.tasks import all_of, together

log = logging.getLogger(__name__)

SETTLE_LIMIT: Final = 30.0
RECOVERY_LIMIT: Final = 40.0
"""Seconds in which copies come back without anybody doing anything, or count as not come back."""
REACH_LIMIT: Final = 60.0
"""Seconds in which followers find the next note, or count as not reached."""
NOTICE: Final = 5.0
"""Seconds from a relay's announcement to its end."""
ROLL: Final = 6.0
"""Seconds between two blows."""


class DrillRun(msgspec.Struct, frozen=True, kw_only=True):
    """What one run came to. Shares are from 0 to 1, times in seconds; None: not measured.

    `events` were written by our authors, of which `lost` are on no living relay in the end. What
    was readable is the share of the notes of those whom the readers follow, people of the older
    network left out (`legacy_readable` is theirs); `readable_goal` is 1 - 2^-n of the relays named,
    less a point. `recovery_p95_s` was measured at `speedup`, and is infinite where it did not come
    to hold; `recovery_p95_usual_s` is what the usual pace makes of it, which waits longer until a
    relay counts as dead. `followers_reached`
    counts those of authors of whom a relay lives. `duplicates` are events that a relay was
    offered again, `bytes_per_new` is what went over authors' sockets for each that was new there.
    """

    strategy: Strategy
    seed: int
    relays: int
    authors: int
    events: int
    lost: int
    readable_before: float | None
    readable_after: float
    recovery_p95_s: float | None
    followers_reached: float | None
    duplicates: int
    bytes_per_new: int
    connections: int
    forged_stored: int
    pushed_to_refusers: int
    false_accusations: float
    speedup: float
    killed: int
    readable_goal: float | None
    legacy_readable: float
    recovery_p95_usual_s: float | None
    unrecovered: int
    all_dead_authors: int
    """Authors of whom no relay of their list lived."""
    followers_reached_all_dead: float | None
    """The same of their followers, after one command: there is none yet, so it is not measured."""
    rollbacks: int
    """Relay lists that are older in the end than what their author published."""
    unmended: int
    """Authors who could not change their list."""
    drop_found_s: float | None
    """Until the last silent drop was found, of those that were."""
    drops_unfound: int
    settled: bool
    """Had every event all of its copies before the blow?"""
    sdk_readers: int
    seconds: float


async def run_once(size: DrillSize, strategy: Strategy, seed: int) -> DrillRun:
    """One run, in a folder of its own that is gone afterwards. Raises NostrError where the world
    cannot be set up, or its measures not be taken."""
    with translated("no folder for the drill can be made"):
        folder = tempfile.TemporaryDirectory(prefix="nostr-drill-", ignore_cleanup_errors=True)
    with folder as name:
        began = time.monotonic()
        async with DrillWorld.start(Path(name), size, strategy, seed) as world:
            run = await _Rehearsal(world).play()
        return msgspec.structs.replace(run, seconds=round(time.monotonic() - began, 1))


@dataclass
class _Rehearsal:
    world: DrillWorld
    cost: ReadingCost = field(default_factory=ReadingCost)
    counts: RelayCounts = field(default_factory=RelayCounts)
    readers: list[PublicReader] = field(default_factory=list)
    notes: dict[str, set[str]] = field(default_factory=dict)
    """The notes of each author that were there before the blow, and those of legacy users."""

    async def play(self) -> DrillRun:
        drops = measures.DropWatch(self.world)
        async with together() as group:
            watch = group.create_task(drops.run())
            found = await self._play()
            watch.cancel()
        times = drops.found.values()
        return DrillRun(
            **found,
            drop_found_s=round(max(times), 2) if times else None,
            drops_unfound=drops.unfound(),
        )

    async def _play(self) -> dict[str, Any]:
        world, size = self.world, self.world.size
        settled = await world.settled(SETTLE_LIMIT)
        before = await self._take_stock()
        followers = world.readers(sdk=False)
        self.readers += followers
        await all_of(follower.read() for follower in followers)
        await self._take_down()
        readable, _ = await self._read_anew()
        struck = await self._wait_out(before, followers)
        if world.strategy == "all":
            await world.add_relays(max(3, size.relays // 2))
        unmended = await self._mend()
        await world.settled(SETTLE_LIMIT)
        after, legacy = await self._read_anew()
        return {
            **await self._in_the_end(),
            **struck,
            "strategy": world.strategy,
            "seed": world.seed,
            "relays": size.relays,
            "authors": size.authors,
            "readable_before": readable,
            "readable_after": after,
            "legacy_readable": legacy,
            "readable_goal": self._goal(),
            "unmended": unmended,
            "settled": settled,
            "speedup": size.speedup,
            "killed": len(world.dead_urls),
            "sdk_readers": sum(isinstance(r, SdkReader) for r in world.readers()),
            "seconds": 0.0,
        }

    async def _take_stock(self) -> dict[str, int]:
        """On how many relays each event of our authors is."""
        ids: set[str] = set()
        for author in self.world.authors:
            written = await author.written()
            ids |= {event.id for event in written}
            self.notes[author.pubkey] = {e.id for e in written if e.kind == kinds.NOTE}
        return await measures.census(self.world.relays, ids, self.cost)

    async def _take_down(self) -> None:
        world = self.world
        falling = [world.relays[number] for blow in world.doomed for number in blow]
        if world.strategy == "all":
            falling.append(world.indexers[0])
        if world.strategy == "notice":
            await world.announce()
            await all_of(self._say_something(author) for author in world.authors)
            await asyncio.sleep(NOTICE)
        for relay in falling:
            await relay.count(self.counts)
        for number, blow in enumerate(world.doomed):
            if number:
                await asyncio.sleep(ROLL)
            await world.strike(blow)
        if world.strategy == "all":
            await world.indexers[0].kill()

    async def _say_something(self, author: DrillAuthor) -> str:
        return (await author.client.post("and on it goes")).event.id

    async def _read_anew(self) -> tuple[float, float]:
        """What those find who have heard of nothing: of our authors' notes, and of others'."""
        readers = self.world.readers()
        self.readers += readers
        await all_of(reader.read() for reader in readers)
        legacy = {user.key.public_key.hex: user.ids for user in self.world.legacy}
        ours = [*readers]
        return (
            round(measures.share_found(ours, self.notes), 4),
            round(measures.share_found(ours, legacy), 4),
        )

    async def _wait_out(
        self, before: Mapping[str, int], followers: Sequence[PublicReader]
    ) -> dict[str, Any]:
        """Nobody does anything but write on: what comes back, and who hears of what is new."""
        world = self.world
        orphans = {
            author.pubkey for author in world.authors if not set(author.homes) - world.dead_urls
        }
        living, wanted = world.living, await self._wanted(before)
        async with together() as group:
            reached = group.create_task(self._reach(followers, orphans))
            recovery = group.create_task(
                measures.recovery_times(living, wanted, RECOVERY_LIMIT, self.cost)
            )
        times = recovery.result()
        p95 = measures.p95(times, len(wanted)) if world.doomed and wanted else None
        slow = p95 is not None and p95 >= world.pace.dead_after
        usual = Pace().dead_after - world.pace.dead_after if slow else 0.0
        return {
            "followers_reached": reached.result(),
            "followers_reached_all_dead": None,
            "all_dead_authors": len(orphans),
            "recovery_p95_s": None if p95 is None else round(p95, 2),
            "recovery_p95_usual_s": None if p95 is None else round(p95 + usual, 2),
            "unrecovered": len(wanted) - len(times),
        }

    async def _wanted(self, before: Mapping[str, int]) -> dict[str, int]:
        """The copies that each event is to have again: as many as it had, but no more than are
        wanted, nor than there are relays left that the author knows and that take what is as
        old."""
        now, wanted = time.time(), dict[str, int]()
        for author in self.world.authors:
            most, known = author.client.config.copies, await author.known_relays()
            living = [relay for relay in self.world.living if relay.url in known]
            for event in await author.written():
                age = now - event.created_at if event.kind == kinds.NOTE else 0.0
                able = sum(relay.takes_notes_of(age) for relay in living)
                if able and event.id in before:
                    wanted[event.id] = min(most, before[event.id], able)
        return wanted

    async def _reach(
        self, followers: Sequence[PublicReader], orphans: Collection[str]
    ) -> float | None:
        world = self.world
        written = await all_of(self._say_something(author) for author in world.authors)
        notes = {a.pubkey: i for a, i in zip(world.authors, written, strict=True)}
        notes = {author: i for author, i in notes.items() if author not in orphans}
        sought = sum(measures.pairs(followers, notes).values())
        found = await measures.reached(followers, notes, REACH_LIMIT)
        return round(len(found) / sought, 4) if sought else None

    async def _mend(self) -> int:
        """Whoever's list names a dead relay puts another in its place; how many could not."""
        dead, living = self.world.dead_urls, [relay.url for relay in self.world.living]
        unmended = 0

        async def one(author: DrillAuthor) -> None:
            nonlocal unmended
            kept = [url for url in author.homes if url not in dead]
            spare = [url for url in living if url not in kept]
            self.world.chance.shuffle(spare)
            homes = [*kept, *spare[: len(author.homes) - len(kept)]]
            try:
                entries = [(url, True, True) for url in homes]
                posted = await author.client.relays.set(
                    entries, without=sorted(dead), removes=sorted(dead)
                )
            except NostrError as error:
                log.warning("a relay list was not changed: %s", error)
                unmended += 1
                return
            author.homes = homes
            author.lists += [posted.event.created_at] if posted else []

        await all_of(one(a) for a in self.world.authors if dead.intersection(a.homes))
        return unmended

    def _goal(self) -> float | None:
        """What a stranger is to find with half of the relays gone by lot."""
        if self.world.strategy not in ("random", "rolling", "notice"):
            return None
        readers = self.world.readers()
        named = {author.pubkey: author.named for author in self.world.authors}
        weights = measures.pairs(readers, named)
        return round(expected_readable(named, weights) - 0.01, 4)

    async def _in_the_end(self) -> dict[str, Any]:
        world = self.world
        written = {author.pubkey: await author.written() for author in world.authors}
        ids = {event.id for events in written.values() for event in events}
        everywhere: list[DrillRelay] = [*world.living, *(r for r in world.indexers if r.alive)]
        found = await measures.census(everywhere, ids, self.cost)
        for relay in everywhere:
            await relay.count(self.counts)
        counts, reading = self.counts, self._reading_cost()
        new = counts.of('events_accepted_total{as="stored"}')
        moved = counts.of("sent_bytes_total") + counts.of("received_bytes_total")
        fronts = [relay.front for relay in world.relays if relay.front]
        return {
            "events": len(ids),
            "lost": sum(not count for count in found.values()),
            "duplicates": counts.of('events_accepted_total{as="duplicate"}'),
            "bytes_per_new": round((moved - reading.sent - reading.received) / new) if new else 0,
            "connections": counts.of("connections_total") - reading.connections,
            "forged_stored": sum(await all_of(measures.forged_in(a) for a in world.authors)),
            "pushed_to_refusers": sum(front.pushed_again for front in fronts),
            "false_accusations": round(await measures.false_accusations(world), 4),
            "rollbacks": sum(
                max((e.created_at for e in events if e.kind == kinds.RELAY_LIST), default=0)
                < max(author.lists, default=0)
                for author, events in zip(world.authors, written.values(), strict=True)
            ),
        }

    def _reading_cost(self) -> ReadingCost:
        """What we and the readers took, but for those of nostr-sdk."""
        costs = [self.cost, *(r.cost for r in self.readers if isinstance(r, ForeignReader))]
        return ReadingCost(
            sum(cost.connections for cost in costs),
            sum(cost.received for cost in costs),
            sum(cost.sent for cost in costs),
        )
