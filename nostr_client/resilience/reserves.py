"""Reserves: relays beyond the relay list that hold copies of what the account wrote.

A relay list is short (NIP-65), and readers look nowhere else. But what the listed relays hold is
lost with them, until it is placed again. So other relays hold copies too, until there are `wanted`
of them, no two with one operator, and none with an operator of the list's. They are for restoring,
not for reading: no list names them.

- A reserve is somebody's open relay that answers and wants neither money nor a login. Half of them
  are relays that many use, half are niches: what takes the large ones down spares the small.
- It is one that answered within this minute, and is tried with the relay list and the profile. Only
  when these were read back as a stranger, the rest follows, at most `A_MINUTE` events a minute, and
  what was not used of the minute before: we are guests there.
- There are `SPARES` more than are needed, chosen and proven, so that a loss is mended at once. Each
  event draws its own of them, and draws the same ones again: all share the work, when something is
  lost too, and one relay more or less moves no event but those that it draws. One that holds the
  event already comes first.
- A relay that is doubtful (`relay_watch`) holds nothing for now; one that is dead is replaced.
- Some keep nothing old: as they say themselves (NIP-11), or as is learnt from what they refuse or
  drop. Old events go to others, and where there are too few of these, more are chosen.
- One that drops or refuses what it is tried with is left for `BANNED` seconds. What belongs into a
  private network stays there: its reserves are there, too.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import StoreError
from nostr_client.paths import write_private
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, event_address
from nostr_client.protocol.kinds import is_ephemeral
from nostr_client.resilience.reserve_relays import (
    KeptReserves,
    ReserveRelay,
    ReserveRoom,
    choose,
    in_private_network,
    is_open,
    lacking,
    read_reserves,
)
from nostr_client.routing.operators import RelayFacts
from nostr_client.routing.planner import UNKEPT, is_protected
from nostr_client.routing.relay_facts import RelayFactBook, reach_of
from nostr_client.store.contract import GONE, ClientStore, Copy, CopyGrade, CopyState

log = logging.getLogger(__name__)

A_MINUTE: Final = 5
"""Events that are sent to one reserve in a minute."""
MINUTES: Final = 2
"""So many minutes' events are sent at once after as long a rest."""
SPARES: Final = 2
OLD: Final = 86_400
"""Seconds from which an event may be too old for a relay."""
REFUSED_OLD: Final = 2
"""Old events that a relay would not have, from which it is known to take none that are older."""
BANNED: Final = 7 * 86_400
CHOICES: Final = 3
"""Times that others are chosen in place of those that do not answer."""
TRIED_AT_ONCE: Final = 16
"""Candidates whose documents are asked for in one go."""
PROBES: Final = (kinds.RELAY_LIST, kinds.METADATA)
"""What a reserve is tried with: the relay list helps even where nothing else stays."""
Check = Callable[[Collection[str], Collection[str]], Awaitable[object]]
"""Reads back events (ids) at relays (URLs), as a stranger."""
_NIP_EXPIRATION: Final = 40


def _lot(url: str, event_id: str) -> bytes:
    return blake2b(f"{event_id} {url}".encode(), digest_size=8).digest()


