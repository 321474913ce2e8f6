"""The rooms that keep and carry events: the store, relays, and what is known of them.

Here they are only named: `client.connecting` loads and builds them once a client opens. The rooms
of its account stand on them (`client.rooms`).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from nostr_client.resilience.pace import Pace
from nostr_client.signing.guards import Consent, Guard, Guarded, nobody

if TYPE_CHECKING:
    from nostr_client.client.keys import ClientKeys
    from nostr_client.config import ClientConfig
    from nostr_client.net.pool import RelayPool
    from nostr_client.paths import Paths
    from nostr_client.resilience.own_relay import OwnRelay
    from nostr_client.routing.authentication import Authenticator
    from nostr_client.routing.courier import Courier
    from nostr_client.routing.list_guard import ListGuard
    from nostr_client.routing.relay_book import RelayBook
    from nostr_client.routing.relay_monitors import RelayMonitors
    from nostr_client.signing.gate import OwnKeys
    from nostr_client.signing.signer import Signer
    from nostr_client.signing.verifier import Verifier
    from nostr_client.store.contract import (
        ClientStore,
        CopyLedger,
    )


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
    store: ClientStore
    copies: CopyLedger
    verifier: Verifier
    pool: RelayPool
    book: RelayBook
    courier: Courier
    guard: ListGuard
    authenticator: Authenticator | None
    """Who is told who we are (NIP-42); None where there is no key to say it with."""
    monitors: RelayMonitors
    own_relay: OwnRelay | None
    own_relay_problem: str
    """Why the own relay is not there although it should be; empty when all is well."""

    def __init__(
        self,
        paths: Paths,
        config: ClientConfig,
        keys: ClientKeys,
        own_keys: OwnKeys,
        clock: Callable[[], float],
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
        self._own_keys = own_keys
        self._encryption: Signer | None = None
        self._indexers: Sequence[str] | None = None
        self._pace = Pace()
        self._guards: tuple[Guard, ...] = ()
        self._listed: Sequence[str] = ()
        self._clock = clock

    def _own_urls(self) -> tuple[str, ...]:
        """Every URL that the own relay has had, the present one first."""
        return self.own_relay.folder.urls() if self.own_relay else ()
