"""Tasks that belong together: what fails is raised as what it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from nostr_client.errors import StoreError
from nostr_client.tasks import OwnedTasks, together


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
