"""Notifications: all that concerns the account, from the store, newest first, put together by day.

A page is whole days, as far as they are no longer than `MOST_READ`; a longer one goes on, on the
next page. Whom the account muted does not show. Up to when it was seen is kept on disk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import is_hex64
from nostr_client.social.acquaintances import Acquaintances
from nostr_client.social.followers import Followers
from nostr_client.social.mute_matcher import MuteMatcher
from nostr_client.social.mutes import Mutes
from nostr_client.social.notification_views import (
    Concern,
    Notification,
    NotificationPage,
    NotificationRow,
    NotificationSort,
    NotificationTab,
    concern_of,
    day_of,
    may_be_about,
    rows_of,
)
from nostr_client.social.own_things import OwnThingsFinder
from nostr_client.social.seen_mark import SeenMark
from nostr_client.social.timeline import MAX_AHEAD, SAME_SECOND
from nostr_client.social.views import Cursor
from nostr_client.social.zaps import Zaps
from nostr_client.store.contract import EventStore
from nostr_client.tasks import Turns

CHUNK: Final = 300
"""Events that are read at once."""
MOST_READ: Final = 1_500
"""Events of one page."""
MOST_OF_ONE_SECOND: Final = 20_000
MOST_UNSEEN: Final = 200
"""Unseen events that are looked at, the newest."""
LATE: Final = 3600
"""Seconds by which what comes may be older than what was seen and still be noticed."""
MOST_ADDRESSES: Final = 50
"""Own addressable events that are looked up for one page."""


class _Found(NamedTuple):
    """An event, or somebody who began to follow (`event` is None, `id` a pubkey)."""

    at: int
    id: str
    event: Event | None

    @property
    def order(self) -> tuple[int, str]:
        return -self.at, self.id


class Notifications:
    """Those of the account `owner` (hex; empty: nobody's, and there are none).

    `folder` (data) keeps up to when they were seen; `clock` counts seconds since 1970.
    """

    def __init__(
        self,
        store: EventStore,
        mutes: Mutes,
        zaps: Zaps,
        *,
        acquaintances: Acquaintances,
        followers: Followers,
        own: OwnThingsFinder,
        owner: str,
        folder: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._mutes = mutes
        self._acquaintances = acquaintances
        self._followers = followers
        self._own = own
        self._zaps = zaps
        self._owner = owner
        self._clock = clock
        self._seen = SeenMark(folder / f"seen-{owner[:16] or 'nobody'}.json", int(clock()))
        self._counted: tuple[tuple[int, tuple[str, ...], MuteMatcher], int] | None = None

    # Pages

    async def page(
        self, tab: NotificationTab = NotificationTab.ALL, *, until: Cursor | None = None
    ) -> NotificationPage:
        """The next rows, newest first; `until` is that of the page before. Raises StoreError."""
        if not self._owner:
            return NotificationPage((), None)
        begin = until or (int(self._clock()) + MAX_AHEAD, "")
        found, more, place = list[_Found](), True, begin
        while more and len(found) < MOST_READ and not _spans_days(found, CHUNK):
            some, more = await self._read(tab, place, CHUNK)
            found += some
            place = (found[-1].at, found[-1].id) if found else begin
        if more:
            last_day = day_of(found[-1].at)
            whole = [one for one in found if day_of(one.at) != last_day]
            found = whole or found
        goes_on = until is not None and found and day_of(found[0].at) == day_of(until[0])
        rows = await self._rows(found, part=f"{until[0]}.{until[1]}" if until and goes_on else "")
        return NotificationPage(tuple(rows), (found[-1].at, found[-1].id) if more else None)

    # What was seen

    @property
    def seen_until(self) -> int:
        """What is dated so (seconds) or before was seen, here or by another process. Raises
        StoreError."""
        return self._seen.until

    async def unseen(self) -> int:
        """How many rows are new since then, strangers' left out, as far as they are counted.

        Raises StoreError.
        """
        if not self._owner:
            return 0
        await self._seen.begin()
        seen = self._seen.until
        place = (int(self._clock()) + MAX_AHEAD, "")
        found, _ = await self._read(NotificationTab.ALL, place, MOST_UNSEEN, seen - LATE)
        state = seen, tuple(one.id for one in found), self._mutes.matcher
        if self._counted is None or self._counted[0] != state:
            rows = await self._rows([one for one in found if one.at > seen])
            self._counted = state, sum(isinstance(row, Notification) for row in rows)
        return self._counted[1]

    async def since(self, at: int) -> list[Notification]:
        """The rows of what is dated after `at` (seconds), seen or not, strangers' left out; of the
        newest events alone. Raises StoreError."""
        if not self._owner:
            return []
        place = (int(self._clock()) + MAX_AHEAD, "")
        found, _ = await self._read(NotificationTab.ALL, place, MOST_UNSEEN, at + 1)
        return [row for row in await self._rows(found) if isinstance(row, Notification)]

    @property
    def news(self) -> object:
        """Another value whenever `unseen` found anything else, also what does not count."""
        return self._counted[0] if self._counted else None

    async def mark_seen(self, at: int) -> None:
        """The person has seen what is dated `at` or before, which is not after now. Raises
        StoreError."""
        if self._owner:
            await self._seen.move(min(at, int(self._clock())))

    # Inside

    async def _read(
        self, tab: NotificationTab, place: Cursor, limit: int, since: int = 0
    ) -> tuple[list[_Found], bool]:
        """The newest `limit` that come after `place`, at `since` or later; are there more?"""
        at, last = place
        size = limit + SAME_SECOND
        while True:
            filters = [
                each.changed(until=at, since=since or None, limit=size)
                for each in await self._filters(tab)
            ]
            events = (await self._store.query(filters) if filters else [])[:size]
            kept = [_Found(e.created_at, e.id, e) for e in events if e.order > (-at, last)]
            if len(kept) > limit or len(events) < size or size > MOST_OF_ONE_SECOND:
                break
            size *= 4
        if tab in (NotificationTab.ALL, NotificationTab.FOLLOWS):
            new = self._followers.before(at, last, since=since, limit=limit + 1)
            kept = sorted(
                [*kept, *(_Found(one.at, one.pubkey, None) for one in new)],
                key=lambda one: one.order,
            )
        return kept[:limit], len(kept) > limit

    async def _filters(self, tab: NotificationTab) -> list[Filter]:
        named = Filter(kinds=tab.kinds, tags={"p": frozenset({self._owner})})
        filters = [named] if tab.kinds else []
        if tab in (NotificationTab.ALL, NotificationTab.MENTIONS):
            filters += (await self._own.found()).quotes(CHUNK)
        if tab in (NotificationTab.ALL, NotificationTab.REACTIONS):
            filters += (await self._own.found()).votes(CHUNK)
        return filters

    async def _rows(self, found: Sequence[_Found], part: str = "") -> list[NotificationRow]:
        mutes = self._mutes
        events: list[Event] = []
        turns = Turns()
        for one in found:
            await turns.rest()
            event = one.event
            if event is not None and event.pubkey != self._owner and not mutes.why(event):
                events.append(event)
        targets = await self._targets(events)
        concerns = [
            Concern(NotificationSort.FOLLOW, one.id, one.at, one.id)
            for one in found
            if one.event is None
        ]
        for event in events:
            await turns.rest()
            if concern := concern_of(event, self._owner, targets, self._sender):
                concerns.append(concern)
        concerns = [c for c in concerns if c.person not in mutes.matcher.people]
        strangers = await self._acquaintances.strangers({c.person for c in concerns})
        return rows_of(concerns, strangers, targets, self._zaps.sum_of, part)

    def _sender(self, receipt: Event) -> str:
        """Who is said to have paid; whoever wrote a receipt that does not hold."""
        zap = self._zaps.read(receipt)
        return zap.sender if zap is not None else receipt.pubkey

    async def _targets(self, events: Iterable[Event]) -> Mapping[str, Event]:
        """What is here of what these are about, by id or address."""
        named = {name for event in events for name in may_be_about(event)}
        held = await self._store.known([name for name in named if is_hex64(name)])
        targets: dict[str, Event] = {}
        turns = Turns()
        for id, data in held.items():
            await turns.rest()
            targets[id] = Event.from_trusted(data)
        mine = sorted(name for name in named if name.split(":", 2)[1:2] == [self._owner])
        for address in mine[:MOST_ADDRESSES]:
            if (event := await self._store.get_address(address)) is not None:
                targets[address] = event
        return targets


def _spans_days(found: Sequence[_Found], least: int) -> bool:
    """Are there enough, of more than one day?"""
    return len(found) >= least and day_of(found[0].at) != day_of(found[-1].at)
