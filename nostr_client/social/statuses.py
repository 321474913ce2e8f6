"""What people say they are doing just now (NIP-38), beside their names, until it expires."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Final

from nostr_client.errors import InvalidEvent
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event, Tag
from nostr_client.protocol.filters import Filter
from nostr_client.routing.courier import OnAnswer
from nostr_client.routing.fetch_results import FetchReport
from nostr_client.safe_text import typeable
from nostr_client.social.publisher import Publisher
from nostr_client.social.views import Posted

GENERAL: Final = "general"
"""The sort of status that is written here; others, as `music`, are set by programs."""
MAX_STATUS: Final = 200
"""Characters."""
FETCH_LIMIT: Final = 3.0


class Statuses:
    """Statuses of people, and that of the signer of `publisher`."""

    def __init__(self, publisher: Publisher, clock: Callable[[], float] = time.time) -> None:
        self._publisher = publisher
        self._courier = publisher.courier
        self._clock = clock

    async def set(
        self,
        text: str,
        *,
        seconds: int | None = None,
        link: str = "",
        on_answer: OnAnswer | None = None,
    ) -> Posted:
        """Say what one is doing, for so many `seconds`; without any, until the next. An empty text
        takes it back. Raises InvalidEvent, SecretFound, SignerError, StoreError."""
        line = " ".join(typeable(text).split())
        if len(line) > MAX_STATUS:
            raise InvalidEvent(f"a status has at most {MAX_STATUS} characters")
        if seconds is not None and seconds <= 0:
            raise InvalidEvent("this status would be over before it was seen")
        tags: list[Tag] = [("d", GENERAL)]
        if link and line:
            tags.append(("r", link))
        if seconds is not None and line:
            tags.append(("expiration", str(int(self._clock()) + seconds)))
        draft = Draft(kinds.STATUS, line, tuple(tags))
        return await self._publisher.publish(draft, on_answer=on_answer)

    async def of(self, pubkeys: Collection[str]) -> dict[str, str]:
        """What these people say now, as far as it is here: raw text by pubkey.

        Raises StoreError.
        """
        if not pubkeys:
            return {}
        events = await self._courier.store.query([_wanted(pubkeys)])
        now = self._clock()
        return {e.pubkey: e.content for e in events if e.content.strip() and _counts(e, now)}

    async def fetch(self, pubkeys: Collection[str], *, limit: float = FETCH_LIMIT) -> FetchReport:
        """Ask relays what these people say. Raises StoreError."""
        return await self._courier.fetch([_wanted(pubkeys)], timeout=limit)


def _wanted(pubkeys: Collection[str]) -> Filter:
    return Filter.of(authors=pubkeys, kinds=[kinds.STATUS], d=[GENERAL])


def _counts(event: Event, now: float) -> bool:
    return event.expiration is None or event.expiration > now
