"""Reading private messages: everything here comes from this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from nostr_client.errors import InvalidData, SigningRefused
from nostr_client.protocol.keys import PublicKey
from nostr_client.routing.courier import Courier
from nostr_client.signing.signer import Signer
from nostr_client.social.follows import Follows
from nostr_client.social.messages import message_views
from nostr_client.social.messages.archive import MessageArchive
from nostr_client.social.messages.changes import ChangeTeller
from nostr_client.social.messages.mailbox import Mailbox, RoomState
from nostr_client.social.messages.records import KeptRumor
from nostr_client.social.messages.views import (
    WORDS,
    Conversation,
    Delivery,
    MemberCopies,
    Obstacle,
    PrivateMessage,
)
from nostr_client.social.messages.word_index import WordIndex
from nostr_client.social.mute_matcher import NOTHING_MUTED, MuteMatcher

Cursor = tuple[int, str]


class MessageReader:
    """The rooms and messages of the account `owner` (hex), unlocked by `signer`."""

    def __init__(
        self,
        courier: Courier,
        follows: Follows,
        signer: Signer | None,
        *,
        owner: str,
        path: Path,
        mutes: Callable[[], MuteMatcher] = lambda: NOTHING_MUTED,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`path` is where what was opened is kept; `mutes` says what the account hides now."""
        self.me = owner
        self._courier = courier
        self._follows = follows
        self._signer = signer
        self._mutes = mutes
        self._clock = clock
        self._archive = MessageArchive(path, owner, clock=clock)
        self._teller = ChangeTeller()
        self._archive.on_touched = self._teller.touched
        self._archive.on_reload = self._teller.everything
        self._index = WordIndex()
        self._settled: dict[str, Delivery] = {}
        """Own messages of which no more is to be found out."""

    async def unlock(self) -> None:
        """Have what was opened earlier ready: one question to the signer, the first time.

        Every method that reads does it by itself. Raises SignerUnavailable, SigningRefused,
        StoreError.
        """
        if self._archive.is_unlocked:
            return
        if self._signer is None:
            raise SigningRefused(WORDS[Obstacle.NO_KEY])
        await self._archive.unlock(self._signer)
        self._archive.set_known(await self._follows.pubkeys())

    def lock(self) -> None:
        """Forget what was opened: nothing private stays in memory."""
        self._archive.lock()
        self._index = WordIndex()

    async def conversations(self) -> list[Conversation]:
        """The rooms that are no requests, the one with the newest message first."""
        return [c for c in await self._rooms() if not c.request]

    async def requests(self) -> list[Conversation]:
        """The rooms in which only strangers wrote, the one with the newest message first."""
        return [c for c in await self._rooms() if c.request]

    async def conversation(self, room: Collection[str]) -> Conversation | None:
        """One room; None where nothing was ever said or accepted."""
        await self.unlock()
        state = self._state(room)
        return self._conversation(state, self._now()) if state else None

    async def messages(
        self, room: Collection[str], before: Cursor | None = None, limit: int = 50
    ) -> list[PrivateMessage]:
        """The newest messages of a room, or those before a `cursor`, the newest first."""
        await self.unlock()
        state = self._state(room)
        if state is None:
            return []
        return await self._views(
            message_views.page(self._mailbox, state, before, limit, self._now())
        )

    async def message(self, message_id: str) -> PrivateMessage | None:
        """One message; None if it is not here (any more)."""
        await self.unlock()
        rumor = self._mailbox.messages.get(message_id)
        return (await self._views([rumor]))[0] if rumor else None

    async def unread(self) -> int:
        """Unread messages in all rooms but requests, of those who are not muted."""
        await self.unlock()
        mailbox, muted = self._mailbox, self._mutes().people
        rooms = [room for room in mailbox.rooms.values() if not mailbox.is_request(room)]
        if not muted:
            return sum(len(room.unread) for room in rooms)
        authors = (mailbox.messages[id].author for room in rooms for id in room.unread)
        return sum(author not in muted for author in authors)

    async def unread_messages(
        self, room: Collection[str] | None = None, *, requests: bool = False, limit: int = 50
    ) -> list[PrivateMessage]:
        """What is unread in a room, the oldest first; or in all; with `requests` in those too."""
        await self.unlock()
        box, now = self._mailbox, self._now()
        state = None if room is None else self._state(room)
        rooms = [state] if state else []
        if room is None:
            rooms = [each for each in box.rooms.values() if requests or not box.is_request(each)]
        found = [box.messages[id] for each in rooms for id in each.unread]
        found = [rumor for rumor in found if not 0 < rumor.expires_at <= now]
        found.sort(key=lambda rumor: (rumor.created_at, rumor.id))
        return await self._views(found[:limit])

    async def search(
        self, words: str, room: Collection[str] | None = None, limit: int = 50
    ) -> list[PrivateMessage]:
        """The newest messages that have all these words, in all rooms or one; words in quotes must
        stand side by side."""
        await self.unlock()
        now, inside = self._now(), self._members(room) if room is not None else None
        found = await self._index.search(self._mailbox, words)
        fitting = [
            rumor
            for rumor in found
            if not 0 < rumor.expires_at <= now
            and (inside is None or self._mailbox.room_of(rumor) == inside)
        ]
        return await self._views(fitting[:limit])

    async def copies(self, message_id: str) -> tuple[MemberCopies, ...]:
        """Where an own message stands, for each member; empty for one that was not sent here, and
        without copies for one that was delivered long ago."""
        return (await self.copies_of([message_id])).get(message_id, ())

    async def copies_of(self, message_ids: Sequence[str]) -> dict[str, tuple[MemberCopies, ...]]:
        """The same of several, asked for at once; those that were not sent here are left out."""
        wraps = message_views.wraps_of(self._mailbox, message_ids)
        ids = [wrap for each in wraps.values() for wrap in each.values()]
        found = await self._courier.ledger.copies_of(ids) if ids else {}
        return {id: message_views.member_copies(each, found) for id, each in wraps.items()}

    # Inside

    @property
    def _mailbox(self) -> Mailbox:
        return self._archive.mailbox

    def _now(self) -> int:
        return int(self._clock())

    def _members(self, room: Collection[str]) -> frozenset[str]:
        """Raises InvalidKey."""
        keys = [room] if isinstance(room, str) else room
        return frozenset({self.me, *(PublicKey(key).hex for key in keys)})

    def _state(self, room: Collection[str]) -> RoomState | None:
        return self._mailbox.rooms.get(self._members(room))

    async def _rooms(self) -> list[Conversation]:
        await self.unlock()
        now = self._now()
        rooms = [room for room in self._mailbox.rooms.values() if room.order]
        rooms.sort(key=lambda room: room.order[-1], reverse=True)
        return [self._conversation(room, now) for room in rooms]

    def _conversation(self, room: RoomState, now: int) -> Conversation:
        return message_views.conversation(self._mailbox, room, now, self._mutes())

    async def _view(self, message_id: str) -> PrivateMessage:
        found = await self.message(message_id)
        if found is None:
            raise InvalidData("this message is not here (any more)")
        return found

    def _written(self, message_id: str) -> PrivateMessage:
        """What was just stored, from memory alone: it is said to be sent, whatever fails now."""
        rumor = self._mailbox.messages[message_id]
        room = self._mailbox.rooms[self._mailbox.room_of(rumor)]
        return message_views.message(self._mailbox, room, rumor)

    async def _views(self, rumors: Sequence[KeptRumor]) -> list[PrivateMessage]:
        mailbox = self._mailbox
        deliveries = await self._deliveries([r.id for r in rumors if r.author == self.me])
        mutes = self._mutes()
        views: list[PrivateMessage] = []
        for rumor in rumors:
            room = mailbox.rooms.get(mailbox.room_of(rumor))
            if room is not None:
                views.append(message_views.message(mailbox, room, rumor, deliveries, mutes))
        return views

    async def _deliveries(self, own: Sequence[str]) -> dict[str, Delivery]:
        """How far these own messages are; what is settled is not looked up again."""
        self._settled |= {id: Delivery.SENT for id in own if id in self._mailbox.delivered}
        open_ones = [id for id in own if id not in self._settled]
        wraps = message_views.wraps_of(self._mailbox, open_ones)
        ids = [wrap for each in wraps.values() for wrap in each.values()]
        copies = await self._courier.ledger.copies_of(ids) if ids else {}
        found = {id: message_views.delivery_of(self.me, w, copies) for id, w in wraps.items()}
        self._settled |= {id: how for id, how in found.items() if how is Delivery.SENT}
        return found | {id: self._settled[id] for id in own if id in self._settled}

    def _delivered(self, rumor_id: str) -> None:
        room = self._mailbox.room_of_id(rumor_id)
        if room is not None:
            self._teller.touched([(room.members, rumor_id, False)])
