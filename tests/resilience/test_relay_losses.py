"""What does not count is found out beside the work, and the reserve looked after with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from nostr_client.resilience.pace import Pace
from nostr_client.resilience.relay_losses import RelayLosses
from tests.waiting import until

A, B, C, D = (f"wss://{name}.example" for name in "abcd")
PACE = Pace(watch=0.01, sweep=3_600.0)


class Watch:
    """Stands in for the watch."""

    def __init__(self) -> None:
        self.urls: frozenset[str] = frozenset()
        self.looked_at: list[list[str]] = []
        self._before: frozenset[str] = frozenset()

    def dead(self) -> frozenset[str]:
        return frozenset({A})

    def doubtful(self) -> frozenset[str]:
        return self.urls

    async def look(self, urls: Collection[str]) -> bool:
        self.looked_at.append(list(urls))
        changed, self._before = self.urls != self._before, self.urls
        return changed


class Reserve:
    """Stands in for the reserve: it is to be proven when `asks` is set."""

    def __init__(self) -> None:
        self.asks = False
        self.refreshed = 0

    async def places(self) -> tuple[str, ...]:
        return (A, B)

    async def prove(self, check: Callable[..., Awaitable[object]]) -> bool:
        asks, self.asks = self.asks, False
        if asks:
            await check(["e"], [B])
        return asks

    async def refresh(self) -> bool:
        self.refreshed += 1
        return True


class Auditor:
    """Stands in for the auditor: nothing is anywhere."""

    async def check(self, ids: Collection[str], urls: Collection[str]) -> list[str]:
        return list(ids)


async def test_what_is_lost_shut_or_not_kept_changes_plans_at_once() -> None:
    watch, reserves, auditor = Watch(), Reserve(), Auditor()
    shut, caught = set[str](), set[str]()
    changes, dropped = list[int](), list[str]()

    async def shut_ones() -> set[str]:
        return shut

    async def caught_ones() -> set[str]:
        return caught

    stand_ins: dict[str, Any] = {"reserves": reserves, "auditor": auditor}
    a_watch: Any = watch
    losses = RelayLosses(
        a_watch,
        **stand_ins,
        shut=shut_ones,
        caught=caught_ones,
        pace=PACE,
        on_change=lambda: changes.append(1),
        on_dropped=dropped.extend,
    )

    async def looks() -> None:
        """Returns when it was looked twice from now on: once for sure after what was done."""
        before = len(watch.looked_at)
        await until(lambda: len(watch.looked_at) >= before + 2)

    async def changed(act: Callable[[], None]) -> bool:
        """Do plans get old by this?"""
        before = len(changes)
        act()
        await looks()
        return len(changes) > before

    finding = asyncio.create_task(losses.find())
    await until(lambda: changes)
    await looks()
    assert watch.looked_at[0] == [A, B]
    assert losses.lost() == {A}
    assert not await changed(lambda: None)
    watch.urls = frozenset({B})
    assert await changed(lambda: None)
    assert losses.lost() == {A, B}
    shut.add(D)
    caught.add(C)
    assert not await changed(lambda: None), "it is not asked ceaselessly"
    assert await changed(losses.judge_again)
    assert losses.lost() == {A, B, C}
    assert losses.shut == {D}
    refreshed = reserves.refreshed
    reserves.asks = True
    assert await changed(lambda: None), "who was tried is judged"
    assert reserves.refreshed == refreshed + 1
    assert dropped == ["e"]
    finding.cancel()
    await asyncio.wait([finding])
    assert finding.cancelled()
