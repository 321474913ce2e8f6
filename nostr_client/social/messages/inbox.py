"""Reading the account's message relays: what was wrapped for it, and the direct messages of old.

Wraps are dated up to two days back, so a relay is read from two days before the last time on; and
now and then wholly, for what other programs dated further back. Where nothing was read before, the
newest come first, and the rest page by page behind them.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import StoreError
from nostr_client.net.outcome import End
from nostr_client.nips.nip59 import TWO_DAYS
from nostr_client.paths import write_private
from nostr_client.protocol import kinds
from nostr_client.protocol.filters import Filter
from nostr_client.routing.courier import Courier
from nostr_client.routing.fetch_results import joined
from nostr_client.routing.live_feed import LiveFeed
from nostr_client.social.messages.dm_relays import DmRelays
from nostr_client.tasks import together

SLACK: Final = 6 * 3600
"""Seconds before the two days: clocks differ."""
WHOLE_EVERY: Final = 7 * 24 * 3600
"""Seconds after which a relay is read wholly again."""
CUT_OFF: Final = 100
"""So many events at once, and the relay may have cut its answer off."""
READ_LIMIT: Final = 300.0
"""Seconds for one reading of a relay, page by page."""
READ_AGAIN: Final = 60.0
STORE_PAUSE: Final = 5.0
SAVE_EVERY: Final = 60.0


class InboxProgress(msgspec.Struct):
    """Until when (seconds) a relay was read, and when it was last read wholly."""

    at: int = 0
    whole: int = 0


class MessageInbox:
    """The reading of one account (`owner`, hex) into the store. `path` keeps how far it is."""

    def __init__(
        self,
        courier: Courier,
        relays: DmRelays,
        owner: str,
        path: Path,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        me = frozenset({owner})
        wraps = Filter(kinds=frozenset({kinds.GIFT_WRAP}), tags={"p": me})
        self._wraps = wraps
        self._old = (
            Filter(kinds=frozenset({kinds.DIRECT_MESSAGE}), tags={"p": me}),
            Filter(kinds=frozenset({kinds.DIRECT_MESSAGE}), authors=me),
        )
        self._lists = Filter(authors=me, kinds=frozenset({kinds.DM_RELAYS, kinds.RELAY_LIST}))
        self.problem = ""
        self._courier = courier
        self._relays = relays
        self._owner = owner
        self._path = path
        self._clock = clock
        self._progress: dict[str, InboxProgress] = {}
        self._live: dict[str, LiveFeed] = {}
        self._read: set[str] = set()
        self._changed = asyncio.Event()

    @property
    def ends(self) -> dict[str, End]:
        """How each relay answered."""
        ends: dict[str, End] = {}
        for feed in self._live.values():
            ends = joined(ends, feed.ends)
        return ends

    @property
    def is_synced(self) -> bool:
        """Has every relay that can be reached sent all it had?"""
        return bool(self._live) and all(
            url in self._read or (url in feed.caught_up and url not in feed.read)
            for url, feed in self._live.items()
        )

    async def run(self) -> None:
        """Read, and go on live, until cancelled; anew when the account's lists change."""
        await asyncio.to_thread(self._load)
        try:
            async with together() as group:
                group.create_task(self._watch_lists())
                group.create_task(self._keep_saving())
                while True:
                    self._changed.clear()
                    try:
                        await self._read_relays()
                        self.problem = ""
                    except StoreError as error:
                        self.problem = str(error)
                        await asyncio.sleep(STORE_PAUSE)
        finally:
            self._live.clear()
            self._save()

    async def fetch(self, limit: float) -> dict[str, End]:
        """Ask once for what is new since the last time; how each relay ended."""
        if not self._progress:
            await asyncio.to_thread(self._load)
        begun = int(self._clock())
        message_relays, others = await self._places()
        routes = {url: self._filters(url, url in message_relays) for url in others}
        asked = await self._courier.fetch_routes(routes, limit=limit)
        for url in asked.answered:
            self._move(url, begun)
        await asyncio.to_thread(self._save)
        return asked.ends

    # Inside

    async def _places(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The message relays, and all relays to be read: old messages lie where notes do."""
        book = self._courier.book
        await self._courier.fetch_lists([self._owner], kind=kinds.DM_RELAYS)
        own = await self._relays.own()
        relays = await book.relays_of(self._owner)
        stand_in = () if relays.source == "list" else (await book.client_relays()).fallback
        homes = tuple(dict.fromkeys((*relays.read, *relays.write, *stand_in)))
        return own or homes, tuple(dict.fromkeys((*own, *homes)))

    def _filters(self, url: str, wraps: bool, *, whole: bool = False) -> list[Filter]:
        at = 0 if whole else self._progress.get(url, InboxProgress()).at
        since = max(0, at - TWO_DAYS - SLACK) or None
        return [f.changed(since=since) for f in ((self._wraps,) if wraps else ()) + self._old]

    async def _read_relays(self) -> None:
        message_relays, places = await self._places()
        self._live = {url: LiveFeed([url]) for url in places}
        self._read.clear()
        async with together() as group:
            tasks = [group.create_task(self._read_one(u, u in message_relays)) for u in places]
            await self._changed.wait()
            for task in tasks:
                task.cancel()

    async def _read_one(self, url: str, wraps: bool) -> None:
        begun = int(self._clock())
        filters = self._filters(url, wraps)
        async with self._courier.subscribe(filters, [url]) as feed:
            self._live[url] = feed
            await feed.wait_read(url)
            progress = self._progress.get(url, InboxProgress())
            whole = begun - progress.whole >= WHOLE_EVERY
            if whole or feed.arrived >= CUT_OFF:
                await self._read_back(url, self._filters(url, wraps, whole=whole))
            self._read.add(url)
            self._move(url, begun, whole=whole)
            while True:
                await asyncio.sleep(SAVE_EVERY)
                if url in feed.read and not feed.problem:
                    self._move(url, int(self._clock()))

    async def _read_back(self, url: str, filters: list[Filter]) -> None:
        while True:
            with contextlib.suppress(StoreError):  # the live reading of this relay tells of it
                if await self._courier.read_back(filters, url, limit=READ_LIMIT):
                    return
            await asyncio.sleep(READ_AGAIN)

    def _move(self, url: str, at: int, *, whole: bool = False) -> None:
        progress = self._progress.setdefault(url, InboxProgress())
        progress.at = max(progress.at, at)
        progress.whole = at if whole else progress.whole

    async def _watch_lists(self) -> None:
        while True:
            try:
                async with self._courier.store.watch([self._lists]) as lists:
                    async for _ in lists:
                        self._changed.set()
                return
            except StoreError as error:
                self.problem = str(error)
            await asyncio.sleep(STORE_PAUSE)

    async def _keep_saving(self) -> None:
        while True:
            await asyncio.sleep(SAVE_EVERY)
            await asyncio.to_thread(self._save)

    def _load(self) -> None:
        with contextlib.suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
            data = self._path.read_bytes()
            self._progress = msgspec.json.decode(data, type=dict[str, InboxProgress])

    def _save(self) -> None:
        try:
            write_private(self._path, msgspec.json.encode(self._progress))
        except StoreError as error:
            self.problem = str(error)  # what cannot be written is read again
