"""What the keeper brings in, by import, sync or mirror: checked, stored, and counted.

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
from nostr_client.protocol.kinds import VANISH, is_ephemeral
from nostr_client.store.contract import EventStore, SaveStatus
from relays.policies.events import not_expired
from relays.policies.ruleset import Rules
from relays.policies.vanishing import OBEYED
from relays.policies.verdict import IncomingEvent, SourceType

REASONS: Final = 100
"""Different reasons that are counted apart: some are a stranger's words."""
PLACES: Final = 5
"""Of what was refused for one reason, so many are named."""


class ImportReport(msgspec.Struct):
    """What became of what was brought in.

    `left_out` counts true events that the rules of keeping leave out, as every relay does, by why;
    `reasons` those that were refused: malformed, forged, beyond a limit.
    """

    stored: int = 0
    duplicate: int = 0
    left_out: Counter[str] = msgspec.field(default_factory=Counter)
    reasons: Counter[str] = msgspec.field(default_factory=Counter)
    places: dict[str, list[str]] = msgspec.field(default_factory=dict)
    """Where the first ones stood that were refused, by why."""

    @property
    def refused(self) -> int:
        return self.reasons.total()

    @property
    def lines(self) -> int:
        return self.stored + self.duplicate + self.left_out.total() + self.refused

    def refuse(self, reason: str, place: str = "") -> None:
        """One was refused, for this reason; `place`: where it stood."""
        counted = count_reason(self.reasons, reason)
        places = self.places.setdefault(counted, [])
        if place and len(places) < PLACES:
            places.append(place)

    def __str__(self) -> str:
        head = (
            f"stored {self.stored}, duplicate {self.duplicate}, "
            f"left out {self.left_out.total()}, refused {self.refused}"
        )
        why = [f"  {count} x {reason}" for reason, count in self.left_out.most_common()]
        for reason, count in self.reasons.most_common():
            places = self.places.get(reason, [])
            more = ", ..." if 0 < len(places) < count else ""
            where = f" ({', '.join(places)}{more})" if places else ""
            why.append(f"  {count} x {reason}{where}")
        return "\n".join([head, *why])


def count_reason(reasons: Counter[str], reason: str) -> str:
    """Count it under its own name, unless there are too many names already; returns that name."""
    if reason not in reasons and len(reasons) >= REASONS:
        reason = "for other reasons"
    reasons[reason] += 1
    return reason


_SAVED: Final = {
    SaveStatus.OUTDATED: "a newer version is held",
    SaveStatus.DELETED: "deleted by its author",
    SaveStatus.EXPIRED: "expired",
    SaveStatus.EPHEMERAL: "of a kind that is not stored",
    SaveStatus.VANISHED: "its author asked to be forgotten",
}


class EventImporter:
    """Takes events into a store, by those of `rules` that hold for what the keeper brings in;
    `tally` says what became of them."""

    def __init__(
        self,
        store: EventStore,
        rules: Rules,
        source: SourceType,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self.tally = ImportReport()
        self._rules = rules
        self._source = source
        self._clock = clock
        self.place_of: Callable[[Event], str] = lambda event: ""
        """Where an event came from, for whoever has to look it up."""

    def refuse(self, event: Event, reason: str) -> None:
        """Count it."""
        self.tally.refuse(reason, self.place_of(event))

    def admit(self, event: Event) -> bool:
        """Judge an event, whose form and id are checked; if it is left out, it is counted."""
        incoming = IncomingEvent(event, self._clock(), source=self._source)
        if not not_expired(incoming).accepted:
            self.tally.left_out[_SAVED[SaveStatus.EXPIRED]] += 1
        elif not (verdict := self._rules.check_import(incoming)).accepted:
            self.refuse(event, verdict.reason)
        elif is_ephemeral(event.kind):
            self.tally.left_out[_SAVED[SaveStatus.EPHEMERAL]] += 1
        else:
            return True
        return False

    async def save(self, events: Sequence[Event]) -> list[Event]:
        """Store what `admit` let in and whose signature is right; returns what is held now.

        Raises StoreError.
        """
        if self._rules.check_async is not None or any(event.kind == VANISH for event in events):
            wanted = await asyncio.gather(*map(self._is_wanted, events))
            events = [event for event, is_wanted in zip(events, wanted, strict=True) if is_wanted]
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

    async def _is_wanted(self, event: Event) -> bool:
        """Is it to be stored? A request to vanish is obeyed here where it is not."""
        incoming = IncomingEvent(event, self._clock(), source=self._source)
        rules = self._rules
        requests = rules.vanish_requests
        if requests is not None and requests.applies_to(event):
            if (await requests.check_keeping(incoming)).accepted:
                return True
            await self.store.obey([event])
            self.tally.left_out[OBEYED] += 1
            return False
        if rules.check_async is None or (verdict := await rules.check_async(incoming)).accepted:
            return True
        self.refuse(event, verdict.reason)
        return False
