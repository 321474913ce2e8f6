"""The rooms that keep and carry events: the store, relays, and what is known of them.

They are built from the ground up for one account (`ClientKeys`), whose own rooms stand on them
(`client.rooms`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

from nostr_client.accounts.keyfiles import KeyFiles
from nostr_client.client.keys import ClientKeys
from nostr_client.config import ClientConfig
from nostr_client.errors import NostrError, StoreError
from nostr_client.kit.last_kit import last_kit
from nostr_client.net.addresses import KnownAddresses
from nostr_client.net.outages import Outages
from nostr_client.net.pool import RelayPool
from nostr_client.paths import Paths, private_folder
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.resilience.kept_people import kept_by_anyone
from nostr_client.resilience.own_relay import OwnRelay
from nostr_client.resilience.pace import Pace
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
from nostr_client.signing.guards import Confirmation, Consent, Guard, Guarded, Objection, nobody
from nostr_client.signing.signer import Signer
from nostr_client.signing.verifier import Verifier
from nostr_client.social.blocked_relays import known_blocks
from nostr_client.store.contract import (
    CopyLedger,
    EventStore,
    QuotaLimits,
    StoreOptions,
)
from nostr_client.store.opening import open_store

log = logging.getLogger(__name__)

OWN_RELAY_LIMIT: Final = 15.0
"""Seconds that the own relay may take to be found or started before the client goes on without."""
Enter = Callable[[AbstractAsyncContextManager[Any]], Coroutine[Any, Any, Any]]
"""Enters what is to be ended with the client, and gives what it yields."""


class ClientNetwork:
    """`store`, `copies` (which relay holds what), `verifier`, `pool`, `book` (who writes and reads
    where), `courier`, `guard` (lists are read before they are changed), `own_relay`."""

    pubkey: str
    """The account's public key in hex; empty when the client was opened without any."""
    signer: Guarded | None
    """What signs for the account, behind its guards; None for one that is only watched."""
    consent: Consent
    """Who is asked about what a guard objects to; a face puts itself here."""
    paths: Paths
    config: ClientConfig
    store: EventStore
    copies: CopyLedger
    verifier: Verifier
    pool: RelayPool
    book: RelayBook
    courier: Courier
    guard: ListGuard
    authenticator: Authenticator | None
    """Who is told who we are (NIP-42); None where there is no key to say it with."""
    own_relay: OwnRelay | None
    own_relay_problem: str
    """Why the own relay is not there although it should be; empty when all is well."""

    def __init__(
        self, paths: Paths, config: ClientConfig, keys: ClientKeys, clock: Callable[[], float]
    ) -> None:
        """Use `NostrClient.open`."""
        self.paths = paths
        self.config = config
        self.pubkey = keys.pubkey
        self.signer = None
        self.consent = nobody
        self._writer: Guarded | None = None
        self.own_relay = None
        self.own_relay_problem = ""
        self.authenticator = None
        self._keys = keys
        self._own_keys = KeyFiles.of(paths).own_keys
        self._encryption: Signer | None = None
        self._indexers: Sequence[str] | None = None
        self._pace = Pace()
        self._guards: tuple[Guard, ...] = ()
        self._clock = clock

    async def _connect(self, enter: Enter, relays: Sequence[str] | None) -> None:
        """The rooms that keep and carry events."""
        me, data, config = self.pubkey, private_folder(self.paths.data), self.config
        self.store = await self._open_store(enter)
        self.copies = self.store.ledger
        self.store.quotas.limits = QuotaLimits(
            relay=config.relay_quota_mb * 2**20, stranger=config.stranger_quota_mb * 2**20
        )
        self.store.quotas.also_spared = partial(kept_by_anyone, data)
        outages = Outages(data / "outages.json", self._clock)
        self.book = await self._relay_book(relays, outages)
        if self._keys.login or self._keys.keyed:
            choices = auth_choices(data, me)
            self.authenticator = Authenticator(self._keys.login, self.book, choices)
        self.verifier = await enter(Verifier())
        self.pool = await enter(
            RelayPool(
                verifier=self.verifier,
                proxy=config.proxy,
                compression=config.compression,
                known=self.store.known,
                authenticate=self.authenticator,
                dial=self.book.policy,
                outages=outages,
                own=[me] if me else [],
                addresses=KnownAddresses(data / "addresses.json", self._clock),
            )
        )
        self.courier = await enter(
            Courier(
                self.store,
                self.pool,
                self.book,
                folder=data,
                own=self._own_keys,
                clock=self._clock,
            )
        )
        self.monitors = RelayMonitors(self.courier, chosen=config.monitors, clock=self._clock)
        self.courier.scores.lowered = self.monitors.lowered
        reader = ListReader(
            self.courier,
            pubkey=me,
            folder=data,
            only_here=self._keys.key_only_here,
            introduced=self.authenticator.introduced if self.authenticator else (),
        )
        confirmation = self._put_guards(reader)
        self.guard = ListGuard(
            reader,
            self._writer,
            own_urls=self._own_urls,
            confirmation=confirmation,
            clock=self._clock,
        )

    async def _open_store(self, enter: Enter) -> EventStore:
        """The store, with its index; where that cannot be made (no FTS5 here, no room on the disk),
        all else works without."""
        where = self.paths.data / "events.db"
        keep = [self.pubkey] if self.pubkey else []
        try:
            opened = await enter(
                open_store(where, StoreOptions(keep_history_of=keep, search=True, gentle=True))
            )
        except StoreError as error:
            opened = await enter(open_store(where, StoreOptions(keep_history_of=keep)))
            log.warning("nothing that is stored here can be searched for: %s", error)
        return cast("EventStore", opened)

    def _put_guards(self, reader: ListReader) -> Confirmation:
        """What is signed here passes the guards; lists, which are read before they are changed, are
        compared there (`ListGuard`), and where somebody signs one with `signer` itself."""
        me, data = self.pubkey, self.paths.data
        confirmation = Confirmation(self._ask, partial(_backup_age, data, me, self._clock))
        if (signer := self._keys.signer) is not None:
            deletions = MassDeletion(me, data, self._held, self._clock)
            guards: list[Guard] = [vanishing, deletions, *self._guards]
            losses = ListLoss(reader.newest, PrivatePart(signer).text_of)
            self._writer = Guarded(signer, guards, confirmation)
            self.signer = Guarded(signer, [*guards, losses], confirmation)
        return confirmation

    async def _ask(self, draft: Draft, objection: Objection) -> bool:
        return await self.consent(draft, objection)

    async def _held(self, ids: Collection[str]) -> list[Event]:
        return await self.store.query([Filter(ids=frozenset(ids))]) if ids else []

    async def _relay_book(self, relays: Sequence[str] | None, outages: Outages) -> RelayBook:
        """The relays that the account, the person and the package name."""
        me, config = self.pubkey, self.config
        starters = starter_relays()
        policy = AddressPolicy(
            config.allow_private_relays,
            (*(relays or ()), *(self._indexers or ())),
            config.relays_of_strangers,
            [relay.url for relay in starters.gone],
        )
        if me:
            policy.blocked = await asyncio.to_thread(known_blocks, self.paths.data, me)
        self._listed = () if relays is not None and not relays else starters.urls("general")
        indexers = starters.urls("indexer") if relays is None else ()
        book = RelayBook(
            self.store,
            policy,
            owner=me,
            keyed=self._keys.keyed,
            fallback=starters.urls("general") if relays is None else relays,
            starters=relays is None,
            indexers=indexers if self._indexers is None else self._indexers,
            down=outages.down,
            clock=self._clock,
        )
        if me and not self._keys.keyed:  # a key of ours has a list of its own, signed by it
            found = await asyncio.to_thread(found_at(self.paths.data, me).read) or ()
            policy.allow(found)
            book.add_found(me, found)
        await book.client_relays()  # from the start the policy knows what the own list opens
        return book

    async def _use_own_relay(self, own: OwnRelay, stack: AsyncExitStack) -> None:
        """Find or start the own relay; without it the client works all the same, and says so."""
        try:
            stack.enter_context(own.folder.in_use())
            async with asyncio.timeout(OWN_RELAY_LIMIT):
                self.book.policy.own_relay = await own.ensure()
        except TimeoutError:
            self.own_relay_problem = f"the own relay did not start within {OWN_RELAY_LIMIT:g} s"
        except NostrError as error:
            self.own_relay_problem = str(error)
        self.book.policy.own_headers = own.folder.headers
        if self.own_relay_problem:
            log.warning("%s", self.own_relay_problem)

    def _stranger(self) -> RelayPool:
        """A pool that no relay can tell is ours: other connections, other circuits, no key."""
        return RelayPool(
            verifier=self.verifier,
            proxy=self.config.proxy,
            compression=self.config.compression,
            dial=self.book.policy,
        )

    def _own_urls(self) -> tuple[str, ...]:
        """Every URL that the own relay has had, the present one first."""
        return self.own_relay.folder.urls() if self.own_relay else ()


def _backup_age(data: Path, pubkey: str, clock: Callable[[], float]) -> float | None:
    """Seconds since the account's last backup; None if none is known of. Raises StoreError."""
    last = last_kit(data, pubkey)
    return None if last is None else clock() - last.made_at
