"""What came of a question to relays, and how far a live subscription is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from nostr_client.net.fetch import RelayEnds
from nostr_client.net.outcome import End, How, Outcome, missed_of, outcome_of
from nostr_client.net.subscription import Arrival, Ended, EndOfStored
from nostr_client.protocol.event import Event


@dataclass(slots=True)
class FetchReport:
    """What relays said to a question. `events` names all that came, each with its author: they
    themselves are in the store, for a relay may send more than fits into memory. `new` is how many
    were not held.

    `ends` tells for each relay that was to be asked how its part ended.
    """

    events: dict[str, str] = field(default_factory=dict)
    new: int = 0
    ends: dict[str, End] = field(default_factory=dict)

    def add(self, other: FetchReport) -> None:
        """Another round of the same question: a relay has answered where it did so each time."""
        self.events |= other.events
        self.new += other.new
        self.ends = joined(self.ends, other.ends)

    @property
    def answered(self) -> tuple[str, ...]:
        """The relays that sent what they hold to the end."""
        return tuple(url for url, end in self.ends.items() if end.answered)


class FetchResult(list[Event]):
    """Events, newest first: those that the store has after relays were asked.

    `ends` tells for each relay that was to be asked how its part ended, in `End.how` and in the
    relay's own words.
    """

    def __init__(self, events: Iterable[Event] = (), ends: Mapping[str, End] | None = None) -> None:
        super().__init__(events)
        self.ends: dict[str, End] = dict(ends or {})

    @property
    def complete(self) -> bool:
        """Did every relay that the answer depends on send all it has, as far as it said?"""
        return all(end.how is How.ANSWERED for end in self.ends.values() if not end.spare)

    @property
    def missed(self) -> dict[str, End]:
        """The relays that did not send all they have, of those that the answer depends on."""
        return {end.url: end for end in missed_of(self.ends.values())}

    @property
    def outcome(self) -> Outcome:
        """What it came to: that there is nothing, that nobody answered and that it may not be read
        are three things."""
        return outcome_of(self.ends.values(), found=bool(self))


def joined(one: Mapping[str, End], other: Mapping[str, End]) -> dict[str, End]:
    """How relays ended in both of two rounds: what one of them missed is missed, unless nothing
    depended on it, or it was not waited for and answered the other time."""
    ends = dict(one)
    for url, end in other.items():
        before = ends.get(url)
        if before is None or _counts_more(end, before):
            ends[url] = end
    return ends


def _counts_more(end: End, before: End) -> bool:
    if before.spare != end.spare:
        return before.spare
    return before.how in (How.ANSWERED, How.NOT_AWAITED) or not end.answered


class LiveFeed:
    """A live subscription that fills the store; made by `RelayReader.subscribe`."""

    def __init__(self, urls: Iterable[str]) -> None:
        self.urls = frozenset(urls)
        self.read: set[str] = set()
        """The relays whose stored events have all come, since the last time they were lost."""
        self.caught_up: set[str] = set()
        """Those, and the ones that cannot be reached or will not answer."""
        self.arrived = 0
        self.problem = ""
        """Why the store does not take events at the moment; empty when all is well."""
        self._ends = RelayEnds(self.urls)
        self._changed = asyncio.Event()

    @property
    def is_caught_up(self) -> bool:
        return self.caught_up >= self.urls

    @property
    def ends(self) -> dict[str, End]:
        """How the stored events of each relay ended, the last time; those still on their way are
        `SILENT`."""
        ended = self._ends.result()
        for url in self.urls - ended.keys():
            how = How.LOST if url in self.caught_up else How.SILENT
            ended[url] = End(url=url, how=how, events=self._ends.found[url])
        return ended

    async def wait_caught_up(self, limit: float, grace: float | None = None) -> bool:
        """Wait until every relay has sent what it had stored, at most `limit` seconds, and with
        `grace` at most so many after the first one has."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit) as clock:
                while not self.is_caught_up:
                    if self.read and grace is not None:
                        clock.reschedule(min(clock.when() or 0.0, loop.time() + grace))
                        grace = None
                    self._changed.clear()
                    await self._changed.wait()
        return self.is_caught_up

    async def wait_read(self, url: str) -> None:
        """Wait, without a limit, until `url` has sent what it had stored."""
        while url not in self.read:
            self._changed.clear()
            await self._changed.wait()

    def heard(self, item: Arrival | EndOfStored | Ended) -> None:
        """An event that is held came, or a relay has sent what it had stored, or nothing comes
        from it for now."""
        self._ends.take(item)
        if isinstance(item, Arrival):
            return
        self.caught_up.add(item.url)
        if isinstance(item, EndOfStored):
            self.read.add(item.url)
        else:
            self.read.discard(item.url)
        self._changed.set()
