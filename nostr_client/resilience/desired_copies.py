"""Desired copies: the ledger is made to want what the plan says.

- What a relay refused or dropped is over there, and the plan names another one.
- A relay that is lost, dead or doubtful, keeps its part, and what it holds may come back; for each
  copy of it there is another elsewhere meanwhile, and the same one whenever that happens again.
- A relay that refuses all that we write is wanted to hold nothing new (`routing.key_refusals`).
- The own relay that listens elsewhere now is the same relay with the same database.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final, Protocol

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import GONE, ClientStore, Copy, CopyState
from nostr_client.tasks import all_of

OLDEST: Final = 20
"""Events that are looked at to find out whether the plan has changed."""
PLANNED_AT_ONCE: Final = 50
"""Events that share a commit."""
MOST_WRAPS: Final = 1_000
"""Copies, those due first, among which gift wraps that wait are looked for."""
_NEVER: Final = 1 << 62


class Planner(Protocol):
    """Where an event should be. `avoid` names relays that will not have it, or are lost: the plan
    may name others in their place, of those that will do one that holds it already (`held`)."""

    async def __call__(
        self, event: Event, avoid: frozenset[str], held: frozenset[str]
    ) -> Collection[str]: ...


class DesiredCopies:
    """Plans into the ledger of `store`, what `pubkeys` wrote. `placed` is told of copies that are
    to be made now. Every method raises StoreError."""

    def __init__(
        self,
        store: ClientStore,
        plan: Planner,
        *,
        pubkeys: Collection[str],
        own_urls: Callable[[], Sequence[str]],
        placed: Callable[[str, Collection[str]], None],
    ) -> None:
        self._store = store
        self._ledger = store.ledger
        self._plan = plan
        self._pubkeys = tuple(pubkeys)
        self._own_urls = own_urls
        self._placed = placed
        self.lost: frozenset[str] = frozenset()
        """Relays that are not to be counted on."""
        self.shut: frozenset[str] = frozenset()
        """Relays that take nothing of ours any more: nothing new is wanted there."""

    async def place(self, event: Event, urls: Collection[str]) -> None:
        """A copy of it is to be on each of these, unless that is over there."""
        if urls:
            await self._ledger.want(event.id, urls, anew=False)  # over is over
            self._placed(event.id, urls)

    async def plan_forgotten(self, is_fresh: Callable[[Event], bool]) -> list[Event]:
        """Events that were saved, and the crash came before anybody said where they go. Returns
        those that are fresh: somebody may say it now."""
        fresh: list[Event] = []
        for event_id in await self._ledger.unplanned(self._pubkeys):
            event = await self._store.get(event_id)
            if event is not None and is_fresh(event):
                fresh.append(event)
            elif event is not None:
                await self.place(event, await self._plan(event, self.lost | self.shut, frozenset()))
        return fresh

    async def plan_these(self, ids: Sequence[str]) -> None:
        """Plan these events (ids) anew."""
        copies = await self._ledger.copies_of(ids)
        events = {e.id: e for e in await self._store.query([Filter(ids=frozenset(ids))])}
        found = [events[event_id] for event_id in ids if event_id in events]
        for start in range(0, len(found), PLANNED_AT_ONCE):
            some = found[start : start + PLANNED_AT_ONCE]
            await all_of(self.plan_one(each, copies[each.id]) for each in some)

    async def plan_one(self, event: Event, copies: Sequence[Copy]) -> None:
        """Make the ledger want what the plan says of an event with these copies."""
        copies = await self._move_own(event.id, copies)
        missing, stale = await self._differences(event, copies)
        await self.place(event, missing)
        if stale:
            await self._ledger.unwant(event.id, stale)

    async def waiting_wraps(self) -> list[Event]:
        """The gift wraps that wait for a relay."""
        waiting = await self._ledger.due(_NEVER, MOST_WRAPS)
        ids = frozenset(copy.event_id for copy in waiting)
        wraps = Filter(ids=ids, kinds=frozenset({kinds.GIFT_WRAP}))
        return await self._store.query([wraps]) if ids else []

    async def plan_waiting_wraps(self) -> None:
        """Plan these anew: where their recipients read may be known by now."""
        for event in await self.waiting_wraps():
            await self.plan_one(event, await self._ledger.copies(event.id))

    async def unsent(self) -> int:
        """How many own events wait for a relay, while none but the own relay has them; of a private
        message, each copy for somebody else."""
        own = self._own_urls()
        unsent = await self._ledger.unsent(self._pubkeys, own)
        wraps = [wrap for wrap in await self.waiting_wraps() if not self._is_to_us(wrap)]
        copies = await self._ledger.copies_of([wrap.id for wrap in wraps])
        for each in copies.values():
            there = (copy.state is CopyState.CONFIRMED and copy.url not in own for copy in each)
            unsent += not any(there)
        return unsent

    def _is_to_us(self, wrap: Event) -> bool:
        return not set(self._pubkeys).isdisjoint(wrap.values("p"))

    async def are_out_of_date(self) -> bool:
        """Did the plan change while nobody replicated? The oldest events tell: they go last, and
        so they are only looked at here. Planned now, they would hide it if this start is the next
        to be killed."""
        oldest = (await self._ledger.tracked(self._pubkeys))[-OLDEST:]
        copies = await self._ledger.copies_of(oldest)
        for event in await self._store.query([Filter(ids=frozenset(oldest))]):
            if any(await self._differences(event, copies[event.id])):
                return True
        return False

    async def _differences(self, event: Event, copies: Sequence[Copy]) -> tuple[set[str], set[str]]:
        """Where the plan has it and the ledger does not, and the other way round."""
        refused = gone = frozenset(copy.url for copy in copies if copy.state in GONE)
        held = frozenset(copy.url for copy in copies if copy.state is CopyState.CONFIRMED)
        refused |= self.shut - held
        urls = set(await self._plan(event, refused, held))
        if event.kind in kinds.GIFT_WRAPS and not urls:
            return set(), set()  # where its recipient reads is not known now: it waits where it did
        if self.lost & urls:  # others in their place
            urls |= set(await self._plan(event, self.lost | refused, held - self.lost))
        wanted = {copy.url for copy in copies if copy.wanted}
        return urls - wanted, wanted - urls - gone  # what is over stays known

    async def _move_own(self, event_id: str, copies: Sequence[Copy]) -> Sequence[Copy]:
        present, *former = self._own_urls() or ("",)
        moved = [copy for copy in copies if copy.url in former]
        if not present or not moved:
            return copies
        if any(copy.state is CopyState.CONFIRMED for copy in moved):
            await self._ledger.want(event_id, [present])
            await self._ledger.confirm([(event_id, present)])
        await self._ledger.unwant(event_id, [copy.url for copy in moved])
        return await self._ledger.copies(event_id)
