"""Whom the account knows: those it follows, and those whom these follow, as far as it is here."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Final

from nostr_client.protocol import kinds
from nostr_client.protocol.filters import Filter
from nostr_client.social.follows import Follows
from nostr_client.store.contract import EventStore
from nostr_client.tasks import Turns

AT_ONCE: Final = 20
MOST_LISTS: Final = 60
"""Follow lists that are looked at for `AT_ONCE` people."""
MOST_KEPT: Final = 5_000
LOOK_AGAIN: Final = 600.0
"""Seconds for which it is believed who knows whom."""


class Acquaintances:
    """No relay is asked: what others follow is known where their lists are in the store."""

    def __init__(
        self,
        store: EventStore,
        follows: Follows,
        owner: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._follows = follows
        self._owner = owner
        self._clock = clock
        self._looked = clock()
        self._by_friends: dict[str, bool] = {}
        """Of people who are not followed: does somebody follow them who is?"""
        self._friends: frozenset[str] = frozenset()

    async def friends(self) -> frozenset[str]:
        """Those whom the account follows, and itself. Raises StoreError."""
        friends = frozenset((*await self._follows.pubkeys(), self._owner))
        if friends != self._friends:
            self._friends = friends
            self._by_friends.clear()
        return friends

    async def strangers(self, pubkeys: Collection[str]) -> set[str]:
        """Of these, those whom nobody knows whom the account follows. Raises StoreError."""
        friends = await self.friends()
        others = set(pubkeys) - friends
        now = self._clock()
        if len(self._by_friends) > MOST_KEPT or not 0 <= now - self._looked < LOOK_AGAIN:
            self._by_friends.clear()
            self._looked = now
        unknown = sorted(others - self._by_friends.keys())
        turns = Turns()
        for start in range(0, len(unknown), AT_ONCE):
            asked = frozenset(unknown[start : start + AT_ONCE])
            wanted = Filter(kinds=frozenset({kinds.FOLLOWS}), tags={"p": asked}, limit=MOST_LISTS)
            known: set[str] = set()
            for event in await self._store.query([wanted]):
                await turns.rest()
                if event.pubkey in friends and event.pubkey != self._owner:
                    known |= asked.intersection(event.values("p"))
            self._by_friends |= {pubkey: pubkey in known for pubkey in asked}
        return {pubkey for pubkey in others if not self._by_friends.get(pubkey, False)}
