"""Stored history page by page, where a relay sends less than it holds (NIP-67; pure).

Rules
- A relay that says "finish" has no more; one that says "more" is asked again. One that says neither
  is asked again where a page was big enough to look cut off, or if paging is `exhaustive`. A filter
  whose `limit` is met, or whose events by id are all there, is not asked again.
- The next page of a filter goes `until` the oldest event that matched it, that second included.
  Where one second fills a whole page, the rest of that second cannot be asked for: it is named in
  `crowded`, paging goes on before it, and does not call itself complete.
- A page is full where the relay says "more", where it is as large as one that was surely cut off,
  or from `cut` events on. An exhaustive read looks before the last second, too: what comes from
  there tells that the page was full, however small.
- Pages are counted by what the relay sent, before signatures are checked, so that the next is on
  its way meanwhile. A relay that forges misleads nobody but itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from nostr_client.net.session.req_split import Filters
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter

CUT_OFF: Final = 100
"""Events in a page from which it may be cut off, where the relay does not say: common caps are
round numbers from here on."""


class Paging(msgspec.Struct, frozen=True):
    """How far to read back. `exhaustive`: until a page brings nothing new, unless the relay said
    that there is no more; `most` events from one relay, to the end of the page with the last of
    them, then the rest is left; `cut`: events from which on a page may be cut off."""

    exhaustive: bool = False
    most: int = 100_000
    cut: int = CUT_OFF


class HistoryPages:
    """One request on its way back in time."""

    def __init__(self, filters: Iterable[Filter], paging: Paging) -> None:
        self._pages = [_Page(filter) for filter in filters]
        self._paging = paging
        self._cut = paging.cut
        self._seen: set[str] = set()
        self._before = 0
        self._guessed = False
        self.crowded: dict[int, int] = {}
        """Seconds of which not everything may have come, and how many events of each were shown."""
        self.number = 1
        """Pages asked for so far."""
        self.complete: bool | None = None
        """At the end: is there nothing else (True), is there more (False), or is it unsaid?"""

    @property
    def full(self) -> bool:
        """Has the relay sent more in one page than was wanted in all? The last page may go beyond
        what was wanted, and is read to its end."""
        return len(self._seen) - self._before > self._paging.most

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
        if said is not True:
            self._find_crowded(said)
        new = len(self._seen) > self._before
        self._before = len(self._seen)
        if self.crowded:
            self.complete = False
        elif said is None and not new and self.number > 1 and not self._guessed:
            self.complete = True
        else:
            self.complete = said
        if said is True:
            return None
        exhaustive = self._paging.exhaustive
        wanted = [page for page in self._pages if page.wants(said is False, exhaustive, self._cut)]
        self._guessed = self._guessed or any(p.new for p in self._pages if p not in wanted)
        if not wanted:
            return None
        if len(self._seen) >= self._paging.most:
            self.complete = False
            return None
        self._pages = [page.next() for page in wanted]
        self.number += 1
        return tuple(page.filter for page in self._pages)

    def _find_crowded(self, said: bool | None) -> None:
        if self._paging.exhaustive:
            for page in self._pages:
                if page.newer is not None and (page.new or (page.past and page.count)):
                    self._cut = min(self._cut, page.newer)  # that page was cut off: here is more
                    if page.past and page.filter.until is not None:
                        self.crowded.setdefault(page.filter.until + 1, page.newer)
        for page in self._pages:
            if page.oldest is not None and page.in_one_second:
                more = said is False and len(self._pages) == 1
                if more or page.count >= self._cut:
                    self.crowded[page.oldest] = page.count


class _Page:
    """One filter's part of a page; `taken` events came with the pages before. `newer`: how many
    came with the one before it, and `past`: it begins before a second that may go on."""

    def __init__(
        self, filter: Filter, taken: int = 0, newer: int | None = None, past: bool = False
    ) -> None:
        self.filter = filter
        self.newer = newer
        self.past = past
        self.new = 0
        self.count = 0
        self.oldest: int | None = None
        self._taken = taken

    def saw(self, created_at: int, new: bool) -> None:
        self.count += 1
        self.new += new
        if self.oldest is None or created_at < self.oldest:
            self.oldest = created_at

    @property
    def in_one_second(self) -> bool:
        """Is all that came of one second, so that to ask for it again would bring the same?"""
        until = self.filter.until
        again = self.new == 0 or self.filter.since == until
        return until is not None and self.oldest == until and again

    def wants(self, more: bool, exhaustive: bool, cut: int) -> bool:
        """Is another page of this filter worth asking for?"""
        taken = self._taken + self.new
        enough = (self.filter.ids is not None and taken >= len(self.filter.ids)) or (
            self.filter.limit is not None and taken >= self.filter.limit
        )
        if enough or self.oldest is None:
            return False
        if self.in_one_second:
            earliest = self.oldest <= (self.filter.since or 0)
            return not earliest and (more or exhaustive or self.count >= cut)
        return self.new > 0 and (more or exhaustive or self.count >= cut)

    def next(self) -> _Page:
        past = self.in_one_second
        until = self.oldest - 1 if past and self.oldest is not None else self.oldest
        filter = self.filter.changed(until=until)
        return _Page(filter, self._taken + self.new, self.count, past)
