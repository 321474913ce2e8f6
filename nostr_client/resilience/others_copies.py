"""Copies of what others wrote: what the account bookmarks, and of whom it keeps a copy.

They go into reserve (`reserves`) and nowhere else, until as many operators hold them as are to hold
own events, those where they were seen included. They are guests of guests:

- Bookmarks first, then the people who are kept, each from the lists and the newest on, to equal
  shares; within `most_bytes` in all.
- Only a few a minute, and only while nothing waits for a reserve: own events go first.
- Never what may not be handed on (`kept_events`), nor what expires to a relay that does not list
  NIP-40. What is deleted, expired, vanished, or bookmarked no more is wanted nowhere any more.
- What its author takes back, or who vanishes from everywhere, is told to the relays that we brought
  it to: its author may not know them.
- Only bookmarks that everybody may see: to bring a private one to relays would tell them of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import aclosing
from typing import Final, NamedTuple

import msgspec

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, event_address
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import is_hex64
from nostr_client.resilience.kept_events import may_be_at, may_be_handed_on, vanished_until
from nostr_client.resilience.kept_people import KeptPeople
from nostr_client.resilience.kept_reading import KeptReading
from nostr_client.resilience.reserves import A_MINUTE, Reserves
from nostr_client.routing.courier import Courier
from nostr_client.routing.planner import vanishes_everywhere
from nostr_client.store.contract import GONE, CopyState
from nostr_client.store.rules import read_address

LOOK_AGAIN: Final = 600
"""Seconds between two looks at what is bookmarked and kept."""
FETCH_AGAIN: Final = 86_400
"""Seconds until bookmarks that were not found are looked for again."""
MOST_BOOKMARKS: Final = 500
MOST_DUE: Final = 500
"""Copies that wait, among which some for a reserve are looked for."""
SLICE: Final = 200
_NEVER: Final = 1 << 62
_ADDRESSES: Final = 50
"""Bookmarked addresses asked for at once."""


class OthersStanding(msgspec.Struct):
    """What others wrote that is to have copies: `events` of `size` bytes, of which `short` have
    fewer than wanted; `bookmarks` of them are bookmarked."""

    events: int = 0
    size: int = 0
    bookmarks: int = 0
    short: int = 0


class Tracked(NamedTuple):
    """One event that is to have copies: by whom (hex), and its bytes."""

    author: str
    size: int
    bookmarked: bool = False
    address: str = ""


class OthersCopies:
    """The copies of others' events that the account `owner` has placed, in `reserves`.

    `next_ones` and `plan` are for the one process that plans.
    """

    def __init__(
        self,
        courier: Courier,
        reserves: Reserves,
        people: KeptPeople,
        reading: KeptReading,
        *,
        owner: str,
        most_bytes: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._courier = courier
        self._store = courier.store
        self._reserves = reserves
        self._people = people
        self._reading = reading
        self._owner = owner
        self._most_bytes = most_bytes
        self._clock = clock
        self._tracked: dict[str, Tracked] = {}
        self._looked_at = float("-inf")
        self._sought: dict[str, float] = {}
        self._place = 0
        self._taken_back: dict[str, tuple[Event, set[str]]] = {}

    # What there is

    async def tracked(self) -> dict[str, Tracked]:
        """All that is to have copies, by id, first what goes first. Raises StoreError."""
        now, left = self._clock(), self._most_bytes
        found: dict[str, Tracked] = {}
        for event in await self._bookmarked():
            vanished = await vanished_until(self._store, event.pubkey)
            fit = event.pubkey != self._owner and may_be_handed_on(event, vanished, now)
            if fit and len(event.json) <= left:
                found[event.id] = _tracked(event, bookmarked=True)
                left -= len(event.json)
        people = await self._people.all() if left else []
        for number, person in enumerate(people):
            share = left // (len(people) - number)
            async with aclosing(self._reading.events(person)) as events:
                async for event in events:
                    if len(event.json) > share:
                        break
                    if event.id not in found:
                        found[event.id] = _tracked(event)
                        share -= len(event.json)
                        left -= len(event.json)
        return found

    def authors(self) -> frozenset[str]:
        """Who wrote what is tracked, as of the last look."""
        return frozenset(each.author for each in self._tracked.values())

    async def tracks(self, event: Event) -> bool:
        """Is where this event, by somebody else, has copies planned here? Raises StoreError."""
        if event.pubkey == self._owner or event.kind in kinds.GIFT_WRAPS:
            return False
        if event.id in self._tracked or event.id in self._taken_back:
            return True
        return await self._people.of(event.pubkey) is not None

    async def standing(self) -> OthersStanding:
        """How it stands; nobody is asked. Raises StoreError."""
        tracked = await self.tracked()
        standing = OthersStanding(
            len(tracked),
            sum(each.size for each in tracked.values()),
            sum(each.bookmarked for each in tracked.values()),
        )
        for start in range(0, len(tracked), SLICE):
            ids = list(tracked)[start : start + SLICE]
            for copies in (await self._store.ledger.copies_of(ids)).values():
                there = {copy.url for copy in copies if copy.state is CopyState.CONFIRMED}
                standing.short += await self._reserves.missing(there) > 0
        return standing

    # Planning

    async def plan(self, event: Event, avoid: Collection[str] = ()) -> tuple[str, ...]:
        """Where copies belong: where they are wanted already, and in reserve. Raises StoreError."""
        copies = [c for c in await self._store.ledger.copies(event.id) if c.url not in avoid]
        wanted = [copy.url for copy in copies if copy.wanted and copy.state not in GONE]
        if event.id in self._taken_back:
            return tuple(wanted)
        vanished = await vanished_until(self._store, event.pubkey)
        if not may_be_handed_on(event, vanished, self._clock()):
            return ()
        if event.id not in self._tracked:
            return tuple(wanted)
        seen = [copy.url for copy in copies if copy.state is CopyState.CONFIRMED]
        reserve = await self._reserves.beside(seen, event, avoid)
        fit = [url for url in reserve if may_be_at(event, url, vanished, minds_expiry=True)]
        return tuple(dict.fromkeys((*wanted, *fit)))

    async def next_ones(self, avoid: Collection[str] = ()) -> list[tuple[Event, tuple[str, ...]]]:
        """What is to be placed now, and where: `A_MINUTE` events at most. Raises StoreError."""
        await self._look_again()
        if back := await self._to_tell():
            return back
        reserve = await self._reserves.urls()
        if not (self._tracked and reserve) or await self._waits(reserve):
            return []
        found: list[tuple[Event, tuple[str, ...]]] = []
        ids = list(self._tracked)
        ids = (ids[self._place :] + ids[: self._place])[:SLICE]
        copies = await self._store.ledger.copies_of(ids)
        for event_id in ids:
            self._place = (self._place + 1) % len(self._tracked)
            event = await self._store.get(event_id)
            if event is None:
                continue
            placed = {copy.url for copy in copies.get(event_id, ()) if copy.wanted}
            urls = tuple(u for u in await self.plan(event, avoid) if u not in placed)
            if urls:
                found.append((event, urls))
            if len(found) == A_MINUTE:
                break
        return found

    async def fetch_bookmarks(self) -> None:
        """Bring bookmarked events here that are not. Raises StoreError."""
        now = self._clock()
        ids, addresses, near = await self._named()
        held = await self._store.known(ids)
        missing = [id for id in ids if id not in held and self._is_due(id, now)][:SLICE]
        if missing:
            await self._courier.fetch_ids(missing, near=near)
        due = [a for a in addresses if self._is_due(event_address(*a), now)][:_ADDRESSES]
        if due:
            await self._courier.fetch([_filter_of(*address) for address in due])
        self._sought |= dict.fromkeys((*missing, *(event_address(*a) for a in due)), now)

    # Inside

    def _is_due(self, name: str, now: float) -> bool:
        return abs(now - self._sought.get(name, float("-inf"))) >= FETCH_AGAIN

    async def _named(self) -> tuple[list[str], list[tuple[int, str, str]], list[str]]:
        """Ids, addresses, and hints of relays, of what is bookmarked for everybody to see."""
        listed = await self._store.get_address(event_address(kinds.BOOKMARKS, self._owner))
        tags = [tag for tag in listed.tags if len(tag) > 1] if listed else []
        ids = [tag[1] for tag in tags if tag[0] == "e" and is_hex64(tag[1])]
        named = [read_address(tag[1]) for tag in tags if tag[0] == "a"]
        addresses = [each for each in named if each is not None]
        hints = [tag[2] for tag in tags if tag[0] in ("e", "a") and len(tag) > 2 and tag[2]]
        most = MOST_BOOKMARKS
        return ids[:most], addresses[:most], list(dict.fromkeys(hints))

    async def _bookmarked(self) -> list[Event]:
        """What is bookmarked and here, as it stands in the list."""
        ids, addresses, _ = await self._named()
        found = {event.id: event for event in await self._held(ids)}
        events = [found[id] for id in ids if id in found]
        for address in addresses:
            event = await self._store.get_address(event_address(*address))
            events += [event] if event is not None else []
        return events

    async def _held(self, ids: Sequence[str]) -> list[Event]:
        return await self._store.query([Filter(ids=frozenset(ids))]) if ids else []

    async def _look_again(self) -> None:
        """What is tracked now; what is not any more is wanted nowhere."""
        if abs(self._clock() - self._looked_at) < LOOK_AGAIN:
            return
        before, self._tracked = self._tracked, await self.tracked()
        self._looked_at = self._clock()
        reserve = await self._reserves.urls()
        gone = [event_id for event_id in before if event_id not in self._tracked]
        for start in range(0, len(gone), SLICE):
            found = await self._store.ledger.copies_of(gone[start : start + SLICE])
            for event_id, copies in found.items():
                urls = [copy.url for copy in copies if copy.wanted and copy.url in reserve]
                await self._take_back(event_id, before[event_id], urls)
                await self._store.ledger.unwant(event_id, urls)

    async def _take_back(self, event_id: str, what: Tracked, urls: Collection[str]) -> None:
        """Where its author took it back, these relays are to be told."""
        author = frozenset({what.author})
        deletions = Filter(authors=author, kinds=frozenset({kinds.DELETION}))
        asked = [
            Filter(authors=author, kinds=frozenset({kinds.VANISH})),
            deletions.changed(tags={"e": frozenset({event_id})}),
        ]
        if what.address:
            asked.append(deletions.changed(tags={"a": frozenset({what.address})}))
        for event in await self._store.query(asked) if urls else ():
            if event.kind == kinds.DELETION or vanishes_everywhere(event):
                self._taken_back.setdefault(event.id, (event, set()))[1].update(urls)

    async def _to_tell(self) -> list[tuple[Event, tuple[str, ...]]]:
        """Deletions that are not wanted yet where they should be."""
        copies = await self._store.ledger.copies_of(list(self._taken_back))
        found: list[tuple[Event, tuple[str, ...]]] = []
        for event, urls in self._taken_back.values():
            left = urls - {copy.url for copy in copies.get(event.id, ())}
            if left:
                found.append((event, tuple(sorted(left))))
        return found[:A_MINUTE]

    async def _waits(self, reserve: Collection[str]) -> bool:
        """Does anything wait for a relay of the reserve?"""
        due = await self._store.ledger.due(_NEVER, MOST_DUE)
        return any(copy.url in reserve for copy in due)


def _filter_of(kind: int, pubkey: str, d: str) -> Filter:
    tags = {"d": frozenset({d})} if d else {}
    return Filter(authors=frozenset({pubkey}), kinds=frozenset({kind}), tags=tags)


def _tracked(event: Event, *, bookmarked: bool = False) -> Tracked:
    return Tracked(event.pubkey, len(event.json), bookmarked, event.address or "")
