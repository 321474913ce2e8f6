"""Timelines: pages of notes from the store, and new ones as they are stored.

A page goes on where the last one ended, at `(created_at, id)` of its last entry, so that notes
which arrive meanwhile push nothing around. Nothing dated further ahead than `MAX_AHEAD` is shown
before its time: a note from next year would stand on top until then. Nothing here waits for the
network but `complete`; the store is filled by `feed_sync`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final

from nostr_client.nips import nip10
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.kinds import REPOSTS
from nostr_client.routing.courier import Courier
from nostr_client.social.follows import Follows
from nostr_client.social.note_views import NoteViews, target_of
from nostr_client.social.referenced_events import LIMIT, ReferencedEvents
from nostr_client.social.views import Cursor, NoteView, ReactionCounts

MENTIONS: Final = frozenset({kinds.NOTE, *kinds.COMMENTS})
"""Public messages are among the notifications alone (NIP-A4)."""
MAX_AHEAD: Final = 15 * 60
"""Seconds that a note may be dated ahead of our clock and still be shown."""
MOST_LOOKED_AT: Final = 2_000
"""Entries that are read at once where most of them are muted."""
SAME_SECOND: Final = 16
"""Entries asked for beyond a page, for those that share the second of the last one."""
GATHER: Final = 0.05
"""Seconds in which new entries are gathered, so that one redraw shows them all."""
GATHER_CROWD: Final = 0.3
"""The same while more than `CROWD` come a second."""
CROWD: Final = 60
MOST_GATHERED: Final = 200
MOST_SEEN: Final = 10_000


class Timeline:
    """The timelines of the account `owner` (hex; empty: nobody's)."""

    def __init__(
        self,
        courier: Courier,
        follows: Follows,
        views: NoteViews,
        missing: ReferencedEvents,
        *,
        owner: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._courier = courier
        self._store = courier.store
        self._follows = follows
        self._views = views
        self._missing = missing
        self._owner = owner
        self._clock = clock

    async def home(self, *, until: Cursor | None = None, limit: int = 50) -> list[NoteView]:
        """What those the account follows and itself have posted, newest first.

        `until` is the `cursor` of the last view of the page before.
        """
        return await self._page(await self.home_filter(), until, limit)

    async def author(
        self,
        pubkey: str,
        *,
        until: Cursor | None = None,
        limit: int = 50,
        replies: bool | None = None,
    ) -> list[NoteView]:
        """What one person wrote and reposted, newest first; `replies`: only those, or all else.
        Whoever asks for a person's notes gets them, muted or not."""
        wanted = Filter.of(authors=[pubkey], kinds=kinds.POSTS)

        def of_the_other_part(event: Event) -> bool:
            return replies is not None and is_reply(event) is not replies

        views = await self._page(wanted, until, limit, skips=of_the_other_part, muted_too=True)
        return [replace(view, muted="") if view.muted else view for view in views]

    async def matching(
        self, wanted: Filter, *, until: Cursor | None = None, limit: int = 50
    ) -> list[NoteView]:
        """The timeline of whatever `wanted` matches, newest first: of a list, of topics."""
        return await self._page(wanted, until, limit)

    async def mentions(self, *, until: Cursor | None = None, limit: int = 50) -> list[NoteView]:
        """What others wrote that mentions the account or answers it, newest first."""
        if not self._owner:
            return []
        wanted = Filter.of(kinds=MENTIONS, p=[self._owner])
        return await self._page(
            wanted, until, limit, skips=lambda event: event.pubkey == self._owner
        )

    async def views(self, ids: Collection[str]) -> list[NoteView]:
        """Views of these notes, as many as are here, newest first: to show changed counts."""
        events = await self._store.query([Filter(ids=frozenset(ids))])
        return await self._views.of(events)

    async def complete(
        self, views: Sequence[NoteView], *, opened: str = "", limit: float = LIMIT
    ) -> list[NoteView]:
        """The same views once what they name and the store lacked was looked for on relays, at most
        `limit` seconds: reposted and quoted notes. What was not found is still missing in them.

        Relays that only strangers name are asked for the note `opened` (an id) alone, which the
        person wants to see. Raises StoreError.
        """
        if not await self._missing.fetch(views, opened=opened, limit=limit):
            return list(views)
        found = await self._views.of([view.entry for view in views])
        # A note that has come may quote others; theirs are not shown.
        if not await self._missing.fetch(found, opened=opened, limit=limit):
            return found
        return await self._views.of([view.entry for view in views])

    async def tallies(self, ids: Collection[str]) -> dict[str, ReactionCounts]:
        """How these notes were answered so far; every id has an entry."""
        return await self._views.tallies(ids)

    async def watch(self, shown: Sequence[NoteView] | None = None) -> AsyncIterator[NoteView]:
        """New entries of the home timeline as they are stored, by any process on this folder.

        `shown` is the page that was read before, its newest entry first: what came between it and
        the watch is yielded first. Ends when it is left, or the store closes. Follows whom the
        account follows from now on.
        """
        home = await self.home_filter()
        async with self._store.watch(self._watched()) as watch:
            known = _Known(view.entry for view in shown or ())
            for view in reversed(await self.home() if shown is not None else []):
                if not known.has(view.entry) and (not shown or view.at >= shown[0].at):
                    known.add(view.entry)
                    yield view
            seconds = GATHER
            while batch := await _gathered(watch, seconds):
                seconds = gather_for(len(batch), seconds)
                if any(self._is_own_list(event) for event in batch):
                    home = await self.home_filter()
                fresh = [e for e in batch if home.matches(e) and self._is_due(e)]
                muted = self._views.mutes().why
                fresh = [e for e in fresh if not muted(e)]
                fresh = await self._without_older_reposts(fresh, home)
                fresh = [e for e in fresh if not known.has(e)]
                for entry in fresh:
                    known.add(entry)
                for view in await self._views.of(fresh):
                    if not view.muted:
                        yield view

    async def home_filter(self) -> Filter:
        """What the home timeline holds: posts and reposts of the followed and the account.

        Whom it mutes is left out: of several reposts another one is the row.
        """
        people = frozenset(await self._follows.pubkeys()) - self._views.mutes().people
        own = {self._owner} if self._owner else set()
        return Filter(authors=people | own, kinds=kinds.POSTS)

    # Inside

    def _is_due(self, event: Event) -> bool:
        return event.created_at <= self._clock() + MAX_AHEAD

    async def _page(
        self,
        wanted: Filter,
        until: Cursor | None,
        limit: int,
        *,
        skips: Callable[[Event], bool] = lambda event: False,
        muted_too: bool = False,
    ) -> list[NoteView]:
        """Less than `limit` views are the last there are. `muted_too`: also what is muted."""
        cursor = until or (int(self._clock()) + MAX_AHEAD, "")
        views: list[NoteView] = []
        more = True
        while more and len(views) < limit:
            entries, more = await self._entries(
                wanted, cursor, limit - len(views), skips, muted_too=muted_too
            )
            made = await self._views.of(entries)
            views += [v for v in made if not v.muted or muted_too]
            if more:
                cursor = made[-1].cursor
        return views

    async def _entries(
        self,
        wanted: Filter,
        cursor: Cursor,
        limit: int,
        skips: Callable[[Event], bool],
        *,
        muted_too: bool,
    ) -> tuple[list[Event], bool]:
        """The next entries, at most `limit`, and whether others may follow them: then there is
        one at least. What is muted by itself is left out; of a repost one sees it later."""
        (at, last), size, found = cursor, limit + SAME_SECOND, []
        while True:
            events = await self._store.query([wanted.changed(until=at, limit=size)])
            fresh = [e for e in events if e.order > (-at, last)]
            kept = [e for e in fresh if not skips(e)]
            if not muted_too:
                muted = self._views.mutes().why
                kept = [e for e in kept if not muted(e)]
            found += await self._without_older_reposts(kept, wanted)
            if len(found) >= limit or len(events) < size:
                return found[:limit], len(found) > limit or len(events) >= size
            if fresh:
                at, last = fresh[-1].created_at, fresh[-1].id
            size = min(size * 4, MOST_LOOKED_AT) if fresh else size * 4

    async def _without_older_reposts(self, entries: Sequence[Event], wanted: Filter) -> list[Event]:
        """Of several reposts of one note the newest is its row; on whichever page that is."""
        targets = {target_of(e) for e in entries if e.kind in REPOSTS} - {""}
        if not targets:
            return list(entries)
        until = int(self._clock()) + MAX_AHEAD
        reposts = wanted.changed(kinds=frozenset(REPOSTS), tags={"e": frozenset(targets)})
        row: dict[str, str] = {}
        for event in await self._store.query([reposts.changed(until=until)]):
            row.setdefault(target_of(event), event.id)
        return [e for e in entries if e.kind not in REPOSTS or row.get(target_of(e), e.id) == e.id]

    def _watched(self) -> list[Filter]:
        """Posts of everybody: whom the account follows may change while we watch."""
        watched = [Filter(kinds=kinds.POSTS)]
        if self._owner:
            own = frozenset({self._owner})
            watched.append(Filter(authors=own, kinds=frozenset({kinds.FOLLOWS})))
        return watched

    def _is_own_list(self, event: Event) -> bool:
        return event.kind == kinds.FOLLOWS and event.pubkey == self._owner


def is_reply(event: Event) -> bool:
    """Does it answer another event? (NIP-10, 22, A0)"""
    if event.kind == kinds.NOTE:
        return nip10.thread_refs(event).reply is not None
    return event.kind in kinds.COMMENTS


class _Known:
    """Which entries a timeline has, and which notes the reposts among them are of: the last
    `MOST_SEEN` of each."""

    def __init__(self, entries: Iterable[Event]) -> None:
        self._entries: dict[str, None] = {}
        self._reposted: dict[str, None] = {}
        for entry in entries:
            self.add(entry)

    def has(self, entry: Event) -> bool:
        """Is it there, or a repost of the same note?"""
        reposted = entry.kind in REPOSTS and target_of(entry) in self._reposted
        return reposted or entry.id in self._entries

    def add(self, entry: Event) -> None:
        self._entries[entry.id] = None
        if entry.kind in REPOSTS and (target := target_of(entry)):
            self._reposted[target] = None
        for known in (self._entries, self._reposted):
            if len(known) > MOST_SEEN:
                del known[next(iter(known))]


def gather_for(count: int, seconds: float) -> float:
    """How long to gather next time, after so many came in so many seconds: a view costs some ten
    questions to the store, and those of many views at once as few."""
    return GATHER_CROWD if count >= CROWD * seconds else GATHER


async def _gathered(watch: AsyncIterator[Event], seconds: float) -> list[Event]:
    """The next event and what follows it closely; nothing when the watch has ended."""
    batch: list[Event] = []
    with contextlib.suppress(TimeoutError, StopAsyncIteration):
        batch.append(await anext(watch))
        async with asyncio.timeout(seconds):
            while len(batch) < MOST_GATHERED:
                batch.append(await anext(watch))
    return batch
