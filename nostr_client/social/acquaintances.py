"""Whom the account knows: those it follows, and those whom these follow, as far as it is here.

What others follow is known where their lists are in the store; `fetch` brings some that lack, and
nothing else asks relays. One count looks
at no more than the lists that name the person; counts are kept for a while, so that screens and
rankings can ask for them without waiting.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Final

from nostr_client.errors import QueryTimeout
from nostr_client.protocol import kinds
from nostr_client.protocol.filters import Filter
from nostr_client.routing.courier import Courier
from nostr_client.social.follows import Follows
from nostr_client.store.contract import EventStore, Priority
from nostr_client.tasks import Turns

COUNT_LIMIT: Final = 0.5
"""Seconds for one count."""
COUNTED_FOR: Final = 600.0
"""Seconds for which a count is believed."""
MOST_KEPT: Final = 5_000
NAMED: Final = 8
"""People that are named at most, of those who follow somebody."""
MOST_FETCHED: Final = 150
"""Follow lists that `fetch` asks for: each may have a hundred kilobytes."""
AT_ONCE: Final = 25
FETCH_LIMIT: Final = 8.0
"""Seconds for so many of them."""


class Acquaintances:
    """Those whom the account `owner` (hex, or empty) knows. `clock` counts seconds."""

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
        self._counts: OrderedDict[str, tuple[int | None, float]] = OrderedDict()
        self._friends: frozenset[str] = frozenset()
        self._has_lists = False
        """Is it known of anybody who is followed whom they follow?"""

    async def friends(self) -> frozenset[str]:
        """Those whom the account follows, and itself. Raises StoreError."""
        friends = frozenset((*await self._follows.pubkeys(), self._owner))
        if friends != self._friends:
            self._friends, self._has_lists = friends, False
            self._counts.clear()
        return friends

    async def fetch(self, courier: Courier) -> None:
        """Ask relays for follow lists of those who are followed, as far as none is here:
        `MOST_FETCHED` of them, who was followed first first. Raises StoreError."""
        friends = await self._follows.pubkeys()
        wanted = Filter(authors=frozenset(friends), kinds=frozenset({kinds.FOLLOWS}))
        if not friends:
            return
        held = {event.pubkey for event in await self._store.query([wanted])}
        missing = [pubkey for pubkey in friends if pubkey not in held][:MOST_FETCHED]
        for start in range(0, len(missing), AT_ONCE):
            some = frozenset(missing[start : start + AT_ONCE])
            if (await courier.fetch([wanted.changed(authors=some)], timeout=FETCH_LIMIT)).new:
                self._counts.clear()

    async def known_by(self, pubkeys: Collection[str]) -> dict[str, int | None]:
        """For each of these, how many of those whom the account follows follow them; None where
        that took too long to count, or the account follows nobody. Raises StoreError."""
        friends = await self.friends() - {self._owner}
        if not self._has_lists and friends:
            lists = Filter(authors=friends, kinds=frozenset({kinds.FOLLOWS}), limit=1)
            self._has_lists = bool(await self._store.query([lists]))
        turns = Turns()
        found: dict[str, int | None] = {}
        for pubkey in dict.fromkeys(pubkeys):
            await turns.rest()
            if not friends:
                found[pubkey] = None
            elif self._is_counted(pubkey):
                found[pubkey] = self._counts[pubkey][0]
            else:
                found[pubkey] = await self._count(pubkey, friends)
        return found

    def counted(self, pubkey: str) -> int | None:
        """The same of one, as far as it was counted; at once."""
        return self._counts[pubkey][0] if self._is_counted(pubkey) else None

    async def followers_of(self, pubkey: str, limit: int = NAMED) -> list[str]:
        """Whom the account follows and who follow this person, as far as their lists are here: at
        most `limit`, and none where that takes too long. Raises StoreError."""
        friends = await self.friends() - {self._owner, pubkey}
        lists = Filter(
            authors=friends,
            kinds=frozenset({kinds.FOLLOWS}),
            tags={"p": frozenset({pubkey})},
            limit=limit,
        )
        try:
            found = await self._store.query([lists]) if friends else []
        except QueryTimeout:
            return []
        return list(dict.fromkeys(event.pubkey for event in found))

    async def strangers(self, pubkeys: Collection[str]) -> set[str]:
        """Of these, those whom nobody knows whom the account follows. Raises StoreError."""
        others = set(pubkeys) - await self.friends()
        if self._friends <= {self._owner}:
            return others
        return {pubkey for pubkey, known in (await self.known_by(others)).items() if known == 0}

    def known_strangers(self, pubkeys: Collection[str]) -> set[str]:
        """The same, as far as it is known at once: nobody, while no list is here that could say
        who knows whom."""
        if not self._has_lists:
            return set()
        return {p for p in pubkeys if p not in self._friends and self.counted(p) == 0}

    async def _count(self, pubkey: str, friends: frozenset[str]) -> int | None:
        lists = Filter(
            authors=friends - {pubkey},
            kinds=frozenset({kinds.FOLLOWS}),
            tags={"p": frozenset({pubkey})},
        )
        count: int | None = 0
        try:
            if lists.authors:
                count = await self._store.count(
                    [lists], priority=Priority.BACKGROUND, time_limit=COUNT_LIMIT
                )
        except QueryTimeout:
            count = None
        self._counts[pubkey] = count, self._clock()
        self._counts.move_to_end(pubkey)
        while len(self._counts) > MOST_KEPT:
            self._counts.popitem(last=False)
        return count

    def _is_counted(self, pubkey: str) -> bool:
        at = self._counts.get(pubkey, (None, -COUNTED_FOR))[1]
        return pubkey in self._counts and 0 <= self._clock() - at < COUNTED_FOR
