"""The loop that sees to it that every own event has its copies: with a real store and ledger,
relays that answer as they are told, and a clock that can be moved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nostr_client.errors import StoreError, StoreFull
from nostr_client.net.fetch import Fetched
from nostr_client.net.health import DOWN, REFUSING, UP, HealthBook
from nostr_client.net.outages import Outages
from nostr_client.net.outcome import Cause, How
from nostr_client.net.report import Answer, PublishReport
from nostr_client.paths import FolderLock
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.resilience import replication
from nostr_client.resilience.pace import LEAST_WAIT, Pace
from nostr_client.resilience.replication import Replication
from nostr_client.store.contract import (
    Audited,
    ClientStore,
    Copy,
    CopyGrade,
    CopyLedger,
    CopyState,
    StoreOptions,
)
from nostr_client.store.opening import open_store
from nostr_client.store.sqlite.ledger import SqliteCopyLedger
from tests.waiting import until

each_engine = pytest.mark.usefixtures("client_engine")

KEY = SecretKey.generate()
ME = KEY.public_key.hex
A, B, C, D, E = (f"wss://{name}.example" for name in "abcde")
PACE = Pace(
    idle=0.01,
    lead=0.01,
    sweep=0.0,
    settle=0.0,
    grace=0.0,
    watch=0.01,
    doubt_after=10.0,
    dead_after=100.0,
    spread=0.0,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Relays:
    """Stands in for the pool. `says` maps a URL to its words: "" accepts, None is silence."""

    def __init__(self, clock: Clock) -> None:
        self.book = HealthBook(clock)
        self.outages = Outages(clock=clock)
        self.says: dict[str, str | None] = {}
        self.held: dict[str, set[str]] = {}
        self.sent: list[tuple[str, str]] = []

    async def publish(
        self, event: Event, urls: Iterable[str], *, timeout: float = 10.0
    ) -> PublishReport:
        answers = []
        for url in urls:
            self.sent.append((event.id, url))
            words = self.says.get(url, "")
            if words is None:
                answers.append(Answer.missing(url, Cause(How.UNREACHABLE, "refused")))
                continue
            if not words:
                self.held.setdefault(url, set()).add(event.id)
            answers.append(Answer.of_ok(url, not words, words))
        return PublishReport(event.id, tuple(answers))

    async def fetch(
        self, filters: Sequence[Filter], urls: Iterable[str], *, timeout: float = 10.0
    ) -> Fetched:
        ids = filters[0].ids or frozenset()
        found = [EVENTS[i] for url in urls for i in ids if i in self.held.get(url, set())]
        return Fetched(found, {})


EVENTS: dict[str, Event] = {}


class Ledger:
    """The store's, and how often it was asked what is due: once in every round."""

    def __init__(self, ledger: CopyLedger) -> None:
        self._ledger = ledger
        self.rounds = 0

    async def due(self, now: int, limit: int, **options: Any) -> list[Copy]:
        self.rounds += limit == replication.BATCH  # more are only looked at, for their plan
        return await self._ledger.due(now, limit, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


class Counted:
    """A store with the ledger that counts."""

    def __init__(self, store: ClientStore, ledger: Ledger) -> None:
        self._store = store
        self.ledger = ledger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@dataclass
class House:
    store: ClientStore
    relays: Relays
    clock: Clock
    folder: Path
    plan: list[str] = field(default_factory=lambda: [A, B])
    spare: list[str] = field(default_factory=list)
    own: list[str] = field(default_factory=list)
    ledgers: list[Ledger] = field(default_factory=list)
    """One of each program."""

    async def planned(self, event: Event, avoid: frozenset[str], held: frozenset[str]) -> list[str]:
        chosen = [url for url in self.plan if url not in avoid]
        spare = [url for url in self.spare if url not in avoid]
        return [*chosen, *spare[: len(self.plan) - len(chosen)]]

    def replication(
        self, pace: Pace = PACE, auditor: Any = None, reserves: Any = None, **more: Any
    ) -> Replication:
        pool: Any = self.relays
        ledger: Any = Ledger(self.store.ledger)
        store: Any = Counted(self.store, ledger)
        self.ledgers.append(ledger)
        return Replication(
            store,
            pool,
            self.planned,
            pubkeys=[ME],
            folder=self.folder,
            own_urls=lambda: self.own,
            auditor=auditor,
            reserves=reserves,
            pace=pace,
            clock=self.clock,
            **more,
        )

    async def a_round(self) -> None:
        """Returns when whoever is at work has gone round once, from the planning to the sending."""
        before = self.rounds
        # One is under way and may have planned already; the second has sent when the third asks.
        await until(lambda: self.rounds >= before + 3)

    @property
    def rounds(self) -> int:
        return sum(ledger.rounds for ledger in self.ledgers)

    async def note(self, text: str, urls: Sequence[str] | None = None) -> Event:
        event = Draft(1, text).sign(KEY, int(self.clock.now))
        EVENTS[event.id] = event
        await self.store.save([event])
        if urls is not None:
            self.plan = list(urls)
            await self.store.ledger.want(event.id, urls)
        return event

    async def states(self, event: Event) -> dict[str, CopyState]:
        return {c.url: c.state for c in await self.store.ledger.copies(event.id) if c.wanted}

    async def held_by(self, event: Event) -> set[str]:
        copies = await self.store.ledger.copies(event.id)
        return {c.url for c in copies if c.wanted and c.state is CopyState.CONFIRMED}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    clock = Clock()
    async with open_store(tmp_path / "events.db", StoreOptions(clock=clock)) as store:
        yield House(store, Relays(clock), clock, tmp_path)


@asynccontextmanager
async def at_work(replication: Replication) -> AsyncIterator[Replication]:
    task = asyncio.create_task(replication.run())
    try:
        yield replication
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@each_engine
async def test_what_is_wanted_is_placed_once(house: House) -> None:
    event = await house.note("hello", [A, B])
    async with at_work(house.replication()):
        await until(lambda: _is(house.held_by(event), {A, B}))
        await house.a_round()
    assert sorted(house.relays.sent) == sorted([(event.id, A), (event.id, B)])


@each_engine
async def test_an_event_without_a_plan_is_found_after_a_crash(house: House) -> None:
    event = await house.note("saved, then the power went")
    async with at_work(house.replication()):
        await until(lambda: _is(house.held_by(event), {A, B}))


@each_engine
async def test_offline_is_no_copies_yet(house: House) -> None:
    event = await house.note("later", [A])
    house.relays.says[A] = None
    replication = house.replication()
    async with at_work(replication):
        await until(lambda: _tried(house, event))
        assert await replication.pending() == 1
        sent = len(house.relays.sent)
        await house.a_round()
        assert len(house.relays.sent) == sent, "it is not tried again before its time"
    house.relays.says[A] = ""
    house.clock.now += 3600
    async with at_work(house.replication()):  # as after a restart
        await until(lambda: _is(house.held_by(event), {A}))
    assert await replication.pending() == 0


@each_engine
async def test_a_clock_that_is_set_back_does_not_stop_what_was_tried(house: House) -> None:
    event = await house.note("again", [A])
    house.relays.says[A] = None
    async with at_work(house.replication()):
        await until(lambda: _tried(house, event))
    house.clock.now -= 30 * 86_400
    house.relays.says[A] = ""
    async with at_work(house.replication()):
        await house.a_round()
        house.clock.now += 300  # the longest of its waits
        await until(lambda: _is(house.held_by(event), {A}))


@each_engine
async def test_waits_grow(house: House) -> None:
    event = await house.note("again and again", [A])
    house.relays.says[A] = "error: database"
    gaps = []
    async with at_work(house.replication()):
        for _ in range(4):
            sent = len(house.relays.sent)
            await until(lambda sent=sent: _true(len(house.relays.sent) > sent))  # type: ignore[misc]
            await until(lambda: _tried_later(house, event))
            copy = (await house.store.ledger.copies(event.id))[0]
            gaps.append(copy.next_try - house.clock.now)
            house.clock.now = copy.next_try
    assert gaps == sorted(gaps)
    assert gaps[-1] > gaps[0] * 4


@each_engine
async def test_a_relay_that_refuses_the_key_is_replaced(house: House) -> None:
    house.spare = [C]
    event = await house.note("hello", [A, B])
    house.relays.says[A] = "blocked: not on our list"
    async with at_work(house.replication()):
        await until(lambda: _is(house.held_by(event), {B, C}))
        house.clock.now += 7 * 24 * 3600
        await house.a_round()
    assert house.relays.sent.count((event.id, A)) == 1, "over is over"
    copies = {copy.url: copy for copy in await house.store.ledger.copies(event.id)}
    assert copies[A].state is CopyState.REFUSED
    assert (copies[A].prefix, copies[A].reason) == ("blocked", "not on our list")


@each_engine
async def test_what_needs_the_person_waits_with_its_reason(house: House) -> None:
    event = await house.note("hello", [A])
    house.relays.says[A] = "auth-required: log in"
    async with at_work(house.replication()):
        await until(lambda: _is(house.states(event), {A: CopyState.FAILED}))
    copy = (await house.store.ledger.copies(event.id))[0]
    assert copy.prefix == "auth-required"
    assert copy.next_try - house.clock.now >= 600


@each_engine
async def test_a_claim_is_read_back(house: House) -> None:
    event = await house.note("hello", [A, B])
    house.relays.says |= {A: "duplicate: have it", B: "duplicate: have it"}
    house.relays.held[A] = {event.id}  # b lies
    async with at_work(house.replication()):
        expected = {A: CopyState.CONFIRMED, B: CopyState.FAILED}
        await until(lambda: _is(house.states(event), expected))


class Asking:
    """Stands in for the reserve: while it is looked after, somebody asks for plans to be made."""

    def __init__(self) -> None:
        self.meanwhile: Callable[[], None] = lambda: None

    async def places(self) -> list[str]:
        return []

    async def prove(self, check: object) -> bool:
        return False

    async def refresh(self) -> bool:
        self.meanwhile()
        self.meanwhile = lambda: None
        return False

    def exhausted(self) -> list[str]:
        return []

    def take(self, url: str, copies: Sequence[Copy]) -> Sequence[Copy]:
        return copies


@each_engine
async def test_plans_that_are_asked_for_while_others_are_looked_after_are_made(
    house: House,
) -> None:
    event = await house.note("on its way", [A])
    asking = Asking()
    pace = msgspec.structs.replace(PACE, settle=3_600.0)  # so that no other look finds it
    replication = house.replication(pace, reserves=asking)

    def move() -> None:
        house.plan = [B]
        replication.replan()

    asking.meanwhile = move
    async with at_work(replication):
        await until(lambda: _is(house.held_by(event), {B}))


@dataclass
class LookingOnce:
    """Stands in for the auditor: it finds that `url` has dropped `event`."""

    ledger: CopyLedger
    event: Event
    url: str
    looks: int = 0

    async def look(self, besides: Sequence[str]) -> list[str]:
        self.looks += 1
        copies = {copy.url: copy for copy in await self.ledger.copies(self.event.id)}
        if copies[self.url].state is not CopyState.CONFIRMED:
            return []
        dropped = Audited(self.event.id, self.url, CopyState.DROPPED, CopyGrade.NONE, 0, 1)
        await self.ledger.audited([dropped])
        return [self.event.id]


@each_engine
async def test_what_a_relay_drops_is_placed_at_another_and_never_there_again(house: House) -> None:
    event = await house.note("silently gone", [A, B])
    house.spare = [C]
    pace = msgspec.structs.replace(PACE, audit=0.01)
    auditor = LookingOnce(house.store.ledger, event, A)
    async with at_work(house.replication(pace, auditor)) as replication:
        await until(lambda: _is(house.held_by(event), {B, C}))
        replication.replan()
        await house.a_round()
        looks = auditor.looks
        await until(lambda: auditor.looks > looks)
    assert house.relays.sent.count((event.id, A)) == 1
    assert (await house.states(event))[A] is CopyState.DROPPED


def test_a_rehearsal_waits_less_and_says_so() -> None:
    usual, fast = Pace(), Pace().sped_up(60)
    assert (fast.dead_after, fast.grace, fast.speedup) == (10.0, usual.grace / 60, 60)
    assert (fast.publish, fast.idle) == (usual.publish, LEAST_WAIT), "an answer may take its time"


@each_engine
async def test_a_new_relay_list_moves_everything(house: House) -> None:
    events = [await house.note(f"note {n}", [A, B, C]) for n in range(30)]
    replication = house.replication()
    async with at_work(replication):
        for event in events:
            await until(lambda event=event: _is(house.held_by(event), {A, B, C}))  # type: ignore[misc]
        house.plan = [C, D, E]
        replication.replan()
        for event in events:
            await until(lambda event=event: _is(house.held_by(event), {C, D, E}))  # type: ignore[misc]
    copies = await house.store.ledger.copies(events[0].id)
    assert {c.url for c in copies if c.state is CopyState.CONFIRMED} == {A, B, C, D, E}, (
        "what is known of the old relays is not forgotten"
    )


@each_engine
async def test_a_gift_wrap_that_waits_follows_its_recipient(house: House) -> None:
    house.relays.says = {A: None}
    wrap = Draft(1059, "sealed", (("p", "f" * 64),)).sign(SecretKey.generate(), 1_700_000_000)
    own = Draft(1059, "sealed", (("p", ME),)).sign(SecretKey.generate(), 1_700_000_000)
    for each in (wrap, own):
        EVENTS[each.id] = each
        await house.store.ledger.want(each.id, [A])
    await house.store.save([wrap, own])
    house.plan = [A]
    async with at_work(replication := house.replication()):
        assert await replication.pending() == 1, "what waits for somebody else"
        await until(lambda: _tried(house, wrap))
        house.plan = []
        await house.a_round()
        assert await house.states(wrap) == {A: CopyState.WANTED}, "it waits where it did"
        house.plan = [B]
        await until(lambda: _is(house.held_by(wrap), {B}))
        assert await replication.pending() == 0
        house.plan = [C]
        await house.a_round()
        assert await house.held_by(wrap) == {B}, "what was delivered goes nowhere else"


@each_engine
async def test_a_plan_that_changed_meanwhile_is_noticed_at_the_start(house: House) -> None:
    events = [await house.note(f"note {n}", [A, B]) for n in range(30)]
    async with at_work(house.replication()):
        for event in events:
            await until(lambda event=event: _is(house.held_by(event), {A, B}))  # type: ignore[misc]
    house.plan = [B, C]
    async with at_work(house.replication()):
        for event in events:
            await until(lambda event=event: _is(house.held_by(event), {B, C}))  # type: ignore[misc]


@each_engine
async def test_a_start_that_is_killed_hides_no_change_from_the_next(house: House) -> None:
    """What tells of the change is planned last; looking at it changes nothing."""
    event = await house.note("note", [A, B])
    house.plan = [B, C]
    replication = house.replication()
    for _ in range(2):
        assert await replication._desired.are_out_of_date()
    assert await house.states(event) == {A: CopyState.WANTED, B: CopyState.WANTED}


@each_engine
@pytest.mark.parametrize("state", [DOWN, REFUSING])
async def test_dead_relays_are_replaced_when_others_live(house: House, state: str) -> None:
    house.spare = [C, D]
    event = await house.note("hello", [A, B])
    async with at_work(house.replication()):
        await until(lambda: _is(house.held_by(event), {A, B}))
        house.relays.book.of(A).enter(state, house.clock.now)
        house.relays.book.of(B).enter(UP, house.clock.now)
        await house.a_round()
        assert await house.held_by(event) == {A, B}, "a relay may be away for a while"
        house.clock.now += PACE.dead_after + 1
        await until(lambda: _is(house.held_by(event), {A, B, C}))


class Doubted:
    """Stands in for the watch: what it is told is doubtful."""

    def __init__(self) -> None:
        self.urls: frozenset[str] = frozenset()

    def dead(self) -> frozenset[str]:
        return frozenset()

    def doubtful(self) -> frozenset[str]:
        return self.urls

    async def look(self, urls: Sequence[str]) -> bool:
        return False


@each_engine
async def test_a_doubtful_relay_costs_one_copy_elsewhere_however_often_it_goes(
    house: House,
) -> None:
    house.spare = [C, D, E]
    event = await house.note("hello", [A, B])
    watch: Any = Doubted()
    async with at_work(house.replication(watch=watch)):
        await until(lambda: _is(house.held_by(event), {A, B}))
        for _ in range(3):
            watch.urls = frozenset({A})
            await until(lambda: _is(house.held_by(event), {A, B, C}))
            watch.urls = frozenset()
            await until(lambda: _is(house.held_by(event), {A, B}))
    assert sorted(house.relays.sent) == sorted((event.id, url) for url in (A, B, C))


@each_engine
async def test_who_takes_nothing_is_given_nothing_new_and_keeps_what_it_has(house: House) -> None:
    house.spare = [C]
    old = await house.note("before", [A, B])
    shut: set[str] = set()

    async def shut_ones() -> set[str]:
        return shut

    replication = house.replication(shut=shut_ones)
    async with at_work(replication):
        await until(lambda: _is(house.held_by(old), {A, B}))
        shut.add(A)
        house.relays.says[A] = "blocked: not on our list"
        refused = await house.note("refused", [A, B])
        await until(lambda: _is(house.held_by(refused), {B, C}))
        await until(lambda: A in replication._losses.shut)
        new = await house.note("and on it goes")
        await until(lambda: _is(house.held_by(new), {B, C}))
        waiting = await house.note("planned before that was known", [A, B])
        await until(lambda: _is(house.held_by(waiting), {B, C}))
    assert (new.id, A) not in house.relays.sent
    assert await house.held_by(old) == {A, B}


@each_engine
async def test_who_was_caught_has_what_it_holds_placed_elsewhere_too(house: House) -> None:
    house.spare = [C]
    event, dropped = await house.note("hello", [A, B]), await house.note("dropped", [A, B])

    async def caught() -> set[str]:
        states = await house.states(dropped)
        return {A} if states[A] is CopyState.DROPPED else set()

    async with at_work(house.replication()):
        await until(lambda: _is(house.held_by(dropped), {A, B}))
        await until(lambda: _is(house.held_by(event), {A, B}))
    pace = msgspec.structs.replace(PACE, audit=0.01, sweep=3_600.0)
    auditor = LookingOnce(house.store.ledger, dropped, A)
    async with at_work(house.replication(pace, auditor, caught=caught)):
        await until(lambda: _is(house.held_by(event), {A, B, C}))
        await until(lambda: _is(house.held_by(dropped), {B, C}))


@each_engine
async def test_when_we_are_cut_off_no_relay_is_dead(house: House) -> None:
    house.spare = [C, D]
    event = await house.note("hello", [A, B])
    async with at_work(house.replication()):
        await until(lambda: _is(house.held_by(event), {A, B}))
        for url in (A, B):
            house.relays.book.of(url).enter(DOWN, house.clock.now)
        house.clock.now += 10 * PACE.dead_after
        await house.a_round()
    assert await house.held_by(event) == {A, B}


async def test_a_ledger_that_is_full_makes_it_pause(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an answer means cannot be written down; there is room later."""
    event = await house.note("hello", [A, B])
    house.relays.says[A] = "rate-limited: slow down"
    refuse, full = SqliteCopyLedger.refuse, [True]

    async def on_a_full_disk(*args: Any, **options: Any) -> None:
        if full:
            raise StoreFull("events.db: the disk is full")
        await refuse(*args, **options)

    monkeypatch.setattr(SqliteCopyLedger, "refuse", on_a_full_disk)
    async with at_work(house.replication()) as replicating:
        await until(lambda: "full" in replicating.problem)
        full.clear()
        await until(lambda: _is(house.held_by(event), {B}))
        await until(lambda: replicating.problem == "")


@each_engine
async def test_a_resting_relay_is_not_hammered(house: House) -> None:
    for n in range(40):
        await house.note(f"note {n}", [A])
    house.relays.says[A] = "rate-limited: slow down"
    async with at_work(house.replication()):
        await until(lambda: _is(house.store.ledger.due(house.clock.now), []))
        await house.a_round()
    assert len(house.relays.sent) <= 2


@each_engine
async def test_a_relay_that_blocks_all_is_not_asked_forty_times(house: House) -> None:
    for n in range(40):
        await house.note(f"note {n}", [A])
    house.relays.says[A] = "blocked: go away"
    async with at_work(house.replication()):
        await until(lambda: _is(house.store.ledger.due(house.clock.now), []))
        await house.a_round()
    assert len(house.relays.sent) <= 6


@pytest.fixture
def turned_away(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The locks that somebody asked for in vain."""
    found: list[Path] = []

    class Lock(FolderLock):
        def __enter__(self) -> FolderLock:
            try:
                return super().__enter__()
            except StoreError:
                found.append(self.path)
                raise

    monkeypatch.setattr(replication, "FolderLock", Lock)
    return found


@each_engine
async def test_two_programs_do_it_once(house: House, turned_away: list[Path]) -> None:
    event = await house.note("hello", [A, B])
    async with at_work(house.replication()), at_work(house.replication()):
        await until(lambda: _is(house.held_by(event), {A, B}))
        await until(lambda: turned_away)
        await house.a_round()
    assert len(house.relays.sent) == 2


@each_engine
async def test_the_second_program_takes_over(house: House, turned_away: list[Path]) -> None:
    async with at_work(house.replication()):
        await house.a_round()
        second = asyncio.create_task(house.replication().run())
        await until(lambda: turned_away)
    event = await house.note("hello", [A])
    await until(lambda: _is(house.held_by(event), {A}))
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second


@each_engine
async def test_what_somebody_publishes_just_now_is_left_to_him(house: House) -> None:
    pace = msgspec.structs.replace(PACE, grace=20.0)
    house.plan = [A]  # for the whole time: what is planned anew may be so at any moment below
    async with at_work(house.replication(pace)):
        await house.a_round()
        listed = Draft(kinds.RELAY_LIST).sign(KEY, int(house.clock.now))
        await house.store.save([listed])  # everything is planned anew, and this one is not yet
        await house.store.ledger.want(listed.id, [A])
        unplanned = await house.note("its people are looked for")
        event = await house.note("in flight", [A])
        await house.a_round()
        await house.a_round()
        assert house.relays.sent == []
        assert await house.store.ledger.copies(unplanned.id) == []
        house.clock.now += 21
        await until(lambda: _is(house.held_by(event), {A}))


@each_engine
async def test_a_clock_that_is_set_back_stops_no_sending(house: House) -> None:
    pace = msgspec.structs.replace(PACE, grace=20.0, sweep=1000.0)
    async with at_work(house.replication(pace)):
        await house.a_round()
        event = await house.note("written ahead", [A])
        house.clock.now -= 3600
        await until(lambda: _is(house.held_by(event), {A}))


@each_engine
async def test_the_own_relay_moves_house(house: House) -> None:
    old, new = "ws://127.0.0.1:4001", "ws://127.0.0.1:4002"
    house.own = [old]
    event = await house.note("hello", [A, old])
    async with at_work(house.replication()):
        await until(lambda: _is(house.held_by(event), {A, old}))
    house.plan = [A, new]
    house.own = [new, old]
    sent = len(house.relays.sent)
    async with at_work(house.replication()):
        await until(lambda: _is(house.held_by(event), {A, new}))
    assert len(house.relays.sent) == sent, "it is the same relay: nothing is sent again"


@each_engine
async def test_own_relay_does_not_count_as_sent(house: House) -> None:
    own = "ws://127.0.0.1:4001"
    house.own = [own]
    house.relays.says[A] = None
    event = await house.note("hello", [A, own])
    replication = house.replication()
    async with at_work(replication):
        await until(lambda: _is(house.held_by(event), {own}))
        assert await replication.pending() == 1


@each_engine
async def test_a_deleted_event_is_not_sent(house: House) -> None:
    event = await house.note("oops", [A])
    deletion = Draft(5, "", (("e", event.id),)).sign(KEY, int(house.clock.now))
    await house.store.save([deletion])
    await house.store.ledger.want(deletion.id, [A])
    async with at_work(house.replication()):
        await until(lambda: _is(house.held_by(deletion), {A}))
    assert (event.id, A) not in house.relays.sent


async def _tried(house: House, event: Event) -> bool:
    """Was every copy tried, though no relay was handed any?"""
    copies = await house.store.ledger.copies(event.id)
    return all(copy.attempts and copy.state is CopyState.WANTED for copy in copies)


async def _is(actual: Awaitable[object], expected: object) -> bool:
    return await actual == expected


async def _true(value: bool) -> bool:
    return value


async def _tried_later(house: House, event: Event) -> bool:
    copy = (await house.store.ledger.copies(event.id))[0]
    return copy.next_try > house.clock.now
