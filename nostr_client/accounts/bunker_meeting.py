"""The first meeting with a bunker (NIP-46), both ways round: by its code, or by ours."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from nostr_client.accounts.bunker_link import BunkerLink
from nostr_client.accounts.bunker_pairing import BunkerOptions, BunkerPairing
from nostr_client.errors import (
    DecryptionFailed,
    InvalidKey,
    InvalidMessage,
    NostrError,
    SignerUnavailable,
    SigningRefused,
)
from nostr_client.net.auth_demand import authenticator
from nostr_client.net.dial import DialPolicy
from nostr_client.net.pool import RelayPool
from nostr_client.net.subscription import Arrival, Ended, Subscription
from nostr_client.nips import nip44, nip46
from nostr_client.nips.nip46 import (
    BunkerMethod,
    BunkerResponse,
    BunkerUri,
    ClientMetadata,
    ConnectParams,
    NostrConnectUri,
    Permission,
)
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import PublicKey, SecretKey
from nostr_client.signing.verifier import Verifier

_log = logging.getLogger(__name__)

SCAN_LIMIT: Final = 180.0
"""Seconds to scan our code and to say yes to it."""
FAREWELL_LIMIT: Final = 5.0
"""Seconds for the answer to `logout`."""
CONNECT_LIMIT: Final = 60.0
"""Seconds for the answer to `connect`, to which a person may have to say yes."""
CLIENT: Final = ClientMetadata(name="nostr-client")
"""What we call ourselves."""
WANTED: Final = tuple(
    Permission(method)
    for method in (
        *(BunkerMethod.SIGN_EVENT, BunkerMethod.NIP44_ENCRYPT, BunkerMethod.NIP44_DECRYPT),
        BunkerMethod.NIP04_DECRYPT,
    )
)
"""What we ask to be permitted: NIP-04 is written for nobody."""


async def pair(uri: BunkerUri, options: BunkerOptions | None = None) -> BunkerPairing:
    """Connect to the bunker of a `bunker://` code, with a new key.

    Raises SigningRefused where it says no, SignerUnavailable where it says nothing.
    """
    key = SecretKey.generate()
    params = ConnectParams(uri.pubkey, uri.secret, WANTED, CLIENT)
    async with BunkerLink(key, uri.pubkey, uri.relays, options) as link:
        result = await link.ask(BunkerMethod.CONNECT, *params.encode(), limit=CONNECT_LIMIT)
        if not nip46.is_acknowledged(result, uri.secret):
            raise SigningRefused("the bunker's answer to our connecting is neither yes nor no")
        return await _introduced(link, key)


class PairingOffer:
    """Our own code, while somebody may scan it. `uri` is a secret of theirs and ours."""

    def __init__(
        self, uri: NostrConnectUri, key: SecretKey, sub: Subscription, options: BunkerOptions | None
    ) -> None:
        self.uri = uri
        self._key = key
        self._sub = sub
        self._options = options
        self._ends: dict[str, str] = {}

    async def taken(self) -> BunkerPairing:
        """Wait for a bunker that knows the secret; others are passed over.

        Raises SignerUnavailable after `SCAN_LIMIT` seconds, and what `pair` raises.
        """
        try:
            async with asyncio.timeout(SCAN_LIMIT):
                bunker = await self._bunker()
        except TimeoutError:
            ends = "; ".join(f"{url}: {words}" for url, words in self._ends.items())
            raise SignerUnavailable(
                f"no bunker answered our code in {SCAN_LIMIT:g} s" + (f" ({ends})" if ends else "")
            ) from None
        async with BunkerLink(self._key, bunker, self.uri.relays, self._options) as link:
            return await _introduced(link, self._key)

    async def _bunker(self) -> str:
        async for item in self._sub:
            if isinstance(item, Ended):
                self._ends[item.url] = str(item.cause)
            elif isinstance(item, Arrival):
                self._ends.pop(item.url, None)
                if not item.again and self._knows(item.event):
                    return item.event.pubkey
        raise SignerUnavailable("no relay will bring a bunker's answer")

    def _knows(self, event: Event) -> bool:
        """Does its author know our secret?"""
        try:
            key = nip44.conversation_key(self._key, event.pubkey)
            response = BunkerResponse.parse(nip46.opened(event, key))
        except (InvalidKey, DecryptionFailed, InvalidMessage):
            return False
        return response.error is None and self.uri.is_answered_by(response.result)


@asynccontextmanager
async def offer_pairing(
    relays: Sequence[str], options: BunkerOptions | None = None
) -> AsyncIterator[PairingOffer]:
    """Listen at `relays` for a bunker that is shown our `nostrconnect://` code."""
    options = options or BunkerOptions()
    key = SecretKey.generate()
    uri = NostrConnectUri(
        key.public_key.hex, tuple(relays), secrets.token_urlsafe(6), WANTED, CLIENT
    )
    ours = Filter.of(kinds=[kinds.NOSTR_CONNECT], p=[uri.pubkey])
    async with (
        Verifier() as verifier,
        RelayPool(
            verifier=verifier,
            proxy=options.proxy,
            authenticate=authenticator(key, options.clock),
            dial=DialPolicy(given=relays),
            clock=options.clock,
        ) as pool,
        pool.subscribe([ours], relays) as sub,
    ):
        yield PairingOffer(uri, key, sub, options)


async def _introduced(link: BunkerLink, key: SecretKey) -> BunkerPairing:
    """Whose account it is, and where the bunker wants to be asked from now on."""
    account = await account_behind(link)
    await link.try_to_switch()
    return BunkerPairing(key, link.bunker, link.all_relays, account)


async def account_behind(link: BunkerLink) -> str:
    """The public key for which a bunker signs, which is not its own. Raises SignerError."""
    answer = await link.ask(BunkerMethod.GET_PUBLIC_KEY)
    try:
        return PublicKey(answer or "").hex
    except InvalidKey:
        raise SigningRefused("the bunker does not say whose account it signs for") from None


async def log_out(pairing: BunkerPairing, options: BunkerOptions | None = None) -> bool:
    """Tell the bunker that this client is gone; did it answer? It is a courtesy: nothing is
    raised, and the key is to be deleted whatever this returns."""
    try:
        async with BunkerLink(pairing.key, pairing.bunker, pairing.relays, options) as link:
            await link.ask(BunkerMethod.LOGOUT, limit=FAREWELL_LIMIT)
    except NostrError as error:
        _log.info("the bunker did not say goodbye: %s", error)
        return False
    return True
