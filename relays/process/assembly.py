"""Everything that one process serves: its sub-relays, each a relay with its own store and policies,
and what its keeper decided, which holds in all of them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Final

import msgspec

from nostr_client.errors import ConfigError
from nostr_client.protocol.event import Event
from nostr_client.protocol.kinds import INVITE
from nostr_client.signing.verifier import Verifier
from nostr_client.store.contract import EventStore, StoreOptions
from relays.config.relay_config import RelayConfig
from relays.config.sub_relays import SubRelay, local_urls, sub_relays
from relays.engine.relay import Relay
from relays.moderation.actions import ModerationActions
from relays.moderation.state import ModerationState
from relays.policies.chain import Policies, open_policies
from relays.policies.retention import RetentionPolicy, retention_note, with_retention
from relays.policies.ruleset import Rules
from relays.policies.vanishing import VanishRequests
from relays.policies.verdict import ACCEPTED, IncomingEvent, Verdict, all_of, refused
from relays.process.stores import RelayStores
from relays.sync.auth import logging_in
from relays.sync.mirror import MirrorContext, Mirrors
from relays.sync.rejected_ids import Unwanted, unwanted_file
from relays.web.health import Health
from relays.web.monitor import Monitor, memory
from relays.web.nip11_document import Features
from relays.web.nip86 import Admin
from relays.web.pages import SubRelayPages
from relays.web.prometheus import Sampled, exposition
from relays.web.routes import MetricsPage, Routes
from relays.web.status import Neighbour

_log = logging.getLogger(__name__)
_HIDDEN: Final = refused("blocked: it is banned here")


class RelayProcess:
    """Made by `serve`; `site` answers for all sub-relays at their paths."""

    def __init__(
        self,
        state: ModerationState,
        actions: ModerationActions,
        config: RelayConfig,
        health: Health,
    ) -> None:
        self.state = state
        self._health = health
        self.actions = actions
        self.config = config
        self._sub_relays: dict[str, _SubRelay] = {}
        self._members = state.roster.members
        self._started = time.monotonic()
        self._metrics = MetricsPage(config, self._exposition)
        state.on_change(self._changed)
        actions.near = self._near

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

    def _near(self) -> frozenset[str]:
        """Where the keeper and the admins are connected from."""
        sub_relays = self._sub_relays.values()
        return frozenset().union(
            *(sub_relay.relay.addresses_of(self.actions.admins) for sub_relay in sub_relays)
        )

    def _changed(self) -> None:
        before, self._members = self._members, self.state.roster.members
        left = frozenset() if before is self._members else before.keys() - self._members.keys()
        for sub_relay in self._sub_relays.values():
            sub_relay.speak()
            if left and sub_relay.config.readers_are == "members":
                sub_relay.relay.end_reading(left, "restricted: only members read here")

    @property
    def site(self) -> Routes:
        """What is answered over plain HTTP."""
        watched = {"/health": self._health.answer, "/metrics": self._metrics.answer}
        return Routes([sub_relay.pages for sub_relay in self._sub_relays.values()], watched)

    async def _exposition(self) -> bytes:
        sub_relays: dict[str, Sampled] = {}
        for sub_relay in self._sub_relays.values():
            gauges = await sub_relay.monitor.gauges() | sub_relay.mirrors.gauges()
            gauges["search_lag_commits"] = await sub_relay.store.index_lag()
            sub_relays[sub_relay.name] = Sampled(sub_relay.relay.rules.metrics, gauges)
        bans = self.state.bans
        process = {
            "memory_bytes": memory(),
            "uptime_seconds": time.monotonic() - self._started,
            "banned_pubkeys": len(bans.pubkeys),
            "banned_events": len(bans.events),
            "members": len(self.state.roster.members),
        }
        return exposition(sub_relays, process)


class _SubRelay:
    """One sub-relay at work."""

    def __init__(
        self,
        serving: RelayProcess,
        sub_relay: SubRelay,
        policies: Policies,
        relay: Relay,
        *,
        store: EventStore,
        keeping: RetentionPolicy,
        mirrors: Mirrors,
    ) -> None:
        self._serving = serving
        self._policies = policies
        self._keeping = keeping
        self.mirrors = mirrors
        self.name = sub_relay.name
        self.config = sub_relay.config
        self.relay = relay
        self.store = store
        self.monitor = Monitor(relay.rules.metrics, relay.gauges, store)
        admin = Admin(serving.actions)
        self.pages = SubRelayPages(
            self._said(),
            self._features(),
            figures=self.monitor.figures,
            admin=admin.answer,
            others=self._others(),
        )

    def check(self, config: RelayConfig) -> None:
        """Raises ConfigError where `rules` would, and changes nothing."""
        self._policies.check(config)
        self.mirrors.check(config.mirror)

    def rules(self, config: RelayConfig) -> Rules:
        """Those that `config` makes here. Raises ConfigError."""
        rules = with_keeper(
            self._policies.rules(config), self._serving.state, self._serving.actions
        )
        return with_retention(rules, self._keeping)

    def reconfigure(self, config: RelayConfig, rules: Rules) -> None:
        before, self.config = self.config, config
        self._keeping.reconfigure(config.retention)
        self.mirrors.reconfigure(config.mirror)
        self.relay.rules.reconfigure(rules)
        self.relay.set_negentropy_bounds(config.negentropy)
        if config.readers_are != "anyone" and _reading(config) != _reading(before):
            self.relay.end_reading(None, "restricted: who may read here has changed, ask again")
        self.speak()

    def speak(self) -> None:
        """Say of this room what is true now."""
        self.pages.reconfigure(self._said(), self._features(), self._others())

    def _others(self) -> list[Neighbour]:
        """The sub-relays beside this one."""
        return [
            Neighbour(
                sub_relay.config.name,
                sub_relay.config.description,
                sub_relay.config.urls,
                sub_relay.path,
            )
            for sub_relay in sub_relays(self._serving.config)
            if sub_relay.name != self.name
        ]

    def _said(self) -> RelayConfig:
        """The configuration, with what admins have the relay say of itself."""
        said = msgspec.structs.asdict(self._serving.state.info)
        chosen = {name: text for name, text in said.items() if text}
        return msgspec.structs.replace(self.config, **chosen)

    def _features(self) -> Features:
        config = self.config
        return Features(
            authenticates=True,
            reconciles=config.negentropy.sessions > 0,
            searches=True,
            members=config.members.enabled,
            managed=bool(self._serving.actions.admins),
            work=config.events.work if config.events.work_of == "everyone" else 0,
            asks_who=config.readers_are != "anyone",
            chooses_writers=config.writers_are != "anyone",
            own_key=self._serving.state.pubkey,
        )


def _reading(config: RelayConfig) -> object:
    """What decides on who may read."""
    return config.readers_are, config.access.readers, config.keepers, config.trust


def with_keeper(rules: Rules, state: ModerationState, actions: ModerationActions) -> Rules:
    """`rules`, and what the keeper's records ask of them."""
    members, remover = actions.members, actions.remover

    def is_hidden(event: Event) -> bool:
        hidden = state.is_hidden(event)
        if hidden:
            remover.stray(event)
        return hidden

    def shown(incoming: IncomingEvent) -> Verdict:
        return _HIDDEN if state.is_hidden(incoming.event) else ACCEPTED

    question = rules.check_query
    asked = [members.check_query] if question is None else [question, members.check_query]
    return msgspec.structs.replace(
        rules,
        check_query=all_of(asked),
        handlers=members.handlers,
        is_hidden=is_hidden,
        vanish_requests=None
        if rules.vanish_requests is None
        else rules.vanish_requests.with_policy(shown),
        synthesize=members.invite_for,
        synthesized_kinds=frozenset({INVITE}),
    )


