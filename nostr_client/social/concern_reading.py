"""What concerns the account, read where it reads (NIP-65): whoever wants to reach it writes there.

- Words to it and of it, reactions, reposts, zap receipts: what names it (`p`), each of the two
  groups with a limit of its own. Where more is there than a relay was asked for, it is asked for
  what those wrote whom the account follows: no flood pushes them out.
- Follow lists that name it: only who began to follow is kept (`followers`).
- Quotes of its newest notes that do not name it (`q`), and votes on its polls, also on the relays
  that its polls name.

Strangers have an allowance (`stranger_allowance`), one by one and together; what is beyond it is
not stored. Those whom the account follows have none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from nostr_client.net.subscription import Arrival
from nostr_client.protocol import kinds
from nostr_client.protocol.filters import Filter
from nostr_client.routing.address_policy import relay_url
from nostr_client.routing.courier import Courier
from nostr_client.routing.live_feed import LiveFeed
from nostr_client.routing.read_plan import author_filters
from nostr_client.social.acquaintances import Acquaintances
from nostr_client.social.followers import Followers
from nostr_client.social.own_things import OwnThingsFinder
from nostr_client.social.stranger_allowance import StrangerAllowance
from nostr_client.store.contract import Stored
from nostr_client.tasks import OwnedTasks

BACKFILL: Final = 500
"""The newest events of each group that a relay is asked for."""
WORDS: Final = (60, 2_000)
"""What strangers may write in an hour: each, and all of them."""
SIGNS: Final = (120, 5_000)
"""The same for what is only counted."""
CAUGHT_UP: Final = 15.0
"""Seconds for relays to send what they have, before it is looked at whether that was all."""
OWN_PAUSE: Final = 20.0
"""Seconds after which what was written is asked about, with all that was written meanwhile."""
MOST_POLL_RELAYS: Final = 6

Steadily = Callable[[Callable[[], Coroutine[Any, Any, None]]], Coroutine[Any, Any, None]]


class ConcernReading:
    """That of the account `owner`, for `feed_sync`."""

    def __init__(
        self,
        courier: Courier,
        *,
        acquaintances: Acquaintances,
        followers: Followers,
        own: OwnThingsFinder,
        owner: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._courier = courier
        self._acquaintances = acquaintances
        self._followers = followers
        self._own = own
        self._owner = owner
        self._words = StrangerAllowance(*WORDS, clock)
        self._signs = StrangerAllowance(*SIGNS, clock)

    @asynccontextmanager
    async def at(self, inbox: Collection[str], steadily: Steadily) -> AsyncIterator[LiveFeed]:
        """Read at these relays for as long as the block runs; gives how far what names the account
        is. `steadily` does work again that the store had trouble with."""
        courier, me = self._courier, frozenset({self._owner})
        words = Filter(kinds=kinds.ADDRESSING, tags={"p": me}, limit=BACKFILL)
        signs = words.changed(kinds=kinds.MENTIONING - kinds.ADDRESSING)
        async with (
            OwnedTasks() as tasks,
            courier.subscribe([words, signs], inbox, take=self._take) as named,
            courier.subscribe([self._followers.wanted()], inbox, take=self._take_lists),
        ):
            tasks.start(steadily(partial(self._read_friends, named)))
            tasks.start(steadily(partial(self._follow_own, inbox)))
            yield named

    @property
    def refused(self) -> int:
        """How much of what strangers sent found no room."""
        return self._words.refused + self._signs.refused

    async def _take(self, arrivals: Sequence[Arrival]) -> int:
        friends = await self._acquaintances.friends()
        taken = [one for one in arrivals if one.event.pubkey in friends or self._has_room(one)]
        return await self._courier.save_arrivals(taken) if taken else 0

    def _has_room(self, arrival: Arrival) -> bool:
        event = arrival.event
        if event.kind in kinds.ADDRESSING:
            return self._words.takes(event.id, event.pubkey)
        # One key signs the receipts of many.
        by = event.id if event.kind == kinds.ZAP_RECEIPT else event.pubkey
        return self._signs.takes(event.id, by)

    async def _take_lists(self, arrivals: Sequence[Arrival]) -> int:
        friends = await self._acquaintances.friends()
        return await self._followers.take([one.event for one in arrivals], friends)

    async def _read_friends(self, named: LiveFeed) -> None:
        """Where more is there than was asked for, what those wrote whom the account follows."""
        await named.wait_caught_up(CAUGHT_UP)
        full = [url for url, end in named.ends.items() if end.events >= BACKFILL]
        if not full:
            return
        friends = await self._acquaintances.friends() - {self._owner}
        tags = {"p": frozenset({self._owner})}
        for asked in author_filters(friends, kinds.MENTIONING, limit=BACKFILL):
            await self._courier.fetch_from([asked.changed(tags=tags)], full)

    async def _follow_own(self, inbox: Collection[str]) -> None:
        """Quotes of own notes, votes on own polls: asked anew when there are others."""
        changed = asyncio.Event()

        def hear(stored: Stored) -> None:
            if any(self._own.of_kinds.matches(event) for _, event in stored.events):
                changed.set()

        async with self._courier.store.listen(hear):
            while True:
                changed.clear()
                own = await self._own.find()
                named = (relay_url(text) for poll in own.polls for text in poll.values("relay"))
                of_polls = dict.fromkeys(url for url in named if url)
                places = (*inbox, *list(of_polls)[:MOST_POLL_RELAYS])
                async with (
                    self._courier.subscribe(own.quotes(BACKFILL), inbox, take=self._take),
                    self._courier.subscribe(own.votes(BACKFILL), places, take=self._take),
                ):
                    await changed.wait()
                    await asyncio.sleep(OWN_PAUSE)
