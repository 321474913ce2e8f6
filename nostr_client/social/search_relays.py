"""Which relays are searched (NIP-50): those of the account's own list, or those that say they can.

The list is kind 10007 (NIP-51). Where it names none, the account's own relays are asked whose
documents (NIP-11) say that they search, and then relays of which a monitor says so that the person
chose or follows (NIP-66): strangers' word, and dialled as such.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Final

from nostr_client.errors import SignerUnavailable
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Tag
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.urls import normalize_relay_url
from nostr_client.routing.address_policy import relay_url
from nostr_client.routing.courier import Courier
from nostr_client.routing.list_guard import ListGuard
from nostr_client.routing.relay_facts import RelayFactBook
from nostr_client.social.lists import EntryList

SEARCHES: Final = 50
"""The NIP that a relay which searches names."""
MOST: Final = 4
"""Relays that are asked at once."""
MOST_LOOKED_UP: Final = 12
MOST_REPORTS: Final = 100
ASK_LIMIT: Final = 5.0
AGAIN: Final = 3_600.0
"""Seconds after which monitors are asked again, when nobody else is known."""


class SearchRelays(EntryList):
    """The search relays of the account `owner`: `relay` entries, public or private.

    `await relays.add(SearchRelays.entry(url))`, `await relays.remove(SearchRelays.entry(url))`.
    `monitors` (hex) are those of the person's choice, beside people who are followed.
    """

    def __init__(
        self,
        courier: Courier,
        guard: ListGuard,
        owner: str,
        *,
        facts: RelayFactBook,
        monitors: Collection[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(courier, guard, owner, kinds.SEARCH_RELAYS)
        self._facts = facts
        self._monitors = frozenset(monitors)
        self._clock = clock
        self._asked_at = -AGAIN

    @staticmethod
    def entry(url: str) -> Tag:
        """The entry of a relay. Raises InvalidData."""
        return ("relay", normalize_relay_url(url))

    async def listed(self) -> tuple[str, ...]:
        """The relays that the list names, in normal spelling; of a part that cannot be read just
        now, none."""
        try:
            held = await self.entries()
        except SignerUnavailable:
            event = await self.event()
            tags = event.tags if event else ()
        else:
            tags = (*held.public, *held.private)
        named = (relay_url(tag[1]) for tag in tags if tag[0] == "relay" and len(tag) > 1)
        return tuple(dict.fromkeys(url for url in named if url))

    async def urls(self, *, ask: bool = True) -> tuple[str, ...]:
        """The relays to be asked, most wanted first, `MOST` at most; none that is down, or the own
        relay, whose events are here.

        `ask`: documents of own relays that are not known yet are asked for, which may take some
        seconds. Raises StoreError.
        """
        book = self._courier.book
        ours = await book.client_relays()
        wanted = [url for url in await self.listed() if book.policy(url)]
        if not wanted:
            near = tuple(dict.fromkeys((*ours.read, *ours.fallback)))[:MOST_LOOKED_UP]
            facts = await (self._facts.look_up(near) if ask else self._facts.known())
            wanted = [url for url in near if url in facts and SEARCHES in facts[url].nips]
            wanted += await self._monitored(ask=ask and not wanted)
        chosen = dict.fromkeys(url for url in wanted if url not in ours.down)
        return tuple(url for url in chosen if url != book.policy.own_relay)[:MOST]

    async def _monitored(self, *, ask: bool) -> list[str]:
        """Relays of which a monitor says that they search, the latest report first."""
        monitors = self._monitors | await self._courier.book.followed()
        if not monitors:
            return []
        said = Filter(
            authors=monitors,
            kinds=frozenset({kinds.RELAY_DISCOVERY}),
            tags={"N": frozenset({str(SEARCHES)})},
            limit=MOST_REPORTS,
        )
        if ask and self._monitors and self._clock() - self._asked_at >= AGAIN:
            self._asked_at = self._clock()
            await self._courier.fetch([said.changed(authors=self._monitors)], timeout=ASK_LIMIT)
        policy = self._courier.book.policy
        reports = await self._courier.store.query([said])
        named = (policy.from_stranger(report.value("d") or "") for report in reports)
        return list(dict.fromkeys(url for url in named if url))
