"""Signs and publishes any event of the account but a list, which `ListGuard.edit` reads first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final, ParamSpec

from nostr_client.errors import InvalidEvent, NostrError, SignerError, SigningRefused
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event, event_address
from nostr_client.protocol.kinds import KindClass, is_ephemeral, is_replaceable, kind_class
from nostr_client.routing.address_policy import relay_url
from nostr_client.routing.courier import PUBLISH_LIMIT, OnAnswer
from nostr_client.routing.list_guard import ListGuard, refuse_list
from nostr_client.signing.gate import refuse_codes, refuse_secrets
from nostr_client.signing.secret_search import SoughtKeys
from nostr_client.signing.signer import Signer
from nostr_client.social.views import Posted
from nostr_client.store.rules import ALL_RELAYS

P = ParamSpec("P")
_WATCHED: Final = "this account is only watched: it has no key to sign with"
_FORGED: Final = "the signature is not that of its author"


class Publisher:
    """For the account whose lists `guard` changes; without a `signer` it only passes on what is
    signed. `verify_all` checks signatures."""

    def __init__(
        self,
        guard: ListGuard,
        signer: Signer | None,
        verify_all: Callable[[Sequence[Event]], Awaitable[Sequence[bool]]],
    ) -> None:
        self.courier = guard.reader.courier
        self.signer = signer
        self._guard = guard
        self._pubkey = guard.reader.pubkey
        self._verify_all = verify_all
        self._sought = SoughtKeys((self._pubkey,))
        """The account's key, in what was signed elsewhere."""

    async def publish(
        self,
        draft: Draft,
        *,
        also: Collection[str] = (),
        relays: Sequence[str] | None = None,
        timeout: float = PUBLISH_LIMIT,  # noqa: ASYNC109
        on_answer: OnAnswer | None = None,
    ) -> Posted:
        """Sign, store and publish. An addressable event without a date is dated after the last.
        `also` names relays beside those of the plan, `relays` some in place of all of them, which
        may be dialled. They have `timeout` seconds to answer.

        Raises InvalidEvent, also for a replaceable kind; SignerError, StoreError.
        """
        event = await self.sign(draft)
        report = await self.courier.publish(
            event, also=also, only=relays, on_answer=on_answer, timeout=timeout
        )
        return Posted(event, report)

    async def sign(self, draft: Draft) -> Event:
        """Sign, and neither store nor publish, what `publish` would. Raises as that does."""
        if self.signer is None:
            raise SigningRefused(_WATCHED)
        _refuse_draft(draft)
        if _is_dated_after(draft):
            name = next((t[1] for t in draft.tags if t[0] == "d" and len(t) > 1), "")
            last = await self.courier.store.get_address(
                event_address(draft.kind, self._pubkey, name)
            )
            at = await self._guard.date_after(last)
            draft = Draft(draft.kind, draft.content, draft.tags, created_at=at)
        return await self.signer.sign(draft)

    async def sign_all(self, drafts: Sequence[Draft]) -> list[Event | NostrError]:
        """`sign` of each, in order, or the error that it raises. Raises StoreError."""
        if self.signer is None:
            return [SigningRefused(_WATCHED) for _ in drafts]
        done = list[Event | NostrError | None](
            await asyncio.to_thread(lambda: [_error_of(_refuse_draft, each) for each in drafts])
        )
        for place, draft in enumerate(drafts):
            if done[place] is None and _is_dated_after(draft):
                try:
                    done[place] = await self.sign(draft)
                except (InvalidEvent, SignerError) as error:
                    done[place] = error
        rest = [draft for draft, each in zip(drafts, done, strict=True) if each is None]
        signed = iter(await self.signer.sign_many(rest))
        return [next(signed) if each is None else each for each in done]

    async def refusals(self, events: Sequence[Event]) -> list[NostrError | None]:
        """Why each of these, which are signed, is not published, as `publish_signed` raises it.
        Raises StoreError."""
        lists = [e.id for e in events if e.pubkey == self._pubkey and is_replaceable(e.kind)]
        held = await self.courier.store.known(lists) if lists else frozenset()
        genuine = await self._verify_all(events)

        def refuse(event: Event, is_genuine: bool) -> None:
            if event.pubkey == self._pubkey and event.id not in held:
                refuse_list(event.kind)
            _refuse_unaddressed(event)
            if not is_genuine:
                raise InvalidEvent(_FORGED)
            refuse_secrets(event, lambda: self._sought)

        def look() -> list[NostrError | None]:
            each = zip(events, genuine, strict=True)
            return [_error_of(refuse, event, good) for event, good in each]

        return await asyncio.to_thread(look)

    async def tell(self, draft: Draft, url: str, *, on_answer: OnAnswer | None = None) -> Posted:
        """Sign an ephemeral event that one relay alone is to be told, and send it there.

        Nothing keeps it: what is not said now has to be signed again. Raises InvalidEvent for a
        kind that lasts; SignerError, StoreError.
        """
        if not is_ephemeral(draft.kind):
            raise InvalidEvent(f"kind {draft.kind} is kept: it is published, and not only said")
        event = await self.sign(draft)
        return Posted(event, await self.courier.send(event, [url], on_answer=on_answer))

    async def publish_signed(
        self,
        event: Event,
        *,
        relays: Sequence[str] | None = None,
        timeout: float = PUBLISH_LIMIT,  # noqa: ASYNC109
        on_answer: OnAnswer | None = None,
    ) -> Posted:
        """Store and publish what is signed already, by whomever; to `relays`, if they are given.

        Raises InvalidEvent, also for a list of the account that is not here yet; SecretFound,
        StoreError.
        """
        [problem] = await self.refusals([event])
        if problem is not None:
            raise problem
        report = await self.courier.publish(
            event, only=relays, on_answer=on_answer, timeout=timeout
        )
        return Posted(event, report)


def _is_dated_after(draft: Draft) -> bool:
    """Is it a new version of what may be there, and to be dated after it?"""
    return kind_class(draft.kind) is KindClass.ADDRESSABLE and draft.created_at is None


def _error_of(check: Callable[P, None], *what: P.args, **more: P.kwargs) -> NostrError | None:
    try:
        check(*what, **more)
    except NostrError as error:
        return error
    return None


def _refuse_draft(draft: Draft) -> None:
    """Raises InvalidEvent, SecretFound."""
    refuse_list(draft.kind)
    _refuse_unaddressed(draft)
    if draft.kind not in kinds.REPOSTS:  # they hold what others wrote
        refuse_codes(draft.content, *(item for tag in draft.tags for item in tag))


def _refuse_unaddressed(what: Draft | Event) -> None:
    """Raises InvalidEvent for a request to vanish that speaks to no relay (NIP-62)."""
    named = (tag[1] for tag in what.tags if tag[0] == "relay" and len(tag) > 1)
    if what.kind == kinds.VANISH and not any(url == ALL_RELAYS or relay_url(url) for url in named):
        raise InvalidEvent("a request to vanish names the relays that it is for, or ALL_RELAYS")
