"""Which events are checked, which are believed, and who waits for whom."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Mapping, Sequence
from typing import Any

import pytest

from nostr_client.errors import StoreError
from nostr_client.net import verification as module
from nostr_client.net.verification import Verification, VerificationBatch
from nostr_client.protocol.event import Event
from tests.net.scripted import LIMIT, forged, note


class Gate:
    """A verifier that answers when told to."""

    def __init__(self) -> None:
        self.asked: list[list[Event]] = []
        self.open = asyncio.Event()

    async def verify_all(self, events: Sequence[Event]) -> list[bool]:
        self.asked.append(list(events))
        await self.open.wait()
        return [event.verify() for event in events]


class Bench:
    def __init__(self, group: asyncio.TaskGroup, known: module.Known | None = None) -> None:
        self.gate = Gate()

        def spawn(coroutine: Coroutine[Any, Any, None]) -> object:
            return group.create_task(coroutine)

        self.intake = Verification(self.gate, known, spawn)

    async def verdicts(self, check: VerificationBatch) -> list[bool]:
        async with asyncio.timeout(LIMIT):
            await check.done.wait()
        return check.verdicts


async def test_a_verified_event_is_not_checked_again_and_a_forged_one_makes_nothing_known() -> None:
    true, false = note("a"), forged(note("b"))
    async with asyncio.TaskGroup() as group:
        bench = Bench(group)
        bench.gate.open.set()
        assert await bench.verdicts(bench.intake.submit([true, false])) == [True, False]
        assert await bench.verdicts(bench.intake.submit([true, false])) == [True, False]
        assert bench.gate.asked == [[true, false], [false]]
        assert await bench.verdicts(bench.intake.submit([note("b")])) == [True]


async def test_a_forged_twin_of_a_verified_event_is_false() -> None:
    true = note("a")
    async with asyncio.TaskGroup() as group:
        bench = Bench(group)
        bench.gate.open.set()
        assert await bench.verdicts(bench.intake.submit([true])) == [True]
        assert await bench.verdicts(bench.intake.submit([forged(true)])) == [False]
        assert await bench.verdicts(bench.intake.submit([true])) == [True]


async def test_equal_events_in_flight_share_a_verdict_and_twins_do_not() -> None:
    true = note("a")
    false = forged(true)
    async with asyncio.TaskGroup() as group:
        bench = Bench(group)
        liar = bench.intake.submit([false, false])
        honest = bench.intake.submit([true])
        second = bench.intake.submit([true, false])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not liar.done.is_set()
        assert not second.done.is_set()
        bench.gate.open.set()
        assert await bench.verdicts(liar) == [False, False]
        assert await bench.verdicts(honest) == [True]
        assert await bench.verdicts(second) == [True, False]
        assert bench.gate.asked == [[false], [true]]
        assert not bench.intake._flying


@pytest.mark.parametrize("form", ["json", "sig in hex", "sig"])
async def test_what_the_store_holds_needs_no_check(form: str) -> None:
    held, other = note("held"), note("other")
    twin = forged(held)
    as_bytes = {"json": held.json, "sig in hex": held.sig.encode(), "sig": bytes.fromhex(held.sig)}

    async def known(ids: Collection[str]) -> Mapping[str, bytes]:
        return {held.id: as_bytes[form]}

    async with asyncio.TaskGroup() as group:
        bench = Bench(group, known)
        bench.gate.open.set()
        check = bench.intake.submit([held, other])
        assert await bench.verdicts(check) == [True, True]
        assert bench.gate.asked == [[other]]
        assert await bench.verdicts(bench.intake.submit([twin])) == [False]


async def test_a_store_in_trouble_only_costs_checks() -> None:
    async def known(ids: Collection[str]) -> Mapping[str, bytes]:
        raise StoreError("disk I/O error")

    async with asyncio.TaskGroup() as group:
        bench = Bench(group, known)
        bench.gate.open.set()
        assert await bench.verdicts(bench.intake.submit([note("a")])) == [True]


async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD", 10)
    async with asyncio.TaskGroup() as group:
        bench = Bench(group)
        bench.gate.open.set()
        for number in range(30):
            assert await bench.verdicts(bench.intake.submit([note(f"{number}")])) == [True]
        assert len(bench.intake._held) == 10


async def test_a_few_are_judged_at_once_and_neither_store_nor_queue_is_asked() -> None:
    true, false, slow = note("a"), forged(note("b")), note("slow")

    async def known(ids: Collection[str]) -> Mapping[str, bytes]:
        raise AssertionError(ids)

    class Quick(Gate):
        at_once = True

        def verify_few(self, events: Sequence[Event]) -> list[bool] | None:
            return [event.verify() for event in events] if self.at_once else None

    async with asyncio.TaskGroup() as group:
        intake = Verification(quick := Quick(), known, group.create_task)
        check = intake.submit([true, false])
        assert check.done.is_set()
        assert check.verdicts == [True, False]
        assert not intake._flying
        assert intake.submit([forged(true)]).verdicts == [False]
        assert quick.asked == []
        intake._known, quick.at_once = None, False
        waiting = intake.submit([slow])
        quick.at_once = True
        twice = intake.submit([slow, forged(slow)])  # the first is under way
        assert not waiting.done.is_set()
        assert not twice.done.is_set()
        quick.open.set()
        async with asyncio.timeout(LIMIT):
            await twice.done.wait()
        assert (waiting.verdicts, twice.verdicts) == ([True], [True, False])
