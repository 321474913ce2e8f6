"""Notes of the account that no relay has yet: what each waits for, and how one is taken back.

One that no relay was ever handed can be written on: it is deleted, and its text is a draft again.
The deletion (NIP-09) goes where the note was to go, so that a copy which another process sent in
that very moment, or whose answer was lost in a crash, is deleted there too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from nostr_client.errors import InvalidEvent
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, Tags
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.urls import host_of
from nostr_client.routing.under_way import UnderWay
from nostr_client.social.ancestors import answered_by
from nostr_client.social.note_views import warning_of
from nostr_client.social.notes import Notes
from nostr_client.social.views import Posted
from nostr_client.social.writing import Writing
from nostr_client.store.contract import ClientStore, Copy, CopyState

MOST_COPIES: Final = 1_000
"""Copies that wait and are looked at, the newest first."""
MOST_NOTES: Final = 100
"""Notes that are listed."""
_WRITTEN: Final = frozenset({kinds.NOTE, kinds.COMMENT, kinds.PUBLIC_MESSAGE})
_NEVER: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class UnplacedNote:
    """A note that no relay is known to have; `copies` are those wanted elsewhere than here."""

    event: Event
    copies: tuple[Copy, ...]

    @property
    def handed(self) -> tuple[str, ...]:
        """The relays (URLs) that were handed it once, whatever they said: they may have it."""
        return tuple(copy.url for copy in self.copies if copy.state is not CopyState.WANTED)

    @property
    def next_try(self) -> int:
        """When a relay is tried again, in seconds since 1970; 0 at once."""
        return min((copy.next_try for copy in self.copies if copy.waits), default=0)

    @property
    def last_word(self) -> Copy | None:
        """The copy of which something was said last; its words are raw."""
        said = [copy for copy in self.copies if copy.prefix or copy.reason]
        return max(said, key=lambda copy: copy.updated_at, default=None)


class UnplacedNotes:
    """Those of the account `owner` (hex). `own_urls` are its own relays: a copy there is ours."""

    def __init__(
        self,
        store: ClientStore,
        notes: Notes,
        *,
        owner: str,
        own_urls: Callable[[], Collection[str]],
        under_way: UnderWay,
    ) -> None:
        self._store = store
        self._notes = notes
        self._owner = owner
        self._own_urls = own_urls
        self._under_way = under_way

    async def all(self) -> list[UnplacedNote]:
        """The newest of them, newest first. Cost: grows with all that waits. Raises StoreError."""
        own = self._own_urls()
        waiting = await self._store.ledger.due(_NEVER, MOST_COPIES, besides=own)
        ids = frozenset(copy.event_id for copy in waiting)
        mine = Filter(ids=ids, authors=frozenset({self._owner}), kinds=_WRITTEN, limit=MOST_NOTES)
        events = await self._store.query([mine]) if ids else []
        copies = await self._store.ledger.copies_of([event.id for event in events])
        found = [(event, _elsewhere(copies[event.id], own)) for event in events]
        return [
            UnplacedNote(event, tuple(copy for copy in there if copy.wanted))
            for event, there in found
            if not any(copy.state is CopyState.CONFIRMED for copy in there)
        ]

    async def writing_of(self, event: Event) -> Writing:
        """What its person wrote. Raises InvalidEvent where it holds more than can be written
        anew; SecretFound, StoreError."""
        answered = answered_by(event)
        emoji = tuple(tag for tag in event.tags if tag[0] == "emoji")
        writing = Writing(
            text=event.content,
            reply_to=answered.id if answered else "",
            warning=warning_of(event),
            tags=emoji,
        )
        anew = await self._notes.draft_of(writing)
        if (anew.kind, anew.content, _gist(anew.tags)) != (
            event.kind,
            event.content,
            _gist(event.tags),
        ):
            raise InvalidEvent("it holds more than would be written anew: it can be deleted only")
        return writing

    async def take_back(self, event_id: str) -> Posted:
        """Delete a note that no relay was ever handed. Raises InvalidEvent where that is too late;
        SignerError, StoreError."""
        ledger, own = self._store.ledger, self._own_urls()
        with self._under_way.sending() as mine:
            urls = {copy.url for copy in await ledger.copies(event_id)}
            if mine.take(event_id, urls):
                raise InvalidEvent("it is too late: it is being sent")
            copies = await ledger.copies(event_id)  # as nobody of this process changes it now
            handed = [c.url for c in _elsewhere(copies, own) if c.state is not CopyState.WANTED]
            if handed:
                raise InvalidEvent(f"it is too late: {host_of(handed[0])} was handed it")
            return await self._notes.delete(event_id)


def _elsewhere(copies: Collection[Copy], own: Collection[str]) -> list[Copy]:
    return [copy for copy in copies if copy.url not in own]


def _gist(tags: Tags) -> set[tuple[str, ...]]:
    """Tags without the relays beside them, which are looked up anew."""
    return {tag if tag[0] == "imeta" else tag[:2] for tag in tags}
