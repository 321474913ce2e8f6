"""What a peer has and we have not, and the other way round: compared, then carried (NIP-77).

Rules
- A set is compared in windows of time, the newest first. One that is too large, here or there, or
  that has too many differences for one comparison, is cut in two.
- A peer that does not compare (it says so, or says nothing) is read page by page instead.
- What is done is done: a sync that is broken off goes on where it was, by being begun again.
- A connection that is lost is tried again some times, for each window anew.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec

from nostr_client.errors import (
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    InvalidData,
    NostrError,
    RelayError,
    RelayTimeout,
    TooMany,
)
from nostr_client.net import http
from nostr_client.net.dial import DialOptions
from nostr_client.net.reconcile import NIP, NotCompared, limits_for
from nostr_client.net.session.paging import CUT_OFF, Paging
from nostr_client.net.time_windows import TimeWindow
from nostr_client.nips import nip11
from nostr_client.nips.nip11 import RelayInfo
from nostr_client.nips.nip77 import Items
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.refusals import PAUSES
from nostr_client.safe_text import safe_line
from relays.policies.retention import RetentionPolicy
from relays.sync.crowded_seconds import read_second
from relays.sync.retention_windows import worth_comparing
from relays.sync.transfer import PeerTransfer

EVENTS: Final = 100_000
"""Our events in one window."""
PAGED: Final = 20_000
"""Events of a peer that are read by pages before ours are laid beside them."""
CUTS: Final = 2_000
"""Windows that are cut, before the rest is read by pages."""
COUNTING: Final = 45
AUTHORS: Final = 5_000
"""Authors that are remembered, to ask for what they wrote in a crowded second."""


class SyncCounts(msgspec.Struct):
    """How far a sync has come. `pages`: why the peer is read by pages, if it is; `missed`: windows
    of which not everything could be compared; `crowded`: seconds (`created_at`) of which the peer
    may have more than it shows."""

    compared: int = 0
    read: int = 0
    pages: str = ""
    missed: int = 0
    crowded: list[int] = msgspec.field(default_factory=list)


def check_filter(filter: Filter) -> Filter:
    """A filter that can be synchronized. Raises ConfigError."""
    for name in ("limit", "search"):
        if getattr(filter, name) is not None:
            raise ConfigError(f"a set to be compared has no {name!r}")
    if filter.unknown:
        raise ConfigError(f"not an element of a filter: {', '.join(filter.unknown)}")
    return filter


async def fetch_information(url: str, proxy: str | None = None) -> RelayInfo | None:
    """What the peer says of itself (NIP-11); None if it does not.

    It is asked where the keeper says, on this machine too if he says so; and nowhere else, so that
    no peer can have us ask our neighbours.
    """
    try:
        answer = await http.get(
            url,
            DialOptions.through(proxy, private=True),
            accept=nip11.MEDIA_TYPE,
            max_bytes=nip11.MAX_SIZE,
        )
        return nip11.parse(answer.body) if answer.status == 200 else None
    except NostrError:
        return None  # it may be a relay all the same


class SyncScope(msgspec.Struct, frozen=True, kw_only=True):
    """What a sync carries: `down` from the peer, `up` to it; nothing older than `since` (seconds),
    nor what `keeping` would take out again."""

    down: bool
    up: bool
    since: int = 0
    keeping: RetentionPolicy | None = None


class Sync:
    """One peer, over `transfer`. `info` is what it says of itself."""

    def __init__(
        self,
        transfer: PeerTransfer,
        info: RelayInfo | None,
        scope: SyncScope,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.progress = SyncCounts()
        self._transfer = transfer
        self._pool = transfer.pool
        self._store = transfer.importer.store
        nips = () if info is None else info.supported_nips
        self._listed = NIP in nips
        self._counts = COUNTING in nips
        self._authors: dict[str, None] = {}
        self._limits = limits_for(info)
        self._scope = scope
        self._clock = clock
        self._cuts = 0

    async def run(self, filter: Filter) -> None:
        """Compare the sets of `filter`, and carry. Raises RelayError, StoreError."""
        whole = filter.changed(since=max(filter.since or 0, self._scope.since) or None)
        keeping = self._scope.keeping
        parts = [whole] if keeping is None else worth_comparing(whole, keeping, self._clock())
        for part in parts:
            await self._part(part)

    async def _part(self, filter: Filter) -> None:
        todo = [TimeWindow(filter.since, filter.until)]
        while todo:
            span = todo.pop()
            if await self._window_over_losses(span.of(filter)):
                continue
            halves = span.halves(int(self._clock()))
            self._cuts += 1
            if len(halves) > 1 and self._cuts <= CUTS:
                todo += halves
            else:
                self.progress.missed += 1
                await self._pages(span.of(filter))

    async def _window_over_losses(self, asked: Filter) -> bool:
        """`_window`, also over connections that are lost."""
        for pause in (*PAUSES, 0.0):
            try:
                return await self._window(asked)
            except (ConnectionLost, ConnectFailed, RelayTimeout):
                if not pause or not self.progress.compared + self.progress.read:
                    raise  # it never worked, or does not any more
                await asyncio.sleep(pause)
                self._pool.retry_now([self._transfer.url])
        raise AssertionError  # the last pause is none

    async def _window(self, asked: Filter) -> bool:
        """Compare and carry one window; False: it must be cut."""
        if self.progress.pages:
            await self._pages(asked)
            return True
        try:
            ours = await self._store.ids(asked, most=EVENTS)
        except TooMany:
            return False
        url = self._transfer.url
        try:
            items = await asyncio.to_thread(Items, ours)
            del ours
            found = await self._pool.reconcile(asked, url, items, self._limits)
        except NotCompared as refusal:
            if refusal.too_large:
                return False
            return await self._turn_to_pages(asked, refusal)
        except (RelayTimeout, InvalidData) as error:
            if self.progress.compared:
                raise
            return await self._turn_to_pages(asked, error)
        except ConnectionLost as error:
            if self.progress.compared or self._listed:
                raise
            return await self._turn_to_pages(asked, error)
        self.progress.compared += 1
        if self._scope.down:
            await self._transfer.fetch(found.need)
        if self._scope.up:
            await self._transfer.send(found.have, asked)
        return found.complete

    # Without NIP-77

    async def _turn_to_pages(self, asked: Filter, why: NostrError) -> bool:
        words = why.message if isinstance(why, RelayError) else str(why)
        self.progress.pages = safe_line(words, 100) or "it does not compare"
        await self._pages(asked)
        return True

    async def _pages(self, asked: Filter) -> None:
        """Read the peer's events from the newest on, and lay ours beside them."""
        until = asked.until
        while True:
            seen: set[bytes] = set()
            oldest: list[int] = []

            async def read(
                events: list[Event], seen: set[bytes] = seen, oldest: list[int] = oldest
            ) -> None:
                oldest[:] = [min([*oldest, *(event.created_at for event in events)])]
                await self._saw(events, seen)

            part = asked.changed(until=until)
            back = await self._transfer.read(part, read, Paging(exhaustive=True, most=PAGED))
            self.progress.read += 1
            crowded = dict(back.crowded)
            if not oldest:  # nothing came; and if that was not all, nobody knows of what
                if back.complete is False:
                    self.progress.crowded.append(int(self._clock()) if until is None else until)
                complete, following = True, 0
            else:
                complete, following = back.complete is not False, oldest[0]
                if not complete and following == until:
                    crowded.setdefault(following, len(seen))
                if following in crowded:
                    following -= 1
            for at, count in crowded.items():
                await self._second(asked.changed(since=at, until=at), count, seen)
            complete = complete or following < (asked.since or 0)
            if self._scope.up:
                since = asked.since if complete else following + 1
                await self._send_others(asked, TimeWindow(since, until), seen)
            if complete or following <= 0:
                return
            until = following

    async def _saw(self, events: list[Event], seen: set[bytes]) -> None:
        """Events of the peer came."""
        events = [event for event in events if bytes.fromhex(event.id) not in seen]
        seen.update(bytes.fromhex(event.id) for event in events)
        for event in events:
            if len(self._authors) < AUTHORS:
                self._authors[event.pubkey] = None
        if self._scope.down:
            await self._transfer.take(events)

    async def _second(self, asked: Filter, shown: int, seen: set[bytes]) -> None:
        """Read one second by parts, since the peer shows `shown` events of it and may have more."""
        paging = Paging(exhaustive=True, most=PAGED, cut=max(1, min(shown, CUT_OFF)))

        async def ask(part: Filter) -> tuple[list[Event], bool]:
            found: list[Event] = []

            async def read(events: list[Event]) -> None:
                found.extend(events)
                await self._saw(events, seen)

            back = await self._transfer.read(part, read, paging)
            return found, back.complete is not False

        count = await self._transfer.count(asked) if self._counts else None
        if not await read_second(asked, ask, count=count, authors=self._authors):
            self.progress.crowded.append(asked.since or 0)

    async def _send_others(self, asked: Filter, span: TimeWindow, seen: set[bytes]) -> None:
        """Send what we have in `span` and was not seen there."""
        async for ours in self._ours(asked, span):
            others = [id for _, id in ours if id not in seen]
            await self._transfer.send(others, asked)

    async def _ours(
        self, asked: Filter, span: TimeWindow
    ) -> AsyncIterator[list[tuple[int, bytes]]]:
        todo = [span]
        while todo:
            part = todo.pop()
            try:
                yield await self._store.ids(part.of(asked), most=EVENTS)
            except TooMany:
                halves = part.halves(int(self._clock()))
                if len(halves) < 2:
                    raise
                todo += halves
