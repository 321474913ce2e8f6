"""Where copies belong: what its author took out of relays is not put back there, nor in reserve."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import cast

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.resilience.copy_planning import CopyPlanner
from nostr_client.resilience.reserve_relays import ReserveRelay, ReserveRoom
from nostr_client.resilience.reserves import Reserves
from tests.routing.rooms import ANA, START, relay_list, rooms, signed

HOME, OTHER, SPARE = (f"wss://{name}.example" for name in ("home", "other", "spare"))


class OneSpare:
    """A reserve of one relay."""

    async def room(self, avoid: Collection[str]) -> ReserveRoom:
        return ReserveRoom(1, (ReserveRelay(SPARE, START, proven=True),))

    def drawn(
        self, event: Event, room: ReserveRoom, avoid: Collection[str], held: Collection[str]
    ) -> tuple[str, ...]:
        return () if SPARE in avoid else (SPARE,)

    async def chosen(self) -> tuple[str, ...]:
        return (SPARE,)


async def test_what_vanished_from_a_relay_is_planned_without_it(tmp_path: Path) -> None:
    async with rooms(tmp_path) as r:
        await r.store.save([relay_list(ANA, HOME, OTHER)])
        reserve = cast(Reserves, OneSpare())
        planner = CopyPlanner(r.courier, reserve, owner=ANA.public_key.hex, told=lambda: ())
        old, new = signed(content="x", at=START + 1), signed(content="y", at=START + 9)
        assert await planner(old, frozenset()) == (HOME, OTHER, SPARE)
        named = (("relay", HOME), ("relay", SPARE))
        await r.store.save([signed(kind=kinds.VANISH, tags=named, at=START + 5)])
        assert await planner(old, frozenset()) == (OTHER,)
        assert await planner(new, frozenset()) == (HOME, OTHER, SPARE)
        every = (("relay", "ALL_RELAYS"),)
        await r.store.save([signed(kind=kinds.VANISH, tags=every, at=START + 6)])
        assert await planner(old, frozenset()) == ()
        assert await planner(new, frozenset()) == (HOME, OTHER, SPARE)
