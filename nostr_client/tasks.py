"""Tasks that belong together, and whose failure is the error that it is."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from nostr_client.errors import NostrError, StoreError

_T = TypeVar("_T")

_log = logging.getLogger(__name__)

STORE_PAUSE: Final = 5.0
"""Seconds until what the store could not do is tried again."""
TURN: Final = 0.01
"""Seconds of work after which others run."""


@asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """A TaskGroup that raises the first error of its tasks as itself.

    Whoever calls what is done by several tasks wants to catch a `StoreError`, and not a group that
    holds one: `except StoreError` passes over that, and a disk that is full ends the program.
    """
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except ExceptionGroup as errors:
        error = first_of(errors)
        raise error from error.__cause__


async def all_of(work: Iterable[Coroutine[Any, Any, _T]]) -> list[_T]:
    """The results, in order. The first error ends the others, and is raised as it is."""
    async with together() as group:
        tasks = [group.create_task(one) for one in work]
    return [task.result() for task in tasks]


async def finished(work: Coroutine[Any, Any, _T], grace: float) -> _T:
    """What `work` comes to. Whoever is cancelled meanwhile gives it up to `grace` seconds to end by
    itself, so that what it has got is not thrown away."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=grace)
        raise
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # whoever is cancelled hears of nothing else


def first_of(error: Exception) -> Exception:
    """The first error in a group of groups, one that nobody expects before all that are expected;
    any other is itself."""
    if isinstance(error, ExceptionGroup):
        error = error.split(NostrError)[1] or error
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


class OwnedTasks:
    """`async with OwnedTasks() as tasks: tasks.start(...)`: they are cancelled at its end.

    A plain TaskGroup waits for its tasks instead of ending them, and wraps whatever its body raises
    into a group; whoever uses a client wants to catch `PublishFailed`. A task that fails ends the
    block, whose error is then the first of what failed.
    """

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        try:
            if isinstance(error, asyncio.CancelledError):  # the group must see its own cancellation
                await self._group.__aexit__(kind, error, trace)
            else:
                await self._group.__aexit__(None, None, None)
        except ExceptionGroup as errors:
            failed = first_of(errors)
            raise failed from failed.__cause__

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` until it ends, is cancelled, or the block ends."""
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def steadily(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do `work` until it ends by itself, and again after trouble with the store: a full disk, or a
    question that took too long, ends no program. The trouble is logged once."""
    trouble = ""
    while True:
        try:
            await work()
            return
        except StoreError as error:
            if str(error) != trouble:
                _log.warning(
                    "%s goes on when that is mended: %s", getattr(work, "__qualname__", work), error
                )
            trouble = str(error)
        await asyncio.sleep(STORE_PAUSE)


class Turns:
    """Work on many hostile texts in small turns, so that keys and sockets are heard in between:
    `await turns.rest()` between its steps, each of which is short."""

    def __init__(self) -> None:
        self._since = time.perf_counter()

    async def rest(self) -> None:
        """Let others run, if this has been working for a turn."""
        if time.perf_counter() - self._since >= TURN:
            await asyncio.sleep(0)
            self._since = time.perf_counter()
