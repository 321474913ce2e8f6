"""Adoption: what the account wrote elsewhere, and was only read here, gets its copies, too.

The ledger knows such events as copies that nobody wants: another device wrote them, or the account
came here with a history. Each is planned as if it had been written here. What is known of it then
counts: a relay that brought it is not sent it again, and two devices that adopt the same events do
no harm.

- Lists and profile come first, then the newest; `SLICE` events a sweep, and only while nothing else
  waits to be sent. So the pace is that of the relays and reserves, and the ledger grows no faster
  than they take what it wants: while nobody takes anything, as when we are offline, it rests.
- What is left to do is asked of the ledger once, when this process begins to plan, and again after
  more history came, or another relay list: what is planned is wanted, and so not found again.
- A copy that is adopted was seen, or claimed by a relay, and is no fresh word: it is looked for
  with the later looks alone (`audits.STAGES`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Final

from nostr_client.protocol.filters import Filter
from nostr_client.protocol.kinds import KindClass, kind_class
from nostr_client.resilience.audits import STAGES
from nostr_client.resilience.desired_copies import DesiredCopies
from nostr_client.routing.planner import LEFT_ALONE
from nostr_client.store.contract import Audited, ClientStore, Copy, CopyGrade, CopyState

SLICE: Final = 200
"""Events adopted in one sweep."""
RECENT: Final = 86_400
"""Seconds up to which what was read is no history: it is planned at once."""


class Adoption:
    """Adopts what `pubkeys` wrote, through `desired`. For one process at a time: whoever plans."""

    def __init__(
        self,
        store: ClientStore,
        desired: DesiredCopies,
        *,
        pubkeys: Collection[str],
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._ledger = store.ledger
        self._desired = desired
        self._pubkeys = tuple(pubkeys)
        self._clock = clock
        self._to_adopt: deque[str] = deque()
        self._is_stale = True
        self._last: Sequence[str] = ()
        self._last_at = 0

    def look_again(self) -> None:
        """There may be more by now, or another plan."""
        self._is_stale = True

    async def without_history(self, ids: Sequence[str]) -> list[str]:
        """Those of `ids` to be planned now: not what is old and only read. Raises StoreError."""
        copies = await self._ledger.copies_of(ids)
        read = [i for i, found in copies.items() if found and not any(c.wanted for c in found)]
        if not read:
            return list(ids)
        old = Filter(ids=frozenset(read), until=int(self._clock()) - RECENT)
        history = {
            event.id
            for event in await self._store.query([old])
            if kind_class(event.kind) is not KindClass.REPLACEABLE
        }
        self._is_stale = self._is_stale or bool(history)
        return [event_id for event_id in ids if event_id not in history]

    async def go_on(self) -> None:
        """Plan the next ones, if nothing else waits. Raises StoreError."""
        if not (self._to_adopt or self._is_stale) or await self._ledger.due(self._clock(), 1):
            return
        if not await self._was_taken():
            return
        if not self._to_adopt:
            self._is_stale = False
            self._to_adopt = deque(await self._ledger.strays(self._pubkeys, LEFT_ALONE))
        some = [self._to_adopt.popleft() for _ in range(min(SLICE, len(self._to_adopt)))]
        self._last, self._last_at = some, int(self._clock())
        known = await self._ledger.copies_of(some)
        await self._desired.plan_these(some)
        now_wanted = await self._ledger.copies_of(some)
        adopted = [
            self._seen(copy)
            for event_id in some
            for copy in now_wanted[event_id]
            if copy.wanted and _is_adopted(copy, known[event_id])
        ]
        if adopted:
            await self._ledger.audited(adopted)

    async def _was_taken(self) -> bool:
        """Did any relay take any of the last slice, if there was anything to take?"""
        copies = [c for found in (await self._ledger.copies_of(self._last)).values() for c in found]
        taken = (
            copy.wanted and copy.state is CopyState.CONFIRMED and copy.updated_at >= self._last_at
            for copy in copies
        )
        return any(taken) or not any(copy.waits for copy in copies)

    def _seen(self, copy: Copy) -> Audited:
        audits = len(STAGES) - (1 if copy.grade >= CopyGrade.READ_BACK else 2)
        at = int(self._clock()) + STAGES[audits]
        return Audited(
            copy.event_id, copy.url, CopyState.CONFIRMED, copy.grade, at, audits, copy.reason
        )


def _is_adopted(copy: Copy, known: Sequence[Copy]) -> bool:
    """Was it known and there, while nobody wanted it?"""
    there = CopyState.CONFIRMED
    return any(c.url == copy.url and c.state is there and not c.wanted for c in known)
