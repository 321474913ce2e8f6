"""Asking a relay to let one in, by an invite code, or to let one go (NIP-43).

Only a relay whose document (NIP-11) lists NIP-43 is asked: another would keep the code, or show it.
"""

from __future__ import annotations

from typing import Final

from nostr_client.errors import InvalidData
from nostr_client.net.report import Answer
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft
from nostr_client.protocol.urls import normalize_relay_url
from nostr_client.routing.relay_facts import RelayFactBook
from nostr_client.safe_text import typeable
from nostr_client.social.publisher import Publisher

NIP: Final = 43
FRESH: Final = 60.0
"""Seconds that what is known of a relay is good for here."""
MAX_CODE: Final = 500


class RelayMemberships:
    """Where the signer of `publisher` is let in; `facts` knows the relays' documents."""

    def __init__(self, publisher: Publisher, facts: RelayFactBook) -> None:
        self._publisher = publisher
        self._facts = facts

    async def join(self, url: str, code: str) -> Answer:
        """Show a relay an invite code; what it answered, in its own words.

        Raises InvalidData, also for a relay that knows of no invitations; SignerError, StoreError.
        """
        code = typeable(code).strip()
        if not code or len(code) > MAX_CODE:
            raise InvalidData("this is no invite code")
        return await self._ask(url, Draft(kinds.JOIN, "", (("-",), ("claim", code))))

    async def leave(self, url: str) -> Answer:
        """Ask a relay to let one go. Raises as `join` does."""
        return await self._ask(url, Draft(kinds.LEAVE, "", (("-",),)))

    async def _ask(self, url: str, draft: Draft) -> Answer:
        normal = normalize_relay_url(url)
        self._publisher.courier.book.policy.allow([normal])
        known = await self._facts.look_up([normal], within=FRESH, retry=0)
        facts = known.get(normal)
        if facts is None or not facts.answered:
            raise InvalidData(f"{normal} does not say what it can do (NIP-11): it was not asked")
        if NIP not in facts.nips:
            raise InvalidData(f"{normal} takes no invite codes (NIP-43)")
        posted = await self._publisher.tell(draft, normal)
        return next(answer for answer in posted.report.answers if answer.url == normal)
