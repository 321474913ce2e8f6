"""What was only read here gets copies bit by bit: with the loop, a real store and ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import msgspec
import pytest

from nostr_client.net.report import PublishReport
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.resilience import adoption
from nostr_client.resilience.audits import STAGES
from nostr_client.store.contract import CopyGrade, CopyState, StoreOptions
from nostr_client.store.opening import open_store
from tests.resilience.test_replication import (
    EVENTS,
    KEY,
    ME,
    PACE,
    A,
    B,
    C,
    Clock,
    House,
    Relays,
    at_work,
)
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("client_engine")
DAY = 86_400


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    clock = Clock()
    async with open_store(tmp_path / "events.db", StoreOptions(clock=clock)) as store:
        yield House(store, Relays(clock), clock, tmp_path)


async def read(
    house: House, url: str, text: str, days: int, kind: int = kinds.NOTE, *tags: tuple[str, ...]
) -> Event:
    """An own event that another device wrote, as it is after it was read from `url`.

    Whoever reads one saves it, and then writes down where it was, well within `Pace.grace`. There
    is no grace here: what was saved first could be planned before it is known to be only read.
    """
    event = Draft(kind, text, tags).sign(KEY, int(house.clock.now) - days * DAY)
    EVENTS[event.id] = event
    await house.store.ledger.confirm([(event.id, url)], CopyGrade.READ_BACK)
    await house.store.save([event])
    return event


async def test_what_was_only_read_gets_the_copies_that_it_lacks(house: House) -> None:
    old, older = await read(house, A, "old", 40), await read(house, C, "older", 400)
    async with at_work(house.replication()):
        for event in (old, older):
            await until(lambda event=event: _holds(house, event, {A, B}))  # type: ignore[misc]
    assert sorted(house.relays.sent) == sorted([(old.id, B), (older.id, A), (older.id, B)])
    copies = {copy.url: copy for copy in await house.store.ledger.copies(old.id)}
    assert copies[A].grade is CopyGrade.READ_BACK, "it counts as what it is"
    assert copies[A].audit_at - house.clock.now == STAGES[-1], "it was seen: there is no hurry"
    assert copies[B].audit_at - house.clock.now == STAGES[0]
    known = {copy.url: copy for copy in await house.store.ledger.copies(older.id)}
    assert (known[C].state, known[C].wanted) == (CopyState.CONFIRMED, False)
    assert await house.store.ledger.strays([ME]) == []


async def test_lists_first_then_the_newest_while_nothing_else_waits(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adoption, "SLICE", 1)
    old = await read(house, A, "old", 40)
    profile = await read(house, A, "{}", 400, kinds.METADATA)
    new = await read(house, A, "new", 4)
    async with at_work(house.replication()):
        await until(lambda: _holds(house, old, {A, B}))
    assert [event_id for event_id, _ in house.relays.sent] == [profile.id, new.id, old.id]


class Hanging(Relays):
    """One relay answers when it is told to."""

    def __init__(self, clock: Clock, url: str) -> None:
        super().__init__(clock)
        self._url = url
        self.may_answer = asyncio.Event()

    async def publish(
        self, event: Event, urls: Iterable[str], *, timeout: float = 10.0
    ) -> PublishReport:
        if self._url in urls:
            await self.may_answer.wait()
        return await super().publish(event, urls, timeout=timeout)


async def test_history_waits_while_anything_is_due(house: House) -> None:
    house.relays = hanging = Hanging(house.clock, B)
    note = await house.note("new", [A, B])
    old = await read(house, A, "old", 40)
    async with at_work(house.replication()):
        await until(lambda: _holds(house, note, {A}))
        await house.a_round()
        assert await house.store.ledger.strays([ME]) == [old.id]
        hanging.may_answer.set()
        await until(lambda: _holds(house, old, {A, B}))


async def test_while_nobody_takes_anything_no_more_is_wanted(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adoption, "SLICE", 1)
    old, older = await read(house, C, "old", 40), await read(house, C, "older", 400)
    house.relays.says |= {A: None, B: None}  # we are offline
    house.clock.now += 1
    async with at_work(house.replication()):
        await until(lambda: _is_put_off(house, old))
        await house.a_round()
        assert await house.store.ledger.strays([ME]) == [older.id]
        house.relays.says = {A: None}
        house.clock.now += 3600
        await until(lambda: _holds(house, older, {B}))  # one of them is enough


async def test_what_comes_while_it_runs_is_left_for_its_turn(house: House) -> None:
    pace = msgspec.structs.replace(PACE, sweep=1000.0)  # no turn comes in this test
    async with at_work(house.replication(pace)):
        await house.a_round()
        old = await read(house, A, "old", 40)
        profile = await read(house, A, "{}", 400, kinds.METADATA)
        recent = await read(house, A, "from another device", 0)
        for event in (profile, recent):
            await until(lambda event=event: _holds(house, event, {A, B}))  # type: ignore[misc]
        await house.a_round()
    assert await house.store.ledger.strays([ME]) == [old.id]
    async with at_work(house.replication()):  # as after a restart
        await until(lambda: _holds(house, old, {A, B}))


async def test_what_is_private_or_over_is_left_where_it_is(house: House) -> None:
    message = await read(house, A, "?", 40, kinds.DIRECT_MESSAGE, ("p", ME))
    vanish = await read(house, A, "", 800, kinds.VANISH, ("relay", "wss://other.example"))
    refused = await read(house, A, "not there", 40)
    await house.store.ledger.refuse(refused.id, B, "blocked", "", final=True, next_try=0)
    await house.store.ledger.unwant(refused.id, [A])
    note = await read(house, A, "note", 900)
    async with at_work(house.replication()):
        await until(lambda: _holds(house, note, {A, B}))
        await house.a_round()
    assert house.relays.sent == [(note.id, B)]
    assert await house.store.ledger.strays([ME]) == [message.id, vanish.id]


async def test_two_devices_adopt_the_same(house: House, tmp_path: Path) -> None:
    house.relays.says[B] = "duplicate: have it"
    old = await read(house, A, "old", 40)
    house.relays.held[B] = {old.id}  # the other device was here before
    async with at_work(house.replication()):
        await until(lambda: _holds(house, old, {A, B}))
    assert house.relays.sent == [(old.id, B)]


async def _holds(house: House, event: Event, urls: set[str]) -> bool:
    return await house.held_by(event) == urls


async def _is_put_off(house: House, event: Event) -> bool:
    return [
        copy.attempts > 0 for copy in await house.store.ledger.copies(event.id) if copy.wanted
    ] == [True, True]
