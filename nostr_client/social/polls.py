"""Asking many at once (NIP-88): a poll, the votes, and what they come to.

A poll names the relays where its votes are: there they go, and there they are looked for, as far as
the address policy lets us; a poll that names none is answered where its author reads.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Sequence
from typing import Final

from nostr_client.errors import InvalidEvent
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event, Tag
from nostr_client.protocol.filters import Filter
from nostr_client.routing.courier import OnAnswer
from nostr_client.routing.fetch_results import FetchReport
from nostr_client.safe_text import typeable
from nostr_client.social.notes import Notes
from nostr_client.social.poll_views import MOST_RELAYS, PollView, poll_view
from nostr_client.social.publisher import Publisher
from nostr_client.social.views import Posted

MOST_VOTES: Final = 5_000
"""Votes that are counted, the newest."""
MAX_OPTIONS: Final = 20
MAX_LABEL: Final = 200
FETCH_LIMIT: Final = 5.0
TOO_LATE: Final = "this poll has ended"


class Polls:
    """Polls as the signer of `publisher` asks and answers them."""

    def __init__(
        self, publisher: Publisher, notes: Notes, clock: Callable[[], float] = time.time
    ) -> None:
        self._publisher = publisher
        self._courier = publisher.courier
        self._notes = notes
        self._clock = clock

    async def ask(
        self,
        question: str,
        options: Sequence[str],
        *,
        multiple: bool = False,
        ends_at: int | None = None,
        on_answer: OnAnswer | None = None,
    ) -> Posted:
        """Publish a poll. `options` are labels, at least two; `ends_at` is in seconds.

        Votes are expected at the account's own write relays.
        Raises InvalidEvent, SecretFound, SignerError, StoreError.
        """
        labels = list(dict.fromkeys(" ".join(typeable(label).split()) for label in options))
        if not 2 <= len(labels) <= MAX_OPTIONS or not all(labels):
            raise InvalidEvent(f"a poll has 2 to {MAX_OPTIONS} answers, each another")
        if any(len(label) > MAX_LABEL for label in labels):
            raise InvalidEvent(f"an answer has at most {MAX_LABEL} characters")
        if ends_at is not None and ends_at <= self._clock():
            raise InvalidEvent("this poll would be over before it began")
        tags: list[Tag] = [("option", secrets.token_hex(4), label) for label in labels]
        tags += [("relay", url) for url in await self._own_relays()]
        tags.append(("polltype", "multiplechoice" if multiple else "singlechoice"))
        if ends_at is not None:
            tags.append(("endsAt", str(ends_at)))
        return await self._notes.post(question, kind=kinds.POLL, tags=tags, on_answer=on_answer)

    async def vote(
        self, poll: Event, chosen: Collection[str], *, on_answer: OnAnswer | None = None
    ) -> Posted:
        """Choose options by their ids; a later vote takes the place of an earlier one.

        Raises InvalidEvent for what the poll does not offer, or takes no more; SignerError,
        StoreError.
        """
        view = poll_view(poll, now=self._clock())
        ids = list(dict.fromkeys(chosen))
        if view is None:
            raise InvalidEvent("this is no poll")
        if view.ended:
            raise InvalidEvent(TOO_LATE)
        if not ids or not set(ids) <= {option.id for option in view.options}:
            raise InvalidEvent("choose among the answers of this poll")
        if len(ids) > 1 and not view.multiple:
            raise InvalidEvent("this poll takes one answer")
        tags: list[Tag] = [("e", poll.id, await self._notes.hint(poll), poll.pubkey)]
        tags += [("response", id) for id in ids]
        # Of several votes within a second the last has to win.
        last = await self._last_of_mine(poll)
        now = int(self._clock())
        at = max(now, last.created_at + 1) if last is not None else now
        if view.ends_at is not None and at > view.ends_at:
            raise InvalidEvent(TOO_LATE)
        draft = Draft(kinds.VOTE, "", tuple(tags), created_at=at)
        where = await self.relays_of(view)
        return await self._publisher.publish(draft, also=where, on_answer=on_answer)

    async def view(self, poll: Event) -> PollView | None:
        """The poll with the votes that are here; None for what is no poll. Raises StoreError."""
        wanted = Filter.of(kinds=[kinds.VOTE], e=[poll.id], limit=MOST_VOTES)
        votes = await self._courier.store.query([wanted]) if poll.kind == kinds.POLL else []
        signer = self._publisher.signer
        me = signer.pubkey if signer is not None else self._courier.book.owner
        return poll_view(poll, votes, now=self._clock(), me=me)

    async def fetch(self, poll: Event, *, limit: float = FETCH_LIMIT) -> FetchReport:
        """Ask the poll's relays for its votes, at most `limit` seconds. Raises StoreError."""
        view = poll_view(poll)
        if view is None:
            return FetchReport()
        wanted = Filter.of(kinds=[kinds.VOTE], e=[poll.id], until=view.ends_at, limit=MOST_VOTES)
        return await self._courier.fetch_from([wanted], await self.relays_of(view), timeout=limit)

    async def relays_of(self, view: PollView) -> tuple[str, ...]:
        """Where votes on a poll are: what it names, or where its author reads."""
        policy = self._courier.book.policy
        named = [url for text in view.relays if (url := policy.from_stranger(text))]
        if not named:
            author = await self._courier.book.relays_of(view.event.pubkey)
            named = [url for url in author.read if policy(url)]
        return tuple(dict.fromkeys(named))[:MOST_RELAYS]

    async def _own_relays(self) -> tuple[str, ...]:
        book = self._courier.book
        mine = await book.relays_of(book.owner)
        return tuple(url for url in mine.write if book.policy.may_be_named(url))[:MOST_RELAYS]

    async def _last_of_mine(self, poll: Event) -> Event | None:
        signer = self._publisher.signer
        if signer is None:
            return None
        wanted = Filter.of(authors=[signer.pubkey], kinds=[kinds.VOTE], e=[poll.id], limit=1)
        return next(iter(await self._courier.store.query([wanted])), None)
