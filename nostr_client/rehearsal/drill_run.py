"""One run of the drill: relays fall, and what is left is measured, from outside wherever it can be.

The order: all is written and has its copies; relays fall; readers who have heard of nothing look
before anything is mended; each author of whom a relay lives writes a note, for which followers look
until it is there; all the while relays are asked what they have again, without anybody doing
anything; then authors whose list names a dead relay give the one command, those who have lost all
of theirs with a note that followers look for; and such readers as before look once more.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from nostr_client.errors import NostrError
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.rehearsal import measures
from nostr_client.rehearsal.drill_people import DrillAuthor
from nostr_client.rehearsal.drill_record import DrillRun
from nostr_client.rehearsal.drill_relays import DrillRelay, RelayCounts
from nostr_client.rehearsal.drill_world import DrillSize, DrillWorld
from nostr_client.rehearsal.foreign_reader import ForeignReader, PublicReader, ReadingCost
from nostr_client.rehearsal.lots import Snapshot, share_by_lot
from nostr_client.rehearsal.scratch_folder import scratch_folder
from nostr_client.rehearsal.sdk_reader import SdkReader
from nostr_client.rehearsal.strategies import Strategy, expected_readable
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
TOLD: Final = 4
"""Relays that an author is told of where all that he knows are dead."""
DROPS_LIMIT: Final = 75.0
"""Seconds in which drops are found at the usual pace, or are no longer waited for."""
AT_USUAL_PACE: Final = ("random", "one-cloud", "liars")
"""The strategies that are measured at the usual pace: from just before the blow until copies are
back, or, where relays lie, from the first note on."""
DROPS_WATCHED: Final = ("liars",)
BY_LOT: Final = ("random", "rolling", "notice")
"""The strategies by which half of the relays fall, by lot."""


async def run_once(size: DrillSize, strategy: Strategy, seed: int) -> DrillRun:
    """One run, in a folder of its own that is gone afterwards. Raises NostrError where the world
    cannot be set up, or its measures not be taken."""
    with scratch_folder("nostr-drill-") as folder:
        began = time.monotonic()
        usual = size.measured and strategy in DROPS_WATCHED
        async with DrillWorld.start(folder, size, strategy, seed, usual=usual) as world:
            run = await _Rehearsal(world, measures.DropWatch(world)).play()
        return msgspec.structs.replace(run, seconds=round(time.monotonic() - began, 1))


@dataclass
class _Rehearsal:
    world: DrillWorld
    drops: measures.DropWatch
    cost: ReadingCost = field(default_factory=ReadingCost)
    counts: RelayCounts = field(default_factory=RelayCounts)
    readers: list[PublicReader] = field(default_factory=list)
    notes: dict[str, set[str]] = field(default_factory=dict)
    """The notes of each author that were there before the blow."""
    reserves: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The relays that each author had in reserve before the blow (URLs)."""
    left: dict[str, int] = field(default_factory=dict)
    """On how many relays that go on living each event was, at the last blow."""
    orphans: list[DrillAuthor] = field(default_factory=list)
    """Those who lost all relays of their list."""
    moves: list[float] = field(default_factory=list)
    """How long each command took."""
    unmended: int = 0

    async def play(self) -> DrillRun:
        drops = self.drops
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
        usual = size.measured and world.strategy in AT_USUAL_PACE
        if usual and world.strategy in DROPS_WATCHED:
            settled = await self.drops.all_found(DROPS_LIMIT)
        else:
            settled = await world.settled(SETTLE_LIMIT)
        before = await self._take_stock()
        followers = world.foreign_readers()
        self.readers += followers
        await all_of(follower.read() for follower in followers)
        by_lot, goal = await self._by_lot(), await self._goal()
        await world.go_on(usual=usual)
        held = await self._take_down()
        readable, _, by_hint = await self._read_anew()
        struck = await self._wait_out(before, followers)
        await world.go_on(usual=False)
        moved = await self._mend(followers)
        await world.settled(SETTLE_LIMIT)
        after, legacy, _ = await self._read_anew()
        return {
            **await self._in_the_end(),
            **struck,
            **moved,
            "strategy": world.strategy,
            "seed": world.seed,
            "relays": size.relays,
            "authors": size.authors,
            "held_before": held,
            "readable_before": readable,
            "readable_after": after,
            "readable_by_lot": by_lot,
            "readable_goal": goal,
            "readable_by_hint": by_hint,
            "legacy_readable": legacy,
            "settled": settled,
            "speedup": 1.0 if usual else size.speedup,
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
            self.reserves[author.pubkey] = await author.client.reserves.urls()
        return await measures.census(self.world.relays, ids, self.cost)

    async def _by_lot(self) -> float | None:
        """What strangers are to find of it when half of the relays go by lot, whichever half."""
        world = self.world
        if world.strategy not in BY_LOT:
            return None
        urls = [relay.url for relay in world.relays]
        everywhere = [*urls, *(relay.url for relay in world.indexers)]
        snapshot = await Snapshot.of(everywhere, self.notes, self.cost)
        chance = random.Random(f"{world.seed} lots")  # noqa: S311 - no secret
        found = await share_by_lot(snapshot, urls, world.foreign_readers, self.notes, chance)
        return round(found, 4)

    async def _take_down(self) -> float | None:
        """Of all events the share that a relay holds which goes on living, at the last blow."""
        world = self.world
        falling = [world.relays[number] for blow in world.doomed for number in blow]
        if world.strategy == "all":
            falling.append(world.indexers[0])
        if world.strategy == "notice":
            await self._heed()
        for relay in falling:
            await relay.count(self.counts)
        for number, blow in enumerate(world.doomed):
            if number:
                await asyncio.sleep(ROLL)
            if number == len(world.doomed) - 1:
                staying = [relay for relay in world.relays if relay not in falling]
                self.left = await measures.census(staying, await self._ids(), self.cost)
            await world.strike(blow)
        if world.strategy == "all":
            await world.indexers[0].kill()
        if not world.living or not self.left:
            return None
        return round(sum(count > 0 for count in self.left.values()) / len(self.left), 4)

    async def _ids(self) -> set[str]:
        """All that our authors have written so far."""
        return {event.id for author in self.world.authors for event in await author.written()}

    async def _heed(self) -> None:
        """Relays say that they close. Every second author leaves them now, the others write on."""
        world, ends = self.world, asyncio.get_running_loop().time() + NOTICE
        closing = {world.relays[number].url for number in world.doomed[0]}

        async def leave(author: DrillAuthor) -> None:
            for url in [url for url in author.homes if url in closing]:
                if url in author.homes:  # one move may take several along, as they refuse
                    await self._moved(author, retire={url: "it closes"})

        await world.announce()
        await all_of(author.say("and on it goes") for author in world.authors)
        await all_of(leave(author) for author in world.authors[::2])
        await asyncio.sleep(max(0.0, ends - asyncio.get_running_loop().time()))

    async def _read_anew(self) -> tuple[float, float, float]:
        """What those find who have heard of nothing: of our authors' notes, and of others'; and
        how much of it hints alone had them find."""
        readers = self.world.readers()
        self.readers += readers
        await all_of(reader.read() for reader in readers)
        legacy = {user.key.public_key.hex: user.ids for user in self.world.legacy}
        return (
            round(measures.share_found(readers, self.notes), 4),
            round(measures.share_found(readers, legacy), 4),
            round(measures.share_by_hint(readers, self.notes), 4),
        )

    async def _wait_out(
        self, before: Mapping[str, int], followers: Sequence[PublicReader]
    ) -> dict[str, Any]:
        """Nobody does anything but write on: what comes back, and who hears of what is new."""
        world = self.world
        self.orphans = [a for a in world.authors if not set(a.homes) - world.dead_urls]
        writing = [author for author in world.authors if author not in self.orphans]
        living, wanted = world.living, await self._wanted(before)
        async with together() as group:
            reached = group.create_task(self._reach(followers, writing))
            recovery = group.create_task(
                measures.recovery_times(living, wanted, RECOVERY_LIMIT, self.cost)
            )
        times = recovery.result()
        p95 = measures.p95(times, len(wanted)) if world.doomed and wanted else None
        return {
            "followers_reached": reached.result(),
            "all_dead_authors": len(self.orphans),
            "recovery_p95_s": None if p95 is None else round(p95, 2),
            "unrecovered": len(wanted) - len(times),
        }

    async def _wanted(self, before: Mapping[str, int]) -> dict[str, int]:
        """The copies that each event that lost some is to have again: as many as it had, but no
        more than are wanted, nor than there are relays left that take what is as old: those of the
        list and of the reserve, and one of each other operator that the author knows."""
        wanted, world = dict[str, int](), self.world
        for author in world.authors:
            most, known = author.client.config.copies, await author.known_relays()
            used = {*author.homes, *self.reserves[author.pubkey]}
            operators = {relay.operator for relay in world.relays if relay.url in used}
            living = [relay for relay in world.living if relay.url in known | used]
            for event in await author.written():
                taking = [relay for relay in living if relay.takes_notes_of(_age(event))]
                room = sum(relay.url in used for relay in taking)
                room += len({relay.operator for relay in taking} - operators)
                again = min(most, before.get(event.id, 0), room)
                if self.left.get(event.id, 0) < again:
                    wanted[event.id] = again
        return wanted

    async def _reach(
        self, followers: Sequence[PublicReader], authors: Sequence[DrillAuthor]
    ) -> float | None:
        """Each of `authors` writes; of their followers the share that finds it."""
        written = await all_of(author.say("and on it goes") for author in authors)
        notes = {a.pubkey: i for a, i in zip(authors, written, strict=True)}
        sought = sum(measures.pairs(followers, notes).values())
        found = await measures.reached(followers, notes, REACH_LIMIT)
        return round(len(found) / sought, 4) if sought else None

    async def _mend(self, followers: Sequence[PublicReader]) -> dict[str, Any]:
        """Whoever's list names a dead relay gives the one command, and everybody where relays lie.
        Where nobody lives whom an author knows, a friend has told him of some new relays."""
        world, told = self.world, list[str]()
        if world.strategy == "all":
            told = [relay.url for relay in await world.add_newcomers()]
        dead, lying = world.dead_urls, world.strategy == "liars"

        async def one(author: DrillAuthor) -> None:
            to = world.chance.sample(told, min(len(told), len(author.homes), TOLD))
            await self._moved(author, to=to)

        async with together() as group:
            reached = group.create_task(self._reach(followers, self.orphans))
            await all_of(one(a) for a in world.authors if lying or dead.intersection(a.homes))
        return {
            "followers_reached_all_dead": reached.result(),
            "move_s": round(max(self.moves), 2) if self.moves else None,
            "unmended": self.unmended,
        }

    async def _moved(
        self,
        author: DrillAuthor,
        *,
        retire: Mapping[str, str] | None = None,
        to: Sequence[str] = (),
    ) -> None:
        try:
            self.moves.append(await author.move(retire=retire, to=to))
        except NostrError as error:
            log.warning("an account was not moved: %s", error)
            self.unmended += 1

    async def _goal(self) -> float | None:
        """What a stranger is to find with half of the relays gone by lot."""
        world, now = self.world, time.time()
        if world.strategy not in BY_LOT:
            return None
        following = measures.pairs(world.foreign_readers(), [a.pubkey for a in world.authors])
        named, weights = dict[str, int](), dict[str, int]()
        for author in world.authors:
            homes = [relay for relay in world.relays if relay.url in author.homes]
            for event in await author.written():
                if event.kind == kinds.NOTE:
                    age = now - event.created_at
                    named[event.id] = sum(relay.takes_notes_of(age) for relay in homes)
                    weights[event.id] = following[author.pubkey]
        return round(expected_readable(named, weights) - 0.01, 4)

    async def _in_the_end(self) -> dict[str, Any]:
        world = self.world
        written = {author.pubkey: await author.written() for author in world.authors}
        ids = {event.id for events in written.values() for event in events}
        ids |= {id for author in world.authors for id in self.notes[author.pubkey]}
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
            **await self._missing({id for id, count in found.items() if not count}),
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

    async def _missing(self, ids: Collection[str]) -> dict[str, int]:
        """Of what no living relay shows: what is lost, and what only its author's machine has,
        since no living relay that he knows takes what is as old."""
        kept: set[str] = set()
        for author in self.world.authors:
            known = {*await author.known_relays(), *author.homes}
            living = [relay for relay in self.world.living if relay.url in known]
            for event in await author.written():
                if event.id in ids and not any(r.takes_notes_of(_age(event)) for r in living):
                    kept.add(event.id)
        return {"lost": len(set(ids) - kept), "device_only": len(kept)}

    def _reading_cost(self) -> ReadingCost:
        """What we and the readers took, but for those of nostr-sdk."""
        costs = [self.cost, *(r.cost for r in self.readers if isinstance(r, ForeignReader))]
        return ReadingCost(
            sum(cost.connections for cost in costs),
            sum(cost.received for cost in costs),
            sum(cost.sent for cost in costs),
        )


def _age(event: Event) -> float:
    """Seconds by which relays that prune judge it: they keep lists, however old."""
    return time.time() - event.created_at if event.kind == kinds.NOTE else 0.0
