"""What the keeper brings in, by import, sync or mirror: judged, stored, and counted.

It passes the limits on age, work and rates; never those on signatures, bans, deletions and forms.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from nostr_client.protocol.event import Event
from nostr_client.protocol.kinds import is_ephemeral
from nostr_client.store.events import EventStore, SaveStatus
from relays.policies.events import not_expired
from relays.policies.verdict import AsyncPolicy, Offer, Policy, Source

REASONS: Final = 100
"""Different reasons that are counted apart: some are a stranger's words."""


class Tally(msgspec.Struct):
    """What became of what was brought in.

    `left_out` counts true events that the rules of keeping leave out, as every relay does, by why;
    `reasons` those that were refused: malformed, forged, beyond a limit.
    """

    stored: int = 0
    duplicate: int = 0
    left_out: Counter[str] = msgspec.field(default_factory=Counter)
    reasons: Counter[str] = msgspec.field(default_factory=Counter)

    @property
    def refused(self) -> int:
        return self.reasons.total()

    @property
    def lines(self) -> int:
        return self.stored + self.duplicate + self.left_out.total() + self.refused

    def refuse(self, reason: str, count: int = 1) -> None:
        """So many were refused, for this reason."""
        if count:
            count_reason(self.reasons, reason, count)

    def __str__(self) -> str:
        head = (
            f"stored {self.stored}, duplicate {self.duplicate}, "
            f"left out {self.left_out.total()}, refused {self.refused}"
        )
        why = [*self.left_out.most_common(), *self.reasons.most_common()]
        return "\n".join([head, *(f"  {count} x {reason}" for reason, count in why)])


def count_reason(reasons: Counter[str], reason: str, count: int = 1) -> None:
    """Count it under its own name, unless there are too many names already."""
    if reason not in reasons and len(reasons) >= REASONS:
        reason = "for other reasons"
    reasons[reason] += count


_SAVED: Final = {
    SaveStatus.OUTDATED: "a newer version is held",
    SaveStatus.DELETED: "deleted by its author",
    SaveStatus.EXPIRED: "expired",
    SaveStatus.EPHEMERAL: "of a kind that is not stored",
    SaveStatus.VANISHED: "its author asked to be forgotten",
}


class Taker:
    """Takes events into a store; `tally` says what became of them.

    `judge` decides on each before, `consult` after its signature was checked.
    """

    def __init__(
        self,
        store: EventStore,
        judge: Policy,
        source: Source,
        *,
        consult: AsyncPolicy | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self.tally = Tally()
        self._judge = judge
        self._source = source
        self._consult = consult
        self._clock = clock

    def admit(self, event: Event) -> bool:
        """Judge an event, whose form and id are checked; if it is left out, it is counted."""
        offer = Offer(event, self._clock(), source=self._source)
        if not not_expired(offer).accepted:
            self.tally.left_out[_SAVED[SaveStatus.EXPIRED]] += 1
        elif not (verdict := self._judge(offer)).accepted:
            self.tally.refuse(verdict.reason)
        elif is_ephemeral(event.kind):
            self.tally.left_out[_SAVED[SaveStatus.EPHEMERAL]] += 1
        else:
            return True
        return False

    async def save(self, events: Sequence[Event]) -> list[Event]:
        """Store what `admit` let in and whose signature is right; returns what is held now.

        Raises StoreError.
        """
        if self._consult is not None:
            agreed = await asyncio.gather(*(self._agreed(one, self._consult) for one in events))
            events = [event for event, is_agreed in zip(events, agreed, strict=True) if is_agreed]
        held: list[Event] = []
        for event, result in zip(events, await self.store.save(events), strict=True):
            if result.status in _SAVED:
                self.tally.left_out[_SAVED[result.status]] += 1
                continue
            held.append(event)
            if result.status is SaveStatus.DUPLICATE:
                self.tally.duplicate += 1
            else:
                self.tally.stored += 1
        return held

    async def _agreed(self, event: Event, consult: AsyncPolicy) -> bool:
        verdict = await consult(Offer(event, self._clock(), source=self._source))
        if not verdict.accepted:
            self.tally.refuse(verdict.reason)
        return verdict.accepted
