"""NIP-42: who we are is said to the account's own relays, and to nobody else: others need not learn
who is reading."""

from __future__ import annotations

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.routing.relay_book import RelayBook
from nostr_client.signing.signer import Signer


class Authenticator:
    """Answers challenges, signed by `signer`: `await authenticator(url, challenge)`."""

    def __init__(self, signer: Signer, book: RelayBook) -> None:
        self._signer = signer
        self._book = book
        self.introduced: set[str] = set()
        """The relays to whom we have said who we are."""

    async def __call__(self, url: str, challenge: str) -> Event | None:
        """The kind 22242 for the relay at `url`; None for one that is not the account's.

        Raises SignerError.
        """
        if url not in await self._book.account_relays():
            return None
        tags = (("relay", url), ("challenge", challenge))
        event = await self._signer.sign(Draft(kinds.AUTH, "", tags))
        self.introduced.add(url)
        return event
