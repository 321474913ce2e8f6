"""Timelines as sources of a list: pages in both directions out of pages that only go down.

The engine reads a timeline from a cursor towards the past. To come back up, or to begin at the very
end, the moment is searched from which one page reaches just far enough: a few pages, whatever the
length of the timeline, and nothing to remember.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from nostr_client.social.timeline import MAX_AHEAD
from nostr_client.social.views import Cursor, NoteView
from nostr_client.tui.widgets.items import ItemPage

ReadPage = Callable[[Cursor | None, int], Awaitable[list[NoteView]]]
"""At most `int` entries after a cursor (None: from the newest), newest first."""

Strangers = Callable[[Collection[str]], Awaitable[Collection[str]]]
"""Which of these people (hex) are strangers."""

MOST_PAGES: Final = 20
"""Pages that are looked through for one without strangers."""
FIRST_STEP: Final = 3600
"""Seconds by which the first look upwards goes."""
MOST_LOOKS: Final = 48
"""Looks that a search may take; halving the whole of time takes 32."""


def without(strangers: Strangers, read: ReadPage) -> ReadPage:
    """What `read` reads, but for what strangers wrote: pages are read until one is full."""

    async def page(until: Cursor | None, limit: int) -> list[NoteView]:
        found: list[NoteView] = []
        for _ in range(MOST_PAGES):
            views = await read(until, limit)
            unknown = await strangers({view.entry.pubkey for view in views})
            found += [view for view in views if view.entry.pubkey not in unknown]
            if len(views) < limit or len(found) >= limit:
                break
            until = views[-1].cursor
        return found[:limit]

    return page


class TimelineSource:
    """A source over one timeline, read by `read`."""

    def __init__(self, read: ReadPage, clock: Callable[[], float] = time.time) -> None:
        self._read = read
        self._clock = clock
        self._step = FIRST_STEP

    async def first(self, limit: int) -> ItemPage[NoteView]:
        views = await self._read(None, limit)
        return ItemPage(views, len(views) >= limit)

    async def at(self, moment: int, limit: int) -> ItemPage[NoteView]:
        """From the newest entry of a second (unix) on."""
        views = await self._read((moment, ""), limit)
        return ItemPage(views, len(views) >= limit)

    async def after(self, item: NoteView, limit: int) -> ItemPage[NoteView]:
        views = await self._read(item.cursor, limit)
        return ItemPage(views, len(views) >= limit)

    async def before(self, item: NoteView, limit: int) -> ItemPage[NoteView]:
        """Search the moment above `item` from which a page reaches down to it."""
        newest = int(self._clock()) + MAX_AHEAD
        low, high = item.at, 0
        step = self._step
        for _ in range(MOST_LOOKS):
            moment = min((low + high) // 2 if high else low + step, newest)
            views = await self._read((moment, ""), limit)
            above = [view for view in views if view.entry.order < item.entry.order]
            if len(above) == len(views) >= limit:
                high = moment
            elif moment == newest or len(above) >= limit // 4:
                self._step = max(moment - item.at, 1)
                return ItemPage(above, moment < newest)
            else:
                low = moment
                step *= 4
            if high and high - low <= 1:
                break
        return ItemPage(await self._crowd((high or newest, ""), item, limit), True)

    async def last(self, limit: int) -> ItemPage[NoteView]:
        """Search the moment from which less than a page is left."""
        low, high = 0, int(self._clock()) + MAX_AHEAD
        views = await self._read(None, limit)
        if len(views) < limit:
            return ItemPage(views, False)
        for _ in range(MOST_LOOKS):
            moment = (low + high) // 2
            views = await self._read((moment, ""), limit)
            if len(views) >= limit:
                high = moment
            elif len(views) >= limit // 4:
                return ItemPage(views, True)
            else:
                low = moment
            if high - low <= 1:
                break
        return ItemPage(await self._crowd((high, ""), None, limit), True)

    async def _crowd(self, cursor: Cursor, until: NoteView | None, limit: int) -> list[NoteView]:
        """The last `limit` entries above `until` (None: of all), where one second holds many."""
        kept: deque[NoteView] = deque(maxlen=limit)
        while views := await self._read(cursor, limit):
            for view in views:
                if until is not None and view.entry.order >= until.entry.order:
                    return list(kept)
                kept.append(view)
            cursor = views[-1].cursor
        return list(kept)
