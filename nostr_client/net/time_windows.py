"""A set that is too large to be compared at once is cut by time (pure)."""

from __future__ import annotations

from typing import Final, NamedTuple

from nostr_client.protocol.filters import Filter

NARROW: Final = 60
"""Seconds: a window as short as that is not cut any more."""
_EARLIEST: Final = 1_577_836_800
"""The beginning of 2020: hardly anything is older."""


class TimeWindow(NamedTuple):
    """A window: created_at from `since` to `until`, both included; None: no bound."""

    since: int | None
    until: int | None

    def of(self, filter: Filter) -> Filter:
        return filter.changed(since=self.since, until=self.until, limit=None)

    def halves(self, now: int) -> list[TimeWindow]:
        """The older and the newer half; itself alone if it is too short."""
        high = now if self.until is None else self.until
        low = self.since if self.since is not None else _EARLIEST if high > _EARLIEST else 0
        if high - low <= NARROW:
            return [self]
        middle = (low + high) // 2
        return [TimeWindow(self.since, middle), TimeWindow(middle + 1, self.until)]
