"""All policies of one relay: what they remember, and the rules that a configuration makes of them.

Every chain begins with the form of an event and with what its keeper has banned. A request to
vanish (NIP-62) is obeyed whatever they say: they decide on keeping it (`vanishing`). What was
remembered (who used up what, which texts came, whom the web of trust holds, plugins that run)
outlives a change of the configuration.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from nostr_client.errors import ConfigError, InvalidData, StoreError
from nostr_client.protocol.event import Event
from nostr_client.protocol.kinds import DIRECT_MESSAGE, JOIN, LEAVE, VANISH
from nostr_client.protocol.urls import place_of
from nostr_client.store.contract import EventStore, Stored
from relays.config.relay_config import RelayConfig
from relays.config.sections import Duplicates
from relays.policies import access, events, vanishing
from relays.policies.banned_words import without_words
from relays.policies.duplicates import DuplicateTexts
from relays.policies.lists import lists
from relays.policies.plugin import Plugin
from relays.policies.pow import work
from relays.policies.python_policy import PythonPolicy
from relays.policies.rates import Loopback, RateLimiters
from relays.policies.retention import RetentionPolicy
from relays.policies.ruleset import ModerationHooks, Rules
from relays.policies.trust import WebOfTrust
from relays.policies.vanishing import VanishRequests
from relays.policies.verdict import (
    ACCEPTED,
    AsyncPolicy,
    IncomingEvent,
    Policy,
    QueryPolicy,
    Verdict,
    all_of,
)

REFRESHED: Final = 3600.0
"""Seconds after which the web of trust is read anew, whatever was heard meanwhile."""
_AGAIN: Final = 60.0
"""Seconds after which it is tried again, where the store could not be read."""

_log = logging.getLogger(__name__)

OnStored = Callable[[Event, float], None]


def _nobody(_: str) -> bool:
    return False


class _Parts(NamedTuple):
    """What is made of a configuration and may fail."""

    words: list[Policy]
    python_policies: list[PythonPolicy]
    asked: list[PythonPolicy]


class Policies:
    """Of one relay. Made by `open_policies`; `rules` may be called again and again."""

    def __init__(
        self,
        group: asyncio.TaskGroup,
        follows: EventStore,
        *,
        hooks: ModerationHooks,
        retention: RetentionPolicy | None,
        urls: frozenset[str],
        searches: bool,
        clock: Callable[[], float],
    ) -> None:
        self._group = group
        self._follows = follows
        self._hooks = hooks
        self._retention = retention
        self._places = frozenset(map(place_of, urls))
        self._searches = searches
        self._clock = clock
        self.rates = RateLimiters()
        self.vanishing = vanishing.rate_limiter()
        self.duplicates = DuplicateTexts(Duplicates())
        self.trust: WebOfTrust | None = None
        """Of the relays that use one."""
        self._python_policies: dict[tuple[str, str], PythonPolicy] = {}
        self._plugins: dict[tuple[str, str], tuple[Plugin, asyncio.Task[None]]] = {}
        self._on_stored: tuple[OnStored, ...] = ()
        self._trust_is_stale = asyncio.Event()
        self._refreshing = asyncio.Lock()

    def validate(self, config: RelayConfig) -> None:
        """Raises the ConfigError that `rules` would raise, and changes nothing."""
        self._parts(config)

    def _parts(self, config: RelayConfig) -> _Parts:
        try:
            words = [without_words(config.events.words)] if config.events.words else []
        except InvalidData as error:
            raise ConfigError(f"events.words: {error}") from None
        python_policies = self._loaded(config, config.policies.python)
        asked = self._loaded(config, config.policies.questions)
        if wrong := [one.name for one in asked if one.is_async]:
            raise ConfigError(f"policies.questions: {wrong[0]} is async, and must not be")
        return _Parts(words, python_policies, asked)

    def rules(self, config: RelayConfig) -> Rules:
        """What holds with `config`. Raises ConfigError, and then nothing has changed."""
        words, python_policies, asked = self._parts(config)
        folder = config.policies.folder
        self._python_policies = {(one.name, folder): one for one in (*python_policies, *asked)}
        for policy in self._python_policies.values():
            policy.seconds = config.policies.seconds
        self._set(config)
        always = (JOIN, LEAVE) if config.members.enabled else ()
        kept = [
            self._hooks.check,
            *lists(config.events, always=always),
            *words,
        ]
        own = [policy.check for policy in python_policies if not policy.is_async]
        offered = [
            *([self.rates.check] if self.rates.events else []),
            *self._writers(config, always),
            *self._work(config),
            *([self.duplicates.check] if self.duplicates.is_on else []),
        ]
        last = [] if self._retention is None else [self._retention.check]
        clients = [events.for_clients(config.limits), *kept, *offered, *own, *last]
        imports = [events.for_imports(config.limits), *kept, *own, *last]
        async_checks: list[AsyncPolicy] = [
            one.check_async for one in python_policies if one.is_async
        ]
        async_checks += [plugin.check_async for plugin, _ in self._plugins.values()]
        requests = VanishRequests(
            self._places,
            events.for_requests_to_vanish(config.limits),
            self.vanishing,
            clients=(*clients, self._hooks.check_vanish),
            imports=(*imports, self._hooks.check_vanish),
            asked=async_checks,
        )
        return Rules(
            limits=config.limits,
            check=_checked(requests, clients),
            check_import=_checked(requests, imports),
            check_async=_checked_async(requests, async_checks),
            vanish_requests=requests,
            check_query=self._query_policy(config, asked),
            handlers=self._hooks.handlers,
            is_hidden=self._hooks.is_hidden,
            synthesized_kinds=self._hooks.synthesized_kinds,
            synthesize=self._hooks.synthesize,
            on_served=self.rates.on_served if self.rates.bytes else None,
            places=self._places,
            greets=config.access.greet,
            searches=self._searches,
            open_kinds=frozenset(
                {DIRECT_MESSAGE} if config.access.direct_messages == "anyone" else ()
            ),
        )

    # What is remembered

    def _set(self, config: RelayConfig) -> None:
        self.rates.set(config.rates, _loopback(config))
        vanishing.set_rate(self.vanishing, _loopback(config))
        self.duplicates.settings = config.events.duplicates
        roots = frozenset(config.trust.roots) or config.keepers
        if not _uses_trust(config):
            self.trust = None
        elif self.trust is None or not self.trust.fits(roots, config.trust):
            self.trust = WebOfTrust(roots, config.trust.depth, config.trust.followers)
            self._trust_is_stale.set()
        hooks: list[OnStored] = []
        if self.duplicates.is_on:
            hooks.append(self.duplicates.on_stored)
        if self.rates.events.has("key"):
            hooks.append(self.rates.on_stored)
        self._on_stored = tuple(hooks)
        self._set_plugins(config)

    def _set_plugins(self, config: RelayConfig) -> None:
        own = config.policies
        wanted = {(command, own.folder): None for command in own.plugins}
        for gone in self._plugins.keys() - wanted.keys():
            self._plugins.pop(gone)[1].cancel()
        for key in wanted:
            if key not in self._plugins:
                plugin = Plugin(key[0], folder=key[1])
                self._plugins[key] = plugin, self._group.create_task(plugin.run())
            self._plugins[key][0].seconds = own.seconds

    def _loaded(self, config: RelayConfig, names: Sequence[str]) -> list[PythonPolicy]:
        own = config.policies
        found: list[PythonPolicy] = []
        for name in names:
            policy = self._python_policies.get((name, own.folder))
            if policy is None:
                policy = PythonPolicy(name, folder=own.folder)
            found.append(policy)
        return found

    def on_stored(self, stored: Stored) -> None:
        """What this relay's store has stored."""
        if self._on_stored:
            now = self._clock()
            for _, event in stored.events:
                for hook in self._on_stored:
                    hook(event, now)

    def on_follows_stored(self, stored: Stored) -> None:
        """What the store with the follow lists has stored."""
        trust = self.trust
        if trust is not None:
            for _, event in stored.events:
                trust.learn(event)
            if trust.stale:
                self._trust_is_stale.set()

    async def refresh(self) -> None:
        """Read the web of trust anew, if it needs that. Raises StoreError."""
        async with self._refreshing:
            trust = self.trust
            if trust is not None and trust.stale:
                await trust.refresh(self._follows)

    async def upkeep(self) -> None:
        """Keep the web of trust fresh, until cancelled."""
        pause = REFRESHED
        while True:
            try:
                async with asyncio.timeout(pause):
                    await self._trust_is_stale.wait()
            except TimeoutError:
                if self.trust is not None:
                    self.trust.stale = True
            self._trust_is_stale.clear()
            try:
                await self.refresh()
                pause = REFRESHED
            except StoreError as error:
                _log.warning("the web of trust could not be read: %s", error)
                pause = _AGAIN

    # The chains

    def _query_policy(self, config: RelayConfig, own: Sequence[PythonPolicy]) -> QueryPolicy | None:
        policies: list[QueryPolicy] = []
        who = config.readers_are
        if who != "anyone":
            policies.append(access.readers(who, self._allowed(config, who, config.access.readers)))
        if not config.access.scans:
            policies.append(access.no_scans)
        if self.rates.queries or self.rates.bytes:
            policies.append(self.rates.check_query)
        policies += [policy.check_query for policy in own]
        if self._hooks.check_query is not None:
            policies.append(self._hooks.check_query)
        return all_of(policies) if policies else None

    def _writers(self, config: RelayConfig, always: Collection[int]) -> list[Policy]:
        who, demanded = config.writers_are, config.access.authenticated
        if who == "nobody":
            return [access.closed(always)]
        if who == "anyone" and not demanded:
            return [access.known_senders] if config.access.authenticated_wraps else []
        allowed = self._allowed(config, who, config.access.writers)
        return [access.writers(who, allowed, authenticated=demanded, always=always)]

    def _allowed(
        self, config: RelayConfig, who: str, listed: Collection[str]
    ) -> Callable[[str], bool]:
        named = frozenset((*config.keepers, *listed))
        if who == "anyone":
            return lambda _: True
        if who == "trusted" and self.trust is not None:
            return access.in_any(named, self.trust.__contains__)
        if who == "members":
            return access.in_any(named, self._hooks.is_member)
        return access.in_any(named)

    def _work(self, config: RelayConfig) -> list[Policy]:
        of_kind = {kind: rule.work for rule in config.events.rules for kind in rule.kinds}
        if not config.events.work and not any(of_kind.values()):
            return []
        if config.events.work_of == "everyone":
            return [work(config.events.work, of_kind)]
        trust: Callable[[str], bool] = _nobody if self.trust is None else self.trust.__contains__
        named = (*config.keepers, *config.access.writers)
        known = access.in_any(named, self._hooks.is_member, trust)

        def exempt(incoming: IncomingEvent) -> bool:
            return known(incoming.event.pubkey) or any(map(known, incoming.keys))

        return [work(config.events.work, of_kind, exempt)]


