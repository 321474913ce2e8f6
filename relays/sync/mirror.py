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
import hashlib
import logging
from collections.abc import Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from nostr_client.errors import ConfigError, InvalidData
from nostr_client.protocol.urls import normalize_relay_url
from relays.config.relay_config import Mirror
from relays.sync.mirror_context import MirrorContext, MirrorState

if TYPE_CHECKING:
    from relays.sync.mirror_peer import MirrorPeer

_log = logging.getLogger(__name__)


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
                    running[mirror] = group.create_task(self._take_turns(mirror))

    async def _take_turns(self, mirror: Mirror) -> None:
        """Do it while nobody else who has the store does it: another node, or `relay mirror`."""
        urls = self._wanted[mirror]
        await self._context.store.run_alone(_duty(mirror, urls), partial(self._run, mirror, urls))

    async def _run(self, mirror: Mirror, urls: Sequence[str]) -> None:
        # The network, and all that speaks on it: for those alone who mirror.
        from nostr_client.net.dial import DialPolicy
        from nostr_client.net.pool import RelayPool
        from relays.sync.mirror_peer import MirrorPeer

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


def _duty(mirror: Mirror, urls: Collection[str]) -> str:
    """The name of this mirror, which is the same for all who are to do it."""
    what = [sorted(urls), mirror.direction, [one.to_dict() for one in mirror.filters]]
    return f"mirror-{hashlib.sha256(msgspec.json.encode(what)).hexdigest()[:16]}"


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
    if mirror.filters:
        from relays.sync.sync import check_filter

        for filter in mirror.filters:
            check_filter(filter)
    return found