@asynccontextmanager
async def serve(
    config: RelayConfig,
    stores: RelayStores,
    urls_of: Callable[[SubRelay], frozenset[str]],
    *,
    address: str = "",
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[RelayProcess]:
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
        opened = {
            sub_relay.name: await enter(
                stores.open(
                    sub_relay.database,
                    StoreOptions(service_urls=urls[sub_relay.name], search=True, clock=clock),
                )
            )
            for sub_relay in found
        }
        verifier = await enter(Verifier())
        trusts: list[Policies] = []

        def trusted(pubkey: str) -> bool:
            return any(one.trust is not None and pubkey in one.trust for one in trusts)

        actions = ModerationActions(state, list(opened.values()), config, trusted)

        async def probe() -> None:
            for store in opened.values():
                await store.probe()

        serving = RelayProcess(state, actions, config, Health(stores.data, probe))
        work: list[Callable[[], Coroutine[Any, Any, None]]] = [actions.remover.run]
        for sub_relay in found:
            store = opened[sub_relay.name]
            policies = await enter(
                open_policies(
                    store,
                    follows=opened[sub_relay.follows_of],
                    bans=state.check,
                    is_member=actions.members.include,
                    urls=urls[sub_relay.name],
                    searches=True,
                    clock=clock,
                )
            )
            keeping = RetentionPolicy(
                sub_relay.config.retention,
                retention_note(stores.data, sub_relay.name),
                people=actions.people,
            )
            rules = with_retention(
                with_keeper(policies.rules(sub_relay.config), state, actions), keeping
            )
            await policies.refresh()
            trusts.append(policies)
            relay = Relay(store, verifier.verify_all, rules, clock, sub_relay.config.negentropy)
            around = MirrorContext(
                store,
                verifier,
                _imports(relay),
                _consults(relay),
                urls[sub_relay.name]
                | (local_urls(address, sub_relay.path) if address else frozenset()),
                clock,
                keeping,
                logging_in(state.key, clock),
                Unwanted(unwanted_file(stores.data, sub_relay.name)),
                _requests(relay),
            )
            mirrors = Mirrors(sub_relay.config.mirror, around)
            served = _SubRelay(
                serving, sub_relay, policies, relay, store=store, keeping=keeping, mirrors=mirrors
            )
            serving._sub_relays[sub_relay.path] = served
            relay.live_seq = await enter(store.listen(relay.on_stored))
            work += [relay.run, mirrors.run, served.monitor.run]
            await enter(store.listen(keeping.on_stored))
            work.append(partial(keeping.run, store, rules.metrics, clock))
        await actions.settle()
        group = await enter(asyncio.TaskGroup())
        tasks = [group.create_task(one()) for one in work]
        yield serving
        for task in tasks:
            task.cancel()


def _requests(relay: Relay) -> Callable[[], VanishRequests | None]:
    return lambda: relay.rules.vanish_requests


def _imports(relay: Relay) -> Callable[[IncomingEvent], Verdict]:
    def check(incoming: IncomingEvent) -> Verdict:
        return relay.rules.check_import(incoming)  # those of the moment

    return check


def _consults(relay: Relay) -> Callable[[IncomingEvent], Awaitable[Verdict]]:
    async def check_async(incoming: IncomingEvent) -> Verdict:
        asked = relay.rules.check_async
        return ACCEPTED if asked is None else await asked(incoming)

    return check_async
