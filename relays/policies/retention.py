"""What a keeper does not want to hold for ever: taken out by age and by size, and not taken again.

Neither replaceable events nor deletions and requests to vanish are ever taken out, so they are not
kept out either, until they fill their own part of the room (`standing`): then strangers' are. What
is too old by a rule is refused by that rule; what was the oldest when there
was too much is refused by a floor, which is written down, so that no import, sync or mirror brings
it back. The floor goes when there is much room again.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Collection
from functools import partial
from itertools import islice
from typing import Final, Protocol

from nostr_client.errors import StoreError
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import Compactable, EventStore, Stored, cost
from nostr_client.store.rules import is_evictable
from relays.config.relay_config import RetentionRule, RetentionRules
from relays.metrics import Metrics
from relays.policies.verdict import ACCEPTED, IncomingEvent, Verdict, refused

EVERY: Final = 30.0
"""Seconds between two looks at the size ..."""
AGES: Final = 600.0
"""... and at what has grown too old."""
MOST_SPARED: Final = 20_000
"""Members who are spared for want of room, at most."""
_FIRST: Final = 30.0
"""Seconds after the start: first of all, clients are served."""
_DOWN_TO: Final = 0.97
"""Of the size allowed: so that it is not always a few events too many."""
_ROOM_AGAIN: Final = 0.8
_GIGABYTE: Final = 10**9
_DAY: Final = 86_400
_WORTH_IT: Final = 64 * 2**20
"""Bytes of free space in the file that are given back to the disk."""

_log = logging.getLogger(__name__)


_NO_ROOM: Final = refused("error: there is no room here for more of what is kept for ever")


People = tuple[Collection[str], Collection[str]]
"""Public keys: of those who run the relay, and of its members."""


class Floor(Protocol):
    """Where it is written down that what is older than `value` (created_at) went for want of room;
    0: nothing did. All who share the store have one."""

    @property
    def value(self) -> int: ...

    async def put(self, value: int) -> None:
        """Raises StoreError."""


class RetentionPolicy:
    """Of one sub-relay; `check` is a policy for what clients publish and for imports.

    `reconfigure` takes other settings over.
    """

    def __init__(
        self,
        settings: RetentionRules,
        floor: Floor,
        people: Callable[[], People] = lambda: ((), ()),
    ) -> None:
        self._people = people
        self._floor = floor
        self._standing = 0
        """What stands that is never taken out, in bytes: at most, and what came since."""
        self._weighed_at = -AGES
        self.reconfigure(settings)

    def reconfigure(self, settings: RetentionRules) -> None:
        """Go by these settings from now on."""
        self.settings = settings
        self._spared = frozenset(settings.spared)

    @property
    def floor(self) -> int:
        """created_at before which all went that may; 0: none.

        It holds where it is written, also for a command that was not given the settings.
        """
        return self._floor.value

    @property
    def is_on(self) -> bool:
        """Is there anything that is kept out?"""
        settings = self.settings
        return bool(settings.rules) or self.floor > 0 or settings.gigabytes is not None

    def check(self, incoming: IncomingEvent) -> Verdict:
        """Refuses what would be taken out again, and what never would, where there is no room."""
        event = incoming.event
        if not self.is_on or event.pubkey in self._spared:
            return ACCEPTED
        if not evictable(event):
            if self._standing < self._most_standing or self._is_ours(event.pubkey):
                return ACCEPTED
            return _NO_ROOM
        for rule in self.settings.rules:
            if event.created_at < incoming.now - rule.days * _DAY and fits(rule, event):
                return refused(f"invalid: such events are kept for {rule.days:g} days here")
        if event.created_at < self.floor and not self._is_ours(event.pubkey):
            return refused("invalid: it is older than what there is room for here")
        return ACCEPTED

    def _is_ours(self, pubkey: str) -> bool:
        return any(pubkey in people for people in self._people())

    @property
    def _most(self) -> int:
        return int((self.settings.gigabytes or 0) * _GIGABYTE)

    @property
    def _most_standing(self) -> float:
        return self._most * self.settings.standing if self._most else math.inf

    def on_stored(self, stored: Stored) -> None:
        """What the store has stored."""
        if self.settings.gigabytes is not None:
            for _, event in stored.events:
                if not evictable(event):
                    self._standing += cost(event)

    def narrowed(self, filter: Filter, now: float) -> Filter:
        """`filter` without the time of which nothing that it asks for would be kept.

        So far as one bound can say it: where replaceable events or spared authors are asked for,
        or all kinds, it is left as it is.
        """
        kinds = filter.kinds or ()
        asked = set(filter.authors or ())
        if not kinds or not all(map(is_evictable, kinds)):
            return filter
        if self._spared and (not asked or asked & self._spared):
            return filter
        bounds = [self.floor]
        for rule in self.settings.rules:
            covers_kinds = not set(kinds) & set(rule.except_kinds) and (
                not rule.kinds or set(kinds) <= set(rule.kinds)
            )
            if covers_kinds and (not rule.authors or (asked and asked <= set(rule.authors))):
                bounds.append(int(now - rule.days * _DAY))
        since = max(filter.since or 0, *bounds)
        return filter.changed(since=since) if since else filter

    async def evict_by_age(self, store: EventStore, now: float) -> int:
        """Take out what is too old by the rules; returns how many events. Raises StoreError."""
        count = 0
        for rule in self.settings.rules:
            old = Filter(
                kinds=frozenset(rule.kinds) or None,
                authors=frozenset(rule.authors) or None,
                until=int(now - rule.days * _DAY) - 1,
            )
            evicted = await store.evict(
                [old], spared=self.settings.spared, spared_kinds=rule.except_kinds
            )
            count += evicted.events
        return count

    async def evict_by_size(self, store: EventStore, now: int) -> int:
        """Take out the oldest where there is too much; returns how many. Raises StoreError."""
        if self.settings.gigabytes is None:
            await self._write(0)
            return 0
        most = self._most
        size, count = await store.size(), 0
        if size.used > most:
            for spared in self._in_turn():
                evicted = await store.evict(most_bytes=int(most * _DOWN_TO), spared=spared)
                count += evicted.events
                await self._write(max(self.floor, min(evicted.floor, now)))
                size = await store.size()
                if size.used <= most:
                    break
        elif size.used < most * _ROOM_AGAIN:
            await self._write(0)
        wasteful = size.allocated - size.used > max(_WORTH_IT, most // 10)
        if (size.allocated > most or wasteful) and isinstance(store, Compactable):
            await store.compact()
        return count

    def _in_turn(self) -> list[list[str]]:
        """Who is spared: first all of ours, then those who run the relay, then those set alone."""
        keepers, members = self._people()
        settled = list(self.settings.spared)
        found = [settled]
        for more in (keepers, members):
            if more:
                found.append([*found[-1], *islice(more, MOST_SPARED)])
        return found[::-1]

    async def weigh(self, store: EventStore) -> None:
        """Learn what stands that is never taken out: where it may matter, and not too often.

        Raises StoreError.
        """
        used = (await store.size()).used
        if used < self._most_standing:
            self._standing = used  # it is not more
            self._weighed_at = -AGES
            return
        now = time.monotonic()
        if now - self._weighed_at >= AGES or self._standing >= self._most_standing:
            self._standing = await store.standing()
            self._weighed_at = now

    async def _write(self, floor: int) -> None:
        if floor != self.floor:
            await self._floor.put(floor)

    async def run(
        self, store: EventStore, metrics: Metrics, clock: Callable[[], float] = time.time
    ) -> None:
        """Look after the store until cancelled; of those who share it, one at a time takes out."""
        await asyncio.sleep(_FIRST)
        evicting = partial(self._keep_evicting, store, metrics, clock)
        async with asyncio.TaskGroup() as group:
            group.create_task(store.run_alone("retention", evicting))
            group.create_task(self._keep_weighing(store))

    async def _keep_evicting(
        self, store: EventStore, metrics: Metrics, clock: Callable[[], float]
    ) -> None:
        looked = -AGES
        while True:
            try:
                if time.monotonic() - looked >= AGES:
                    looked = time.monotonic()
                    metrics.evicted += await self.evict_by_age(store, clock())
                metrics.evicted += await self.evict_by_size(store, int(clock()))
            except StoreError as error:
                _log.warning("retention is to be tried again: %s", error)
            await asyncio.sleep(EVERY)

    async def _keep_weighing(self, store: EventStore) -> None:
        while True:
            try:
                await self.weigh(store)
            except StoreError as error:
                _log.warning("how much stands is not known: %s", error)
            await asyncio.sleep(EVERY)


def evictable(event: Event) -> bool:
    """May it ever be taken out for its age, or for want of room?"""
    return is_evictable(event.kind)


def fits(rule: RetentionRule, event: Event) -> bool:
    """Is `event` one of those that `rule` is about?"""
    return (
        (not rule.kinds or event.kind in rule.kinds)
        and event.kind not in rule.except_kinds
        and (not rule.authors or event.pubkey in rule.authors)
    )
