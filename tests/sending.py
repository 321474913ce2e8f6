"""Copies that are sent now, and waited for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from nostr_client.protocol.event import Event
from nostr_client.resilience.copy_sending import CopySender
from nostr_client.resilience.desired_copies import Planner
from nostr_client.routing.courier import Courier
from nostr_client.store.contract import Copy
from nostr_client.tasks import together


async def sent(sender: CopySender, copies: Sequence[Copy]) -> list[Copy]:
    """Those of `copies` that were dealt with, once every relay has had what it takes for now."""
    dealt: list[Copy] = []
    async with together() as group:
        sender.begin(group, copies, dealt.extend)
    return dealt


def without_reserve(courier: Courier) -> Planner:
    """Plans the relays where an event is looked for, and no others."""

    async def plan(
        event: Event, avoid: frozenset[str], held: frozenset[str] = frozenset()
    ) -> Collection[str]:
        return await courier.plan(event, avoid)

    return plan
