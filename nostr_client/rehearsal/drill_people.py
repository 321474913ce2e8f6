"""The people of a drill: authors, each with a client of ours at work, and people of the older
network, whose notes lie on one relay."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

from nostr_client.client import NostrClient
from nostr_client.errors import NostrError
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.resilience.pace import Pace
from nostr_client.routing.relay_book import parse_relay_list
from nostr_client.store.contract import Copy

ClientAt = Callable[[Pace], AbstractAsyncContextManager[NostrClient]]
"""Opens an author's client, always on the same folder."""
MOVE_LIMIT: Final = 120.0
"""Seconds that one command may take before it counts as failed."""


@dataclass
class DrillAuthor:
    """One author, with a client at work as long as `stack` is not closed. `homes` are the relays
    that the newest relay list names, `lists` when each was made, in order."""

    key: SecretKey
    open_at: ClientAt
    stack: AsyncExitStack
    client: NostrClient
    homes: list[str]
    lists: list[int] = field(default_factory=list)

    @classmethod
    async def start(
        cls, key: SecretKey, open_at: ClientAt, pace: Pace, homes: list[str]
    ) -> DrillAuthor:
        """Raises NostrError."""
        stack = AsyncExitStack()
        client = await stack.enter_async_context(open_at(pace))
        return cls(key, open_at, stack, client, homes)

    async def restart(self, pace: Pace) -> None:
        """End the client, and go on with another. Raises NostrError."""
        await self.stack.aclose()
        self.client = await self.stack.enter_async_context(self.open_at(pace))

    @property
    def pubkey(self) -> str:
        return self.key.public_key.hex

    async def written(self) -> list[Event]:
        """All that they wrote and that is current, from their own disk."""
        return await self.client.store.query([Filter.of(authors=[self.pubkey])])

    async def known_relays(self) -> set[str]:
        """Where their client would place something: their own, and those of whom they follow."""
        ours = await self.client.book.client_relays(down=frozenset())
        others = await self.client.book.reserve_candidates()
        return {*self.homes, *ours.fallback, *others}

    async def copies(self, ids: Sequence[str]) -> dict[str, list[Copy]]:
        """What their client knows of copies."""
        return dict(await self.client.copies.copies_of(ids))

    async def say(self, text: str) -> str:
        """Write a note; its id."""
        return (await self.client.post(text)).event.id

    async def move(
        self, *, retire: Mapping[str, str] | None = None, to: Sequence[str] = ()
    ) -> float:
        """`nostr-client evacuate`, or `relays retire` for the relays in `retire` (with reasons);
        `to` names relays as `--to` does. Seconds that it took.

        Raises NostrError where nothing can be moved, or not within `MOVE_LIMIT`.
        """
        client, began = self.client, time.monotonic()
        client.book.policy.allow(to)
        try:
            async with asyncio.timeout(MOVE_LIMIT):
                plan = await client.evacuation_survey.plan(retire=retire, to=to)
                if plan.problem:
                    raise NostrError(plan.problem)
                if plan.is_needed:
                    begun = await client.evacuation.begin(plan)
                    await client.evacuation.run(begun)
        except TimeoutError:
            raise NostrError(f"it was not over in {MOVE_LIMIT:g} s") from None
        if (event := await client.relays.event()) is not None:
            self.homes = list(parse_relay_list(event)[0])
            self.lists.append(event.created_at)
        return time.monotonic() - began


@dataclass
class LegacyUser:
    """Somebody of the older network, whose notes (`ids`) lie on one relay."""

    key: SecretKey
    home: str
    ids: list[str] = field(default_factory=list)
