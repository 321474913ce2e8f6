"""How a client comes to the rooms that keep and carry events: built from the ground up for one
account (`ClientKeys`)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final, cast

import msgspec

from nostr_client.client.network import ClientNetwork, Enter
from nostr_client.errors import NostrError, StoreError
from nostr_client.kit.last_kit import last_kit
from nostr_client.net.addresses import KnownAddresses
from nostr_client.net.outages import Outages
from nostr_client.net.pool import RelayPool
from nostr_client.paths import private_folder
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.resilience.kept_people import kept_by_anyone
from nostr_client.resilience.own_relay import OwnRelay
from nostr_client.routing.address_policy import AddressPolicy
from nostr_client.routing.auth_choices import auth_choices
from nostr_client.routing.authentication import Authenticator
from nostr_client.routing.courier import Courier
from nostr_client.routing.kill_switches import MassDeletion, vanishing
from nostr_client.routing.list_guard import ListGuard
from nostr_client.routing.list_loss import ListLoss
from nostr_client.routing.list_reading import ListReader
from nostr_client.routing.private_part import PrivatePart
from nostr_client.routing.relay_book import RelayBook
from nostr_client.routing.relay_monitors import RelayMonitors
from nostr_client.routing.saved_relays import found_at
from nostr_client.routing.starter_relays import starter_relays
from nostr_client.signing.guards import Confirmation, Guard, Guarded, Objection
from nostr_client.signing.verifier import Verifier
from nostr_client.social.blocked_relays import known_blocks
from nostr_client.store.contract import (
    ClientStore,
    QuotaLimits,
    StoreOptions,
)
from nostr_client.store.opening import open_client_store

log = logging.getLogger(__name__)

OWN_RELAY_LIMIT: Final = 15.0
"""Seconds that the own relay may take to be found or started before the client goes on without."""


async def connect(client: ClientNetwork, enter: Enter, relays: Sequence[str] | None) -> None:
    """The rooms that keep and carry events."""
    me, data, config = client.pubkey, private_folder(client.paths.data), client.config
    client.store = await _open_store(client, enter)
    client.copies = client.store.ledger
    client.store.quotas.limits = QuotaLimits(
        relay=config.relay_quota_mb * 2**20, stranger=config.stranger_quota_mb * 2**20
    )
    client.store.quotas.also_spared = partial(kept_by_anyone, data)
    outages = Outages(data / "outages.json", client._clock)
    client.book = await _relay_book(client, relays, outages)
    if client._keys.login or client._keys.keyed:
        choices = auth_choices(data, me)
        client.authenticator = Authenticator(client._keys.login, client.book, choices)
    client.verifier = await enter(Verifier())
    client.pool = await enter(
        RelayPool(
            verifier=client.verifier,
            proxy=config.proxy,
            compression=config.compression,
            known=client.store.known,
            authenticate=client.authenticator,
            dial=client.book.policy,
            outages=outages,
            own=[me] if me else [],
            addresses=KnownAddresses(data / "addresses.json", client._clock),
        )
    )
    client.courier = await enter(
        Courier(
            client.store,
            client.pool,
            client.book,
            folder=data,
            own=client._own_keys,
            clock=client._clock,
        )
    )
    client.monitors = RelayMonitors(client.courier, chosen=config.monitors, clock=client._clock)
    client.courier.scores.lowered = client.monitors.lowered
    reader = ListReader(
        client.courier,
        pubkey=me,
        folder=data,
        only_here=client._keys.key_only_here,
        introduced=client.authenticator.introduced if client.authenticator else (),
    )
    confirmation = _put_guards(client, reader)
    client.guard = ListGuard(
        reader,
        client._writer,
        own_urls=client._own_urls,
        confirmation=confirmation,
        clock=client._clock,
    )


async def _open_store(client: ClientNetwork, enter: Enter) -> ClientStore:
    """The store, with its index; where that cannot be made (no FTS5 here, no room on the disk),
    all else works without."""
    where = client.paths.data / "events.db"
    keep = [client.pubkey] if client.pubkey else []
    plain = StoreOptions(keep_history_of=keep, modest=True)
    try:
        searched = msgspec.structs.replace(plain, search=True, gentle=True)
        opened = await enter(open_client_store(where, searched))
    except StoreError as error:
        opened = await enter(open_client_store(where, plain))
        log.warning("nothing that is stored here can be searched for: %s", error)
    return cast("ClientStore", opened)


def _put_guards(client: ClientNetwork, reader: ListReader) -> Confirmation:
    """What is signed here passes the guards; lists, which are read before they are changed, are
    compared there (`ListGuard`), and where somebody signs one with `signer` itself."""
    me, data = client.pubkey, client.paths.data
    confirmation = Confirmation(
        partial(_ask, client), partial(_backup_age, data, me, client._clock)
    )
    if (signer := client._keys.signer) is not None:
        deletions = MassDeletion(me, data, partial(_held, client.store), client._clock)
        guards: list[Guard] = [vanishing, deletions, *client._guards]
        losses = ListLoss(reader.newest, PrivatePart(signer).text_of)
        client._writer = Guarded(signer, guards, confirmation)
        client.signer = Guarded(signer, [*guards, losses], confirmation)
    return confirmation


async def _ask(client: ClientNetwork, draft: Draft, objection: Objection) -> bool:
    return await client.consent(draft, objection)


async def _held(store: ClientStore, ids: Collection[str]) -> list[Event]:
    return await store.query([Filter(ids=frozenset(ids))]) if ids else []


async def _relay_book(
    client: ClientNetwork, relays: Sequence[str] | None, outages: Outages
) -> RelayBook:
    """The relays that the account, the person and the package name."""
    me, config = client.pubkey, client.config
    starters = starter_relays()
    policy = AddressPolicy(
        config.allow_private_relays,
        (*(relays or ()), *(client._indexers or ())),
        config.relays_of_strangers,
        [relay.url for relay in starters.gone],
    )
    if me:
        policy.blocked = await asyncio.to_thread(known_blocks, client.paths.data, me)
    client._listed = () if relays is not None and not relays else starters.urls("general")
    indexers = starters.urls("indexer") if relays is None else ()
    book = RelayBook(
        client.store,
        policy,
        owner=me,
        keyed=client._keys.keyed,
        fallback=starters.urls("general") if relays is None else relays,
        starters=relays is None,
        indexers=indexers if client._indexers is None else client._indexers,
        down=outages.down,
        clock=client._clock,
    )
    if me and not client._keys.keyed:  # a key of ours has a list of its own, signed by it
        found = await asyncio.to_thread(found_at(client.paths.data, me).read) or ()
        policy.allow(found)
        book.add_found(me, found)
    await book.client_relays()  # from the start the policy knows what the own list opens
    return book


async def use_own_relay(client: ClientNetwork, own: OwnRelay, stack: AsyncExitStack) -> None:
    """Find or start the own relay; without it the client works all the same, and says so."""
    try:
        stack.enter_context(own.folder.in_use())
        async with asyncio.timeout(OWN_RELAY_LIMIT):
            client.book.policy.own_relay = await own.ensure()
    except TimeoutError:
        client.own_relay_problem = f"the own relay did not start within {OWN_RELAY_LIMIT:g} s"
    except NostrError as error:
        client.own_relay_problem = str(error)
    client.book.policy.own_headers = own.folder.headers
    if client.own_relay_problem:
        log.warning("%s", client.own_relay_problem)


def stranger(client: ClientNetwork) -> RelayPool:
    """A pool that no relay can tell is ours: other connections, other circuits, no key."""
    return RelayPool(
        verifier=client.verifier,
        proxy=client.config.proxy,
        compression=client.config.compression,
        dial=client.book.policy,
    )


def _backup_age(data: Path, pubkey: str, clock: Callable[[], float]) -> float | None:
    """Seconds since the account's last backup; None if none is known of. Raises StoreError."""
    last = last_kit(data, pubkey)
    return None if last is None else clock() - last.made_at
