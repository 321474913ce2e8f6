"""When a new version of a list is dated, and what to do about one from the future.

A new version must be later than the last one, or relays take the last one for the newer. So one
jump of the clock would lock a list: the version made then is refused by relays, which allow some
minutes, and every later one would have to be later still. A version is *stranded* when it is dated
more than `AHEAD` from now and no relay has confirmed it (the own relay apart, whose clock is ours).
It takes part in no date. Its content does count: the next version is made from it, and dated after
the last version that is not stranded. What is stranded is deleted by its id (NIP-09), so that
neither the store nor a relay that did take it prefers it; the history keeps it.

A version from the future that a relay has confirmed is out there, for others to read: what follows
it is dated after it, and where a relay finds that too far off its refusal is in the report.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from nostr_client.errors import InvalidEvent
from nostr_client.protocol import kinds
from nostr_client.protocol.event import MAX_TIMESTAMP, Draft, Event
from nostr_client.store.contract import ClientStore, CopyState

AHEAD: Final = 900
"""Seconds that relays commonly allow an event to be ahead of their clock."""


@dataclass(frozen=True, slots=True)
class Predecessor:
    """What precedes a new version: it is dated after `last`; `stranded` are to be deleted."""

    last: Event | None
    stranded: tuple[Event, ...] = ()

    @property
    def deletion(self) -> Draft:
        """The deletion of what is stranded."""
        ids = tuple(("e", event.id) for event in self.stranded)
        kind = str(self.stranded[0].kind)
        return Draft(kinds.DELETION, "dated in the future by mistake", (*ids, ("k", kind)))


def next_created_at(previous: Event | None, now: float) -> int:
    """The time of a new version, in seconds: now, but later than the last one's.

    Raises InvalidEvent when the last one stands at the end of time.
    """
    if previous is None:
        return int(now)
    if previous.created_at >= MAX_TIMESTAMP:
        raise InvalidEvent("the last version is dated at the end of time: nothing can follow it")
    return max(int(now), previous.created_at + 1)


async def predecessor(
    store: ClientStore, previous: Event | None, now: float, own_urls: Collection[str]
) -> Predecessor:
    """What precedes the version that follows `previous`, the current one in the store.

    `own_urls` are those of the own relay, whose word does not count. Raises StoreError.
    """
    if previous is None or previous.created_at <= now + AHEAD:
        return Predecessor(previous)
    versions = [previous, *await store.history(previous.address or "")]
    ahead = [event for event in versions if event.created_at > now + AHEAD]
    copies = await store.ledger.copies_of([event.id for event in ahead])
    confirmed = {
        event_id
        for event_id, known in copies.items()
        if any(c.state is CopyState.CONFIRMED and c.url not in own_urls for c in known)
    }
    if any(event.id in confirmed for event in ahead):
        return Predecessor(previous)
    last = next((event for event in versions if event.created_at <= now + AHEAD), None)
    return Predecessor(last, tuple(ahead))
