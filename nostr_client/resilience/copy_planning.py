"""Where copies of an event belong: where it is looked for (`routing.courier`), in reserve, and, of
the lists by which the account is found, where an evacuation told of them.

What addresses nobody and is nothing special goes where all of the kind goes, which changes with the
relay list, with what is dead and with the reserve: for ten thousand such notes it is worked out
once, and not ten thousand times.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Final

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, event_address
from nostr_client.resilience.others_copies import OthersCopies
from nostr_client.resilience.reserve_relays import ReserveRoom
from nostr_client.resilience.reserves import Reserves
from nostr_client.routing.courier import Courier
from nostr_client.routing.planner import SPREAD_KINDS, mentioned
from nostr_client.routing.publish_plans import EVERYWHERE

_PLAIN: Final = frozenset({kinds.NOTE, *kinds.REPOSTS, kinds.REACTION})
_PARTICULAR: Final = frozenset({"-", "expiration"})
MOST: Final = 64


class CopyPlanner:
    """Plans the copies of what `owner` (hex) wrote, and through `others` of what others did; `told`
    yields the relays that are to hold the lists by which the account is found, beside those that
    `courier` knows."""

    def __init__(
        self,
        courier: Courier,
        reserves: Reserves,
        owner: str,
        told: Callable[[], Awaitable[Sequence[str]]],
        others: OthersCopies | None = None,
    ) -> None:
        self._courier = courier
        self._reserves = reserves
        self._owner = owner
        self._told = told
        self._others = others
        self._plain: dict[Hashable, tuple[tuple[str, ...], ReserveRoom]] = {}

    async def __call__(
        self, event: Event, avoid: frozenset[str], held: frozenset[str] = frozenset()
    ) -> tuple[str, ...]:
        """As `desired_copies.Planner` says. Raises StoreError."""
        if self._others is not None and await self._others.tracks(event):
            return await self._others.plan(event, avoid)
        left = await self._courier.vanished_from(event)
        if left is EVERYWHERE:  # NIP-62: what was to go everywhere is not put into reserve
            return ()
        avoid |= left
        what = await self._what_it_rests_on(avoid) if self._is_plain(event) else None
        if what is None:
            planned = await self._courier.plan(event, avoid)
            reserve = await self._reserves.plan(event, avoid, held)
            spread = event.kind in SPREAD_KINDS and event.pubkey == self._owner
            told = [url for url in await self._told() if url not in avoid] if spread else []
            return tuple(dict.fromkeys((*planned, *reserve, *told)))
        if what not in self._plain:
            found = await self._courier.plan(event, avoid), await self._reserves.room(avoid)
            if len(self._plain) >= MOST:
                self._plain.clear()
            self._plain[what] = found
        planned, room = self._plain[what]
        return tuple(dict.fromkeys((*planned, *self._reserves.drawn(event, room, avoid, held))))

    def _is_plain(self, event: Event) -> bool:
        particular = any(tag[0] in _PARTICULAR for tag in event.tags)
        mine = event.pubkey == self._owner and event.kind in _PLAIN
        return mine and not particular and not mentioned(event)

    async def _what_it_rests_on(self, avoid: frozenset[str]) -> Hashable | None:
        """None where there is no relay list, so that what is heard counts, which changes always."""
        book = self._courier.book
        address = event_address(kinds.RELAY_LIST, self._owner)
        listed = await self._courier.store.get_address(address)
        if listed is None:
            return None
        down = self._courier.pool.outages.down()
        reserve = await self._reserves.chosen()
        return listed.id, book.policy.own_relay, book.fallback, down, reserve, avoid
