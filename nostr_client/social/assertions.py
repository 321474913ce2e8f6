"""What providers that the account chose say of people (NIP-85): how far somebody is to be trusted.

The account's list of them (kind 10040) is read and never written, its private part while the key
is at hand. What they say (kind 30382) is asked for where the list says, its signature is checked
like that of any event, and nothing depends on it: it stands on a profile, with the name of who said
it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import Final

from nostr_client.errors import SignerUnavailable
from nostr_client.protocol import kinds
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import is_hex64
from nostr_client.routing.courier import Courier
from nostr_client.routing.list_guard import ListGuard
from nostr_client.social.lists import Entries, EntryList
from nostr_client.tasks import together

MOST_PROVIDERS: Final = 5
FETCH_LIMIT: Final = 4.0
"""Seconds for the list, and for what they say."""
CLOSED_FOR: Final = 60.0
"""Seconds for which a list that could not be opened is not tried again: a bunker that is away takes
half a minute to be so, and one that is there may ask a person each time."""
MOST_RANK: Final = 100
RANK: Final = f"{kinds.USER_ASSERTION}:rank"


@dataclass(frozen=True, slots=True)
class TrustProvider:
    """A key that says such things (hex), and the relay where it does."""

    pubkey: str
    relay: str


@dataclass(frozen=True, slots=True)
class TrustRank:
    """What a provider says of somebody: `rank` of 100."""

    provider: str
    rank: int


class Assertions:
    """Those that the account `owner` (hex, or empty) wants to hear."""

    def __init__(self, courier: Courier, guard: ListGuard, owner: str) -> None:
        self._courier = courier
        self._owner = owner
        self._list = EntryList(courier, guard, owner, kinds.TRUSTED_PROVIDERS)
        self._read = "", Entries()
        """The last version that was read whole (its id), and what it holds."""
        self._has_asked = False
        """Were relays asked for the list, since the client began?"""
        self._opening = asyncio.Lock()
        self._closed = "", 0.0
        """The last version that could not be read whole, and until when it is not tried again."""

    async def entries(self) -> Entries:
        """What the list holds; `closed` where it has a private part that cannot be read just now.
        Raises StoreError."""
        event = await self._list.event() if self._owner else None
        if event is None:
            return Entries()
        async with self._opening:  # once for all who wait: a bunker takes its time
            if event.id == self._read[0]:
                return self._read[1]
            held = Entries(event.tags, (), closed=True)
            version, until = self._closed
            if event.id == version and time.monotonic() < until:
                return held
            with contextlib.suppress(SignerUnavailable):
                held = await self._list.entries()
            if held.closed:
                self._closed = event.id, time.monotonic() + CLOSED_FOR
            else:
                self._read = event.id, held
            return held

    async def providers(self) -> tuple[TrustProvider, ...]:
        """Those that the list names, `MOST_PROVIDERS` at most, whose relays may be asked. Raises
        StoreError."""
        held = await self.entries()
        policy, found = self._courier.book.policy, dict[str, TrustProvider]()
        for tag in (*held.public, *held.private):
            if len(tag) > 2 and tag[0] == RANK and is_hex64(tag[1]):
                url = policy.from_stranger(tag[2], asked=True)
                if url:
                    found.setdefault(tag[1], TrustProvider(tag[1], url))
        return tuple(found.values())[:MOST_PROVIDERS]

    async def of(self, pubkey: str) -> tuple[TrustRank, ...]:
        """What they say of somebody, as far as it is here. Raises StoreError."""
        providers = await self.providers()
        if not providers:
            return ()
        said = Filter.of(
            authors=[one.pubkey for one in providers], kinds=[kinds.USER_ASSERTION], d=[pubkey]
        )
        events = await self._courier.store.query([said])
        ranks = {event.pubkey: _rank(event.value("rank")) for event in events}
        found = ((one.pubkey, ranks.get(one.pubkey)) for one in providers)
        return tuple(TrustRank(by, rank) for by, rank in found if rank is not None)

    async def fetch(self, pubkey: str) -> None:
        """Ask for the list, and then its providers what they say of somebody. Raises StoreError."""
        if not self._owner:
            return
        if not self._has_asked:
            self._has_asked = True
            await self._fetch_list()
        async with together() as group:
            for one in await self.providers():
                said = Filter.of(authors=[one.pubkey], kinds=[kinds.USER_ASSERTION], d=[pubkey])
                group.create_task(self._courier.fetch([said], [one.relay], timeout=FETCH_LIMIT))

    async def _fetch_list(self) -> None:
        mine = Filter.of(authors=[self._owner], kinds=[kinds.TRUSTED_PROVIDERS])
        await self._courier.fetch([mine], timeout=FETCH_LIMIT)


def _rank(text: str | None) -> int | None:
    """A whole number from 0 to 100, or nothing."""
    if not text or len(text) > 3 or not (text.isascii() and text.isdigit()):
        return None
    return rank if (rank := int(text)) <= MOST_RANK else None
