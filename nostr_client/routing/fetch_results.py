"""What came of a question to relays."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from nostr_client.net.outcome import End, How, Outcome, missed_of, outcome_of
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


def weighed(asked: FetchReport, firm: Collection[str]) -> FetchReport:
    """The same; where there are relays that matter, nothing depends on the others."""
    if firm:
        asked.ends = {
            url: end if url in firm else msgspec.structs.replace(end, spare=True)
            for url, end in asked.ends.items()
        }
    return asked