class Reserves:
    """The reserve of the account `owner`.

    `homes` yields the relays of the relay list where the account writes, `candidates` relays that
    may be asked to keep something, the most used first; `dead` those that are to be replaced,
    `doubtful` those that are not to be relied on for now, `unfit` those that take nothing, or do
    not keep it. `wanted` is the number of operators that
    are to hold each event, the relay list's included; there are `spares` more. A rehearsal, whose
    time is short, gives a shorter `minute` (seconds). For one process at a time: whoever plans.
    """

    def __init__(
        self,
        store: ClientStore,
        facts: RelayFactBook,
        *,
        homes: Callable[[], Awaitable[Sequence[str]]],
        candidates: Callable[[], Awaitable[Sequence[str]]],
        owner: str,
        wanted: int,
        folder: Path,
        spares: int = SPARES,
        dead: Callable[[], Collection[str]] = frozenset,
        doubtful: Callable[[], Collection[str]] = frozenset,
        unfit: Callable[[], Awaitable[Collection[str]]] | None = None,
        minute: float = 60.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._minute = minute
        self._store = store
        self._facts = facts
        self._homes = homes
        self._candidates = candidates
        self._owner = owner
        self.wanted = wanted
        self._spares = spares
        self._path = folder / f"reserves-{owner[:16]}.json"
        self._dead = dead
        self._doubtful = doubtful
        self._unfit = unfit
        self._clock = clock
        self._kept: KeptReserves | None = None
        self._known: Mapping[str, RelayFacts] = {}
        self._sent: dict[str, list[float]] = {}
        self._checked: dict[str, float] = {}
        self._too_old: dict[str, dict[str, int]] = {}
        """By relay, the newest of the old events that it would not have: when each was made."""
        self._short: tuple[int, float] = (0, 0.0)
        """So many relays more are needed that take what is as many seconds old."""

    async def chosen(self) -> tuple[ReserveRelay, ...]:
        """The relays of the reserve as they are now, in the order in which they are used."""
        return (await self._load()).chosen

    async def urls(self) -> tuple[str, ...]:
        """The same, by URL."""
        return tuple(reserve.url for reserve in await self.chosen())

    async def places(self) -> tuple[str, ...]:
        """Where what the account writes belongs: the relay list's, and the reserve."""
        return tuple(dict.fromkeys((*await self._homes(), *await self.urls())))

    async def prove(self, check: Check) -> bool:
        """Have read back what relays say they took that were not tried yet: at once, and once a
        minute where they do not answer. True where any was. Raises StoreError."""
        now, due = time.monotonic(), list[str]()
        probes = {probe.id for probe in await self._probes()}
        for reserve in await self.chosen():
            looked = self._checked.get(reserve.url, float("-inf"))
            if not reserve.proven and now - looked >= self._minute:
                copies = await self._store.ledger.copies_of(probes)
                each = [c for found in copies.values() for c in found if c.url == reserve.url]
                if any(copy.state is CopyState.CONFIRMED for copy in each):
                    due.append(reserve.url)
        if due:
            self._checked |= dict.fromkeys(due, now)
            await check(probes, due)
        return bool(due)

    async def refresh(self) -> bool:
        """Look after the reserve: what was tried, what died, what is missing. True when a plan that
        was made with it is old. Raises StoreError."""
        held, homes, dead = await self._load(), await self._homes(), self._dead()
        before, now = held.chosen, int(self._clock())
        banned = {url: until for url, until in held.banned.items() if until > now}
        kept: list[ReserveRelay] = []
        unfit = await self._unfit() if self._unfit is not None else ()
        for reserve in [r for r in before if r.url not in dead and r.url not in homes]:
            judged = reserve if reserve.proven else await self._judged(reserve)
            if judged is None or reserve.url in unfit:
                banned[reserve.url] = now + BANNED
            else:
                kept.append(judged)
        kept += await self._more(homes, kept, {*dead, *self._doubtful()}, {*banned, *unfit})
        changed = tuple(kept) != before
        if changed or banned != held.banned:
            self._kept = KeptReserves(tuple(kept), banned)
            await self._save()
        return changed

    async def plan(
        self, event: Event, avoid: Collection[str] = (), held: Collection[str] = ()
    ) -> tuple[str, ...]:
        """Where copies of `event` belong beside the relay list's; none of those in `avoid`, and
        sooner at those that have it (`held`)."""
        if not self._is_kept(event):
            return ()
        return self.drawn(event, await self.room(avoid), avoid, held)

    async def room(self, avoid: Collection[str]) -> ReserveRoom:
        """What is to be found in reserve for all that is not to be at `avoid`."""
        homes, chosen = await self._homes(), await self.chosen()
        alive = [url for url in homes if url not in avoid]
        fit = tuple(r for r in chosen if r.url not in avoid and r.url not in homes)
        return ReserveRoom(lacking(alive, self._known, self.wanted), fit)

    def drawn(
        self, event: Event, room: ReserveRoom, avoid: Collection[str], held: Collection[str]
    ) -> tuple[str, ...]:
        """Those of `room` that `event`, which is kept in reserve, is to be at."""
        self._learn(event, avoid)
        usable = [r.url for r in room.fit if self._takes(r.url, event)]
        if event.kind in PROBES:
            return tuple(usable) if room.missing else ()
        proven = {r.url for r in room.fit if r.proven}
        ranked = sorted(
            (url for url in usable if url in proven),
            key=lambda url: (url not in held, _lot(url, event.id)),
        )
        if len(ranked) < room.missing and len(usable) < len(room.fit):
            (count, age), lacks = self._short, room.missing - len(ranked)
            self._short = max(count, lacks), max(age, self._clock() - event.created_at)
        return tuple(ranked[: room.missing])

    async def beside(
        self, held: Collection[str], event: Event, avoid: Collection[str] = ()
    ) -> tuple[str, ...]:
        """Where copies of `event`, by somebody else, belong beside the relays `held`."""
        missing = await self.missing([url for url in held if url not in avoid])
        fit = [r.url for r in await self.chosen() if r.proven and r.url not in (*avoid, *held)]
        usable = [url for url in fit if self._takes(url, event)]
        return tuple(sorted(usable, key=lambda url: _lot(url, event.id))[:missing])

    async def missing(self, held: Collection[str]) -> int:
        """How many operators more are to hold what the relays `held` hold."""
        await self._load()
        return lacking(held, self._known, self.wanted)

    # How much they are sent

    def take(self, url: str, copies: Sequence[Copy]) -> Sequence[Copy]:
        """Those of `copies` that may be sent to `url` now, and are: all, where it is no reserve."""
        if url not in self._urls():
            return copies
        taken = copies[: self._allowance(url)]
        self._sent[url] = [*self._sent.get(url, ()), *(time.monotonic() for _ in taken)]
        return taken

    def exhausted(self) -> list[str]:
        """The relays of the reserve to which nothing may be sent just now."""
        return [url for url in self._urls() if not self._allowance(url)]

    def _urls(self) -> list[str]:
        return [reserve.url for reserve in self._kept.chosen] if self._kept else []

    def _allowance(self, url: str) -> int:
        since = time.monotonic() - MINUTES * self._minute
        self._sent[url] = [at for at in self._sent.get(url, ()) if at > since]
        return MINUTES * A_MINUTE - len(self._sent[url])

    # Inside

    def _is_kept(self, event: Event) -> bool:
        if event.pubkey != self._owner or event.kind in UNKEPT or is_ephemeral(event.kind):
            return False
        return not is_protected(event)

    def _takes(self, url: str, event: Event) -> bool:
        """What expires goes only where the relay says that it minds (NIP-40), what is old only
        where it is kept."""
        facts = self._known.get(url) or RelayFacts(url)
        expires = any(tag[0] == "expiration" for tag in event.tags)
        if expires and _NIP_EXPIRATION not in facts.nips:
            return False
        age = self._clock() - event.created_at
        if age < OLD:
            return True
        refused = self._too_old.get(url, {})
        is_known = len(refused) >= REFUSED_OLD and event.created_at <= max(refused.values())
        return age < reach_of(facts, event.kind) and not is_known

    def _learn(self, event: Event, avoid: Collection[str]) -> None:
        """Who will not have an old event may not have others that are as old."""
        if self._clock() - event.created_at < OLD or event.kind in PROBES:
            return
        lost = {*self._dead(), *self._doubtful()}
        for url in self._urls():
            if url in avoid and url not in lost:
                known = self._too_old.get(url, {}) | {event.id: event.created_at}
                newest = sorted(known, key=lambda one: -known[one])[:REFUSED_OLD]
                self._too_old[url] = {one: known[one] for one in newest}

    async def _judged(self, reserve: ReserveRelay) -> ReserveRelay | None:
        """What became of what it was tried with; None: it did not keep that."""
        copies = []
        for probe in await self._probes():
            known = await self._store.ledger.copies(probe.id)
            copies += [copy for copy in known if copy.url == reserve.url]
        if any(copy.grade is CopyGrade.READ_AS_STRANGER for copy in copies):
            return msgspec.structs.replace(reserve, proven=True)
        return None if any(copy.state in GONE for copy in copies) else reserve

    async def _probes(self) -> list[Event]:
        """What there is to try a relay with; nobody is asked for anything before."""
        found = [await self._store.get_address(event_address(kind, self._owner)) for kind in PROBES]
        return [event for event in found if event is not None]

    async def _more(
        self,
        homes: Collection[str],
        kept: Sequence[ReserveRelay],
        lost: Collection[str],
        banned: Collection[str],
    ) -> list[ReserveRelay]:
        held = [*homes, *(r.url for r in kept)]
        self._known = await self._facts.known()
        alive = [url for url in held if url not in lost]
        missing = lacking(alive, self._known, self.wanted + self._spares)
        short, age = self._short if all(r.proven for r in kept) else (0, 0.0)
        room = 2 * self.wanted - len(kept)
        if max(missing, short) <= 0 or room <= 0 or not homes or not await self._probes():
            return []
        private = all(map(in_private_network, homes))
        candidates = [
            url
            for url in await self._candidates()
            if url not in held
            and url not in lost
            and url not in banned
            and in_private_network(url) == private
        ]
        self._known = await self._facts.look_up([*held, *candidates[:TRIED_AT_ONCE]])
        if short > missing:  # of these alone there are too few
            self._short = (0, 0.0)
            candidates = [url for url in candidates if self._reaches(url, age)]
        chosen: tuple[str, ...] = ()
        for _ in range(CHOICES):
            chosen = choose(alive, candidates, self._known, min(room, max(missing, short)))
            self._known = await self._facts.look_up(chosen, within=self._minute)
            if all(is_open(self._known.get(url)) for url in chosen):
                break
        now = int(self._clock())
        return [ReserveRelay(url, now) for url in chosen if is_open(self._known.get(url))]

    def _reaches(self, url: str, age: float) -> bool:
        """Does it say nothing against notes that are so many seconds old?"""
        return age < reach_of(self._known.get(url) or RelayFacts(url), kinds.NOTE)

    async def _load(self) -> KeptReserves:
        if self._kept is None:
            self._kept = await asyncio.to_thread(read_reserves, self._path)
            self._known = await self._facts.known()
        return self._kept

    async def _save(self) -> None:
        try:
            data = msgspec.json.encode(self._kept)
            await asyncio.to_thread(write_private, self._path, data)
        except StoreError as error:
            log.warning("which relays are in reserve was not saved: %s", error)
