"""Tasks that belong to an `async with`: cancelled at its end, and its errors stay what they are.

A plain TaskGroup waits for its tasks instead of ending them, and wraps whatever its body raises
into a group; whoever uses a client wants to catch `PublishFailed`, and not a group that holds one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

from nostr_client.tasks import first_of


class OwnedTasks:
    """`async with OwnedTasks() as tasks: tasks.start(...)`.

    A task that fails ends the block, whose error is then the first of what failed.
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
