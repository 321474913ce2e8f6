"""The account's own lists: one replaceable event each (NIP-01), and one road to change it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from nostr_client.protocol.event import Draft, Event, Tag, event_address
from nostr_client.protocol.filters import Filter
from nostr_client.routing.courier import Courier, OnAnswer
from nostr_client.routing.fetch_results import FetchReport
from nostr_client.routing.list_guard import Change, ListGuard
from nostr_client.routing.list_reading import NO_WAIVER, Waiver
from nostr_client.social.views import Posted

FETCH_LIMIT: Final = 5.0


class OwnList:
    """The event of `kind` of the account `owner` (hex; empty: nobody's, and there is none)."""

    def __init__(self, courier: Courier, guard: ListGuard, owner: str, kind: int) -> None:
        self._courier = courier
        self._guard = guard
        self._owner = owner
        self._kind = kind
        self._address = event_address(kind, owner)

    async def event(self) -> Event | None:
        """The newest version that the store has."""
        return await self._courier.store.get_address(self._address) if self._owner else None

    async def history(self) -> list[Event]:
        """Earlier versions, newest first."""
        return await self._courier.store.history(self._address)

    async def fetch(self, limit: float = FETCH_LIMIT) -> FetchReport:
        """Ask relays for the newest version, at most `limit` seconds. Offline nothing comes."""
        if not self._owner:
            return FetchReport()
        mine = Filter(authors=frozenset({self._owner}), kinds=frozenset({self._kind}))
        return await self._courier.fetch([mine], timeout=limit)

    def draft(self, last: Event | None, tags: Iterable[Tag]) -> Draft:
        """The version after `last`: with these tags, and what the content held."""
        return Draft(self._kind, last.content if last else "", tuple(tags))

    async def edit(
        self,
        change: Change,
        waiver: Waiver = NO_WAIVER,
        *,
        also: Collection[str] = (),
        on_answer: OnAnswer | None = None,
    ) -> Posted | None:
        """Read the newest version, make `change` on it, publish; see `ListGuard.edit`."""
        done = await self._guard.edit(
            self._kind, change, waiver=waiver, also=also, on_answer=on_answer
        )
        return None if done is None else Posted(*done)
