"""What a task of the client's makes, as an async iterator for whoever asked for it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Generic, Self, TypeVar

from nostr_client.tasks import OwnedTasks

_T = TypeVar("_T")


class Stream(Generic[_T]):
    """Made by `streaming`: items in the order in which they were put, then the error, if any."""

    def __init__(self) -> None:
        self._items: deque[_T] = deque()
        self._changed = asyncio.Event()
        self._taken = asyncio.Event()
        self._error: Exception | None = None
        self._ended = False

    def put(self, item: _T) -> None:
        """One more. It does not wait: who uses it bounds what is under way."""
        self._items.append(item)
        self._changed.set()

    async def offer(self, item: _T) -> None:
        """One more, and wait until it was taken."""
        self.put(item)
        while self._items:
            self._taken.clear()
            await self._taken.wait()

    def end(self, error: Exception | None = None) -> None:
        """Nothing comes any more."""
        self._ended, self._error = True, error
        self._changed.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> _T:
        while not self._items:
            if self._ended:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        item = self._items.popleft()
        self._taken.set()
        return item


@asynccontextmanager
async def streaming(
    tasks: OwnedTasks, work: Callable[[Stream[_T]], Awaitable[None]]
) -> AsyncIterator[Stream[_T]]:
    """What `work`, a task of its own, puts into the stream; it is cancelled when the block is left.

    What it raises is raised to whoever reads the stream.
    """
    stream = Stream[_T]()

    async def run() -> None:
        try:
            await work(stream)
        except Exception as error:  # noqa: BLE001 - it is the reader's
            stream.end(error)
        else:
            stream.end()
        finally:
            stream.end(stream._error)

    task = tasks.start(run())
    try:
        yield stream
    finally:
        task.cancel()
        await asyncio.wait([task])
