"""One sub-relay at work: its policies, its sessions, its mirrors and its pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from nostr_client.net.auth_demand import authenticator
from nostr_client.net.rejected_ids import RejectedIds
from nostr_client.signing.verifier import Verifier
from nostr_client.store.contract import EventStore
from relays.config.relay_config import RelayConfig
from relays.config.sub_relays import SubRelay, local_urls, sub_relays
from relays.engine.relay import Relay
from relays.moderation.actions import ModerationActions
from relays.moderation.floors import open_floor
from relays.moderation.policy_hooks import hooks_of
from relays.moderation.state import ModerationState
from relays.policies.chain import Policies, open_policies
from relays.policies.retention import RetentionPolicy
from relays.policies.ruleset import Rules
from relays.policies.trust import WebOfTrust
from relays.sync.mirror import Mirrors
from relays.sync.mirror_context import MirrorContext, unwanted_file
from relays.web.monitor import Monitor
from relays.web.nip11_document import Features
from relays.web.nip86 import Admin
from relays.web.pages import SubRelayPages
from relays.web.status_page import Figures, Neighbour


class Shared(msgspec.Struct, frozen=True):
    """What all sub-relays of a process have in common. `stores`: by their names; `data`: the
    relay's folder; `address`: where it listens, empty where it does not."""

    state: ModerationState
    actions: ModerationActions
    verifier: Verifier
    stores: Mapping[str, EventStore]
    data: Path
    address: str
    clock: Callable[[], float]


class ServedSubRelay:
    """One sub-relay at work. `work`: what is to be run while it is served."""

    def __init__(
        self,
        shared: Shared,
        sub_relay: SubRelay,
        relay: Relay,
        *,
        policies: Policies,
        retention: RetentionPolicy,
        mirrors: Mirrors,
        whole: Callable[[], RelayConfig],
    ) -> None:
        self._shared = shared
        self.policies = policies
        self._retention = retention
        self._whole = whole
        self.relay = relay
        self.mirrors = mirrors
        self.name = sub_relay.name
        self.path = sub_relay.path
        self.config = sub_relay.config
        self.store = store = shared.stores[sub_relay.name]
        self.monitor = Monitor(relay.rules.metrics, relay.gauges, store)
        self.figures: Callable[[], Awaitable[Figures]] = self.monitor.figures
        """For the status page: of this process, unless somebody puts another in its place."""
        admin = Admin(shared.actions)
        self.pages = SubRelayPages(
            self._shown_config(),
            self._features(),
            figures=self._figures,
            admin=admin.answer,
            others=self._neighbours(),
        )
        upkeep = partial(retention.run, store, relay.rules.metrics, shared.clock)
        self.work: list[Callable[[], Coroutine[Any, Any, None]]] = [
            *(relay.run, mirrors.run, self.monitor.run, upkeep)
        ]

    async def _figures(self) -> Figures:
        return await self.figures()

    @property
    def trust(self) -> WebOfTrust | None:
        """Whom the keeper's web of trust reaches, if it is asked."""
        return self.policies.trust

    def check(self, config: RelayConfig) -> None:
        """Raises ConfigError where `rules` would, and changes nothing."""
        self.policies.validate(config)
        self.mirrors.check(config.mirror)

    def rules(self, config: RelayConfig) -> Rules:
        """Those that `config` makes here. Raises ConfigError."""
        return self.policies.rules(config)

    def reconfigure(self, config: RelayConfig, rules: Rules) -> None:
        before, self.config = self.config, config
        self._retention.reconfigure(config.retention)
        self.mirrors.reconfigure(config.mirror)
        self.relay.reconfigure(rules, config.negentropy)
        if config.readers_are != "anyone" and _reading(config) != _reading(before):
            self.relay.end_reading(None, "restricted: who may read here has changed, ask again")
        self.refresh_pages()

    def refresh_pages(self) -> None:
        """Say of this room what is true now."""
        self.pages.reconfigure(self._shown_config(), self._features(), self._neighbours())

    def _neighbours(self) -> list[Neighbour]:
        """The sub-relays beside this one."""
        return [
            Neighbour(
                sub_relay.config.name,
                sub_relay.config.description,
                sub_relay.config.urls,
                sub_relay.path,
            )
            for sub_relay in sub_relays(self._whole())
            if sub_relay.name != self.name
        ]

    def _shown_config(self) -> RelayConfig:
        """The configuration, with what admins have the relay say of itself."""
        overrides = msgspec.structs.asdict(self._shared.state.info)
        chosen = {name: text for name, text in overrides.items() if text}
        return msgspec.structs.replace(self.config, **chosen)

    def _features(self) -> Features:
        config = self.config
        return Features(
            authenticates=True,
            reconciles=config.negentropy.sessions > 0,
            searches=True,
            members=config.members.enabled,
            managed=bool(self._shared.actions.admins),
            work=config.events.work if config.events.work_of == "everyone" else 0,
            asks_who=config.readers_are != "anyone",
            chooses_writers=config.writers_are != "anyone",
            own_key=self._shared.state.pubkey,
        )


def _reading(config: RelayConfig) -> object:
    """What decides on who may read."""
    return config.readers_are, config.access.readers, config.keepers, config.trust


@asynccontextmanager
async def open_sub_relay(
    shared: Shared, sub_relay: SubRelay, urls: frozenset[str], whole: Callable[[], RelayConfig]
) -> AsyncIterator[ServedSubRelay]:
    """A sub-relay, which hears what its store takes until the block ends.

    `urls`: its service URLs; `whole`: the configuration of the whole process, as it is now. Raises
    StoreError, ConfigError.
    """
    actions, clock = shared.actions, shared.clock
    store = shared.stores[sub_relay.name]
    retention = RetentionPolicy(
        sub_relay.config.retention,
        await open_floor(shared.state, shared.data, sub_relay.name),
        people=actions.people,
    )
    async with open_policies(
        store,
        follows=shared.stores[sub_relay.follows_of],
        hooks=hooks_of(actions),
        retention=retention,
        urls=urls,
        searches=True,
        clock=clock,
    ) as policies:
        rules = policies.rules(sub_relay.config)
        await policies.refresh()
        verify, bounds = shared.verifier.verify_all, sub_relay.config.negentropy
        relay = Relay(store, verify, rules, clock, bounds)
        context = _mirror_context(shared, sub_relay, urls, relay, retention)
        served = ServedSubRelay(
            shared,
            sub_relay,
            relay,
            policies=policies,
            retention=retention,
            mirrors=Mirrors(sub_relay.config.mirror, context),
            whole=whole,
        )
        async with (
            store.listen(relay.on_stored) as relay.live_seq,
            store.listen(retention.on_stored),
        ):
            yield served


def _mirror_context(
    shared: Shared,
    sub_relay: SubRelay,
    urls: frozenset[str],
    relay: Relay,
    retention: RetentionPolicy,
) -> MirrorContext:
    address = shared.address
    return MirrorContext(
        shared.stores[sub_relay.name],
        shared.verifier,
        relay.rules,
        urls | (local_urls(address, sub_relay.path) if address else frozenset()),
        shared.clock,
        retention,
        authenticator(shared.state.key, shared.clock),
        RejectedIds(unwanted_file(shared.data, sub_relay.name)),
    )
