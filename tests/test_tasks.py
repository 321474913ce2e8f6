"""Tasks that belong together: what fails is raised as what it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from nostr_client import tasks
from nostr_client.errors import ConnectionLost, QueryTimeout, StoreError
from nostr_client.tasks import OwnedTasks, all_of, finished, first_of, together


async def fail() -> None:
    async with together() as group:  # a group in a group
        group.create_task(_raise())


async def _raise() -> None:
    raise StoreError("the disk is full")


async def wait_beside_it() -> None:
    async with together() as group:
        group.create_task(fail())
        await asyncio.Event().wait()


async def own_it() -> None:
    async with OwnedTasks() as tasks:
        await asyncio.wait([tasks.start(fail())])


@pytest.mark.parametrize("work", [fail, wait_beside_it, own_it])
async def test_the_error_of_a_task_is_no_group(work: Callable[[], Awaitable[None]]) -> None:
    with pytest.raises(StoreError, match="full"):
        await work()


async def test_a_bug_is_not_hidden() -> None:
    async def divide() -> None:
        async with together() as group:
            group.create_task(asyncio.sleep(0))
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        await divide()


async def test_a_bug_comes_before_what_was_expected() -> None:
    bug = ZeroDivisionError()
    expected = ExceptionGroup("inner", [StoreError("full"), ConnectionLost("ws://a", "gone")])
    assert first_of(ExceptionGroup("both", [expected, bug])) is bug
    assert isinstance(first_of(expected), StoreError)
    assert first_of(bug) is bug


async def test_all_of_gives_results_in_order_or_the_first_error() -> None:
    async def after(turns: int) -> int:
        for _ in range(turns):
            await asyncio.sleep(0)
        return turns

    assert await all_of(after(turns) for turns in (3, 1, 2)) == [3, 1, 2]
    with pytest.raises(StoreError, match="full"):
        await all_of([asyncio.Event().wait(), _raise()])


async def test_cancelling_stays_cancelling() -> None:
    started = asyncio.Event()

    async def work() -> None:
        async with together() as group:
            group.create_task(asyncio.Event().wait())
            started.set()

    task = asyncio.create_task(work())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("grace", [0.0, 30.0])
async def test_what_is_under_way_has_a_while_to_end(grace: float) -> None:
    go, done = asyncio.Event(), []

    async def work() -> None:
        try:
            await go.wait()
            done.append("kept")
        except asyncio.CancelledError:
            done.append("cut off")
            raise

    task = asyncio.create_task(finished(work(), grace))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    if grace:
        await asyncio.sleep(0)
        go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["kept" if grace else "cut off"]


async def test_what_ends_in_time_gives_its_result_or_its_error() -> None:
    assert await finished(asyncio.sleep(0, 7), 1.0) == 7
    with pytest.raises(StoreError, match="full"):
        await finished(_raise(), 1.0)


async def test_trouble_with_the_store_ends_nothing_and_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tasks, "STORE_PAUSE", 0)
    tries = 0

    async def work() -> None:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise QueryTimeout("the store is busy")

    await tasks.steadily(work)
    assert tries == 4
    assert len(caplog.records) == 1


async def test_any_other_error_is_raised_at_once() -> None:
    async def work() -> None:
        raise ValueError("ours")

    with pytest.raises(ValueError, match="ours"):
        await tasks.steadily(work)
