"""One peer of a mirror: what the relay sends it, and what it has of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator
from time import monotonic
from typing import Final

from nostr_client.errors import NostrError, RelayError
from nostr_client.net.backoff import Backoff
from nostr_client.net.pool import RelayPool
from nostr_client.net.subscription import Arrival, Ended, Subscription
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.safe_text import safe_line
from nostr_client.tasks import together
from relays.config.relay_config import Mirror
from relays.engine.importing import EventImporter
from relays.policies.verdict import SourceType
from relays.sync.crowded_seconds import seconds_in_words
from relays.sync.mirror_context import MirrorContext, MirrorState
from relays.sync.sync import Sync, SyncScope, fetch_information
from relays.sync.transfer import SENDING, PeerTransfer

LATE: Final = 24 * 3600
"""Seconds before the loss of a peer from which on the sets are compared again."""
EVERYTHING: Final = 24 * 3600.0
"""Seconds after which they are compared from the beginning."""
_WORDS: Final = 160

_log = logging.getLogger(__name__)


class MirrorPeer:
    """One peer of a mirror: `state` since `since` (seconds), and `problem` if it waits."""

    def __init__(self, mirror: Mirror, url: str, pool: RelayPool, context: MirrorContext) -> None:
        self.url = url
        self.direction = mirror.direction
        self.state = MirrorState.WAITING
        self.since = context.clock()
        self.problem = ""
        importer = EventImporter(
            context.store,
            context.rules,
            SourceType.MIRROR,
            clock=context.clock,
        )
        self.transfer = PeerTransfer(pool, url, importer, context.rejected)
        """Its `sent`, and its importer's `tally`, say what became of everything."""
        self._mirror = mirror
        self._filters = mirror.filters or (Filter(),)
        self._pool = pool
        self._context = context
        self._down = mirror.direction in ("down", "both")
        self._up = mirror.direction in ("up", "both")
        self._backoff = Backoff(random.random)
        self._whole_at = float("-inf")
        self._parted_at = 0
        self._said = ""

    @property
    def summary(self) -> str:
        """What came and went, in a line."""
        came, went = self.transfer.importer.tally, self.transfer.sent
        down = f"{came.stored} stored, {came.duplicate} duplicate, {came.refused} refused"
        up = f"{went.accepted} accepted, {went.duplicate} duplicate, {went.refused} refused"
        return "; ".join([f"down: {down}"] * self._down + [f"up: {up}"] * self._up)

    async def run(self) -> None:
        """Follow and feed until cancelled."""
        while True:
            began = monotonic()
            self._backoff.tried(began)
            self._pool.retry_now([self.url])
            self.transfer.reset_patience()
            try:
                await self._serve()
            except NostrError as error:
                self._enter(MirrorState.WAITING, _words(error))
            except Exception:  # noqa: BLE001 - a fault of ours ends no other, nor the relay
                _log.exception("mirror of %s failed", self.url)
                self._enter(MirrorState.WAITING, "an error of this program's own, see the log")
            self._parted_at = int(self._context.clock())
            self._backoff.ended(monotonic(), monotonic() - began)
            await asyncio.sleep(self._backoff.wait(monotonic()))

    async def _serve(self) -> None:
        """Until the peer is lost, or something else goes wrong. Raises NostrError."""
        self._enter(MirrorState.COMPARING)
        async with contextlib.AsyncExitStack() as stack:
            group = await stack.enter_async_context(together())
            # Listening comes first, so that nothing falls between what is stored and what is new.
            if self._up:
                watch = await stack.enter_async_context(self._context.store.watch(self._filters))
                group.create_task(self._feed(watch))
            if self._down:
                live = [one.changed(limit=0) for one in self._filters]
                subscription = self._pool.subscribe(live, [self.url])
                group.create_task(self._listen(await stack.enter_async_context(subscription)))
            await self._compare()

    async def _compare(self) -> None:
        """The sets of both: at once, and everything once a day."""
        while True:
            began = monotonic()
            whole = began - self._whole_at >= EVERYTHING
            since = 0 if whole or not self._parted_at else max(0, self._parted_at - LATE)
            info = await fetch_information(self.url, self._mirror.proxy)
            for filter in self._filters:
                scope = SyncScope(
                    down=self._down, up=self._up, since=since, keeping=self._context.keeping
                )
                sync = Sync(self.transfer, info, scope, self._context.clock)
                await sync.run(filter)
                if sync.progress.crowded:
                    where = seconds_in_words(sync.progress.crowded)
                    _log.warning("mirror of %s: it shows only a part of %s", self.url, where)
            await self.transfer.rejected.save()
            if whole:
                self._whole_at = began
            self._enter(MirrorState.LIVE)
            await asyncio.sleep(max(60.0, self._whole_at + EVERYTHING - monotonic()))

    async def _listen(self, subscription: Subscription) -> None:
        """Take in what the peer has to say from now on."""
        async for batch in subscription.batches():
            events = [item.event for item in batch if isinstance(item, Arrival)]
            if events:
                await self.transfer.take(events)
            for item in batch:
                if isinstance(item, Ended):
                    raise item.cause.error(self.url)
        raise RelayError(self.url, "the pool is closed")

    async def _feed(self, watch: AsyncIterator[Event]) -> None:
        """Send what is new here, save what came from there."""
        # What does not fit stays in the store: a watch that is slow reads it there.
        waiting: asyncio.Queue[Event] = asyncio.Queue(SENDING)
        async with together() as group:
            group.create_task(self._send(waiting))
            async for event in watch:
                if not self.transfer.came_from_peer(event):
                    await waiting.put(event)
            raise RelayError(self.url, "the store is closed")

    async def _send(self, waiting: asyncio.Queue[Event]) -> None:
        while True:
            events = [await waiting.get()]
            while not waiting.empty() and len(events) < SENDING:
                events.append(waiting.get_nowait())
            await self.transfer.send_events(events, self._filters)

    def _enter(self, state: MirrorState, problem: str = "") -> None:
        said = f"{state}: {problem}" if problem else str(state)
        if state is not MirrorState.COMPARING and said != self._said:  # not at every try
            _log.log(
                logging.WARNING if problem else logging.INFO, "mirror of %s: %s", self.url, said
            )
            self._said = said
        self.state, self.since, self.problem = state, self._context.clock(), problem


def _words(error: NostrError) -> str:
    words = error.message if isinstance(error, RelayError) else str(error)
    return safe_line(words, _WORDS)
