"""A sub-relay of a relay for a command of its keeper's, which works whether the relay runs or not.

The store may be shared with the relay: what is stored here, its clients see.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from nostr_client.errors import ConfigError
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.verifier import Verifier
from nostr_client.store.contract import EventStore, StoreOptions
from nostr_client.tasks import first_of
from relays.config.relay_config import RelayConfig
from relays.config.sub_relays import ROOT, SubRelay, local_urls, sub_relays
from relays.moderation.floors import open_floor
from relays.policies.chain import open_policies
from relays.policies.retention import RetentionPolicy
from relays.policies.ruleset import ModerationHooks, Rules
from relays.process.answering import service_urls
from relays.process.folder import open_folder, running_relay
from relays.process.stores import RelayStores


class OfflineAccess(msgspec.Struct, frozen=True):
    """What such a command needs. `rules` decide on what the keeper brings in; `urls` are all that
    lead to the sub-relay, in their normal spelling; `retention` knows what goes by its age, `key`
    is the relay's own."""

    sub_relay: SubRelay
    store: EventStore
    verifier: Verifier
    rules: Rules
    urls: frozenset[str]
    retention: RetentionPolicy
    key: SecretKey


@asynccontextmanager
async def open_offline(
    config: RelayConfig, data: Path, name: str | None = None
) -> AsyncIterator[OfflineAccess]:
    """The sub-relay `name` (None: that at `/`) of the relay in the folder `data`, or where `config`
    says that it is; made if missing.

    Raises ConfigError, StoreError; what the block raises comes as it is.
    """
    sub_relay = _sub_relay(config, name or ROOT)
    note = running_relay(data)
    address = note.url if note else f"ws://{config.host}:{config.port}"
    urls = frozenset(service_urls(address, sub_relay.config.urls, sub_relay.path))
    try:
        async with (
            _opened(data, config.store or "") as stores,
            stores.open_state(service_urls=urls) as state,
            stores.open(sub_relay.database, StoreOptions(service_urls=urls)) as store,
            Verifier() as verifier,
        ):
            retention = RetentionPolicy(
                sub_relay.config.retention,
                await open_floor(state, data, sub_relay.name),
                people=lambda: ({*config.keepers, state.pubkey}, state.roster.members),
            )
            hooks = ModerationHooks(check=state.check)
            async with open_policies(
                store, hooks=hooks, retention=retention, urls=urls
            ) as policies:
                rules = policies.rules(sub_relay.config)
                own = urls | local_urls(address, sub_relay.path)
                yield OfflineAccess(sub_relay, store, verifier, rules, own, retention, state.key)
    except ExceptionGroup as errors:
        raise first_of(errors) from None


@asynccontextmanager
async def _opened(data: Path, store: str) -> AsyncIterator[RelayStores]:
    with open_folder(data, store, new=True) as stores:
        yield stores


def _sub_relay(config: RelayConfig, name: str) -> SubRelay:
    found = {sub_relay.name: sub_relay for sub_relay in sub_relays(config)}
    if name not in found:
        raise ConfigError(f"--room: there is no {name!r}; there is {', '.join(found)}")
    return found[name]
