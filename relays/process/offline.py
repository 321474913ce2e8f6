"""A room of a relay for a command of its keeper's, which works whether the relay runs or not.

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
from nostr_client.store.events import EventStore
from nostr_client.store.sqlite.reserve import Reserve
from relays.config.relay_config import RelayConfig
from relays.config.sub_relays import ROOT, Room, local_urls, rooms
from relays.moderation.state import ModerationState
from relays.policies.chain import open_policies
from relays.policies.retention import Keeping, retention_note, with_retention
from relays.policies.vanishing import Requests
from relays.policies.verdict import AsyncPolicy, Policy
from relays.process.folder import RESERVE, open_folder, running_relay
from relays.process.run import service_urls


class OfflineAccess(msgspec.Struct, frozen=True):
    """What such a command needs. `judge` and `consult` decide on what the keeper brings in; `urls`
    are all that lead to the room, in their normal spelling; `keeping` knows what goes by its age,
    `key` is the relay's own."""

    room: Room
    store: EventStore
    verifier: Verifier
    judge: Policy
    consult: AsyncPolicy | None
    urls: frozenset[str]
    keeping: Keeping
    key: SecretKey
    requests: Requests | None


@asynccontextmanager
async def open_offline(
    config: RelayConfig, data: Path, name: str | None = None
) -> AsyncIterator[OfflineAccess]:
    """The room `name` (None: the one at `/`) of the relay in the folder `data`, made if missing.

    Raises ConfigError, StoreError; what the block raises comes as it is.
    """
    room = _room(config, name or ROOT)
    note = running_relay(data)
    address = note.url if note else f"ws://{config.host}:{config.port}"
    urls = frozenset(service_urls(address, room.config.urls, room.path))
    reserve = Reserve(data / RESERVE)
    try:
        async with (
            _open_folder(data),
            ModerationState.open(data, service_urls=urls, reserve=reserve) as state,
            EventStore.open(data / room.database, service_urls=urls, reserve=reserve) as store,
            Verifier() as verifier,
            open_policies(store, bans=state.check, urls=urls) as policies,
        ):
            keeping = Keeping(
                room.config.retention,
                retention_note(data, room.name),
                people=lambda: ({*config.keepers, state.pubkey}, state.roster.members),
            )
            rules = with_retention(policies.rules(room.config), keeping)
            own = urls | local_urls(address, room.path)
            yield OfflineAccess(
                room,
                store,
                verifier,
                rules.imports,
                rules.consult,
                own,
                keeping,
                state.key,
                rules.requests,
            )
    except ExceptionGroup as group:
        if len(group.exceptions) > 1:
            raise
        raise group.exceptions[0] from None


@asynccontextmanager
async def _open_folder(data: Path) -> AsyncIterator[None]:
    with open_folder(data, new=True):
        yield


def _room(config: RelayConfig, name: str) -> Room:
    found = {room.name: room for room in rooms(config)}
    if name not in found:
        raise ConfigError(f"--room: there is no {name!r}; there is {', '.join(found)}")
    return found[name]
