"""Peers that are followed and fed for as long as the relay runs: a router of events.

Rules
- With each peer in turn: live events are listened for, on both sides; then the sets are compared
  (`sync`), so nothing falls in between. When the peer is lost, all begins again after a while, each
  time later; after the first time only what is not much older than the loss is compared, and
  everything once a day.
- An event that a peer has sent is not sent back to it. Only what is new to this relay is passed on
  at all, so nothing goes round in circles, however the peers mirror each other.
- Events come in as an import's do: whatever their age, work and rate; never without a signature,
  banned, deleted. A peer's trouble ends no other's, nor the relay.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from enum import StrEnum
from time import monotonic
from typing import Final

import msgspec

from nostr_client.errors import ConfigError, InvalidData, NostrError, RelayError
from nostr_client.net.auth_demand import Authenticate
from nostr_client.net.backoff import Backoff
from nostr_client.net.dial import DialPolicy
from nostr_client.net.pool import RelayPool
from nostr_client.net.rejected_ids import RejectedIds
from nostr_client.net.subscription import Arrival, Ended, Subscription
from nostr_client.net.verification import EventVerifier
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.urls import normalize_relay_url
from nostr_client.safe_text import safe_line
from nostr_client.store.contract import EventStore
from nostr_client.tasks import together
from relays.config.relay_config import Mirror
from relays.engine.importing import EventImporter
from relays.policies.retention import RetentionPolicy
from relays.policies.ruleset import Rules
from relays.policies.verdict import SourceType
from relays.sync.crowded_seconds import seconds_in_words
from relays.sync.sync import Sync, SyncScope, check_filter, fetch_information
from relays.sync.transfer import SENDING, PeerTransfer

LATE: Final = 24 * 3600
"""Seconds before the loss of a peer from which on the sets are compared again."""
EVERYTHING: Final = 24 * 3600.0
"""Seconds after which they are compared from the beginning."""
_WORDS: Final = 160

_log = logging.getLogger(__name__)


class MirrorState(StrEnum):
    """Of a mirrored peer."""

    COMPARING = "comparing"
    LIVE = "live"
    WAITING = "waiting"


class MirrorContext(msgspec.Struct, frozen=True):
    """What mirrors need of their relay: its `rules`, and `urls`, its own; `clock` gives seconds
    since 1970; what `keeping` would take out again is not compared; `authenticate` answers peers
    that want to know who we are. `rejected`: what is not to be fetched again."""

    store: EventStore
    verifier: EventVerifier
    rules: Rules
    urls: Collection[str] = ()
    clock: Callable[[], float] = time.time
    keeping: RetentionPolicy | None = None
    authenticate: Authenticate | None = None
    rejected: RejectedIds | None = None


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


class Mirrors:
    """Every mirror of a relay, while `run` runs."""

    def __init__(self, mirrors: Sequence[Mirror], context: MirrorContext) -> None:
        """Raises ConfigError for a URL that is none, or this relay's own, or a filter that is no
        set."""
        self._context = context
        self._peers: dict[Mirror, list[MirrorPeer]] = {}
        self._changed = asyncio.Event()
        self.reconfigure(mirrors)

    @property
    def peers(self) -> list[MirrorPeer]:
        """Those that are at work."""
        return [peer for peers in self._peers.values() for peer in peers]

    def gauges(self) -> dict[str, float]:
        """How many peers are in which state, for the metrics."""
        states = [peer.state for peer in self.peers]
        return {f"mirrors_{state}": states.count(state) for state in MirrorState}

    def check(self, mirrors: Sequence[Mirror]) -> None:
        """Raises ConfigError where `reconfigure` would, and changes nothing."""
        for mirror in mirrors:
            _urls(mirror, self._context.urls)

    def reconfigure(self, mirrors: Sequence[Mirror]) -> None:
        """Be these from now on; those that were there before go on undisturbed.

        Raises ConfigError as when made, and then nothing has changed.
        """
        self._wanted = {mirror: _urls(mirror, self._context.urls) for mirror in mirrors}
        self._changed.set()

    async def run(self) -> None:
        """Work until cancelled."""
        running: dict[Mirror, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                await self._changed.wait()
                self._changed.clear()
                for mirror in running.keys() - self._wanted.keys():
                    running.pop(mirror).cancel()
                for mirror in self._wanted.keys() - running.keys():
                    running[mirror] = group.create_task(self._run(mirror, self._wanted[mirror]))

    async def _run(self, mirror: Mirror, urls: Sequence[str]) -> None:
        context = self._context
        pool = RelayPool(
            verifier=context.verifier,
            proxy=mirror.proxy,
            dial=DialPolicy(given=urls),
            known=context.store.known,
            authenticate=context.authenticate,
            clock=context.clock,
        )
        peers = [MirrorPeer(mirror, url, pool, context) for url in urls]
        self._peers[mirror] = peers
        try:
            async with pool, asyncio.TaskGroup() as group:
                for peer in peers:
                    group.create_task(peer.run())
        finally:
            for peer in peers:
                _log.info("mirror of %s ends: %s", peer.url, peer.summary)
            if self._peers.get(mirror) is peers:
                del self._peers[mirror]


def check_mirror(mirror: Mirror) -> None:
    """Raises ConfigError for a URL that is none, and a filter that is no set."""
    _urls(mirror, ())


def _urls(mirror: Mirror, own: Collection[str]) -> list[str]:
    found: list[str] = []
    for text in mirror.urls:
        try:
            url = normalize_relay_url(text)
        except InvalidData as error:
            raise ConfigError(f"mirror: {text}: {error}") from None
        if url in own:
            raise ConfigError(f"mirror: {text} is this relay itself")
        if url not in found:
            found.append(url)
    if not found:
        raise ConfigError("mirror: no urls are given")
    for filter in mirror.filters:
        check_filter(filter)
    return found


def _words(error: NostrError) -> str:
    words = error.message if isinstance(error, RelayError) else str(error)
    return safe_line(words, _WORDS)
