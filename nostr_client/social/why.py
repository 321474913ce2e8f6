"""Why something is here: a note, a person, a connection to a relay; and what is waited for.

Facts alone, made from what is known here: nobody is asked. A face puts them into words.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from nostr_client.errors import InvalidEvent
from nostr_client.net.subscription import Asked
from nostr_client.nips import nip10
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, event_address
from nostr_client.routing.courier import Courier
from nostr_client.social.acquaintances import Acquaintances
from nostr_client.social.feed_sync import FeedSync
from nostr_client.social.follows import Follows
from nostr_client.social.views import ReadPart, SyncStatus
from nostr_client.store.contract import CopyState
from nostr_client.tasks import Turns

KNOWN_FOR: Final = 30.0
"""Seconds for which is kept what reads all versions of the follow list, or the relays of all who
are followed: whoever looks at it has it read every two seconds."""
MOST_VERSIONS: Final = 500
"""Versions of the follow list that are looked at, the newest."""


class Ground(StrEnum):
    """One reason for which something is here."""

    OWN = "own"
    FOLLOWED = "followed"
    REPOSTED = "reposted"
    NAMES_YOU = "names you"
    ANSWERS_YOU = "answers you"
    TOPIC = "one of your topics"
    KNOWN = "followed by people you follow"
    UNKNOWN = "unknown"
    """Nobody whom the account knows has to do with it: it came with something else."""


class Because(NamedTuple):
    """`people` are whom it is about (pubkeys); `since` when it holds, in seconds since 1970, 0
    unknown; `at_least`: the oldest version that is here says so already. `names` are raw."""

    ground: Ground
    people: tuple[str, ...] = ()
    since: int = 0
    at_least: bool = False
    names: tuple[str, ...] = ()


class Brought(NamedTuple):
    """A relay that has it, and since when that is known (seconds since 1970)."""

    url: str
    at: int


@dataclass(frozen=True, slots=True)
class WhyPerson:
    """`writes` are the relays where the person writes, by the list of `list_at` (0: none is here;
    `source` as in `PersonRelays`), and `read` how posts of theirs are read."""

    pubkey: str
    reasons: tuple[Because, ...]
    writes: tuple[str, ...] = ()
    source: str = "fallback"
    list_at: int = 0
    read: tuple[ReadPart, ...] = ()


@dataclass(frozen=True, slots=True)
class WhyNote:
    """`reasons` are the note's own, beside those of its `author`. `brought` by the relays in the
    order of time; `own_relay`: on the own one too, None without one. `signed`: its id and signature
    hold, checked once more just now."""

    event: Event
    reasons: tuple[Because, ...]
    author: WhyPerson
    brought: tuple[Brought, ...]
    own_relay: bool | None
    signed: bool


@dataclass(frozen=True, slots=True)
class WhyRelay:
    """`roles` are what the account's lists and the configuration make of it, in words; `writers` of
    `followed` people write there; `parts` are what the background reading reads there, `asked` what
    is asked of it now, by whatever room. `came`, `lacked` and `heard` are as in `RelayPortrait`."""

    url: str
    roles: tuple[str, ...]
    writers: int
    followed: int
    parts: tuple[ReadPart, ...]
    asked: tuple[Asked, ...]
    came: float
    lacked: float
    heard: int
    blocked: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the background reading waits for: the `parts` that are not settled."""

    status: SyncStatus
    parts: tuple[ReadPart, ...] = ()


