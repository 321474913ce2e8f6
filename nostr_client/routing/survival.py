"""What an account's events would survive: how many copies, of how many operators, and how many of
those where readers look.

A copy counts while it is confirmed, and its relay is not known to be dead: what is there may come
back, but nobody can fetch it now. Those in reserve are for restoring; a reader finds only what
the relay list names, so it is these that decide what he still finds when operators fall. The own
relay on this machine is no host, and is not counted here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.urls import host_of
from nostr_client.routing.operators import RelayFacts, count_operators, operators
from nostr_client.routing.planner import LEFT_ALONE
from nostr_client.store.contract import GONE, ClientStore, Copy, CopyGrade, CopyState

SLICE: Final = 500
NOT_TRACKED: Final = "not yet looked after"
"""Of what was only read from relays."""
_WORDS: Final = ("no operator's", "one", "two", "three", "four", "five", "six")


class Survival(msgspec.Struct, frozen=True):
    """Of one event: `confirmed` copies of `wanted`, held by so many `operators`.

    `said`, `read_back` and `as_stranger` are the confirmed ones by their grade. `readable` of them
    are on relays that the relay list names, kept by `readable_operators`. `waiting` are tried
    again, `refused` and `dropped` are over; `unreachable` were confirmed, and their relays are dead
    now.
    """

    wanted: int = 0
    confirmed: int = 0
    said: int = 0
    read_back: int = 0
    as_stranger: int = 0
    operators: int = 0
    readable: int = 0
    readable_operators: int = 0
    waiting: int = 0
    refused: int = 0
    dropped: int = 0
    unreachable: int = 0

    @property
    def survives(self) -> int:
        """So many operators may fall, whichever they are, and a reader still finds it."""
        return max(0, self.readable_operators - 1)

    @property
    def line(self) -> str:
        """All of it in one line of ours."""
        if not self.wanted and self.confirmed:
            return f"known at {self.confirmed}, {NOT_TRACKED}"
        if not self.wanted:
            return "kept here only: no relay to send it to"
        parts = [
            f"{self.confirmed} of {self.wanted} confirmed",
            f"{self.operators} operator{'' if self.operators == 1 else 's'}",
            f"{self.readable} where readers look",
        ]
        return f"{', '.join(parts)}; {self._survives_words}"

    @property
    def _survives_words(self) -> str:
        if not self.readable_operators:
            return "nobody finds it now"
        if not self.survives:
            return "survives the fall of none"
        few = self.survives < len(_WORDS)
        return f"survives any {_WORDS[self.survives] if few else self.survives}"


class RelayHolding(msgspec.Struct, frozen=True):
    """What one relay holds of the account's events, and its part: "list", "reserve" or "other".

    `operator` is the URL that names the group of relays that fall with it; `dead`: it cannot be
    reached, and what it holds counts for nothing meanwhile; `caught`: it dropped so many events
    that it said it took, that nothing there counts (`caught_relays`).
    """

    url: str
    role: str
    operator: str
    caught: int = 0
    said: int = 0
    read_back: int = 0
    as_stranger: int = 0
    waiting: int = 0
    refused: int = 0
    dropped: int = 0
    dead: bool = False

    @property
    def confirmed(self) -> int:
        return self.said + self.read_back + self.as_stranger


class AccountSurvival(msgspec.Struct, frozen=True):
    """Of all of an account's events that are meant to last: how many, how the worst off is, how
    many have fewer copies than wanted, and what each relay holds, the fullest first.

    Besides there are `untracked` ones that were written elsewhere and read here: they get copies
    bit by bit (`resilience.adoption`), and no other figure has them until then.
    `oldest_short` is the event (hex) that was written first of those with fewer copies than wanted,
    empty where there is none, and `oldest_short_at` when that was, in seconds since 1970.
    """

    events: int
    worst: Survival
    short: int
    relays: tuple[RelayHolding, ...]
    oldest_short: str = ""
    oldest_short_at: int = 0
    untracked: int = 0


class PlacedCopy(msgspec.Struct, frozen=True):
    """One copy, and the relay that it is on: its part ("own", "list", "reserve" or "other"), the
    URL that names its operator, the countries that its document names, and whether it is `dead`."""

    copy: Copy
    role: str
    operator: str
    countries: tuple[str, ...] = ()
    dead: bool = False


class NoteCopies(msgspec.Struct, frozen=True):
    """Where one event is: each copy that is known, those where readers look first; `named` relays
    are where they look, `reserved` confirmed copies are in reserve."""

    copies: tuple[PlacedCopy, ...]
    survival: Survival
    named: int
    reserved: int


def survival_of(
    copies: Iterable[Copy],
    facts: Mapping[str, RelayFacts],
    listed: Collection[str],
    *,
    wanted: int = 0,
    besides: Collection[str] = (),
    dead: Collection[str] = (),
) -> Survival:
    """What one event would survive. Pure.

    `listed` are the relays of the relay list, `wanted` is how many copies there shall be at the
    least, `besides` are relays that count for nothing (the own one's URLs), nor do those that are
    `dead`.
    """
    known = [copy for copy in copies if copy.url not in besides]
    confirmed = [copy for copy in known if copy.state is CopyState.CONFIRMED]
    there = [copy for copy in confirmed if copy.url not in dead]
    standing = sum(c.wanted and c.state not in GONE and c.url not in dead for c in known)
    urls = [copy.url for copy in there]
    readable = [url for url in urls if url in listed]
    grades = [copy.grade for copy in there]
    states = [copy.state for copy in known]
    return Survival(
        wanted=max(standing, wanted),
        confirmed=len(there),
        said=grades.count(CopyGrade.SAID),
        read_back=grades.count(CopyGrade.READ_BACK),
        as_stranger=grades.count(CopyGrade.READ_AS_STRANGER),
        operators=count_operators(urls, facts),
        readable=len(readable),
        readable_operators=count_operators(readable, facts),
        waiting=states.count(CopyState.WANTED) + states.count(CopyState.FAILED),
        refused=states.count(CopyState.REFUSED),
        dropped=states.count(CopyState.DROPPED),
        unreachable=len(confirmed) - len(there),
    )


class Survivals:
    """What the events of the account `owner` would survive, as the ledger has it: nobody is asked.

    `homes` yields the relays of the relay list where the account writes, `reserve` those that hold
    copies beside them, `facts` what is known of relays, `own_urls` all URLs of the own relay,
    `dead` the relays that cannot be reached, `caught` those where nothing counts, and how much
    they dropped.
    """

    def __init__(
        self,
        store: ClientStore,
        *,
        owner: str,
        wanted: int,
        homes: Callable[[], Awaitable[Sequence[str]]],
        reserve: Callable[[], Awaitable[Sequence[str]]],
        facts: Callable[[], Awaitable[Mapping[str, RelayFacts]]],
        own_urls: Callable[[], Sequence[str]] = tuple,
        dead: Callable[[], Collection[str]] = frozenset,
        caught: Callable[[], Awaitable[Mapping[str, int]]] | None = None,
    ) -> None:
        self._store = store
        self._owner = owner
        self._wanted = wanted
        self._caught = caught
        self._homes = homes
        self._reserve = reserve
        self._facts = facts
        self._own_urls = own_urls
        self._dead = dead

    async def of(self, ids: Collection[str]) -> dict[str, Survival]:
        """Of each of these events. Raises StoreError."""
        copies = await self._store.ledger.copies_of(ids)
        facts, listed, void = await self._facts(), await self._homes(), await self._void()
        return {id: self._one(found, facts, listed, void) for id, found in copies.items()}

    async def copies_of(self, event_id: str) -> NoteCopies:
        """Where one event is. Raises StoreError."""
        copies = await self._store.ledger.copies(event_id)
        facts, listed, reserve = await self._facts(), await self._homes(), await self._reserve()
        own, dead = set(self._own_urls()), self._dead()
        names = operators([copy.url for copy in copies], facts)
        placed = [
            PlacedCopy(
                copy,
                "own" if copy.url in own else _role(copy.url, listed, reserve),
                names[copy.url],
                facts[copy.url].countries if copy.url in facts else (),
                copy.url in dead,
            )
            for copy in copies
        ]
        placed.sort(key=lambda one: (_ROLES.index(one.role), host_of(one.copy.url), one.copy.url))
        there = [one for one in placed if one.copy.state is CopyState.CONFIRMED and not one.dead]
        return NoteCopies(
            tuple(placed),
            self._one(copies, facts, listed, await self._void()),
            named=len(set(listed) - own),
            reserved=sum(one.role == "reserve" for one in there),
        )

    async def of_account(self) -> AccountSurvival:
        """Of all that the account wrote and that is meant to last. Raises StoreError.

        Cost: grows with all that it wrote.
        """
        facts, listed, reserve = await self._facts(), await self._homes(), await self._reserve()
        ids, void = await self._store.ledger.tracked([self._owner]), await self._void()
        worst: Survival | None = None
        short: list[str] = []
        counts: dict[str, dict[str, int]] = {}
        for start in range(0, len(ids), SLICE):
            found = await self._store.ledger.copies_of(ids[start : start + SLICE])
            for event_id, copies in found.items():
                one = self._one(copies, facts, listed, void)
                if one.confirmed < one.wanted:
                    short.append(event_id)
                worst = one if worst is None else min(worst, one, key=_strength)
                for copy in copies:
                    of_relay = counts.setdefault(copy.url, {})
                    of_relay[_word(copy)] = of_relay.get(_word(copy), 0) + 1
        own, dead = set(self._own_urls()), self._dead()
        names = operators([url for url in counts if url not in own], facts)
        rows = [
            RelayHolding(
                url,
                _role(url, listed, reserve),
                names[url],
                caught=void.get(url, 0),
                **counts[url],
                dead=url in dead,
            )
            for url in names
        ]
        rows.sort(key=lambda row: (-row.confirmed, host_of(row.url), row.url))
        oldest = await self._oldest(short)
        return AccountSurvival(
            len(ids),
            worst or Survival(wanted=self._wanted),
            len(short),
            tuple(rows),
            oldest_short=oldest.id if oldest else "",
            oldest_short_at=oldest.created_at if oldest else 0,
            untracked=len(await self._store.ledger.strays([self._owner], LEFT_ALONE)),
        )

    async def _oldest(self, ids: Sequence[str]) -> Event | None:
        """Of these the one that was written first."""
        oldest: Event | None = None
        for start in range(0, len(ids), SLICE):
            wanted = Filter(ids=frozenset(ids[start : start + SLICE]))
            for event in await self._store.query([wanted]):
                if oldest is None or event.created_at < oldest.created_at:
                    oldest = event
        return oldest

    async def _void(self) -> Mapping[str, int]:
        return await self._caught() if self._caught is not None else {}

    def _one(
        self,
        copies: Sequence[Copy],
        facts: Mapping[str, RelayFacts],
        listed: Sequence[str],
        void: Collection[str],
    ) -> Survival:
        wanted = self._wanted if any(copy.wanted for copy in copies) else 0
        besides, dead = {*self._own_urls(), *void}, self._dead()
        return survival_of(copies, facts, listed, wanted=wanted, besides=besides, dead=dead)


def _strength(one: Survival) -> tuple[int, int, int]:
    return one.readable_operators, one.operators, one.confirmed


_ROLES: Final = ("own", "list", "reserve", "other")


def _role(url: str, listed: Collection[str], reserve: Collection[str]) -> str:
    return "list" if url in listed else "reserve" if url in reserve else "other"


_GRADES: Final = {
    CopyGrade.NONE: "said",
    CopyGrade.SAID: "said",
    CopyGrade.READ_BACK: "read_back",
    CopyGrade.READ_AS_STRANGER: "as_stranger",
}


def _word(copy: Copy) -> str:
    """Under which of a holding's figures a copy counts."""
    match copy.state:
        case CopyState.CONFIRMED:
            return _GRADES[copy.grade]
        case CopyState.REFUSED:
            return "refused"
        case CopyState.DROPPED:
            return "dropped"
        case _:
            return "waiting"
