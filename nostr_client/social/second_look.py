"""What a second relay has beside what came from the first: told by ids, and brought here.

- By negentropy (NIP-77), which costs nothing worth naming where both hold the same. Only what is
  missing is fetched, and what the store then does not keep (an older version of a list, what was
  deleted) is not fetched again.
- A relay that does not compare is asked for what is newer than all that is here, and for what lies
  between it (`gaps`), the newest gaps if there are many: that brings nothing, or what is new. It is
  asked for a run of events somewhere in the span, too, one in `SHARE` of those that are here. Where
  that shows that more may be missing, all of the span is read.

What it shows counts for both relays (`routing.deliveries`).
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from nostr_client.errors import TooMany
from nostr_client.net.outcome import Cause, End, How
from nostr_client.net.rejected_ids import RejectedIds
from nostr_client.net.session.paging import Paging
from nostr_client.net.time_windows import TimeWindow
from nostr_client.protocol.filters import Filter
from nostr_client.routing.deliveries import ELSEWHERE, SETTLED, Deliveries
from nostr_client.routing.fetch_results import FetchReport
from nostr_client.routing.id_comparison import WINDOW, IdComparer
from nostr_client.routing.reader import READ_BACK_LIMIT, TO_THE_END
from nostr_client.social.author_stream import FeedReading
from nostr_client.store.contract import CopyGrade

SETTLE: Final = 15
"""Seconds: what is younger may be on its way."""
MOST_MISSING: Final = 500
"""Events that are fetched one by one: where more are missing, the relay is read as a stream is."""
IDS: Final = 250
"""Events in one REQ by ids."""
SHARE: Final = 8
"""Without NIP-77, one event for so many that came is asked for again."""
TAIL: Final = 50
"""Events of one gap that are asked for at once."""
MOST_GAPS: Final = 10
"""Filters in one REQ."""
AUTHORS_IN_GAPS: Final = 500
"""Names in all the filters of one."""
MOST_JUDGED: Final = 1_000
ASK_LIMIT: Final = 30.0

Streams = Mapping[str, frozenset[str]]
"""The relays that stream, and whom."""


class SecondLook:
    """Compares what is here with the relay at `url`, over `comparer` and the reading's courier."""

    def __init__(self, reading: FeedReading, comparer: IdComparer, url: str) -> None:
        self.url = url
        self._reading = reading
        self._courier = reading.courier
        self._comparer = comparer
        self._unwanted = RejectedIds()
        self._probed: dict[str, int] = {}
        """By stream, until when a run of its events was asked for (seconds since 1970)."""
        self._chance = random.Random()  # noqa: S311 - no secret

    async def bring(self, asked: Filter, streams: Streams, counted: int) -> int:
        """Compare the span `asked`, and bring what is missing; how many events that were. `streams`
        read its authors, and what is older than `counted` has counted before, where the span ends.
        Raises RelayError, StoreError."""
        found = await self._comparer.compare(self.url, asked, most=MOST_MISSING)
        if found is None:
            return await self._probe(asked, streams, counted)
        if not found.complete:
            missing = await self._read(asked)
        else:
            there = map(bytes.fromhex, found.there)
            missing = await self._fetch([id.hex() for id in there if id not in self._unwanted])
        absent = found.here if found.complete else None
        await self._judge(asked, streams, counted, absent)
        return missing

    async def _fetch(self, ids: Sequence[str]) -> int:
        """Bring these from the relay, which may send a part at a time; how many were new."""
        new = 0
        for start in range(0, len(ids), IDS):
            part = frozenset(ids[start : start + IDS])
            left = part
            while left:
                report = await self._asked([Filter(ids=left)], None, ASK_LIMIT)
                new += report.new
                if left.isdisjoint(report.events):
                    break
                left -= report.events.keys()
            held = await self._courier.store.known(part)
            self._unwanted.add(bytes.fromhex(id) for id in part if id not in held)
        return new

    async def _read(self, asked: Filter) -> int:
        """Read a whole span as a stream does; how many events were new."""
        paging = TO_THE_END if asked.limit is None else None
        limit = READ_BACK_LIMIT if asked.limit is None else ASK_LIMIT
        return await self._ask(asked, paging=paging, limit=limit)

    async def _ask(
        self, *filters: Filter, paging: Paging | None = None, limit: float = ASK_LIMIT
    ) -> int:
        """How many new events came. Raises RelayError where the relay did not answer."""
        return (await self._asked(filters, paging, limit)).new

    async def _asked(
        self, filters: Sequence[Filter], paging: Paging | None, limit: float
    ) -> FetchReport:
        report = await self._courier.fetch_from(filters, [self.url], timeout=limit, paging=paging)
        end = report.ends[self.url]
        if not end.answered:
            raise cause_of(end).error(self.url)
        return report

    async def _probe(self, asked: Filter, streams: Streams, counted: int) -> int:
        """Without NIP-77: ask for what is newer than all that is here, for gaps between what is
        here, and for a run of events; read all, where that does not show all that is missing."""
        try:
            ours = await self._courier.store.ids(asked.changed(limit=None), most=WINDOW)
        except TooMany:
            return await self._read(asked)
        newest, *older = gaps([at for at, _ in ours], asked.since or 0, asked.until)
        tail = await self._ask(newest.of(asked).changed(limit=TAIL))
        if asked.until is not None:  # the others were asked for before
            older = [gap for gap in older if (gap.until or 0) >= counted]
        most = min(MOST_GAPS, AUTHORS_IN_GAPS // len(asked.authors or "?"))
        parts = [gap.of(asked).changed(limit=TAIL) for gap in older[:most]]
        missing = await self._ask(*parts) if parts else 0
        lacks_more = max(tail, missing) >= TAIL or (missing and len(parts) < len(older))
        missing += tail
        sampled = await self._sample(asked, [at for at, _ in ours], streams)
        if sampled or lacks_more:
            missing += sampled + await self._read(asked)
        await self._judge(asked, streams, counted, None)
        return missing

    async def _sample(self, asked: Filter, times: Sequence[int], streams: Streams) -> int:
        """Ask for a run of events, one in `SHARE` of what came since the last one; how many of them
        were new."""
        since = min(self._probed.get(stream, 0) for stream in streams)
        fresh = [at for at in times if at >= since]
        count = len(fresh) // SHARE
        if not count:
            return 0
        self._probed |= dict.fromkeys(streams, fresh[-1] + 1)
        last = fresh[self._chance.randrange(count - 1, len(fresh))]
        return await self._ask(asked.changed(until=last, limit=count))

    # What it shows

    async def _judge(
        self, asked: Filter, streams: Streams, counted: int, absent: Collection[str] | None
    ) -> None:
        """Count for the streams what they brought of what is known now, and for this relay what it
        has, where it is known what of that is `absent` there."""
        if asked.until is not None:
            asked = asked.changed(since=max(asked.since or 0, counted - (SETTLED - SETTLE)))
        store, now = self._courier.store, self._reading.clock()
        held = await store.query([asked.changed(limit=MOST_JUDGED)])
        copies = await store.ledger.copies_of([event.id for event in held])
        shown = Deliveries(now)
        stream_of = {pubkey: url for url, authors in streams.items() for pubkey in authors}
        for event in held:
            stream = stream_of[event.pubkey]
            read = {c.url for c in copies.get(event.id, ()) if c.grade >= CopyGrade.READ_BACK}
            shown.take(event, stream if stream in read else "")
            if absent is None:
                shown.had(event.id, [*read, ELSEWHERE])
            elif event.id not in absent:
                shown.take(event, self.url)
        whole = asked.changed(limit=None)
        for stream, authors in streams.items():
            mine = whole.changed(authors=authors & (asked.authors or frozenset()))
            end = End(url=stream, how=How.ANSWERED, complete=True)
            shown.answered([mine], end, paged=True)
        if absent is not None:
            here = End(url=self.url, how=How.ANSWERED, complete=True)
            shown.answered([whole], here, paged=True)
        self._courier.count_deliveries(shown)


def gaps(times: Sequence[int], since: int, until: int | None) -> list[TimeWindow]:
    """The windows from `since` to `until` between events of these `times`, in order: the newest
    window first, which may be empty; what else there is, before it."""
    found: list[TimeWindow] = []
    high = until
    for at in reversed(times):
        if not found or high is None or at < high:
            found.append(TimeWindow(at + 1, high))
        high = at - 1
    if not found or (high is not None and since <= high):
        found.append(TimeWindow(since, high))
    return found


def cause_of(end: End) -> Cause:
    """Why a relay did not answer."""
    return Cause(end.how, end.reason or end.problem, end.prefix, end.status)
