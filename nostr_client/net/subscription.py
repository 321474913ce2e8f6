"""A subscription over many relays: one bounded stream of verified events and of what else happened.

Rules
- From one relay an id is yielded once; from another it is yielded again, with `again=True`: a copy.
- Nothing waits here without bound: when `MAX_ITEMS` or `MAX_BYTES` are not taken, whoever delivers
  has to wait, and with him his socket.
- Relays may be added and removed and filters replaced at any time.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Final, NamedTuple, Self

import msgspec

from nostr_client.net.outcome import Cause
from nostr_client.net.session.paging import Paging
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter

MAX_ITEMS: Final = 8192
MAX_BYTES: Final = 32 * 1024 * 1024
SEEN: Final = 65_536
"""Ids that are remembered as yielded, the oldest forgotten first."""


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """A verified event from `url`. `live`: it came after stored history. `again`: another relay
    had brought it before, so this is one more copy."""

    event: Event
    url: str
    live: bool
    again: bool


class EndOfStored(msgspec.Struct, frozen=True, gc=False):
    """`url` has sent its stored events, in `pages` requests; `complete` says whether all of them
    (NIP-67), None where the relay did not say. It comes again after each reconnection. `crowded`:
    seconds of which there may be more than the relay shows, and how many events it showed.
    `left_out`: so many events were too large to be kept."""

    url: str
    complete: bool | None
    pages: int = 1
    crowded: Mapping[int, int] = msgspec.field(default_factory=dict)
    left_out: int = 0


class Ended(msgspec.Struct, frozen=True):
    """Nothing comes from `url`: for good when `final`, else it resumes by itself.

    `cause` says why, with the words of the relay's CLOSED where there was one.
    """

    url: str
    cause: Cause
    final: bool


Item = Arrival | EndOfStored | Ended


class Asked(NamedTuple):
    """What a relay is asked for by one subscription, `since` when (seconds since 1970); `came`
    events were brought by it so far. `live`: it goes on after what is stored."""

    filters: tuple[Filter, ...]
    since: float
    came: int
    live: bool


class Joins(msgspec.Struct, frozen=True):
    """How a subscription reaches the pool's connections."""

    join: Callable[[str, Subscription], Ended | None]
    leave: Callable[[str, Subscription], None]
    closed: Callable[[Subscription], None]
    """Also one that has left all its relays."""
    spelled: Callable[[str], str]
    """The normal spelling of a URL; what is no URL is left as it is, and fails when joined."""


class Subscription:
    """Made by `RelayPool.subscribe`; runs inside `async with`.

    Iterate over items, or over `batches()` of them. Without `live` it ends when every relay has
    sent its stored events or failed for good; with it, when it is left.
    """

    def __init__(
        self,
        filters: Sequence[Filter],
        urls: Iterable[str],
        joins: Joins,
        *,
        live: bool,
        paging: Paging | None,
        begun: float = 0.0,
    ) -> None:
        self.filters = tuple(filters)
        self.live = live
        self.paging = paging
        self.begun = begun
        """When it was made, in seconds since 1970."""
        self._joins = joins
        self._urls: dict[str, None] = dict.fromkeys(map(joins.spelled, urls))
        self._bits: dict[str, int] = {}
        self._unfinished: set[str] = set()
        self._seen: OrderedDict[str, int] = OrderedDict()
        self._came: Counter[str] = Counter()
        self._items: list[Item] = []
        self._current: deque[Item] = deque()
        self._bytes = 0
        self._open = False
        self._entered = False
        self._readable = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    @property
    def urls(self) -> tuple[str, ...]:
        """The relays that are asked."""
        return tuple(self._urls)

    @property
    def is_open(self) -> bool:
        """Is it inside of its `async with`?"""
        return self._open

    def asked_at(self, url: str) -> Asked:
        """What it asks of one of its relays, and what that brought."""
        return Asked(self.filters, self.begun, self._came[url], self.live)

    async def __aenter__(self) -> Self:
        self._open = self._entered = True
        self._unfinished.update(self._urls)
        for url in self._urls:
            self._join(url)
        self._readable.set()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Send CLOSE everywhere. What was delivered can still be read."""
        if self._open:
            self._open = False
            for url in self._urls:
                self._joins.leave(url, self)
            self._joins.closed(self)
            self._readable.set()
            self._room.set()

    def add_relays(self, urls: Iterable[str]) -> None:
        """Ask these too."""
        for url in map(self._joins.spelled, urls):
            if url not in self._urls:
                self._urls[url] = None
                self._unfinished.add(url)
                if self._open:
                    self._join(url)

    def remove_relays(self, urls: Iterable[str]) -> None:
        """Ask these no longer."""
        for url in map(self._joins.spelled, urls):
            if url in self._urls:
                del self._urls[url]
                self._unfinished.discard(url)
                if self._open:
                    self._joins.leave(url, self)
        self._readable.set()

    def replace(self, filters: Sequence[Filter]) -> None:
        """Ask for something else from now on; stored history starts over."""
        self.filters = tuple(filters)
        self._unfinished.update(self._urls)
        if self._open:
            for url in self._urls:
                self._joins.leave(url, self)
                self._join(url)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        while not self._current:
            batch = await self.next_batch()
            if batch is None:
                raise StopAsyncIteration
            self._current = deque(batch)
        return self._current.popleft()

    async def batches(self) -> AsyncIterator[list[Item]]:
        """Everything that has come since the last one, at least one item."""
        while (batch := await self.next_batch()) is not None:
            yield batch

    async def next_batch(self) -> list[Item] | None:
        """Wait for the next of `batches`; None at the end."""
        if not self._entered:
            raise RuntimeError("a subscription runs inside of its `async with`")
        while not self._items:
            if not self._open or not (self.live or self._unfinished):
                return None
            self._readable.clear()
            await self._readable.wait()
        batch, self._items, self._bytes = self._items, [], 0
        self._room.set()
        return batch

    # For the pool's connections

    def arrived(self, url: str, events: Sequence[Event], live: bool) -> int:
        """Verified events from `url`; returns how many of them the same relay had sent before."""
        bit = self._bit(url)
        seen, items = self._seen, self._items
        repeated = 0
        for event in events:
            mask = seen.get(event.id, 0)
            if mask & bit:
                repeated += 1
                continue
            seen[event.id] = mask | bit
            items.append(Arrival(event, url, live, mask != 0))
            self._bytes += len(event.json)
        self._came[url] += len(events) - repeated
        while len(seen) > SEEN:
            seen.popitem(last=False)
        self._pushed()
        return repeated

    def happened(self, item: EndOfStored | Ended) -> None:
        """Stored history ended, or the relay did."""
        if isinstance(item, EndOfStored) or item.final:
            self._unfinished.discard(item.url)
        self._items.append(item)
        self._pushed()

    @property
    def has_room(self) -> bool:
        """May more be delivered?"""
        return self._room.is_set()

    async def room(self) -> None:
        """Wait until what was delivered is taken; as long as its reader wants, or lives."""
        await self._room.wait()

    def _join(self, url: str) -> None:
        said = self._joins.join(url, self)
        if said is not None:
            self.happened(said)

    def _pushed(self) -> None:
        if self._open and (len(self._items) > MAX_ITEMS or self._bytes > MAX_BYTES):
            self._room.clear()
        self._readable.set()

    def _bit(self, url: str) -> int:
        bit = self._bits.get(url)
        if bit is None:
            bit = self._bits[url] = 1 << len(self._bits)
        return bit
