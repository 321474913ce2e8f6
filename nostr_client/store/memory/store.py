"""MemoryStore: the EventStore in plain Python, for programs and tests that keep nothing.

Every answer is found by looking at what is held, newest first, with no index but that of ids and
addresses: right for some thousands of events. It does everything on the loop, so that no priority
or time limit matters, nobody else can have it open, and nothing is durable. A search finds the
newest first, and what is stored is found at once.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_left, bisect_right, insort
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from itertools import islice
from typing import Final, Self

from nostr_client.errors import StoreError, TooMany
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.kinds import DELETION, FOLLOWS, VANISH, is_ephemeral
from nostr_client.protocol.urls import place_of
from nostr_client.store import rules, visibility, words
from nostr_client.store.contract import (
    PAGE_BYTES,
    Evicted,
    Page,
    Priority,
    SaveResult,
    SaveStatus,
    Size,
    Stored,
    StoreOptions,
    cost,
)
from nostr_client.store.memory.copies import MemoryCopyLedger
from nostr_client.store.memory.quotas import MemoryQuotas
from nostr_client.store.rules import Version
from nostr_client.store.sketch import registers_of
from nostr_client.store.visibility import Reader
from nostr_client.store.watching import Hearing, Watch, Watchers

PURGE_SECONDS: Final = 60
_SLICE: Final = 1000
"""Events that a watch which is behind reads at once."""
_Asker = Collection[str] | Reader | None
_Order = tuple[int, str]
_FOREVER: Final = 2**63


class MemoryStore:
    """See `EventStore`; opened by `store.events.open_store`."""

    def __init__(self, options: StoreOptions) -> None:
        self._clock = options.clock
        self._searchable = options.search
        self._places = frozenset(map(place_of, options.service_urls))
        self._seq = 0
        self._used = 0
        self._held: dict[str, tuple[int, Event]] = {}
        """By id, in the order of commits."""
        self._order: list[_Order] = []
        """Of all that is held, as `Event.order` has it."""
        self._versions: dict[str, Event] = {}
        """By address."""
        self._deleted: dict[tuple[str, str], int] = {}
        """Up to when a target, an id or address, is deleted by an author."""
        self._vanished: dict[str, int] = {}
        self._keepers: set[str] = set(options.keep_history_of)
        self._history: dict[str, Event] = {}
        """Superseded versions, by id."""
        self._purge_at = 0.0
        self._watchers = Watchers(self._read_since, lambda: None)
        self.ledger = MemoryCopyLedger(self._clock, self.events)
        self.quotas = MemoryQuotas(
            self.events,
            used=lambda: self._used,
            spared=self._spared,
            bringer=self.ledger.bringer,
            forget=self._forget,
        )

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, options: StoreOptions) -> AsyncIterator[Self]:
        """A new and empty store. Raises InvalidData for a service URL that is none."""
        if options.read_only:
            raise StoreError("a store in memory is empty at first: there is nothing to be read")
        self = cls(options)
        try:
            yield self
        finally:
            self._watchers.end()

    def events(self) -> list[Event]:
        """All that is held, in the order of commits."""
        return [event for _, event in self._held.values()]

    # Writing

    async def save(self, events: Sequence[Event], *, frees: bool = False) -> list[SaveResult]:
        now, before = int(self._clock()), self._seq
        if now >= self._purge_at:
            await self.purge()
        results = [self._save(event, now) for event in events]
        if self._seq != before:
            saved = zip(results, events, strict=True)
            fresh = [(result.seq, event) for result, event in saved if result.seq]
            self._watchers.committed(Stored(fresh, before, self._seq))
        return results

    def _save(self, event: Event, now: int) -> SaveResult:
        status = self._judge(event, now)
        if status is SaveStatus.OUTDATED:
            self._archive(event)
        if status not in (SaveStatus.STORED, SaveStatus.REPLACED):
            return SaveResult(status)
        if event.address is not None:
            old = self._versions.get(event.address)
            if old is not None:
                self._take_out(old, archive=status is SaveStatus.REPLACED)
            self._versions[event.address] = event
        self._seq += 1
        self._held[event.id] = self._seq, event
        insort(self._order, event.order)
        self._used += cost(event)
        if event.kind == DELETION:
            self._obey_deletion(event)
        elif event.kind == VANISH:
            self._obey_vanish(event)
        return SaveResult(status, self._seq)

    def _judge(self, event: Event, now: int) -> SaveStatus:
        if is_ephemeral(event.kind):
            return SaveStatus.EPHEMERAL
        if rules.is_expired(event.expiration, now):
            return SaveStatus.EXPIRED
        if rules.is_vanished(event, self._vanished):
            return SaveStatus.VANISHED
        if event.id in self._held:
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
            _, event = self._held.get(name, (0, None))
            if event is not None and deletion.pubkey in rules.deleters(event):
                self._take_out(event, archive=True)
        for name in targets.addresses:
            spot = name, deletion.pubkey
            self._deleted[spot] = max(self._deleted.get(spot, -1), deletion.created_at)
            event = self._versions.get(name)
            if event is not None and event.created_at <= deletion.created_at:
                self._take_out(event, archive=True)

    async def obey(self, requests: Sequence[Event], *, frees: bool = False) -> None:
        for request in requests:
            self._obey_vanish(request)

    def _obey_vanish(self, request: Event) -> None:
        if not rules.vanish_reaches(request, self._places):
            return
        pubkey = request.pubkey
        self._vanished[pubkey] = max(self._vanished.get(pubkey, 0), request.created_at)
        for event in list(self._covered(request)):
            self._take_out(event)
        for id, event in list(self._history.items()):
            if event.pubkey == pubkey and event.created_at <= request.created_at:
                del self._history[id]

    def _covered(self, request: Event) -> Iterator[Event]:
        until = {request.pubkey: request.created_at}
        return (event for _, event in self._held.values() if rules.is_vanished(event, until))

    async def frees_room(self, event: Event) -> bool:
        if event.kind == VANISH:
            reaches = rules.vanish_reaches(event, self._places)
            return reaches and any(True for _ in self._covered(event))
        if event.kind != DELETION:
            return False
        targets = rules.deletion_of(event)
        named = [self._held[name][1] for name in targets.ids if name in self._held]
        versions = [self._versions[name] for name in targets.addresses if name in self._versions]
        return rules.deletion_frees_room(event, named, versions)

    async def keep_history_of(self, pubkeys: Collection[str]) -> None:
        self._keepers.update(pubkeys)

    def _archive(self, event: Event) -> None:
        if event.address is not None and event.pubkey in self._keepers:
            self._history[event.id] = event

    def _take_out(self, event: Event, *, archive: bool = False) -> None:
        if self._held.pop(event.id, None) is None:
            return
        del self._order[bisect_left(self._order, event.order)]
        self._used -= cost(event)
        if self._versions.get(event.address or "") is event:
            del self._versions[event.address or ""]
        if archive:
            self._archive(event)

    # Reading

    async def get(self, event_id: str) -> Event | None:
        _, event = self._held.get(event_id, (0, None))
        return event if event is not None and self._is_there(event) else None

    async def get_address(self, address: str) -> Event | None:
        event = self._versions.get(address)
        return event if event is not None and self._is_there(event) else None

    async def known(self, ids: Collection[str]) -> dict[str, bytes]:
        return {id: self._held[id][1].json for id in ids if id in self._held}

    async def query(self, filters: Sequence[Filter], *, reader: _Asker = None) -> list[Event]:
        found = {
            event.id: event for f in filters for event in islice(self._found([f], reader), f.limit)
        }
        return sorted(found.values(), key=lambda event: event.order)

    async def page(
        self,
        filters: Sequence[Filter],
        *,
        max_limit: int | None = None,
        max_bytes: int = PAGE_BYTES,
        priority: Priority = Priority.NORMAL,
        time_limit: float | None = None,
        reader: _Asker = None,
    ) -> Page:
        found: dict[str, Event] = {}
        complete = True
        for f in filters:
            limits = [limit for limit in (f.limit, max_limit) if limit is not None]
            matching = self._found([f], reader)
            part = list(islice(matching, min(limits, default=None)))
            further = next(matching, None)
            if part and limits and min(limits) == max_limit:
                # The second that is cut comes whole, up to as many again.
                for _ in range(len(part)):
                    if further is None or further.created_at != part[-1].created_at:
                        break
                    part.append(further)
                    further = next(matching, None)
            found |= {event.id: event for event in part}
            complete = complete and further is None
        events = sorted(found.values(), key=lambda event: event.order)
        fitting = _fitting(events, max_bytes)
        complete = complete and len(fitting) == len(events)
        return Page([event.json for event in fitting], complete, self._seq)

    async def stream(
        self, filters: Sequence[Filter], *, size: int = 500, reader: _Asker = None
    ) -> AsyncIterator[list[Event]]:
        last: Event | None = None
        while part := list(islice(self._found(filters, reader, last), size)):
            last = part[-1]
            yield part

    async def count(
        self,
        filters: Sequence[Filter],
        *,
        priority: Priority = Priority.NORMAL,
        time_limit: float | None = None,
        reader: _Asker = None,
    ) -> int:
        return sum(1 for _ in self._found(filters, reader))

    async def sketch(
        self,
        f: Filter,
        offset: int,
        *,
        priority: Priority = Priority.NORMAL,
        time_limit: float | None = None,
        reader: _Asker = None,
    ) -> tuple[int, bytes]:
        count, leasts = 0, dict[str, str]()
        for event in self._found([f], reader):
            end = event.pubkey[2 * offset :]
            leasts[end[:2]] = min(end, leasts.get(end[:2], end))
            count += 1
        return count, registers_of(leasts.values())

    async def ids(
        self, f: Filter, *, reader: _Asker = None, most: int | None = None
    ) -> list[tuple[int, bytes]]:
        found = [(event.created_at, bytes.fromhex(event.id)) for event in self._found([f], reader)]
        if most is not None and len(found) > most:
            raise TooMany(f"more than {most} events match")
        return sorted(found)

    async def history(self, address: str) -> list[Event]:
        found = [event for event in self._history.values() if event.address == address]
        return sorted(found, key=lambda event: event.order)

    def _found(
        self, filters: Sequence[Filter], reader: _Asker, after: Event | None = None
    ) -> Iterator[Event]:
        """All that match any of these and may be seen, newest first, behind `after`."""
        for f in filters:
            visibility.check(f, searchable=self._searchable)
        asking = [f for f in filters if not visibility.is_empty(f)]
        who = None if reader is None else visibility.reader_of(reader)
        return self._scan(asking, who, after)

    def _scan(
        self, asking: Sequence[Filter], who: Reader | None, after: Event | None
    ) -> Iterator[Event]:
        start = 0 if after is None else bisect_right(self._order, after.order)
        for _, id in islice(self._order, start, None) if asking else ():
            event = self._held[id][1]
            if (
                any(words.fits(f, event) for f in asking)
                and (who is None or visibility.may_see(event, who))
                and self._is_there(event)
            ):
                yield event

    def _is_there(self, event: Event) -> bool:
        return not rules.is_expired(event.expiration, int(self._clock()))

    # What is new

    def watch(self, filters: Sequence[Filter]) -> Watch:
        return Watch(filters, self._watchers, self._last_seq)

    @contextlib.asynccontextmanager
    async def listen(self, hear: Callable[[Stored], None]) -> AsyncIterator[int]:
        hearing = Hearing(hear)
        if not self._watchers:
            self._watchers.told = self._seq
        self._watchers.add(hearing)
        try:
            yield self._watchers.told
        finally:
            self._watchers.discard(hearing)

    async def _last_seq(self) -> int:
        return self._seq

    async def _read_since(self, seq: int) -> Stored:
        fresh = list(islice((one for one in self._held.values() if one[0] > seq), _SLICE))
        return Stored(fresh, seq, fresh[-1][0] if len(fresh) == _SLICE else self._seq)

    # Upkeep

    async def remove(self, filters: Sequence[Filter]) -> int:
        return self._remove(filters, lambda event: True)

    async def evict(
        self,
        filters: Sequence[Filter] = (),
        *,
        most_bytes: int | None = None,
        spared: Collection[str] = (),
        spared_kinds: Collection[int] = (),
    ) -> Evicted:
        people, kinds = frozenset(spared), frozenset(spared_kinds)

        def may_go(event: Event) -> bool:
            kind = event.kind
            return rules.is_evictable(kind) and kind not in kinds and event.pubkey not in people

        count, floor = self._remove(filters, may_go), 0
        if most_bytes is not None and self._used > most_bytes:
            oldest_first = sorted(
                self._held.values(), key=lambda one: (one[1].created_at, one[1].id)
            )
            for event in [event for _, event in oldest_first if may_go(event)]:
                if self._used <= most_bytes:
                    break
                self._drop(event)
                count, floor = count + 1, event.created_at
            else:
                floor += floor > 0
        return Evicted(count, floor)

    def _remove(self, filters: Sequence[Filter], may_go: Callable[[Event], bool]) -> int:
        for f in filters:
            visibility.check(f, searchable=self._searchable)
        asking = [f for f in filters if not visibility.is_empty(f)]
        gone = [
            event
            for event in self.events()
            if may_go(event) and any(words.fits(f, event) for f in asking)
        ]
        for event in gone:
            self._drop(event)
        return len(gone)

    def _drop(self, event: Event) -> None:
        self._take_out(event)
        self.ledger.forget(event.id)

    def _forget(self, event: Event) -> None:
        """Take an event out as if it had never come: what a deletion barred may come again."""
        self._drop(event)
        if event.kind == DELETION:
            targets = rules.deletion_of(event)
            for name in (*targets.ids, *targets.addresses):
                self._deleted.pop((name, event.pubkey), None)

    def _spared(self) -> frozenset[str]:
        """The store's own people, and whom those follow."""
        own = (event for event in self.events() if event.pubkey in self._keepers)
        followed = (name for event in own if event.kind == FOLLOWS for name in event.values("p"))
        return frozenset((*self._keepers, *followed))

    async def purge(self) -> None:
        now = int(self._clock())
        self._purge_at = now + PURGE_SECONDS
        for event in self.events():
            if rules.is_expired(event.expiration, now):
                self._take_out(event)

    async def standing(self) -> int:
        return sum(cost(event) for event in self.events() if not rules.is_evictable(event.kind))

    async def size(self) -> Size:
        return Size(self._used, self._used)

    async def index_lag(self) -> int:
        return 0

    async def finish_index(self) -> None:
        """What is stored is found at once."""

    async def probe(self) -> None:
        """There is always room, as long as the process lives."""

    async def check(self) -> None:
        orders = sorted(event.order for event in self.events())
        if orders != self._order or self._used != sum(map(cost, self.events())):
            raise StoreError("the store in memory is damaged")


def _fitting(events: list[Event], most: int) -> list[Event]:
    """The newest in so many bytes: whole seconds, if there is more than one; at least one event."""
    for number, event in enumerate(events):
        most -= len(event.json) + 1
        if most < 0 and number:
            whole = [one for one in events[:number] if one.created_at != event.created_at]
            return whole or events[:number]
    return events
