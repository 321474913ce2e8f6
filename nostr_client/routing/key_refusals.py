"""Relays that will not have what an author writes, whatever it is.

Where `LEAST` events were refused for their key (`blocked`, `restricted`) since the relay last took
one, nothing is sent there any more: another relay is to hold it. Whether that is still so is tried
once in `TRIED_AGAIN` seconds, with the next event that is published, and at once when the author
has published another relay list since.

What was refused for good once, or taken and not kept, is not sent there again either: whoever
publishes it again is told what the relay said then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from nostr_client.net.outcome import Cause, How
from nostr_client.net.report import Answer
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, event_address
from nostr_client.protocol.refusals import KEY_REFUSALS
from nostr_client.store.contract import ClientStore, Copy, CopyState, Refuser

LEAST: Final = 3
TRIED_AGAIN: Final = 86_400
_SENT_ALL_THE_SAME: Final = frozenset({kinds.DELETION, kinds.VANISH, *kinds.GIFT_WRAPS})
_EARLIER: Final = "it said so before, and is not asked again"


class KeyRefusals:
    """What the ledger of `store` knows of refusals. `clock` gives seconds since 1970."""

    def __init__(self, store: ClientStore, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock

    async def of(self, pubkey: str) -> dict[str, Refuser]:
        """The relays that refuse all that `pubkey` (hex) writes, by URL. Raises StoreError."""
        found = await self._store.ledger.refusers([pubkey], KEY_REFUSALS, LEAST)
        if not found:
            return {}
        listed = await self._store.get_address(event_address(kinds.RELAY_LIST, pubkey))
        since = listed.created_at if listed is not None else 0
        return {each.url: each for each in found if each.at >= since}

    async def shut_to(self, event: Event) -> dict[str, Refuser]:
        """The relays that are not sent `event`, which is published now; what asks them to remove
        something is sent all the same."""
        if event.kind in _SENT_ALL_THE_SAME:
            return {}
        now, refusals = self._clock(), await self.of(event.pubkey)
        return {u: each for u, each in refusals.items() if abs(now - each.at) < TRIED_AGAIN}

    async def shut(self, pubkey: str) -> frozenset[str]:
        """The same, but their URLs alone."""
        return frozenset(await self.of(pubkey))


def earlier(told: Refuser | Copy) -> Answer:
    """What a relay said before, as its answer now. Nothing is sent to it."""
    if isinstance(told, Copy) and told.state is CopyState.DROPPED:
        reason = told.reason or "it took this and does not show it"
        return Answer.missing(told.url, Cause(How.NOT_ASKED, reason))
    text = f"{told.prefix}: {told.reason}" if told.prefix else told.reason
    cause = Cause.refused(text, _EARLIER)
    return Answer(url=told.url, cause=cause, accepted=False, handed=False)
