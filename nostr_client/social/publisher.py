"""Signs and publishes any event of the account but a list, which `ListGuard.edit` reads first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection

from nostr_client.errors import InvalidEvent, SigningRefused
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event, event_address
from nostr_client.protocol.kinds import KindClass, is_ephemeral, kind_class
from nostr_client.routing.address_policy import relay_url
from nostr_client.routing.courier import OnAnswer
from nostr_client.routing.list_guard import ListGuard, refuse_list
from nostr_client.signing.gate import refuse_codes, refuse_secrets
from nostr_client.signing.signer import Signer
from nostr_client.social.views import Posted
from nostr_client.store.rules import ALL_RELAYS


class Publisher:
    """For the account whose lists `guard` changes; without a `signer` it only passes on what is
    signed. `verify` checks a signature."""

    def __init__(
        self,
        guard: ListGuard,
        signer: Signer | None,
        verify: Callable[[Event], Awaitable[bool]],
    ) -> None:
        self.courier = guard.reader.courier
        self.signer = signer
        self._guard = guard
        self._pubkey = guard.reader.pubkey
        self._verify = verify

    async def publish(
        self, draft: Draft, *, also: Collection[str] = (), on_answer: OnAnswer | None = None
    ) -> Posted:
        """Sign, store and publish. An addressable event without a date is dated after the last.
        `also` names relays beside those of the plan.

        Raises InvalidEvent, also for a replaceable kind; SignerError, StoreError.
        """
        event = await self.sign(draft)
        return Posted(event, await self.courier.publish(event, also=also, on_answer=on_answer))

    async def sign(self, draft: Draft) -> Event:
        """Sign, and neither store nor publish, what `publish` would. Raises as that does."""
        if self.signer is None:
            raise SigningRefused("this account is only watched: it has no key to sign with")
        refuse_list(draft.kind)
        _refuse_unaddressed(draft)
        if draft.kind not in kinds.REPOSTS:  # they hold what others wrote
            refuse_codes(draft.content, *(item for tag in draft.tags for item in tag))
        if kind_class(draft.kind) is KindClass.ADDRESSABLE and draft.created_at is None:
            name = next((t[1] for t in draft.tags if t[0] == "d" and len(t) > 1), "")
            last = await self.courier.store.get_address(
                event_address(draft.kind, self._pubkey, name)
            )
            at = await self._guard.date_after(last)
            draft = Draft(draft.kind, draft.content, draft.tags, created_at=at)
        return await self.signer.sign(draft)

    async def tell(self, draft: Draft, url: str, *, on_answer: OnAnswer | None = None) -> Posted:
        """Sign an ephemeral event that one relay alone is to be told, and send it there.

        Nothing keeps it: what is not said now has to be signed again. Raises InvalidEvent for a
        kind that lasts; SignerError, StoreError.
        """
        if not is_ephemeral(draft.kind):
            raise InvalidEvent(f"kind {draft.kind} is kept: it is published, and not only said")
        event = await self.sign(draft)
        return Posted(event, await self.courier.send(event, [url], on_answer=on_answer))

    async def publish_signed(self, event: Event, *, on_answer: OnAnswer | None = None) -> Posted:
        """Store and publish what is signed already, by whomever.

        Raises InvalidEvent, also for a list of the account that is not here yet; SecretFound,
        StoreError.
        """
        if event.pubkey == self._pubkey and await self.courier.store.get(event.id) is None:
            refuse_list(event.kind)
        _refuse_unaddressed(event)
        if not await self._verify(event):
            raise InvalidEvent("the signature is not that of its author")
        await asyncio.to_thread(refuse_secrets, event, lambda: (self._pubkey,))
        return Posted(event, await self.courier.publish(event, on_answer=on_answer))


def _refuse_unaddressed(what: Draft | Event) -> None:
    """Raises InvalidEvent for a request to vanish that speaks to no relay (NIP-62)."""
    named = (tag[1] for tag in what.tags if tag[0] == "relay" and len(tag) > 1)
    if what.kind == kinds.VANISH and not any(url == ALL_RELAYS or relay_url(url) for url in named):
        raise InvalidEvent("a request to vanish names the relays that it is for, or ALL_RELAYS")