def _checked(requests: VanishRequests, policies: Sequence[Policy]) -> Policy:
    chain = tuple(policies)

    def check(incoming: IncomingEvent) -> Verdict:
        if incoming.event.kind == VANISH and requests.applies_to(incoming.event):
            return requests.check(incoming)
        for policy in chain:
            verdict = policy(incoming)
            if not verdict.accepted:
                return verdict
        return ACCEPTED

    return check


def _checked_async(requests: VanishRequests, asked: Sequence[AsyncPolicy]) -> AsyncPolicy | None:
    if not asked:
        return None

    async def check_async(incoming: IncomingEvent) -> Verdict:
        if incoming.event.kind == VANISH and requests.applies_to(incoming.event):
            return ACCEPTED  # they are asked by `VanishRequests.check_keeping`
        for policy in asked:
            verdict = await policy(incoming)
            if not verdict.accepted:
                return verdict
        return ACCEPTED

    return check_async


def _loopback(config: RelayConfig) -> Loopback:
    if config.web.trusted_proxies:
        return "shared"
    onion = any((urlsplit(url).hostname or "").endswith(".onion") for url in config.urls)
    return "each" if onion else "exempt"


def _uses_trust(config: RelayConfig) -> bool:
    spares = config.events.work_of == "strangers" and bool(config.trust.roots or config.keepers)
    return spares or "trusted" in (config.access.write, config.access.read)


@asynccontextmanager
async def open_policies(
    store: EventStore,
    *,
    follows: EventStore | None = None,
    hooks: ModerationHooks | None = None,
    retention: RetentionPolicy | None = None,
    urls: frozenset[str] = frozenset(),
    searches: bool = False,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[Policies]:
    """The policies of the relay over `store`, while the block runs.

    `follows`: the store that holds the follow lists, if it is another one. `hooks`: what the
    keeper's decisions ask. `retention`: what would be taken out again is refused. `urls`: the
    relay's service URLs, normalised. `searches`: the store answers them.
    """
    source = store if follows is None else follows
    async with asyncio.TaskGroup() as group:
        policies = Policies(
            group,
            source,
            hooks=hooks or ModerationHooks(),
            retention=retention,
            urls=urls,
            searches=searches,
            clock=clock,
        )
        async with store.listen(policies.on_stored), source.listen(policies.on_follows_stored):
            upkeep = group.create_task(policies.upkeep())
            try:
                yield policies
            finally:
                upkeep.cancel()
                for _, running in policies._plugins.values():
                    running.cancel()
