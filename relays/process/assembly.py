"""Everything that one process serves: its sub-relays, each a relay with its own store and policies,
and what its keeper decided, which holds in all of them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

from nostr_client.errors import ConfigError
from nostr_client.signing.verifier import Verifier
from nostr_client.store.contract import EventStore, StoreOptions
from relays.config.relay_config import RelayConfig
from relays.config.sub_relays import SubRelay, sub_relays
from relays.engine.relay import Relay
from relays.moderation.actions import ModerationActions
from relays.process.stores import RelayStores
from relays.process.sub_relay import ServedSubRelay, Shared, open_sub_relay
from relays.web.health import Health
from relays.web.monitor import memory
from relays.web.prometheus import exposition
from relays.web.routes import MetricsPage, Routes
from relays.web.samples import HostSample, SubRelaySample, processes, sampled

_log = logging.getLogger(__name__)


class OtherProcesses(Protocol):
    """Those that answer on the same port as this one."""

    workers: int
    """How many processes there are to be, with this one."""

    async def gather(self, *, health: bool = False) -> Sequence[HostSample]:
        """How those do who answer soon."""
        ...


class RelayHost:
    """Made by `serve`; `site` answers for all sub-relays at their paths."""

    def __init__(self, shared: Shared, config: RelayConfig, health: Health) -> None:
        self.state = state = shared.state
        self.actions = actions = shared.actions
        self._health = health
        self.config = config
        self._sub_relays: dict[str, ServedSubRelay] = {}
        self._members = state.roster.members
        self._started = time.monotonic()
        self._metrics = MetricsPage(config, self._exposition)
        self.others: OtherProcesses | None = None
        """Those that answer on the same port, where there are any."""
        health.whole = self._whole_health
        state.on_change(self._changed)
        actions.operator_addresses = self._operator_addresses

    def add(self, sub_relay: ServedSubRelay) -> None:
        """Serve it, too."""
        self._sub_relays[sub_relay.path] = sub_relay

    @property
    def sub_relays(self) -> Collection[ServedSubRelay]:
        """In the order of the configuration, that of `/` first."""
        return self._sub_relays.values()

    @property
    def relays(self) -> Mapping[str, Relay]:
        """By the paths of all their URLs, those of the sub-relay `/` first."""
        found: dict[str, Relay] = {}
        for path, sub_relay in self._sub_relays.items():
            found |= dict.fromkeys((path, *sub_relay.pages.paths), sub_relay.relay)
        return found

    async def reconfigure(self, config: RelayConfig) -> None:
        """Go by `config` from now on, while clients stay.

        Raises ConfigError, and then nothing has changed; StoreError.
        """
        found = {sub_relay.path: sub_relay for sub_relay in sub_relays(config)}
        if found.keys() != self._sub_relays.keys():
            raise ConfigError("other rooms than before want a restart")
        for path, sub_relay in self._sub_relays.items():
            sub_relay.check(found[path].config)
        made = {
            path: sub_relay.rules(found[path].config)
            for path, sub_relay in self._sub_relays.items()
        }
        self._metrics.reconfigure(config)
        self.config = config
        self.actions.reconfigure(config)
        for path, sub_relay in self._sub_relays.items():
            sub_relay.reconfigure(found[path].config, made[path])
        await self.actions.settle()

    def _operator_addresses(self) -> frozenset[str]:
        """Where the keeper and the admins are connected from."""
        return frozenset().union(
            *(one.relay.addresses_of(self.actions.admins) for one in self.sub_relays)
        )

    def _changed(self) -> None:
        before, self._members = self._members, self.state.roster.members
        left = frozenset() if before is self._members else before.keys() - self._members.keys()
        for sub_relay in self.sub_relays:
            sub_relay.refresh_pages()
            if left and sub_relay.config.readers_are == "members":
                sub_relay.relay.end_reading(left, "restricted: only members read here")

    @property
    def site(self) -> Routes:
        """What is answered over plain HTTP."""
        watched = {"/health": self._health.answer, "/metrics": self._metrics.answer}
        return Routes([sub_relay.pages for sub_relay in self.sub_relays], watched)

    async def sample(self, *, health: bool = False) -> HostSample:
        """How this process does; with `health`, whether it can write, too."""
        found: dict[str, SubRelaySample] = {}
        for sub_relay in self.sub_relays:
            gauges = await sub_relay.monitor.gauges() | sub_relay.mirrors.gauges()
            gauges["search_lag_commits"] = await sub_relay.store.index_lag()
            counters = sub_relay.relay.rules.metrics.data()
            shown = await sub_relay.monitor.figures()
            found[sub_relay.name] = SubRelaySample(counters, gauges, shown)
        bans = self.state.bans
        process = {
            "memory_bytes": memory(),
            "uptime_seconds": time.monotonic() - self._started,
            "banned_pubkeys": len(bans.pubkeys),
            "banned_events": len(bans.events),
            "members": len(self.state.roster.members),
        }
        return HostSample(found, process, await self._health.complaint() if health else "")

    async def _exposition(self) -> bytes:
        samples = [await self.sample()]
        if self.others is not None:
            samples += await self.others.gather()
        told = processes(samples)
        if self.others is not None:
            told |= {"workers": self.others.workers, "workers_answered": len(samples)}
        return exposition({one.name: sampled(samples, one.name) for one in self.sub_relays}, told)

    async def _whole_health(self) -> tuple[str, str]:
        """What is wrong with other processes, and what is to be said where nothing is."""
        if self.others is None:
            return "", ""
        found = await self.others.gather(health=True)
        answered, workers = 1 + len(found), self.others.workers
        complaint = next((one.complaint for one in found if one.complaint), "")
        return complaint, "" if answered >= workers else f"{answered} of {workers} workers answered"


@asynccontextmanager
async def serve(
    config: RelayConfig,
    stores: RelayStores,
    urls_of: Callable[[SubRelay], frozenset[str]],
    *,
    address: str = "",
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[RelayHost]:
    """Everything that `config` makes over `stores`, at work until the block ends.

    `urls_of`: a sub-relay's service URLs, in their normal spelling; `address`: where it listens, so
    no peer's. Raises StoreError, ConfigError.
    """
    found = sub_relays(config)
    urls = {sub_relay.name: urls_of(sub_relay) for sub_relay in found}
    if not await asyncio.to_thread(stores.keep_room):
        _log.error("the disk is full: until there is room on it, no events are stored")
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        everywhere = frozenset().union(*urls.values())
        state = await enter(stores.open_state(service_urls=everywhere, clock=clock))
        opened: dict[str, EventStore] = {}
        for sub_relay in found:
            own = urls[sub_relay.name]
            options = StoreOptions(service_urls=own, search=True, clock=clock)
            opened[sub_relay.name] = await enter(stores.open(sub_relay.database, options))
        verifier = await enter(Verifier())

        def trusted(pubkey: str) -> bool:
            return any(pubkey in one.trust for one in host.sub_relays if one.trust is not None)

        async def probe() -> None:
            for store in opened.values():
                await store.probe()

        actions = ModerationActions(state, list(opened.values()), config, trusted)
        shared = Shared(state, actions, verifier, opened, stores.data, address, clock)
        host = RelayHost(shared, config, Health(stores.data, probe))
        for sub_relay in found:
            part = open_sub_relay(shared, sub_relay, urls[sub_relay.name], lambda: host.config)
            host.add(await enter(part))
        await actions.settle()
        group = await enter(asyncio.TaskGroup())
        work = [actions.remover.run, *(run for one in host.sub_relays for run in one.work)]
        tasks = [group.create_task(run()) for run in work]
        yield host
        for task in tasks:
            task.cancel()
