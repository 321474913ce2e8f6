"""The Quotas of a store in memory: all is counted anew whenever it may matter."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from nostr_client.protocol.event import Event
from nostr_client.protocol.kinds import DELETION, GIFT_WRAP
from nostr_client.store import rules
from nostr_client.store.contract import QuotaLimits, cost
from nostr_client.store.memory.held import HeldEvents
from nostr_client.store.memory.ledger import MemoryCopyLedger


class MemoryQuotas:
    """See `Quotas`."""

    def __init__(self, held: HeldEvents, ledger: MemoryCopyLedger) -> None:
        self.limits = QuotaLimits()
        self.also_spared: Callable[[], Collection[str]] = tuple
        self.evicted = 0
        self.refused = 0
        self._held = held
        self._ledger = ledger

    async def admit(self, arrivals: Collection[tuple[Event, str]]) -> set[str]:
        most = self._held.used + sum(cost(event) for event, _ in arrivals)
        if most <= min(self.limits.stranger, self.limits.relay):
            return set()
        spared = {*self._held.spared(), *self.also_spared()}
        strangers = [(event, url) for event, url in arrivals if event.pubkey not in spared]
        held = [event for event in self._held.all() if event.pubkey not in spared]
        refused = self._admit(
            [(event, event.pubkey) for event, _ in strangers],
            [(event, event.pubkey) for event in held],
            self.limits.stranger,
        )
        left = {event.id for event in self._held.all()}
        refused |= self._admit(
            [(event, url) for event, url in strangers if event.id not in refused],
            [(event, self._ledger.bringer(event.id)) for event in held if event.id in left],
            self.limits.relay,
        )
        self.refused += len(refused)
        return refused

    def charge(self, stored: Iterable[tuple[Event, str]]) -> None:
        """The ledger says it."""

    def _admit(
        self, coming: list[tuple[Event, str]], held: list[tuple[Event, str]], limit: int
    ) -> set[str]:
        """Make room for events that are charged to somebody; the ids of those for which there is
        none."""
        refused: set[str] = set()
        wanted: dict[str, int] = {}
        for event, debtor in coming:
            size = wanted.get(debtor, 0) + cost(event)
            if size > limit:
                refused.add(event.id)
            else:
                wanted[debtor] = size
        for debtor, size in wanted.items():
            own = [event for event, other in held if other == debtor]
            used = sum(map(cost, own))
            if used + size <= limit:
                continue
            for event in sorted(own, key=lambda event: event.kind == GIFT_WRAP):
                if used <= rules.quota_target(limit, size):
                    break
                if self._ledger.is_wanted(event.id):
                    continue  # it was written here, whoever signed it
                self._forget(event)
                used -= cost(event)
                self.evicted += 1
        return refused

    def _forget(self, event: Event) -> None:
        """As if it had never come: what a deletion barred may come again."""
        self._held.take_out(event)
        self._ledger.forget(event.id)
        if event.kind == DELETION:
            self._held.lift_deletion(event)
