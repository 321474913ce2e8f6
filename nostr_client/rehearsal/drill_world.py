"""The world of one drill: relays, authors who run our client, people of the older network, readers.

Who writes where, who follows whom and what falls is drawn from the seed, by Zipf: a few relays keep
most of it, a few authors have most followers. Authors are real clients, each on a folder of its
own, which know three relays from the start (as starters are known) and the indexers. People of the
older network have no relay list and no such client: what they wrote lies on one relay.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.client import NostrClient
from nostr_client.config import ClientConfig
from nostr_client.nips.nip19 import encode_npub
from nostr_client.paths import Paths
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from nostr_client.rehearsal.drill_people import DrillAuthor, LegacyUser
from nostr_client.rehearsal.drill_relays import (
    SORTS,
    DrillRelay,
    RelaySort,
    by_zipf,
    drawn,
    start_relay,
)
from nostr_client.rehearsal.foreign_reader import ForeignReader, PublicReader, put
from nostr_client.rehearsal.liars import LIES, Front
from nostr_client.rehearsal.sdk_reader import SdkReader, is_installed
from nostr_client.rehearsal.sites import RelaySite, hosts, sites
from nostr_client.rehearsal.strategies import Doomed, Strategy, doomed
from nostr_client.resilience.pace import Pace
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.tasks import all_of

DAY: Final = 86_400
AGES: Final = (100 * DAY, 40 * DAY)
"""How old the first notes are that somebody writes: relays that prune refuse such."""
STARTERS: Final = 3
"""Relays that everybody knows from the start: those that most write to."""
INDEXERS: Final = 2
AT_ONCE: Final = 6
POLL: Final = 0.25
"""Seconds between two looks whether all is settled."""
ANSWERING: Final = 2.0
"""Seconds that relays may take here to answer who publishes: whatever the pace, what is under way
is not sent a second time beside."""
ANSWERING_SURELY: Final = 10.0
"""The same where it is counted what comes again to who refused it (`notice`), on a busy machine
too."""
RELAYS: Final = 14
SPEEDUP: Final = 120.0
FOLLOWED: Final = 0.6
"""The share of all authors whom a reader follows, and an author."""


class DrillSize(msgspec.Struct, frozen=True):
    """How large a drill is, and how fast: `speedup` shortens the waits of `Pace`; where the pace is
    `measured`, it is the usual one while times are taken (`drill_run.AT_USUAL_PACE`)."""

    relays: int = RELAYS
    authors: int = 6
    legacy: int = 3
    readers: int = 6
    notes: int = 4
    speedup: float = SPEEDUP
    measured: bool = False

    @property
    def newcomers(self) -> int:
        """Relays that come when all are gone."""
        return max(3, self.relays // 2)


class DrillWorld:
    """Made by `DrillWorld.start`. `relays` are those where people write; `doomed` falls."""

    def __init__(
        self, folder: Path, size: DrillSize, strategy: Strategy, seed: int, *, usual: bool = False
    ) -> None:
        self.folder, self.size, self.strategy = folder, size, strategy
        self.pace = self._pace_at(1.0 if usual else size.speedup)
        self.chance = random.Random(f"{seed}")  # noqa: S311 - no secret
        self.sites = sites(size.relays, size.newcomers, self.chance)
        self.relays: list[DrillRelay] = []
        self.indexers: list[DrillRelay] = []
        self.authors: list[DrillAuthor] = []
        self.at_work = asyncio.Lock()
        """Held by whoever needs the clients as they are, and while they are ended for others."""
        self.legacy: list[LegacyUser] = []
        self.doomed: Doomed = []
        self.sdk = is_installed()
        self.seed = seed
        self._stack = AsyncExitStack()

    @classmethod
    @asynccontextmanager
    async def start(
        cls, folder: Path, size: DrillSize, strategy: Strategy, seed: int, *, usual: bool = False
    ) -> AsyncIterator[DrillWorld]:
        """All are there and have written what they have to say, at the `usual` pace or the drill's.
        Raises NostrError."""
        world = cls(folder, size, strategy, seed, usual=usual)
        async with world._stack:
            await world._populate()
            yield world

    # Asked by whoever measures

    @property
    def living(self) -> list[DrillRelay]:
        """The relays, but no indexers, that are alive."""
        return [relay for relay in self.relays if relay.alive]

    @property
    def dead_urls(self) -> set[str]:
        return {relay.url for relay in self.relays if not relay.alive}

    def foreign_readers(self) -> list[ForeignReader]:
        """Readers who have heard of nothing but the indexers, and whom they follow; the same people
        each time."""
        chance = random.Random(f"{self.seed} readers")  # noqa: S311 - no secret
        pubkeys = [author.pubkey for author in self.authors]
        older = frozenset(user.key.public_key.hex for user in self.legacy)
        count = math.ceil(FOLLOWED * len(pubkeys))
        indexers = [relay.url for relay in self.indexers]
        follows = [
            frozenset(drawn(chance, pubkeys, by_zipf(len(pubkeys)), count))
            for _ in range(self.size.readers)
        ]
        return [ForeignReader(each | older, indexers) for each in follows]

    def readers(self) -> list[PublicReader]:
        """The same, each third of them nostr-sdk's, where it is installed."""
        ours = {author.pubkey for author in self.authors}
        return [
            SdkReader(reader.follows & ours, reader.indexers)
            if self.sdk and number % 3 == 2
            else reader
            for number, reader in enumerate(self.foreign_readers())
        ]

    # What happens

    async def go_on(self, *, usual: bool) -> None:
        """From here on at the usual pace, or the drill's: clients that have another end, and begin
        anew. Raises NostrError."""
        pace = self._pace_at(1.0 if usual else self.size.speedup)
        if pace != self.pace:
            self.pace = pace
            async with self.at_work:
                await all_of(author.restart(pace) for author in self.authors)

    def _pace_at(self, speedup: float) -> Pace:
        pace = Pace().sped_up(speedup)
        answering = ANSWERING_SURELY if self.strategy == "notice" else ANSWERING
        return msgspec.structs.replace(pace, grace=max(pace.grace, answering))

    async def strike(self, blow: Sequence[int]) -> None:
        """The relays of one blow fall."""
        await asyncio.gather(*(self.relays[number].kill() for number in blow))

    async def announce(self) -> None:
        """Those that are doomed take nothing any more, and say why."""
        for number in self.doomed[0]:
            front = self.relays[number].front
            if front is not None:
                front.closing = True

    async def add_newcomers(self) -> list[DrillRelay]:
        """New relays, of which nobody has heard."""
        count, before = self.size.newcomers, len(self.relays)
        await self._start_relays(["plain"] * count, [None] * count)
        return self.relays[before:]

    async def settled(self, limit: float) -> bool:
        """Wait until every copy that is wanted is there, or over, every relay in reserve was tried,
        and that held until what was written last was looked at, and two sweeps of the replication
        more; at most `limit` seconds."""
        now, steady = time.monotonic(), self.pace.grace + 2 * self.pace.sweep
        deadline, since = now + limit, now
        while now < deadline:
            await asyncio.sleep(POLL)
            now = time.monotonic()
            if not all(await all_of(self._is_settled(author) for author in self.authors)):
                since = now
            elif now - since >= steady:
                return True
        return False

    async def _is_settled(self, author: DrillAuthor) -> bool:
        copies = await author.copies([event.id for event in await author.written()])
        dead = self.dead_urls
        waiting = (c for each in copies.values() for c in each if c.wanted and c.waits)
        reserves = await author.client.reserves.chosen()
        return all(copy.url in dead for copy in waiting) and all(
            reserve.proven or reserve.url in dead for reserve in reserves
        )

    # Building

    async def _populate(self) -> None:
        size, chance = self.size, self.chance
        places = [site.cloud for site in self.sites[: size.relays]]
        numbers = [str(number) for number in range(size.relays)]
        lists = [
            [int(n) for n in drawn(chance, numbers, by_zipf(size.relays), chance.choice((3, 4, 5)))]
            for _ in range(size.authors)
        ]
        self.doomed = doomed(self.strategy, places, lists, chance)
        keys = [self._key(f"author {number}") for number in range(size.authors)]
        fronts = self._fronts(keys)
        sorts = [SORTS[number % len(SORTS)] for number in range(size.relays)]
        await all_of([self._start_indexers(), self._start_relays(sorts, fronts)])
        for number, (key, listed) in enumerate(zip(keys, lists, strict=True)):
            await self._join(number, key, [self.relays[n].url for n in listed])
        await self._write_legacy()
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(author: DrillAuthor) -> None:
            async with gate:
                await self._write(author)

        await all_of(one(author) for author in self.authors)

    def _key(self, name: str) -> SecretKey:
        return SecretKey(sha256(f"drill {self.seed} {name}".encode()).digest())

    def _fronts(self, keys: Sequence[SecretKey]) -> list[Front | None]:
        """The fronts, still shut, of the relays that have one."""
        fronts: list[Front | None] = [None] * self.size.relays
        if self.strategy == "notice":
            for number in self.doomed[0]:
                fronts[number] = Front()
        elif self.strategy == "liars":
            liars = self.chance.sample(range(self.size.relays), min(len(LIES), self.size.relays))
            for number, lie in zip(liars, LIES, strict=False):
                fronts[number] = Front(lie, victim=keys[0].public_key.hex)
        return fronts

    async def _start_indexers(self) -> None:
        folders = [self.folder / f"indexer-{number}" for number in range(INDEXERS)]
        self.indexers = await all_of(self._start_relay(folder, "indexer") for folder in folders)

    async def _start_relays(
        self, sorts: Sequence[RelaySort], fronts: Sequence[Front | None]
    ) -> None:
        first = len(self.relays)
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> DrillRelay:
            async with gate:
                folder, site = self.folder / f"relay-{first + number}", self.sites[first + number]
                return await self._start_relay(folder, sorts[number], site, fronts[number])

        self.relays += await all_of(one(number) for number in range(len(sorts)))

    async def _start_relay(
        self,
        folder: Path,
        sort: RelaySort,
        site: RelaySite | None = None,
        front: Front | None = None,
    ) -> DrillRelay:
        relay = await start_relay(folder, sort, site, front)
        self._stack.push_async_callback(relay.kill)
        return relay

    async def _join(self, number: int, key: SecretKey, homes: list[str]) -> None:
        home = self.folder / f"author-{number}"
        open_at = partial(
            NostrClient.open,
            LocalSigner(key),
            paths=Paths(home / "config", home / "data", home / "state"),
            config=ClientConfig(own_relay=False, allow_private_relays=hosts(self.sites)),
            relays=[relay.url for relay in self.relays[:STARTERS]],
            indexers=[relay.url for relay in self.indexers],
            key_only_here=True,
        )
        author = await DrillAuthor.start(key, lambda pace: open_at(pace=pace), self.pace, homes)
        self._stack.push_async_callback(author.stack.aclose)
        self.authors.append(author)

    async def _write(self, author: DrillAuthor) -> None:
        """A relay list, a profile, whom they follow, and notes, the first of them old."""
        client, chance = author.client, random.Random(author.pubkey)  # noqa: S311 - no secret
        posted = await client.relays.first_run(author.homes)
        author.lists += [posted.event.created_at] if posted else []
        await client.profiles.update(name=author.pubkey[:8])
        others = [other.pubkey for other in self.authors if other is not author]
        count = math.ceil(FOLLOWED * len(others))
        await client.follows.follow_all(drawn(chance, others, by_zipf(len(others)), count))
        client.start_reading()
        now = int(time.time())
        for number in range(self.size.notes):
            text = f"note {number} of {author.pubkey[:8]}"
            if number < len(AGES):
                await client.publish(Draft(kinds.NOTE, text, created_at=now - AGES[number]))
            else:
                await client.post(f"{text}, for {encode_npub(chance.choice(others))}")

    async def _write_legacy(self) -> None:
        """A follow list with relays in its content, as before NIP-65, and notes: on one relay."""
        now = int(time.time())
        for number in range(self.size.legacy):
            relay = self.chance.choice(self.relays)
            user = LegacyUser(self._key(f"legacy {number}"), relay.url)
            old = Draft(kinds.FOLLOWS, f'{{"{relay.url}": {{"read": true, "write": true}}}}')
            notes = [Draft(kinds.NOTE, f"old note {n}") for n in range(self.size.notes)]
            events = [draft.sign(user.key, now) for draft in (old, *notes)]
            await put(relay.url, events)
            await put(self.indexers[0].url, events[:1])
            user.ids = [event.id for event in events[1:]]
            self.legacy.append(user)