class Explanations:
    """Those of the account `owner` (hex). `reserve` yields the relays that hold copies beside the
    relay list, and `valid` says whether a signature is its author's."""

    def __init__(
        self,
        courier: Courier,
        follows: Follows,
        feed_sync: FeedSync,
        *,
        acquaintances: Acquaintances,
        reserve: Callable[[], Awaitable[Sequence[str]]],
        valid: Callable[[Event], Awaitable[bool]],
        owner: str,
    ) -> None:
        self._courier = courier
        self._store = courier.store
        self._book = courier.book
        self._follows = follows
        self._feed_sync = feed_sync
        self._acquaintances = acquaintances
        self._reserve = reserve
        self._valid = valid
        self._owner = owner
        self._since: tuple[tuple[str, str], float, tuple[int, bool]] | None = None
        self._writers: tuple[tuple[str, frozenset[str]], float, int] | None = None

    async def note(self, event: Event, entry: Event | None = None) -> WhyNote:
        """Why `event` is here, which `entry` (a repost, or itself) put there. Raises StoreError."""
        by = entry if entry is not None and entry.id != event.id else None
        ids = [event.id, *([by.id] if by is not None else [])]
        copies = await self._store.ledger.copies_of(ids)
        own = self._book.policy.own_relay
        had = [
            Brought(copy.url, copy.updated_at)
            for copy in copies.get(event.id, ())
            if copy.state is CopyState.CONFIRMED
        ]
        return WhyNote(
            event=event,
            reasons=tuple([reason async for reason in self._of_note(event, by)]),
            author=await self.person(event.pubkey),
            brought=tuple(sorted((b for b in had if b.url != own), key=lambda b: (b.at, b.url))),
            own_relay=any(b.url == own for b in had) if own else None,
            signed=await self._is_whole(event),
        )

    async def person(self, pubkey: str) -> WhyPerson:
        """What the account has to do with somebody, and where they are read. Raises StoreError."""
        relays = await self._book.relays_of(pubkey)
        named = await self._store.get_address(event_address(kinds.RELAY_LIST, pubkey))
        of_them = ("streamed", "compared")
        parts = [p for p in self._feed_sync.parts if pubkey in p.people and p.role in of_them]
        return WhyPerson(
            pubkey,
            await self._of_person(pubkey),
            writes=relays.write,
            source=relays.source,
            list_at=named.created_at if named is not None else 0,
            read=tuple(parts),
        )

    async def relay(self, url: str) -> WhyRelay:
        """Why there is, or is no, connection to the relay at `url` (normal spelling). Raises
        StoreError."""
        courier, followed = self._courier, await self._book.followed()
        score, _ = courier.scores.everybody(url)
        total = score.recent.plus(score.past)
        return WhyRelay(
            url,
            roles=await self._roles(url),
            writers=await self._writers_at(url, frozenset(followed)),
            followed=len(followed),
            parts=tuple(part for part in self._feed_sync.parts if part.url == url),
            asked=tuple(courier.pool.asked(url)),
            came=total.came,
            lacked=total.lacked,
            heard=courier.pool.health(url).counters.delivered,
            blocked=url in self._book.policy.blocked,
        )

    @property
    def waiting(self) -> Waiting:
        """What the home timeline, and what concerns the account, still wait for."""
        parts = (part for part in self._feed_sync.parts if not part.settled)
        return Waiting(self._feed_sync.status, tuple(sorted(parts, key=lambda p: (p.url, p.role))))

    # Inside

    async def _is_whole(self, event: Event) -> bool:
        """Is it what was signed? Asked once more, of the very bytes that are kept."""
        try:
            return Event.parse(event.json).id == event.id and await self._valid(event)
        except InvalidEvent:
            return False

    async def _of_note(self, event: Event, by: Event | None) -> AsyncIterator[Because]:
        if by is not None:
            yield Because(Ground.REPOSTED, (by.pubkey,), by.created_at)
        me = self._owner
        if not me or event.pubkey == me:
            return
        parent = nip10.thread_refs(event).reply if event.kind == kinds.NOTE else None
        answered = await self._store.get(parent.id) if parent is not None else None
        if answered is not None and answered.pubkey == me:
            yield Because(Ground.ANSWERS_YOU)
        elif me in event.values("p"):
            yield Because(Ground.NAMES_YOU)
        interests = await self._store.get_address(event_address(kinds.INTERESTS, me))
        if interests is not None:
            mine = frozenset(topic.lower() for topic in interests.values("t"))
            topics = dict.fromkeys(t for t in event.values("t") if t.lower() in mine)
            if topics:
                yield Because(Ground.TOPIC, names=tuple(topics))

    async def _of_person(self, pubkey: str) -> tuple[Because, ...]:
        if pubkey == self._owner:
            return (Because(Ground.OWN),)
        if pubkey in await self._follows.pubkeys():
            since, at_least = await self._followed_since(pubkey)
            return (Because(Ground.FOLLOWED, since=since, at_least=at_least),)
        if friends := await self._acquaintances.followers_of(pubkey):
            return (Because(Ground.KNOWN, tuple(friends)),)
        return (Because(Ground.UNKNOWN),)

    async def _followed_since(self, pubkey: str) -> tuple[int, bool]:
        """When the follow list began to name them, without a break since; true if that is as far
        back as versions of it are here."""
        newest = await self._follows.event()
        key, now = (newest.id if newest is not None else "", pubkey), time.monotonic()
        if self._since is None or self._since[0] != key or now >= self._since[1]:
            self._since = key, now + KNOWN_FOR, await self._read_since(newest, pubkey)
        return self._since[2]

    async def _read_since(self, newest: Event | None, pubkey: str) -> tuple[int, bool]:
        since, turns = newest.created_at if newest is not None else 0, Turns()
        for version in (await self._follows.history())[:MOST_VERSIONS]:
            await turns.rest()
            if pubkey not in version.values("p"):
                return since, False
            since = version.created_at
        return since, True

    async def _writers_at(self, url: str, followed: frozenset[str]) -> int:
        """How many of the followed write there."""
        key, now = (url, followed), time.monotonic()
        if self._writers is None or self._writers[0] != key or now >= self._writers[1]:
            people = await self._book.relays_of_many(followed, asked=False)
            count = sum(1 for relays in people.values() if url in relays.write)
            self._writers = key, now + KNOWN_FOR, count
        return self._writers[2]

    async def _roles(self, url: str) -> tuple[str, ...]:
        me, ours = self._owner, await self._book.client_relays(down=frozenset())
        mine = await self._book.relays_of(me) if me else None
        inbox = (await self._book.dm_relays([me])).get(me, ()) if me else ()
        listed = mine is not None and mine.source == "list"
        roles = {
            "your own relay": url == self._book.policy.own_relay,
            "you write there": listed and mine is not None and url in mine.write,
            "others write to you there": listed and mine is not None and url in mine.read,
            "your private messages come there": url in inbox,
            "it keeps copies in reserve": url in await self._reserve(),
            "it stands in for who has no relay list": url in ours.fallback,
            "profiles and relay lists are looked up there": url in ours.indexers,
        }
        return tuple(words for words, holds in roles.items() if holds)
