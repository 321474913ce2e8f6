"""Questions through the wire against the naive matcher: set, order, limit, hints, counts, sketches,
comparisons, and who may see what."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

from nostr_client.protocol.event import Event
from nostr_client.protocol.kinds import GIFT_WRAP, VANISH
from nostr_client.store.contract import SaveStatus
from relays.config.relay_config import RelayConfig
from relays.config.sections import Limits
from tests.fuzz.oracle import Oracle
from tests.fuzz.questions import Asker, keys_for
from tests.fuzz.serving import Clock, publish_all, served
from tests.fuzz.world import AHEAD, NOW, World
from tests.relays.talk import Wire, wire

URL = "wss://fuzz.example"
TAKEN = {SaveStatus.STORED, SaveStatus.REPLACED, SaveStatus.DUPLICATE, SaveStatus.EPHEMERAL}


async def play(seed: str, folder: Path) -> int:
    """One round; how many questions were asked. Raises AssertionError at a wrong answer."""
    return await _Round(seed, folder).run()


class _Round:
    """One relay, its oracle, and what they are both told and asked."""

    def __init__(self, seed: str, folder: Path) -> None:
        self.rng = rng = random.Random(seed)
        self.world = World(rng)
        self.world.vanish_urls = (URL, URL + "/", "ALL_RELAYS")
        self.clock = Clock(float(NOW))
        self.asked = 0
        self._folder = folder
        cap = rng.choice((1, 5, 20, 500))
        default = rng.randrange(1, cap + 1)
        self._page_bytes = rng.choice((2_000, 20_000, 2**23, 2**23))
        limits = Limits(max_limit=cap, default_limit=default, page_bytes=self._page_bytes)
        self._config = RelayConfig(limits=limits, urls=(URL,))
        self.oracle = Oracle(self.world.vanish_urls, cap, default)

    async def run(self) -> int:
        batches = self._batches()
        while batches:  # the relay is started again from time to time
            now, batches = batches[: (most := self.rng.randrange(2, 40))], batches[most:]
            async with (
                served(self._folder, self._config, self.clock) as url,
                wire(url, max_size=None) as client,
            ):
                asker = Asker(client, self.world, self.oracle, self._page_bytes)
                await asker.log_in(URL, keys_for(self.world), int(self.clock.now))
                await self._questions(asker, 5)
                for batch in now:
                    await self._publish(client, batch)
                    await self._questions(asker, self.rng.choice((0, 0, 2)))
                await self._questions(asker, 40)
        return self.asked

    def _batches(self) -> list[list[Event]]:
        """Some events come again, in any order."""
        rng = self.rng
        events = [self.world.event() for _ in range(rng.choice((20, 200, 800)))]
        events += rng.sample(events, len(events) // 5)
        if rng.random() < 0.5:
            rng.shuffle(events)
        batches, left = [], iter(events)
        while batch := list(itertools.islice(left, rng.choice((1, 2, 10, 60, 200)))):
            batches.append(list(dict.fromkeys(batch)))  # a twin under way shares a verdict
        return batches

    async def _publish(self, client: Wire, batch: list[Event]) -> None:
        answers = await publish_all(client, batch)
        now = int(self.clock.now)
        vanishing = False
        for event in batch:
            vanishing = vanishing or event.kind == VANISH
            expired = event.expiration is not None and event.expiration <= now
            anothers = event.is_protected and event.pubkey not in self.oracle.keys
            if event.created_at > now + AHEAD or expired or anothers:
                expected = False
            else:
                expected = self.oracle.store.save(event, now) in TAKEN
            if vanishing and event.kind == GIFT_WRAP:
                continue  # others' wraps for somebody who vanishes: before or behind, then gone
            assert answers[event.id][0] is expected, (event.json, answers[event.id])
        if self.rng.random() < 0.1:
            self.clock.now += self.rng.choice((0.5, 1, 3))

    async def _questions(self, asker: Asker, count: int) -> None:
        self.oracle.store.forget_expired(int(self.clock.now))
        for _ in range(count):
            self.asked += 1
            await asker.ask()
        await asker.stop()
