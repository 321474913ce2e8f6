"""NIP-42: who we are is said to the account's own relays, and to nobody else: others need not learn
who is reading."""

from __future__ import annotations

from nostr_client.net.auth_demand import AuthDemand
from nostr_client.protocol.event import Event
from nostr_client.routing.relay_book import RelayBook
from nostr_client.signing.signer import Signer


class Authenticator:
    """Answers challenges, signed by `signer`: `await authenticator(demand)`."""

    def __init__(self, signer: Signer, book: RelayBook) -> None:
        self._signer = signer
        self._book = book
        self.introduced: set[str] = set()
        """The relays to whom we have said who we are."""

    async def __call__(self, demand: AuthDemand) -> Event | str:
        """The kind 22242 for the relay; why not, for one that is not the account's.

        Raises SignerError.
        """
        if demand.url not in await self._book.account_relays():
            return "it is not told who you are"
        event = await self._signer.sign(demand.draft)
        self.introduced.add(demand.url)
        return event
