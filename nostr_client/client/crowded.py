"""Seconds of which a relay has more than it shows: brought by comparing sets (NIP-77), or named.

What `history` and `feed` share: neither passes over such a second, and neither is silent about it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from nostr_client.net.outcome import End, How
from nostr_client.protocol.filters import Filter
from nostr_client.resilience.comparison import Road
from nostr_client.resilience.history import History


class CrowdedSeconds:
    """Those of the relay at `url`, for one question."""

    def __init__(self, sets: History, url: str) -> None:
        self.hidden: set[int] = set()
        """Those of which not all is here, as far as is known: seconds since 1970."""
        self._sets = sets
        self._url = url

    async def bring(self, filters: Sequence[Filter], second: int) -> None:
        """Bring here what the relay has of this second; what it does not compare stays `hidden`.
        Raises StoreError."""
        self.hidden.add(second)
        asked = [f.changed(since=second, until=second, limit=None) for f in filters]
        if any(f.search is not None for f in asked) or not await self._sets.may_compare(self._url):
            return
        for filter, of_second in zip(filters, asked, strict=True):
            if (filter.since or 0) <= second and (filter.until is None or second <= filter.until):
                compared = await self._sets.bring(self._url, of_second)
                if compared.road is not Road.NEGENTROPY or not compared.complete:
                    return
        self.hidden.discard(second)

    def weighed(self, end: End) -> End:
        """How the relay's part ended, with what was brought in this way."""
        how, complete = end.how, end.complete
        if self.hidden:
            how, complete = How.INCOMPLETE if end.answered else how, False
        elif end.crowded_at and end.answered:  # all that was hidden was brought
            how, complete = How.ANSWERED, None
        return msgspec.structs.replace(
            end,
            how=how,
            complete=complete,
            crowded=bool(self.hidden),
            crowded_at=tuple(sorted(self.hidden)),
        )


def as_one(ends: Sequence[End]) -> End:
    """How a relay's part ended that was asked for several filters: as the worst of them."""
    worst = next((end for end in ends if end.how is not How.ANSWERED), ends[0])
    said = [end.complete for end in ends]
    return msgspec.structs.replace(
        worst,
        events=sum(end.events for end in ends),
        pages=sum(end.pages for end in ends),
        complete=False if False in said else None if None in said else True,
        crowded=any(end.crowded for end in ends),
        crowded_at=tuple(sorted({second for end in ends for second in end.crowded_at})),
    )
