"""Which relays are not counted on: one that fails twice, while others answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pytest

from nostr_client.net.fetch import Fetched
from nostr_client.net.health import DOWN, UP, HealthBook
from nostr_client.net.outages import Outages
from nostr_client.net.outcome import End, How
from nostr_client.protocol.filters import Filter
from nostr_client.resilience.pace import Pace
from nostr_client.resilience.relay_watch import QUIET, RelayWatch

A, B, C = (f"wss://{name}.example" for name in "abc")
PLACES = [A, B, C]
PACE = Pace()


class World:
    """Stands in for the pool: each relay answers as it is told to."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0
        self.book = HealthBook(lambda: self.now)
        self.outages = Outages(clock=lambda: self.now)
        self.hows: dict[str, How] = {}
        self.looks: list[str] = []
        self.watch = self.begun_anew()

    def begun_anew(self) -> RelayWatch:
        pool: Any = self
        return RelayWatch(pool, pace=PACE, clock=lambda: self.now)

    def retry_now(self, urls: Iterable[str]) -> None: ...

    async def fetch(
        self, filters: Sequence[Filter], urls: Sequence[str], *, timeout: float
    ) -> Fetched:
        assert urls
        assert timeout < PACE.doubt_after
        self.watch.dead()  # others ask while it looks
        self.looks += urls
        ends = {url: End(url=url, how=self.hows.get(url, How.ANSWERED)) for url in urls}
        for url, end in ends.items():
            if end.how is How.UNREACHABLE:
                self.book.of(url).enter(DOWN, self.now)
            elif end.how is not How.SILENT:
                self.book.of(url).enter(UP, self.now)
        return Fetched([], ends)

    def falls(self, *urls: str, how: How = How.UNREACHABLE) -> None:
        for url in urls:
            self.hows[url] = how
            if how is How.UNREACHABLE:
                self.book.of(url).enter(DOWN, self.now)

    def returns(self, url: str) -> None:
        """Somebody has reached it."""
        del self.hows[url]
        self.book.of(url).enter(UP, self.now)

    async def after(self, seconds: float) -> frozenset[str]:
        """What is doubtful when so much time has passed, with looks as often as usual."""
        end = self.now + seconds
        while self.now < end:
            await self.watch.look(PLACES)
            self.now += PACE.watch
        await self.watch.look(PLACES)
        return self.watch.doubtful()


@pytest.fixture
async def world() -> World:
    world = World()
    await world.watch.look(PLACES)
    return world


async def test_one_that_is_lost_is_found_out_within_seconds(world: World) -> None:
    world.falls(A)
    assert await world.after(PACE.doubt_after - PACE.watch) == frozenset(), "it may be back at once"
    assert await world.after(2 * PACE.watch) == {A}
    assert world.watch.dead() == frozenset(), "its part is not another's yet"
    world.book.of(B).enter(UP, world.now)
    world.now += PACE.dead_after
    assert world.watch.dead() == {A}


async def test_others_are_looked_at_when_one_is_lost(world: World) -> None:
    """Nobody was connected to B, and C hangs."""
    assert await world.after(60) == frozenset()
    assert world.looks == []
    world.hows[B] = How.UNREACHABLE
    world.falls(C, how=How.SILENT)
    world.falls("wss://another.example")
    assert await world.after(PACE.doubt_after + 2 * PACE.watch) == {B, C}
    assert world.looks.count(A) < 6


async def test_where_nobody_answers_it_is_we_who_are_cut_off(world: World) -> None:
    world.falls(*PLACES)
    assert await world.after(10 * PACE.doubt_after) == frozenset()
    assert len(world.looks) <= 12 * len(PLACES)


async def test_where_the_rest_of_the_world_answers_all_of_ours_are_lost(world: World) -> None:
    world.outages.reached("wss://another.example")
    for url in PLACES:
        world.outages.failed(url)
    world.falls(*PLACES)
    assert await world.after(PACE.doubt_after + PACE.watch) == set(PLACES)


async def test_one_that_comes_and_goes_is_gone(world: World) -> None:
    world.falls(A)
    assert await world.after(15) == {A}
    for _ in range(5):
        world.returns(A)
        assert await world.after(PACE.steady / 2) == {A}, "the same as before: nothing is moved"
        world.falls(A)
        assert await world.after(15) == {A}
    world.returns(A)
    assert await world.after(PACE.steady + 2 * PACE.watch) == frozenset()


async def test_where_nothing_belongs_any_more_nothing_is_doubtful(world: World) -> None:
    world.falls(A, B)
    assert await world.after(15) == {A, B}
    world.falls(C)
    world.now += PACE.steady
    assert await world.watch.look([B, C])
    assert world.watch.doubtful() == {B}


async def test_what_was_down_when_we_began_is_looked_at(world: World) -> None:
    world.outages.reached(B)
    world.outages.failed(A)
    world.hows[A] = How.UNREACHABLE
    world.now += PACE.dead_after
    world.watch = world.begun_anew()
    assert await world.after(PACE.doubt_after + PACE.watch) == {A}
    world.book.of(B).enter(UP, world.now)
    assert world.watch.dead() == {A}, "it is not as if it had begun with us"


async def test_a_refusal_is_life_and_silence_is_looked_into_now_and_then(world: World) -> None:
    world.hows = {A: How.NOT_ALLOWED, B: How.REFUSED, C: How.SILENT}
    assert await world.after(QUIET - PACE.watch) == frozenset()
    assert world.looks == []
    assert await world.after(PACE.doubt_after + 2 * PACE.watch) == {C}


def test_a_rehearsal_looks_as_much_sooner() -> None:
    fast = PACE.sped_up(10)
    assert (fast.doubt_after, fast.steady) == (PACE.doubt_after / 10, PACE.steady / 10)
    assert msgspec.structs.replace(fast, speedup=1.0).watch == 0.5
