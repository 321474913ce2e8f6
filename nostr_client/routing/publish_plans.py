"""Where an event belongs: what is known of its author and of those whom it concerns, looked up and
given to the planner, which is pure (`routing.planner`)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import Final

from nostr_client.net.pool import RelayPool
from nostr_client.nips import nip10
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, event_address
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import is_hex64
from nostr_client.routing.address_policy import relay_url
from nostr_client.routing.planner import (
    Audience,
    PersonRelays,
    addressed,
    home,
    is_protected,
    mentioned,
    plan_publish,
    vanishes_everywhere,
)
from nostr_client.routing.reader import RelayReader
from nostr_client.routing.relay_book import RelayBook
from nostr_client.store.contract import ClientStore, CopyState
from nostr_client.store.rules import ALL_RELAYS

LOOKED_FOR: Final = 86_400
"""Seconds after it was written in which an event's people are looked for, to be sent to them."""
EVERYWHERE: Final = frozenset({ALL_RELAYS})
"""In place of relays: no relay at all."""
SLICE: Final = 500
"""Events whose copies are looked up in one go."""

Logins = Callable[[], Awaitable[frozenset[str]]]
PrivateRelayUrls = Callable[[], Awaitable[tuple[str, ...] | None]]
"""None while they are not known."""


async def _no_relays() -> None:
    return None


class PublishPlans(RelayReader):
    """A reader that says where events should be, too."""

    def __init__(
        self,
        store: ClientStore,
        pool: RelayPool,
        book: RelayBook,
        *,
        folder: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(store, pool, book, folder=folder, clock=clock)
        self.ledger = store.ledger
        self.logins: Logins = book.account_relays
        """The relays that may know who the account is (NIP-42): protected events go there alone."""
        self.private_relays: PrivateRelayUrls = _no_relays
        """Where the account keeps what only it can read (kind 10013): its drafts go there alone."""

    async def plan(self, event: Event, avoid: Collection[str] = ()) -> tuple[str, ...]:
        """The relays where `event` should be, most wanted first; none of those in `avoid`.

        One that is down stays wanted, and another one stands in for it. For an event that is older
        than `LOOKED_FOR` nobody's list is asked for any more. Where its author has asked to vanish
        since (NIP-62), it is not brought back.
        """
        left = await self.vanished_from(event)
        if left is EVERYWHERE:
            return ()
        avoid = {*avoid, *left}
        recent = self._clock() - event.created_at < LOOKED_FOR or event.kind in kinds.GIFT_WRAPS
        audience = await self.audience(event, await self.where_it_bears(event), ask=recent)
        now = await self.plan_for(event, audience, avoid)
        later = await self.plan_for(event, audience, avoid, down=frozenset())
        return tuple(dict.fromkeys((*now, *later)))

    async def vanished_from(self, event: Event) -> frozenset[str]:
        """The relays from which the author of `event` has asked to vanish since; `EVERYWHERE` for
        all there are."""
        if event.kind == kinds.VANISH or event.kind in kinds.GIFT_WRAPS:
            return frozenset()
        since = Filter(
            authors=frozenset({event.pubkey}),
            kinds=frozenset({kinds.VANISH}),
            since=event.created_at,
        )
        requests = await self.store.query([since])
        if any(map(vanishes_everywhere, requests)):
            return EVERYWHERE
        named = (relay_url(text) for each in requests for text in each.values("relay"))
        return frozenset(url for url in named if url)

    async def homes(self, pubkey: str) -> tuple[str, ...]:
        """The relays where what `pubkey` writes belongs, dead or alive: see `planner.home`."""
        ours = await self.book.client_relays(down=frozenset())
        return tuple(home(await self.book.relays_of(pubkey), ours))

    def keepers(self, event: Event, author: PersonRelays) -> frozenset[str]:
        """The relays that keep the author's notes for others, of which one must have answered, with
        yes or no. None for what goes elsewhere, and for a relay list that is empty on purpose."""
        if event.kind in (kinds.VANISH, *kinds.GIFT_WRAPS) or (
            author.source == "list" and not author.write
        ):
            return frozenset()
        return frozenset((*author.write, *self.book.fallback))

    async def plan_for(
        self,
        event: Event,
        audience: Audience,
        avoid: Collection[str] = (),
        down: frozenset[str] | None = None,
    ) -> tuple[str, ...]:
        """`down` as in `RelayBook.client_relays`."""
        ours = await self.book.client_relays(down=down)
        return plan_publish(event, audience, ours, avoid=avoid)

    async def audience(self, event: Event, copies: Sequence[str], *, ask: bool = True) -> Audience:
        """Whom `event` concerns, and their relays: whoever is answered first. `ask`: once the lists
        that are not here were looked for."""
        if event.kind in kinds.GIFT_WRAPS:
            recipients = nip10.people_of(event)
            await self.fetch_lists(recipients, kind=kinds.DM_RELAYS)
            inboxes = await self.book.dm_relays(recipients)
            return Audience(PersonRelays(event.pubkey), inboxes=inboxes)
        if event.kind == kinds.DRAFT_WRAP:
            mine = event.pubkey == self.book.owner
            private = await self.private_relays() if mine else None
            return Audience(PersonRelays(event.pubkey), private=private or ())
        pubkeys = await self._addressed(event)
        if ask:
            await self.fetch_lists({event.pubkey, *pubkeys})
        people = await self.book.relays_of_many(pubkeys)
        return Audience(
            await self.book.relays_of(event.pubkey),
            {pubkey: people[pubkey] for pubkey in pubkeys},
            copies=[url for url in copies if self.book.policy(url)],
            logins=await self._logins(event),
        )

    async def _logins(self, event: Event) -> frozenset[str] | None:
        if not is_protected(event):
            return None
        return await self.logins() if event.pubkey == self.book.owner else frozenset()

    async def _addressed(self, event: Event) -> tuple[str, ...]:
        if not mentioned(event):
            return ()
        follows = await self.store.get_address(event_address(kinds.FOLLOWS, event.pubkey))
        return addressed(event, frozenset(follows.values("p")) if follows else frozenset())

    async def where_it_bears(self, event: Event) -> list[str]:
        """Where the events are that a deletion names; what a request to vanish names, or wherever
        its author's events are. Nothing for any other event."""
        if event.kind == kinds.VANISH and not vanishes_everywhere(event):
            return [url for text in event.values("relay") if (url := relay_url(text))]
        if event.kind == kinds.VANISH:
            return await self._copies_held(await self.ledger.tracked([event.pubkey]))
        if event.kind != kinds.DELETION:
            return []
        ids = list(filter(is_hex64, event.values("e")))
        for address in event.values("a"):
            held = await self.store.get_address(address)
            if held is not None:
                ids.append(held.id)
        return await self._copies_held(ids)

    async def _copies_held(self, ids: Sequence[str]) -> list[str]:
        """The relays that have any of these events, or may have."""
        urls: dict[str, None] = {}
        for start in range(0, len(ids), SLICE):
            found = await self.ledger.copies_of(ids[start : start + SLICE])
            each = (copy for copies in found.values() for copy in copies)
            urls |= {copy.url: None for copy in each if copy.state is not CopyState.REFUSED}
        return list(urls)
