"""Mutual aid: people keep each other's last events, and give them back.

    await client.mutual_aid.add(pubkey)           # keep a copy of somebody
    await client.mutual_aid.refresh()             # fetch what is new of all of them
    await client.mutual_aid.hand_on(pubkey, urls) # bring theirs to relays

What is kept lies in the store like everything else, spared by its quotas (`kept_people`,
`kept_events`), and is fetched anew while a client runs (`kept_reading`). What is handed on goes the
way of all copies: it is wanted in the ledger, and the replication sends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

from nostr_client.errors import (
    FolderInUse,
    InvalidData,
    MessageNotSent,
    SignerError,
    StoreError,
)
from nostr_client.paths import FolderLock, private_folder
from nostr_client.protocol.event import Event
from nostr_client.resilience.aid_exchange import AidExchange
from nostr_client.resilience.history import History
from nostr_client.resilience.kept_events import may_be_at, vanished_until
from nostr_client.resilience.kept_people import (
    MOST_BYTES,
    MOST_EVENTS,
    KeptPeople,
    KeptPerson,
)
from nostr_client.resilience.kept_reading import KeptReading, Refreshed
from nostr_client.resilience.others_copies import OthersCopies
from nostr_client.resilience.reserves import Reserves
from nostr_client.routing.courier import Courier
from nostr_client.routing.relay_facts import RelayFactBook
from nostr_client.signing.gate import OwnKeys
from nostr_client.signing.signer import Signer
from nostr_client.store.contract import CopyState
from nostr_client.tasks import all_of, together

log = logging.getLogger(__name__)

REFRESH_EVERY: Final = 3_600
"""Seconds between two readings of one person's relays while a client runs."""
SETTLE: Final = 30.0
"""Seconds after the start before any is made: commands are over by then."""
LOOK: Final = 60.0
"""Seconds between two looks at who is due."""
PLACED_AT_ONCE: Final = 50
"""Events whose wants share a commit."""
SLICE: Final = 500
_NIP_EXPIRATION: Final = 40

Place = Callable[[Event, Collection[str]], Coroutine[Any, Any, None]]
"""Has copies of an event brought to relays (`Replication.place`)."""


class MutualAid:
    """Whom the account `owner` (of those in `own`) keeps, and all that is done with it.

    `people` says whom, `reading` brings it here, `exchange` asks others whether they keep ours, and
    answers them; without a `signer` it does not. `others` has copies of theirs and of bookmarks
    in `reserves`, within `most_bytes`. `folder` (data) holds the lock of the one process that
    refreshes while clients run.
    """

    def __init__(
        self,
        courier: Courier,
        history: History,
        reserves: Reserves,
        facts: RelayFactBook,
        *,
        place: Place,
        signer: Signer | None,
        own: OwnKeys = tuple,
        owner: str,
        folder: Path,
        most_bytes: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.people = KeptPeople(folder, owner)
        self.reading = KeptReading(courier, history, self.people, clock)
        self.others = OthersCopies(
            *(courier, reserves, self.people, self.reading),
            owner=owner,
            most_bytes=most_bytes,
            clock=clock,
        )
        self._courier = courier
        self._facts = facts
        self._place = place
        self._owner = owner
        self._own = own
        self.exchange = AidExchange(
            *(courier, self.people, self.reading, self.hand_on, signer), owner=owner, clock=clock
        )
        self._lock = folder / f"kept-{owner[:16]}.reader.lock"
        self._folder = folder
        self._clock = clock

    # Whom

    async def add(
        self, pubkey: str, *, most_bytes: int = MOST_BYTES, most_events: int = MOST_EVENTS
    ) -> KeptPerson:
        """Keep `pubkey` (hex): lists and profile, then the newest, within these bounds. Raises
        InvalidData for an own account, ConfigError where there are too many, StoreError."""
        if pubkey == self._owner or pubkey in await asyncio.to_thread(self._own):
            raise InvalidData("your own events are kept in any case")
        now = int(self._clock())
        return await self.people.add(pubkey, now, most_bytes, most_events)

    async def remove(self, pubkey: str) -> bool:
        """Keep them no longer; what is here is a stranger's again. Raises StoreError."""
        return await self.people.remove(pubkey)

    async def kept(self, pubkey: str) -> KeptPerson:
        """One who is kept. Raises InvalidData where they are not, StoreError."""
        person = await self.people.of(pubkey)
        if person is None:
            raise InvalidData("of this person no copy is kept: `nostr-client keep add` does it")
        return person

    # Bringing it here

    async def refresh(self, *pubkeys: str) -> list[Refreshed]:
        """Fetch what is new of these, or of all who are kept. Raises InvalidData, StoreError."""
        people = [await self.kept(pubkey) for pubkey in pubkeys] or await self.people.all()
        return [await self.reading.refresh(person) for person in people]

    async def keep(self) -> None:
        """Answer who asks, and refresh who is due, as long as the client runs; one process a folder
        and account refreshes."""
        async with together() as group:
            group.create_task(self.exchange.run())
            group.create_task(self._keep_fresh())

    async def _keep_fresh(self) -> None:
        problem = ""
        await asyncio.sleep(SETTLE)
        while True:
            try:
                private_folder(self._folder)
                with contextlib.suppress(FolderInUse), FolderLock(self._lock):
                    await self.look_after()
                problem = ""
            except StoreError as error:
                if problem != str(error):
                    log.warning("what is kept of others is not refreshed: %s", error)
                problem = str(error)
            await asyncio.sleep(LOOK)

    async def look_after(self) -> None:
        """One round: bookmarks that are not here are fetched, and whoever was not read for a while;
        each is asked for a sample of ours once a day. Raises StoreError."""
        await self.others.fetch_bookmarks()
        for person in await self.people.all():
            if abs(self._clock() - person.looked_at) >= REFRESH_EVERY:
                await self.reading.refresh(person)
            try:
                await self.exchange.ask_if_due(person)
            except (MessageNotSent, SignerError) as error:
                log.info("somebody who is kept was not asked for a sample: %s", error)

    # Giving it back

    async def hand_on(self, pubkey: str, urls: Sequence[str]) -> list[str]:
        """Have everything that is kept of `pubkey` brought to these relays: the ids of that. The
        replication sends it, at the pace that the relays take. Raises InvalidData, StoreError."""
        person = await self.kept(pubkey)
        facts = await self._facts.look_up(urls)
        minding = {url for url in urls if url in facts and _NIP_EXPIRATION in facts[url].nips}
        vanished = await vanished_until(self._courier.store, pubkey)
        ids: list[str] = []
        some: list[tuple[Event, list[str]]] = []
        async with aclosing(self.reading.events(person)) as events:
            async for event in events:
                fit = [url for url in urls if may_be_at(event, url, vanished, url in minding)]
                if fit:
                    some.append((event, fit))
                    ids.append(event.id)
                if len(some) == PLACED_AT_ONCE:
                    await all_of(self._place(*each) for each in some)
                    some.clear()
        await all_of(self._place(*each) for each in some)
        return ids

    async def placed(self, ids: Sequence[str], urls: Collection[str]) -> Counter[CopyState]:
        """Where the copies of these events at these relays stand. Raises StoreError."""
        states: Counter[CopyState] = Counter()
        for start in range(0, len(ids), SLICE):
            found = await self._courier.ledger.copies_of(ids[start : start + SLICE])
            states.update(c.state for each in found.values() for c in each if c.url in urls)
        return states
