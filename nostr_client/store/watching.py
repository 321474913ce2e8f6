"""Watching a store: events as they are stored, by this process or another.

A watch is a place in the order of commits. What this process stores is handed over from memory;
what another stored is found by asking for the last commit sequence now and then. A reader that
falls behind loses nothing and holds nothing up: it catches up from the store.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import Final, Protocol, Self

from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.store import words
from nostr_client.store.contract import ReadSince, Stored

BUFFER: Final = 1000
"""Events that a slow watch holds in memory."""


class Listener(Protocol):
    """Who is told of every part of the order of commits, on the loop."""

    def feed(self, stored: Stored) -> None: ...

    def end(self) -> None: ...


class Watchers:
    """Every watch of one store, and how far they have been told."""

    def __init__(self, read_since: ReadSince, poke: Callable[[], None]) -> None:
        self.told = 0
        self._watches: set[Listener] = set()
        self.read_since = read_since
        self._poke = poke

    def __bool__(self) -> bool:
        return bool(self._watches)

    def add(self, watch: Listener) -> None:
        self._watches.add(watch)

    def discard(self, watch: Listener) -> None:
        self._watches.discard(watch)

    @contextlib.asynccontextmanager
    async def listen(
        self, hear: Callable[[Stored], None], last_seq: Callable[[], Awaitable[int]]
    ) -> AsyncIterator[int]:
        """See `EventStore.listen`."""
        hearing = Hearing(hear)
        if not self:
            self.told = await last_seq()
        self.add(hearing)
        try:
            yield self.told
        finally:
            self.discard(hearing)

    def committed(self, stored: Stored) -> None:
        """This process stored something."""
        if not self._watches:
            return
        if stored.before == self.told:
            self.tell(stored)
        elif stored.after > self.told:
            self._poke()  # another process stored something in between: take it in order

    def tell(self, stored: Stored) -> None:
        """The next part of the order, for every watch."""
        self.told = stored.after
        for watch in self._watches:
            watch.feed(stored)

    def end(self) -> None:
        for watch in list(self._watches):
            watch.end()


class Watch:
    """Events that match, from the moment of entering: `async with store.watch(...) as watch`.

    Iteration ends when the store is closed.
    """

    def __init__(
        self, filters: Sequence[Filter], watchers: Watchers, last_seq: Callable[[], Awaitable[int]]
    ) -> None:
        self._filters = tuple(filters)
        self._watchers = watchers
        self._last_seq = last_seq
        self._buffer: deque[Event] = deque()
        self._place = 0
        self._behind = False
        self._ended = False
        self._wake = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._place = await self._last_seq()
        if not self._watchers:
            self._watchers.told = self._place
        self._watchers.add(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while True:
            if self._buffer:
                return self._buffer.popleft()
            if self._ended:
                raise StopAsyncIteration
            if self._behind:
                await self._catch_up()
                continue
            self._wake.clear()
            await self._wake.wait()

    def feed(self, stored: Stored) -> None:
        """The next part of the order; what does not fit into memory is left in the store."""
        if self._behind:
            return
        fitting = self._fitting(stored)
        if len(self._buffer) + len(fitting) > BUFFER:
            self._behind = True
        else:
            self._buffer.extend(fitting)
            self._place = max(self._place, stored.after)
        if fitting:
            self._wake.set()

    async def _catch_up(self) -> None:
        stored = await self._watchers.read_since(self._place)
        self._buffer.extend(self._fitting(stored))
        self._place = stored.after
        if self._place >= self._watchers.told:
            # The rest is still to be told, and may overlap with what was just read.
            self._behind = False

    def _fitting(self, stored: Stored) -> list[Event]:
        return [
            event
            for seq, event in stored.events
            if seq > self._place and any(words.fits(f, event) for f in self._filters)
        ]

    def end(self) -> None:
        """Stop; what is buffered can still be taken."""
        self._ended = True
        self._watchers.discard(self)
        self._wake.set()


class Hearing:
    """Calls `hear` with every part of the order of commits, as soon as it is known."""

    def __init__(self, hear: Callable[[Stored], None]) -> None:
        self._hear = hear

    def feed(self, stored: Stored) -> None:
        """The next part of the order."""
        self._hear(stored)

    def end(self) -> None:
        """The store is closed: there is nothing to give back."""
