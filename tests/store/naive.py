"""A store without a database, written from the NIPs: what the real one is compared with."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter, matches_any
from nostr_client.store import visibility
from nostr_client.store.contract import SaveStatus


class NaiveStore:
    """Lists and loops. `vanish_tags`: values of `relay` tags that mean this store."""

    def __init__(self, vanish_tags: Iterable[str] = (), keepers: Iterable[str] = ()) -> None:
        self.events: list[Event] = []
        self.superseded: dict[str, Event] = {}
        self._vanish_tags = set(vanish_tags)
        self._keepers = set(keepers)
        self._deletions: list[Event] = []
        self._vanished: list[Event] = []
        self._now: int | None = None

    def save(self, event: Event, now: int) -> SaveStatus:
        self.forget_expired(now)
        if 20_000 <= event.kind < 30_000:
            return SaveStatus.EPHEMERAL
        if _expired(event, now):
            return SaveStatus.EXPIRED
        if any(old.id == event.id for old in self.events):
            return SaveStatus.DUPLICATE
        if any(_covers(request, event) for request in self._vanished):
            return SaveStatus.VANISHED
        if any(_deletes(deletion, event) for deletion in self._deletions):
            return SaveStatus.DELETED
        rivals = [old for old in self.events if _same_address(old, event)]
        assert len(rivals) <= 1
        if rivals and (-rivals[0].created_at, rivals[0].id) < (-event.created_at, event.id):
            self._keep(event)
            return SaveStatus.OUTDATED
        self._drop(rivals)
        self.events.append(event)
        if event.kind == 5:
            self._deletions.append(event)
            self._drop([old for old in self.events if _deletes(event, old)])
        if event.kind == 62 and self._vanish_tags & set(event.values("relay")):
            self._vanished.append(event)
            self.events = [old for old in self.events if not _covers(event, old)]
            self.superseded = {
                id: old for id, old in self.superseded.items() if not _covers(event, old)
            }
        return SaveStatus.REPLACED if rivals else SaveStatus.STORED

    def forget_expired(self, now: int) -> None:
        if now == self._now:
            return  # what was expired then was not let in since
        self._now = now
        self.events = [event for event in self.events if not _expired(event, now)]

    def query(
        self,
        filters: Sequence[Filter],
        cap: int | None = None,
        reader: Collection[str] | visibility.Reader | None = None,
    ) -> list[Event]:
        found = {}
        for f in filters:
            matching = self.matching([f], reader)
            limits = [limit for limit in (f.limit, cap) if limit is not None]
            found |= {e.id: e for e in matching[: min(limits, default=None)]}
        return sorted(found.values(), key=lambda e: e.order)

    def matching(
        self, filters: Sequence[Filter], reader: Collection[str] | visibility.Reader | None = None
    ) -> list[Event]:
        """All that match, whatever the limits."""
        found = [
            event
            for event in self.events
            if matches_any(filters, event) and _may_see(reader, event)
        ]
        return sorted(found, key=lambda e: e.order)

    def history(self, address: str) -> list[Event]:
        found = [event for event in self.superseded.values() if event.address == address]
        return sorted(found, key=lambda e: e.order)

    def _drop(self, events: list[Event]) -> None:
        for event in events:
            self.events.remove(event)
            self._keep(event)

    def _keep(self, event: Event) -> None:
        if event.pubkey in self._keepers and event.address is not None:
            self.superseded[event.id] = event


def _may_see(reader: Collection[str] | visibility.Reader | None, event: Event) -> bool:
    if reader is None or event.kind not in (4, 1059):
        return True
    if isinstance(reader, visibility.Reader):
        if event.kind in reader.open:
            return True
        reader = reader.keys
    if event.kind == 4 and event.pubkey in reader:
        return True
    return any(pubkey in reader for pubkey in event.values("p"))


def _expired(event: Event, now: int) -> bool:
    return event.expiration is not None and event.expiration <= now


def _same_address(one: Event, other: Event) -> bool:
    if one.kind != other.kind or one.pubkey != other.pubkey:
        return False  # which is quicker said than what their addresses are
    return one.address is not None and one.address == other.address


def _deletes(deletion: Event, event: Event) -> bool:
    if event.kind in (5, 62):
        return False
    own = deletion.pubkey == event.pubkey
    received = event.kind in (1059, 21059) and deletion.pubkey in event.values("p")
    if (own or received) and event.id in deletion.values("e"):
        return True
    return (
        own
        and event.address is not None
        and event.created_at <= deletion.created_at
        and event.address in deletion.values("a")
    )


def _covers(request: Event, event: Event) -> bool:
    """Does this request to vanish remove the event? Not itself, nor its like of the same second."""
    if event.created_at > request.created_at:
        return False
    if event.kind == 62 and event.created_at == request.created_at:
        return False
    received = event.kind in (1059, 21059) and request.pubkey in event.values("p")
    return event.pubkey == request.pubkey or received
