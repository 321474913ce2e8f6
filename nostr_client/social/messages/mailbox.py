"""All private messages of an account in memory, in rooms: what the records come to. Pure.

Records are applied in the order in which they were kept; what refers to a message (a reaction, a
deletion) may come before it. The rules:

- A room is its set of keys: author and `p` tags, and whoever reads.
- Only the author deletes. A deleted message beside which one by the same author in the same room
  has the same time was edited: the other one stands in its place.
- **Unread** is what others wrote, until it is marked as read, or the account answers. What was
  written before this machine began to read, and before the account's own last word there, was
  read elsewhere.
- A room is a **request** until the account writes there or accepts it, unless somebody who wrote
  there is known: followed, or written to elsewhere. Of requests only so much is kept.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from nostr_client.protocol import kinds
from nostr_client.protocol.keys import is_hex64
from nostr_client.social.messages import records
from nostr_client.social.messages.records import KeptRumor, Reason

MOST_REQUESTS: Final = 500
"""Rooms of strangers that are kept."""
REQUEST_MESSAGES: Final = 50
"""Messages in one of them."""
REQUEST_SIZE: Final = 8 * 2**20
"""Characters of all that strangers sent, in text and in tags, their reactions and deletions too."""
LEAST_SIZE: Final = 400
"""What one of those counts at least: so much memory it takes with nothing in it."""
MOST_REACTIONS: Final = 200
"""Reactions to one message."""
LONGEST_REACTION: Final = 100
MOST_TARGETS: Final = 100
"""Messages that one deletion names."""
SHOWN: Final = frozenset({kinds.CHAT_MESSAGE, kinds.FILE_MESSAGE, kinds.DIRECT_MESSAGE})

Room = frozenset[str]
Touched = list[tuple[Room, str, bool]]
"""What changed: a room, a message in it or "", and whether that message is new."""


class RoomState:
    """One room: `order` are (created_at, id) of its messages, sorted."""

    __slots__ = (
        *("accepted", "authors", "last_own", "members", "old", "order"),
        "subject",
        "unread",
    )

    def __init__(self, members: Room) -> None:
        self.members = members
        self.order: list[tuple[int, str]] = []
        self.subject: tuple[int, str] = (-1, "")
        self.authors: set[str] = set()
        self.unread: set[str] = set()
        self.last_own = -1
        self.accepted = False
        self.old = True
        """Is there nothing but what NIP-04 encrypted?"""


class Mailbox:
    """The messages of `me`; `known` are those whom the account follows."""

    def __init__(self, me: str, known: Collection[str] = frozenset()) -> None:
        self.me = me
        self.known = known
        self.rooms: dict[Room, RoomState] = {}
        self.messages: dict[str, KeptRumor] = {}
        self.closed: dict[str, Reason] = {}
        """Why nothing is kept of events, by their ids."""
        self.wraps: dict[str, dict[str, str]] = {}
        """Of own messages, reactions and so on: the wraps' ids, by recipient."""
        self.delivered: set[str] = set()
        """Own rumors that all members could fetch, and whose wraps for them were let go."""
        self.begun = 0
        self.keys: set[str] = set()
        """Separate encryption keys that everything was tried with."""
        self.stale = False
        """Is there text on disk that was deleted since?"""
        self._counts: Counter[Reason] | None = None
        self.sources: set[str] = set()
        """Ids of the events that need not be opened any more."""
        self._sidenotes: dict[str, KeptRumor] = {}
        self._reactions: dict[str, list[KeptRumor]] = {}
        self._deleted: dict[str, set[str]] = {}
        self._expiring: dict[str, int] = {}
        self._written_to: set[str] = set()
        self._requests: tuple[int, int] | None = (0, 0)
        """How many rooms are requests, and the size of what strangers sent; None: to be counted
        anew."""

    def set_known(self, known: Collection[str]) -> None:
        """The account follows these now."""
        self.known = frozenset(known)
        self._requests = None

    def room_of(self, rumor: KeptRumor) -> Room:
        """The room where it was said; empty where it cannot be told."""
        people = {pubkey for pubkey in rumor.values("p") if is_hex64(pubkey)}
        return frozenset({rumor.author, self.me, *people}) if people else frozenset()

    # Asking

    def __contains__(self, rumor_id: str) -> bool:
        """Is it here: a message, or what refers to one?"""
        return rumor_id in self.messages or rumor_id in self._sidenotes

    def source_of(self, rumor_id: str) -> str:
        """The id of the event that held it; "" for what is not here."""
        rumor = self.messages.get(rumor_id) or self._sidenotes.get(rumor_id)
        return rumor.source if rumor else ""

    def written_at(self, rumor_id: str) -> int:
        """When it was written, in seconds; 0 for what is not here."""
        rumor = self.messages.get(rumor_id) or self._sidenotes.get(rumor_id)
        return rumor.created_at if rumor else 0

    def is_gone(self, source: str) -> bool:
        """Was it a message that is not to be seen, or kept, any more?"""
        return self.closed.get(source) is Reason.GONE

    def room_of_id(self, message_id: str) -> RoomState | None:
        """The room of a message that is here."""
        rumor = self.messages.get(message_id)
        return self.rooms.get(self.room_of(rumor)) if rumor else None

    def last_before(self, members: Room, at: int) -> int:
        """When the last message before `at` was written in a room; -1 for never."""
        room = self.rooms.get(members)
        end = bisect_left(room.order, (at, "")) if room else 0
        return room.order[end - 1][0] if room and end else -1

    def is_request(self, room: RoomState) -> bool:
        if room.accepted or room.last_own >= 0 or room.members == {self.me}:
            return False
        return not any(p in self.known or p in self._written_to for p in room.authors)

    def is_deleted(self, rumor: KeptRumor) -> bool:
        return rumor.author in self._deleted.get(rumor.id, ())

    def twins(self, room: RoomState, rumor: KeptRumor) -> list[KeptRumor]:
        """Others by the same author in the same room with the same time."""
        at = rumor.created_at
        start, end = bisect_left(room.order, (at, "")), bisect_right(room.order, (at, "g"))
        there = (self.messages[id] for _, id in room.order[start:end] if id != rumor.id)
        return [other for other in there if other.author == rumor.author]

    def is_replaced(self, room: RoomState, rumor: KeptRumor) -> bool:
        """Was it deleted, and does its new text stand here?"""
        if not self.is_deleted(rumor):
            return False
        return any(not self.is_deleted(other) for other in self.twins(room, rumor))

    def is_edited(self, room: RoomState, rumor: KeptRumor) -> bool:
        """Does it stand in place of an earlier text?"""
        if not self._deleted or self.is_deleted(rumor):
            return False
        return any(map(self.is_deleted, self.twins(room, rumor)))

    def reactions(self, room: RoomState, rumor: KeptRumor) -> list[KeptRumor]:
        """Those of the room's members that were not taken back, the oldest first; those to the
        earlier texts of an edited message are to the one that stands in their place."""
        ids = [rumor.id, *(other.id for other in self._earlier(room, rumor))]
        found = (r for id in ids for r in self._reactions.get(id, ()) if r.author in room.members)
        return sorted((r for r in found if not self.is_deleted(r)), key=lambda r: r.created_at)

    def _earlier(self, room: RoomState, rumor: KeptRumor) -> list[KeptRumor]:
        """The texts in whose place it stands; where several stand, the first of them takes all."""
        if not self._deleted or self.is_deleted(rumor):
            return []
        twins = self.twins(room, rumor)
        gone = [other for other in twins if self.is_deleted(other)]
        first = all(self.is_deleted(other) or rumor.id < other.id for other in twins)
        return gone if first else []

    def newest_first(self, room: RoomState, before: tuple[int, str] | None) -> Iterator[KeptRumor]:
        """Messages of a room before a place in it, without those whose new text stands here."""
        end = bisect_left(room.order, before) if before else len(room.order)
        for index in range(end - 1, -1, -1):
            rumor = self.messages[room.order[index][1]]
            if not self.is_replaced(room, rumor):
                yield rumor

    def takes(self, rumor: KeptRumor) -> bool:
        """Is there room for it? A stranger's may find none."""
        if not self._is_stranger(rumor):
            return True
        shown = rumor.kind in SHOWN
        room = self.rooms.get(self.room_of(rumor)) if shown else self._room_noted(rumor)
        if room is not None and not self.is_request(room):
            return True
        if self._requests is None:
            self._requests = self._count_requests()
        rooms, size = self._requests
        if size + _size(rumor) > REQUEST_SIZE:
            return False
        if not shown:
            return True
        return len(room.order) < REQUEST_MESSAGES if room is not None else rooms < MOST_REQUESTS

    def expired(self, now: int) -> list[str]:
        """Ids of what has expired and is still here."""
        return [id for id, at in self._expiring.items() if at <= now]

    def closed_for(self, reason: Reason) -> list[str]:
        """Ids of the events nothing is kept of for this reason."""
        return [source for source, why in self.closed.items() if why is reason]

    def counts(self) -> Mapping[Reason, int]:
        """How many events nothing is kept of, by the reason."""
        if self._counts is None:
            self._counts = Counter(self.closed.values())
        return self._counts

    # Changing

    def apply(self, record: records.Record) -> Touched:
        """Take in what was kept next."""
        match record:
            case KeptRumor():
                return self._keep(record)
            case records.NotKept(source, why):
                self.sources.add(source)
                self.closed[source] = why
                self._counts = None
            case records.SentWraps(rumor, wraps):
                self.wraps[rumor] = {**self.wraps.get(rumor, {}), **wraps}
                self.sources |= {wraps[self.me]} if self.me in wraps else set()
            case records.Delivered(rumor):
                self.delivered.add(rumor)
            case records.ReadUpTo() | records.MarkedRead():
                return self._mark_read(record)
            case records.StillUnread(members, ids):
                room = self.rooms.get(frozenset(members))
                if room is not None:
                    room.unread = {id for id in ids if id in self.messages}
            case records.Accepted(members):
                room = self._room(frozenset(members))
                room.accepted = True
                self._requests = None
                return [(room.members, "", False)]
            case records.Dismissed(members):
                return self._dismiss(frozenset(members))
            case records.Reopened():
                self._reopen(Reason.OVERFLOW)
            case records.KeyBrought(pubkey):
                self.keys.add(pubkey)
                self._reopen(Reason.FAILED, Reason.OTHER_KEY)
            case records.Begun(at):
                self.begun = self.begun or at
        return []

    def snapshot(self) -> list[records.Record]:
        """The records that come to all this: what is gone left nothing in them but its source."""
        kept: list[records.Record] = [records.Begun(self.begun)]
        kept += map(records.KeyBrought, sorted(self.keys))
        rumors = [*self._sidenotes.values(), *self.messages.values()]
        rumors.sort(key=lambda rumor: rumor.created_at)
        kept += rumors
        for members, room in self.rooms.items():
            people = tuple(sorted(members))
            if room.accepted:
                kept.append(records.Accepted(people))
        kept += [records.SentWraps(rumor, wraps) for rumor, wraps in self.wraps.items()]
        kept += [records.Delivered(rumor) for rumor in sorted(self.delivered)]
        kept += [records.NotKept(source, why) for source, why in self.closed.items()]
        there = {each.source for each in rumors}
        wraps = {id for each in self.wraps.values() for id in each.values()}
        rest = self.sources - there - wraps - self.closed.keys()
        kept += [records.NotKept(source, Reason.GONE) for source in sorted(rest)]
        # Last: it is about what is here by then.
        for members, room in self.rooms.items():
            kept.append(records.StillUnread(tuple(sorted(members)), tuple(sorted(room.unread))))
        return kept

    def forget(self, message_id: str) -> Touched:
        """Take out a message, or what refers to one: it has expired."""
        self._expiring.pop(message_id, None)
        self.wraps.pop(message_id, None)
        self.delivered.discard(message_id)
        if source := self.source_of(message_id):
            self.closed[source] = Reason.GONE
            self._counts = None
        self._requests = None
        note = self._sidenotes.pop(message_id, None)
        if note is not None:
            return self._forget_note(note)
        rumor = self.messages.pop(message_id, None)
        if rumor is None:
            return []
        room = self.rooms[self.room_of(rumor)]
        del room.order[bisect_left(room.order, (rumor.created_at, message_id))]
        room.unread.discard(message_id)
        if not room.order and not room.accepted:
            del self.rooms[room.members]
        return [(room.members, message_id, False)]

    # Inside

    def _room(self, members: Room) -> RoomState:
        room = self.rooms.get(members)
        if room is None:
            room = self.rooms[members] = RoomState(members)
        return room

    def _keep(self, rumor: KeptRumor) -> Touched:
        self.sources.add(rumor.source)
        if rumor.id in self:
            return []
        if rumor.expires_at:
            self._expiring[rumor.id] = rumor.expires_at
        if rumor.kind in SHOWN:
            return self._add_message(rumor)
        self._sidenotes[rumor.id] = rumor
        if self._requests is not None and self._is_stranger(rumor):
            rooms, size = self._requests
            self._requests = rooms, size + _size(rumor)
        if rumor.kind == kinds.DELETION:
            return self._delete(rumor)
        target = rumor.values("e")[-1:]
        for id in target:
            known = self._reactions.setdefault(id, [])
            if len(known) < MOST_REACTIONS:
                known.append(rumor)
        return [t for id in target for t in self._touch(id)]

    def _add_message(self, rumor: KeptRumor) -> Touched:
        members = self.room_of(rumor)
        room = self._room(members)
        if self.is_deleted(rumor):
            rumor = self._emptied(rumor)
        self.messages[rumor.id] = rumor
        place = rumor.created_at, rumor.id
        if not room.order or place > room.order[-1]:
            room.order.append(place)
        else:
            insort(room.order, place)
        room.old = room.old and rumor.old
        subject = rumor.value("subject")
        if subject and rumor.created_at > room.subject[0]:
            room.subject = rumor.created_at, subject
        if rumor.author == self.me:
            self._answered(room, rumor)
        else:
            room.authors.add(rumor.author)
            read = rumor.created_at < self.begun and rumor.created_at <= room.last_own
            if not read and not self.is_deleted(rumor):
                room.unread.add(rumor.id)
            if self._requests is not None and self.is_request(room):
                rooms, size = self._requests
                self._requests = rooms + (len(room.order) == 1), size + _size(rumor)
        touched: Touched = [(members, rumor.id, True)]
        if self._deleted:
            touched += [(members, twin.id, False) for twin in self.twins(room, rumor)]
        return touched

    def _answered(self, room: RoomState, rumor: KeptRumor) -> None:
        """Whoever answers has read what was here; history that comes later, up to there."""
        if room.last_own < 0:
            self._requests = None
            self._written_to |= room.members - {self.me}
        room.last_own = max(room.last_own, rumor.created_at)
        if rumor.created_at >= self.begun:
            read = {id for at, id in room.order if at <= rumor.created_at}
        else:
            read = {id for at, id in room.order if at <= rumor.created_at and at < self.begun}
        room.unread -= read

    def _is_stranger(self, rumor: KeptRumor) -> bool:
        author = rumor.author
        return author != self.me and author not in self.known and author not in self._written_to

    def _room_noted(self, note: KeptRumor) -> RoomState | None:
        """The room of the message that a member of it reacts to, or deletes."""
        rooms = map(self.room_of_id, note.values("e")[-1:])
        return next((room for room in rooms if room and note.author in room.members), None)

    def _count_requests(self) -> tuple[int, int]:
        requests = [room for room in self.rooms.values() if self.is_request(room)]
        there = [self.messages[id] for room in requests for _, id in room.order]
        there += filter(self._is_stranger, self._sidenotes.values())
        return len(requests), sum(map(_size, there))

    def _delete(self, deletion: KeptRumor) -> Touched:
        touched: Touched = []
        for id in deletion.values("e")[:MOST_TARGETS]:
            self._deleted.setdefault(id, set()).add(deletion.author)
            rumor = self.messages.get(id)
            if rumor is not None and rumor.author == deletion.author:
                self.messages[id] = self._emptied(rumor)
                self.rooms[self.room_of(rumor)].unread.discard(id)
                touched += self._touch(id)
            note = self._sidenotes.get(id)
            if note is not None and note.kind == kinds.REACTION:
                touched += [t for e in note.values("e")[-1:] for t in self._touch(e)]
        return touched

    def _reopen(self, *reasons: Reason) -> None:
        for source in [source for why in reasons for source in self.closed_for(why)]:
            del self.closed[source]
            self.sources.discard(source)
        self._counts = None

    def _emptied(self, rumor: KeptRumor) -> KeptRumor:
        self.stale = self.stale or bool(rumor.content)
        return rumor.emptied()

    def _forget_note(self, note: KeptRumor) -> Touched:
        target = note.values("e")[-1:]
        if note.kind == kinds.DELETION:  # what it deleted stays deleted: its text is gone
            return []
        for id in target:
            self._reactions[id] = [r for r in self._reactions.get(id, ()) if r.id != note.id]
        return [t for id in target for t in self._touch(id)]

    def _touch(self, message_id: str) -> Touched:
        room = self.room_of_id(message_id)
        if room is None:
            return []
        rumor = self.messages[message_id]
        others = self.twins(room, rumor) if self.is_deleted(rumor) else []
        return [(room.members, id, False) for id in (message_id, *(each.id for each in others))]

    def _mark_read(self, read: records.ReadUpTo | records.MarkedRead) -> Touched:
        room = self.rooms.get(frozenset(read.room))
        if room is None or not room.unread:
            return []
        if isinstance(read, records.MarkedRead):
            room.unread.difference_update(read.ids)
        else:
            room.unread = {id for id in room.unread if self.messages[id].created_at > read.at}
        return [(room.members, "", False)]

    def _dismiss(self, members: Room) -> Touched:
        room = self.rooms.get(members)
        if room is None:
            return []
        touched: Touched = []
        for _, id in list(room.order):
            touched += self.forget(id)
        self.rooms.pop(members, None)
        self._requests = None
        return [*touched, (members, "", False)]


def _size(rumor: KeptRumor) -> int:
    return LEAST_SIZE + len(rumor.content) + sum(len(part) for tag in rumor.tags for part in tag)
