"""What a store in memory holds, and the rules by which it came and goes. Pure, but for the clock
that it is given."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Final

from nostr_client.errors import StoreError
from nostr_client.protocol.event import Event
from nostr_client.protocol.kinds import DELETION, FOLLOWS, VANISH, is_ephemeral
from nostr_client.store import rules
from nostr_client.store.contract import SaveResult, SaveStatus, cost
from nostr_client.store.rules import Version

_FOREVER: Final = 2**63


class HeldEvents:
    """All that is held. `places` (`place_of`) are those for which requests to vanish are obeyed,
    `keepers` the authors whose superseded versions are kept."""

    def __init__(self, places: Collection[str], keepers: Collection[str]) -> None:
        self.seq = 0
        """The last commit."""
        self.used = 0
        """Bytes that all is charged with (`cost`)."""
        self.keepers = set(keepers)
        self._places = frozenset(places)
        self._events: dict[str, tuple[int, Event]] = {}
        """By id, in the order of commits."""
        self._order: list[tuple[int, str]] = []
        """`Event.order` of each."""
        self._versions: dict[str, Event] = {}
        """By address."""
        self._deleted: dict[tuple[str, str], int] = {}
        """Up to when a target, an id or address, is deleted by an author."""
        self._vanished: dict[str, int] = {}
        """Up to when, by author."""
        self._history: dict[str, Event] = {}
        """Superseded versions, by id."""

    # Looking

    def get(self, event_id: str) -> Event | None:
        return self._events.get(event_id, (0, None))[1]

    def version(self, address: str) -> Event | None:
        """The current one."""
        return self._versions.get(address)

    def all(self) -> list[Event]:
        """In the order of commits."""
        return [event for _, event in self._events.values()]

    def since(self, seq: int) -> Iterator[tuple[int, Event]]:
        """What was stored after `seq`, in the order of commits."""
        return (one for one in self._events.values() if one[0] > seq)

    def newest_first(self, after: Event | None = None) -> Iterator[Event]:
        """In NIP-01's order, behind `after`."""
        start = 0 if after is None else bisect_right(self._order, after.order)
        return (self._events[id][1] for _, id in islice(self._order, start, None))

    def history(self, address: str) -> list[Event]:
        """The superseded versions that were kept, newest first."""
        found = [event for event in self._history.values() if event.address == address]
        return sorted(found, key=lambda event: event.order)

    def spared(self) -> frozenset[str]:
        """Whom no quota concerns: the store's own people, and whom those follow."""
        own = (event for event in self.all() if event.pubkey in self.keepers)
        followed = (name for event in own if event.kind == FOLLOWS for name in event.values("p"))
        return frozenset((*self.keepers, *followed))

    def frees_room(self, event: Event) -> bool:
        """See `EventStore`."""
        if event.kind == VANISH:
            reaches = rules.vanish_reaches(event, self._places)
            return reaches and any(True for _ in self._covered(event))
        if event.kind != DELETION:
            return False
        targets = rules.deletion_of(event)
        named = [self._events[name][1] for name in targets.ids if name in self._events]
        versions = [self._versions[name] for name in targets.addresses if name in self._versions]
        return rules.deletion_frees_room(event, named, versions)

    def check(self) -> None:
        """Raises StoreError if what belongs together does not agree."""
        if sorted(event.order for event in self.all()) != self._order:
            raise StoreError("the store in memory is damaged: its order is not that of its events")
        if self.used != sum(map(cost, self.all())):
            raise StoreError("the store in memory is damaged: it has lost count")

    # Changing

    def save(self, event: Event, now: int) -> SaveResult:
        """By the rules of `rules`."""
        status = self._judge(event, now)
        if status is SaveStatus.OUTDATED:
            self._archive(event)
        if status not in (SaveStatus.STORED, SaveStatus.REPLACED):
            return SaveResult(status)
        if event.address is not None:
            old = self._versions.get(event.address)
            if old is not None:
                self.take_out(old, archive=status is SaveStatus.REPLACED)
            self._versions[event.address] = event
        self.seq += 1
        self._events[event.id] = self.seq, event
        insort(self._order, event.order)
        self.used += cost(event)
        if event.kind == DELETION:
            self._obey_deletion(event)
        elif event.kind == VANISH:
            self.obey_vanish(event)
        return SaveResult(status, self.seq)

    def _judge(self, event: Event, now: int) -> SaveStatus:
        if is_ephemeral(event.kind):
            return SaveStatus.EPHEMERAL
        if rules.is_expired(event.expiration, now):
            return SaveStatus.EXPIRED
        if rules.is_vanished(event, self._vanished):
            return SaveStatus.VANISHED
        if event.id in self._events:
            return SaveStatus.DUPLICATE
        if self._is_deleted(event):
            return SaveStatus.DELETED
        old = self._versions.get(event.address or "")
        if old is None or rules.is_expired(old.expiration, now):
            return SaveStatus.STORED
        if Version(event.created_at, event.id).supersedes(Version(old.created_at, old.id)):
            return SaveStatus.REPLACED
        return SaveStatus.OUTDATED

    def _is_deleted(self, event: Event) -> bool:
        if any((event.id, pubkey) in self._deleted for pubkey in rules.deleters(event)):
            return True
        until = self._deleted.get((event.address or "", event.pubkey), -1)
        return event.created_at <= until

    def _obey_deletion(self, deletion: Event) -> None:
        targets = rules.deletion_of(deletion)
        for name in targets.ids:
            self._deleted[name, deletion.pubkey] = _FOREVER
            event = self.get(name)
            if event is not None and deletion.pubkey in rules.deleters(event):
                self.take_out(event, archive=True)
        for name in targets.addresses:
            spot = name, deletion.pubkey
            self._deleted[spot] = max(self._deleted.get(spot, -1), deletion.created_at)
            event = self._versions.get(name)
            if event is not None and event.created_at <= deletion.created_at:
                self.take_out(event, archive=True)

    def obey_vanish(self, request: Event) -> None:
        """Carry out a kind 62 event, if it speaks to this store, and bar the return of all that."""
        if not rules.vanish_reaches(request, self._places):
            return
        pubkey = request.pubkey
        self._vanished[pubkey] = max(self._vanished.get(pubkey, 0), request.created_at)
        for event in list(self._covered(request)):
            self.take_out(event)
        for id, event in list(self._history.items()):
            if event.pubkey == pubkey and event.created_at <= request.created_at:
                del self._history[id]

    def _covered(self, request: Event) -> Iterator[Event]:
        until = {request.pubkey: request.created_at}
        return (event for _, event in self._events.values() if rules.is_vanished(event, until))

    def _archive(self, event: Event) -> None:
        if event.address is not None and event.pubkey in self.keepers:
            self._history[event.id] = event

    def take_out(self, event: Event, *, archive: bool = False) -> None:
        """With `archive`, into the history of those who keep one."""
        if self._events.pop(event.id, None) is None:
            return
        del self._order[bisect_left(self._order, event.order)]
        self.used -= cost(event)
        if self._versions.get(event.address or "") is event:
            del self._versions[event.address or ""]
        if archive:
            self._archive(event)

    def lift_deletion(self, deletion: Event) -> None:
        """Forget what a kind 5 event bars."""
        targets = rules.deletion_of(deletion)
        for name in (*targets.ids, *targets.addresses):
            self._deleted.pop((name, deletion.pubkey), None)
