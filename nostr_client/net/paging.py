"""Stored history page by page, where a relay sends less than it holds (NIP-67; pure).

Rules
- A relay that says "finish" has no more; one that says "more" is asked again. One that says neither
  is asked again where a page was big enough to look cut off, or if paging is `exhaustive`. A filter
  whose `limit` is met, or whose events by id are all there, is not asked again.
- The next page of a filter goes `until` the oldest event that matched it, that second included.
  Where one second fills a whole page, the rest of that second cannot be asked for: paging goes on
  before it, and does not call itself complete.
- Pages are counted by what the relay sent, before signatures are checked, so that the next is on
  its way meanwhile. A relay that forges misleads nobody but itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from nostr_client.net.requests import Filters
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter

CUT_OFF: Final = 100
"""Events in a page from which it may be cut off, where the relay does not say: common caps are
round numbers from here on."""


class Paging(msgspec.Struct, frozen=True):
    """How far to read back. `exhaustive`: until a page brings nothing new, unless the relay said
    that there is no more; `most` events from one relay, then the rest is left."""

    exhaustive: bool = False
    most: int = 100_000


class Pages:
    """One request on its way back in time."""

    def __init__(self, filters: Iterable[Filter], paging: Paging) -> None:
        self._pages = [_Page(filter) for filter in filters]
        self._paging = paging
        self._seen: set[str] = set()
        self._before = 0
        self._gap = False
        self._guessed = False
        self.number = 1
        """Pages asked for so far."""
        self.complete: bool | None = None
        """At the end: is there nothing else (True), is there more (False), or is it unsaid?"""

    @property
    def full(self) -> bool:
        """Has the relay sent more than was wanted in all?"""
        return len(self._seen) > self._paging.most

    def take(self, event: Event) -> bool:
        """Count an event that came; False if nothing asked for it."""
        new = event.id not in self._seen
        wanted = False
        for page in self._pages:
            if page.filter.matches(event):
                page.saw(event.created_at, new)
                wanted = True
        if wanted:
            self._seen.add(event.id)
        return wanted

    def ended(self, said: bool | None) -> Filters | None:
        """The page was sent to its end, and the relay `said` whether that was all.

        The filters of the next page, or None when there is none to ask for.
        """
        self._gap = self._gap or any(page.stuck for page in self._pages)
        new = len(self._seen) > self._before
        self._before = len(self._seen)
        if self._gap:
            self.complete = False
        elif said is None and not new and self.number > 1 and not self._guessed:
            self.complete = True
        else:
            self.complete = said
        if said is True:
            return None
        more = said is False or self._paging.exhaustive
        wanted = [page for page in self._pages if page.wants(more)]
        self._guessed = self._guessed or any(p.new for p in self._pages if p not in wanted)
        if not wanted:
            return None
        if len(self._seen) >= self._paging.most:
            self.complete = False
            return None
        self._pages = [page.next() for page in wanted]
        self.number += 1
        return tuple(page.filter for page in self._pages)


class _Page:
    """One filter's part of a page; `taken` events came with the pages before."""

    def __init__(self, filter: Filter, taken: int = 0) -> None:
        self.filter = filter
        self.new = 0
        self._taken = taken
        self._count = 0
        self._oldest: int | None = None

    def saw(self, created_at: int, new: bool) -> None:
        self._count += 1
        self.new += new
        if self._oldest is None or created_at < self._oldest:
            self._oldest = created_at

    @property
    def stuck(self) -> bool:
        """Did one second fill the page, so that there may be more of it?"""
        return (
            self._count >= CUT_OFF
            and self.new == 0
            and self._oldest is not None
            and self._oldest == self.filter.until
        )

    def wants(self, more: bool) -> bool:
        """Is another page of this filter worth asking for?"""
        taken = self._taken + self.new
        enough = (self.filter.ids is not None and taken >= len(self.filter.ids)) or (
            self.filter.limit is not None and taken >= self.filter.limit
        )
        if enough or self._oldest is None:
            return False
        return self.stuck or (self.new > 0 and (more or self._count >= CUT_OFF))

    def next(self) -> _Page:
        until = self._oldest
        if self.stuck and until is not None:
            until = max(0, until - 1)
        return _Page(self.filter.changed(until=until), self._taken + self.new)
