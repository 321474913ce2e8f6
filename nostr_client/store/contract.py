"""The store's contract: what everything above is written against, whatever engine keeps the events.

`EventStore` is what every engine does; `store.opening.open_store` opens one. What an engine may
lack is a Protocol of its own, and whoever wants it asks first: `isinstance(store, PagesAtOnce)`.

- What the rules say of an event (`store.rules`) comes back as a `SaveResult`; what goes wrong with
  the store itself is a StoreError.
- What is stored has a place in the order of commits, its `seq`, which grows and is never given
  twice. That order is one for all who have the store open: a page says up to where it saw
  (`Page.seq`), a save where it stands (`SaveResult.seq`), and `listen` and `watch` tell everything
  in it, without a gap (`Stored.before`, `Stored.after`).
- An answer is one snapshot, but for those that come in slices (`stream`, `ids`).
- Threads, connections and files are the engine's affair. Everything is called on the loop.
"""

from __future__ import annotations

import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import AbstractAsyncContextManager
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from typing import Final, NamedTuple, Protocol, runtime_checkable

import msgspec

from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.store.reserve import Reserve
from nostr_client.store.visibility import Reader

PAGE_BYTES: Final = 8 * 2**20
"""Bytes of JSON in one page, unless somebody says otherwise."""
OVERHEAD: Final = 400
"""Bytes that an event takes beside its JSON, about: what it is charged with (`cost`)."""
INSIDE: Final = ""
"""In place of the URL of what came inside of another event."""


class StoreOptions(msgspec.Struct, frozen=True):
    """How a store is opened."""

    keep_history_of: Collection[str] = ()
    """Pubkeys whose superseded versions are kept."""
    service_urls: Collection[str] = ()
    """A relay's own, for which it obeys requests to vanish (NIP-62); a client gives none."""
    search: bool = False
    """Answer filters with `search` (NIP-50), and index what is stored, later and in idle time."""
    gentle: bool = False
    """Index so slowly that who sits before this program notices nothing, and nothing at its start.
    """
    modest: bool = False
    """Hold a few MiB of it in memory, however much passes: for what runs beside other programs."""
    read_only: bool = False
    """The store must be there, nothing is written, and whatever would raises StoreError: this works
    on a full disk, too."""
    time_limit: float = 5.0
    """Seconds that a read may take."""
    clock: Callable[[], float] = time.time
    """What expires, goes by it."""
    reserve: Reserve | None = None
    """Room on the disk that is kept back for what makes room; where it is not, `save` raises
    StoreFull."""


# Writing


class SaveStatus(StrEnum):
    """What became of an event that was to be saved."""

    STORED = "stored"
    REPLACED = "replaced"
    """Stored, and an older version gave way to it."""
    DUPLICATE = "duplicate"
    OUTDATED = "outdated"
    """A newer version of it is here."""
    DELETED = "deleted"
    """Its author, or a gift wrap's recipient, has deleted it."""
    EXPIRED = "expired"
    EPHEMERAL = "ephemeral"
    """Of a kind that is passed on and never stored."""
    VANISHED = "vanished"
    """Its author has asked to vanish from here."""


_HELD: Final = frozenset({SaveStatus.STORED, SaveStatus.REPLACED, SaveStatus.DUPLICATE})


class SaveResult(NamedTuple):
    """`seq` is the place in the order of commits; 0 if this save stored nothing."""

    status: SaveStatus
    seq: int = 0

    @property
    def held(self) -> bool:
        """Is this very event in the store now?"""
        return self.status in _HELD


class Stored(NamedTuple):
    """A part of the order of commits: all that was stored after `before`, up to `after`."""

    events: list[tuple[int, Event]]
    before: int
    after: int


ReadSince = Callable[[int], Awaitable[Stored]]
"""What was stored after a place in the order of commits, or the first part of it."""


# Reading


class Priority(Enum):
    """Whom a read has to wait for."""

    NORMAL = "normal"
    """It goes on as soon as may be; what turns out to be broad may begin anew behind its like."""
    BACKGROUND = "background"
    """It is known to be broad: it waits for its like, and never holds up a normal one."""


class Page(msgspec.Struct, frozen=True):
    """One answer to filters, newest first: `events` are `Event.json` encodings.

    `complete`: nothing older matches, beyond a limit. `seq`: the last commit that it could see.
    """

    events: list[bytes]
    complete: bool
    seq: int


class Size(NamedTuple):
    """Bytes: `used` by what is stored, and `allocated` with free space and what is yet to be moved
    to its place."""

    used: int
    allocated: int


class Evicted(NamedTuple):
    """So many `events` were taken out; by size, all that may be evicted and is older than `floor`.

    `floor` is a created_at: what is older need not be fetched again. 0: nothing went by size.
    """

    events: int
    floor: int


# Copies elsewhere


class CopyState(StrEnum):
    """Where one copy stands."""

    WANTED = "wanted"
    """The relay has never been handed it, though it may have been tried to reach it."""
    FAILED = "failed"
    """Handed over, without success that is known of; to be tried again at `next_try`."""
    REFUSED = "refused"
    """Over, for this event on this relay."""
    CONFIRMED = "confirmed"
    """The relay has it, as far as its `CopyGrade` goes."""
    DROPPED = "dropped"
    """The relay had it, or said so, and does not serve it: over there, like a refusal."""


GONE: Final = frozenset({CopyState.REFUSED, CopyState.DROPPED})
"""Over, for this event on this relay: another one is to hold it."""


class CopyGrade(IntEnum):
    """What a confirmed copy rests on. The last two are receipts."""

    NONE = 0
    SAID = 1
    """The relay said OK, and nobody has looked."""
    READ_BACK = 2
    """It was read there on a connection of the account's, equal to what was sent."""
    READ_AS_STRANGER = 3
    """The same, on a connection that says nothing of who asks."""


FIRST_AUDIT: Final = 30
"""Seconds from a relay's OK until the copy is looked for: early enough that it is found within a
minute what is not there."""


class Copy(msgspec.Struct, frozen=True):
    """One event on one relay. Times are in seconds; `next_try` 0 means at once.

    `prefix` and `reason` are the relay's last words of refusal. `wanted` is False for a copy that
    is merely known: it was found there, or is not part of the plan any more. `audit_at` is when a
    wanted copy is looked for again, 0 never; `audits` says how often it was.
    """

    event_id: str
    url: str
    state: CopyState
    attempts: int
    next_try: int
    prefix: str
    reason: str
    updated_at: int
    wanted: bool = True
    grade: CopyGrade = CopyGrade.NONE
    audit_at: int = 0
    audits: int = 0

    @property
    def waits(self) -> bool:
        """Is it still to be tried?"""
        return self.state in (CopyState.WANTED, CopyState.FAILED)


class Audited(msgspec.Struct, frozen=True):
    """What looking for one copy came to: see `CopyLedger.audited`.

    `state` is CONFIRMED or DROPPED; `reason` are our words for it; `audit_at` is in seconds since
    1970, 0 for no more; `audits` is how often it was looked for by now.
    """

    event_id: str
    url: str
    state: CopyState
    grade: CopyGrade
    audit_at: int
    audits: int
    reason: str = ""


class Refuser(msgspec.Struct, frozen=True):
    """A relay that refused so many `events` since it last took any: the last of them `at` seconds
    since 1970, in these words."""

    url: str
    events: int
    at: int
    prefix: str
    reason: str


class CopyLedger(Protocol):
    """Which relay holds which event, and what is still to be placed: `ClientStore.ledger`.

    A wanted copy is tried until it is confirmed, or refused for good. What is known of copies
    outlives the event, so that it is still known where a deleted note once went. Every method
    raises StoreError; what changes something is durable on return.
    """

    async def want(self, event_id: str, urls: Collection[str], *, anew: bool = True) -> None:
        """A copy is to be on each of these relays. What is confirmed stays so; what is over there
        (refused, or dropped) is tried once more, or stays over if not `anew`."""

    async def want_all(self, wanted: Mapping[str, Collection[str]], *, anew: bool = True) -> None:
        """The same for many events, by id: in one commit."""

    async def unwant(self, event_id: str, urls: Collection[str]) -> None:
        """No copy is wanted there any more; what is confirmed is still known."""

    async def confirm(
        self, pairs: Sequence[tuple[str, str]], grade: CopyGrade = CopyGrade.SAID
    ) -> None:
        """The relay holds the event, for each (event id, url), which rests on `grade`: a better one
        stays. The first time is written down, and a wanted copy is due for an audit after
        `FIRST_AUDIT`."""

    async def adopt(self, copies: Sequence[Copy]) -> None:
        """What another store knew of copies, as it stood there; of a copy that is known here
        nothing changes."""

    async def audits_due(
        self, pubkeys: Collection[str], now: float, limit: int, *, besides: Collection[str] = ()
    ) -> list[Copy]:
        """Wanted copies that are confirmed and to be looked for again now, longest due first, of
        events by these authors that are still in the store; none on the relays `besides`. Cost: a
        look-up for each that is due."""
        ...

    async def audited(self, results: Sequence[Audited]) -> None:
        """What the relays really have, of copies that are confirmed; of others nothing changes."""

    async def refuse(
        self,
        event_id: str,
        url: str,
        prefix: str,
        reason: str,
        *,
        final: bool,
        next_try: int,
        handed: bool = True,
    ) -> None:
        """The relay did not take it: for good (`final`), or to be tried again at `next_try`. Not
        `handed`: it could not even be handed over."""

    async def copies(self, event_id: str) -> list[Copy]:
        """What is known of one event, in the order of URLs."""
        ...

    async def copies_of(self, ids: Collection[str]) -> dict[str, list[Copy]]:
        """What is known of each of these events."""
        ...

    async def due(
        self,
        now: float,
        limit: int = 100,
        *,
        besides: Collection[str] = (),
        each: int | None = None,
    ) -> list[Copy]:
        """Copies to be tried now, of events still in the store: replaceable ones (lists, profiles)
        first, then the newest. None on the relays `besides`, at most `each` on one relay.

        Cost: grows with all that waits.
        """
        ...

    async def holders(self, limit: int) -> list[str]:
        """The relays that hold, or held, most of all events, the fullest first. Cost: grows with
        all copies that are known."""
        ...

    async def refusers(
        self, pubkeys: Collection[str], prefixes: Collection[str], least: int
    ) -> list[Refuser]:
        """The relays that refused `least` events by these authors or more, with one of `prefixes`
        (lower case), since they last took one that was wanted there; in the order of URLs. Cost:
        grows with all copies that are known."""
        ...

    async def hurry(self, prefix: str = "") -> None:
        """Whatever waits is due now, however often it was tried; with `prefix`, what was refused
        with that one."""

    async def set_back(self, now: float) -> None:
        """The clock was set back: what waits and was last touched after `now` waits as long again
        as it was to wait then, from now on. Cost: grows with all that waits."""

    async def unplanned(self, pubkeys: Collection[str]) -> list[str]:
        """Ids of events by these authors of which no copy is wanted or known at all, in the order
        of `due`. Cost: grows with what they wrote."""
        ...

    async def tracked(self, pubkeys: Collection[str]) -> list[str]:
        """Ids of events by these authors of which copies are wanted, there already or not, in the
        order of `due`. Cost: grows with what they wrote."""
        ...

    async def strays(self, pubkeys: Collection[str], besides: Collection[int] = ()) -> list[str]:
        """Ids of events by these authors of which no copy is wanted, though some may be known, none
        of the kinds `besides`, in the order of `due`. Cost: grows with what they wrote."""
        ...

    async def tally(self, pubkeys: Collection[str]) -> dict[str, dict[CopyState, int]]:
        """For each relay how many wanted copies of events by these authors are in which state.

        Cost: grows with what is wanted.
        """
        ...

    async def unsent(self, pubkeys: Collection[str], besides: Collection[str] = ()) -> int:
        """How many events by these authors wait for a relay, while none but `besides` has them.

        Cost: grows with all that waits.
        """
        ...


# What strangers may take


class QuotaLimits(msgspec.Struct, frozen=True):
    """Bytes of what one relay brought, and of what one stranger wrote."""

    relay: int = 256 * 2**20
    stranger: int = 16 * 2**20


class Quotas(Protocol):
    """How much of what strangers sent is kept: so many bytes by one of them, and so many by one
    relay: `ClientStore.quotas`. `admit` before saving, `charge` after it.

    Strangers are all but the store's own people (`StoreOptions.keep_history_of`), whom those
    follow, and whom `also_spared` names. An event is charged to the relay that brought it first
    (`CopyLedger.confirm`); what came inside of another event, and from no relay itself, has a quota
    like a relay's (`INSIDE`). Where there is no room left, what the same stranger sent, or the same
    relay brought, gives way: what came first goes first, and gift wraps go last.
    """

    limits: QuotaLimits
    also_spared: Callable[[], Collection[str]]
    """Pubkeys, asked for again and again; it may be called on any thread, and raises nothing."""
    evicted: int
    """Events that gave way."""
    refused: int
    """Events for which no room could be made."""

    async def admit(self, arrivals: Collection[tuple[Event, str]]) -> set[str]:
        """Make room for what came, each from a URL, or from none (`INSIDE`); the ids of those for
        which there is none.

        Raises StoreError. Cost: none where there is room; now and then all that is held is counted.
        """
        ...

    def charge(self, stored: Iterable[tuple[Event, str]]) -> None:
        """These were new, and came from these URLs."""


def cost(event: Event) -> int:
    """The bytes that an event is charged with."""
    return len(event.json) + OVERHEAD


# The store


class EventStore(Protocol):
    """Every event this program keeps, for a client and a relay alike.

    `reader`, wherever it stands: the pubkeys that whoever asks has shown to be; of what is private
    (`visibility.PRIVATE`) he sees only what is for one of them. None: he may see everything.

    `priority` and `time_limit`: see `Priority`; `time_limit` is in seconds, None the store's own,
    and bounds the work, not the wait for others. Whatever is longer raises QueryTimeout. Every
    method but `watch` and `listen` raises StoreError.
    """

    # Writing

    async def save(self, events: Sequence[Event], *, frees: bool = False) -> list[SaveResult]:
        """Durable on return, as far as the engine is; events are taken in the order given, their
        signatures for granted. A result for each.

        `frees`: each of them makes room (see `frees_room`), and may have what is kept back for
        that. Raises StoreFull where there is no room; after any error a part of a large batch may
        have been stored. Cost: one commit, which is shared with whoever saves meanwhile; and a few
        look-ups for each event.
        """
        ...

    async def obey(self, requests: Sequence[Event], *, frees: bool = False) -> None:
        """Carry out requests to vanish (NIP-62) that are not kept themselves; durable on return.

        `frees` and errors: as with `save`. What is much is hidden at once, and taken out later.
        """

    async def frees_room(self, event: Event) -> bool:
        """Would `event` take out something that is here: a deletion, or a request to vanish?

        A deletion of more than 4 KiB has to take out as much as it takes itself.
        """
        ...

    async def keep_history_of(self, pubkeys: Collection[str]) -> None:
        """From now on keep the superseded versions of these authors, for good."""

    # Reading

    async def get(self, event_id: str) -> Event | None:
        """The event with this id. Cost: one look-up."""
        ...

    async def get_address(self, address: str) -> Event | None:
        """The current version at `kind:pubkey:d`. Cost: one look-up."""
        ...

    async def known(self, ids: Collection[str]) -> dict[str, bytes]:
        """Of these ids, those that are held, each with its `Event.json`; what has expired and was
        not taken out yet counts. Cost: one look-up an id."""
        ...

    async def query(
        self, filters: Sequence[Filter], *, reader: Collection[str] | Reader | None = None
    ) -> list[Event]:
        """Each filter's newest `limit` (or all), united, newest first, then lowest id.

        Where there is a search among them, what fits it best comes first, as far as the engine
        ranks. Raises QueryTimeout, InvalidFilter. Cost: the limits; without any, all that matches
        is in memory.
        """
        ...

    async def page(
        self,
        filters: Sequence[Filter],
        *,
        max_limit: int | None = None,
        max_bytes: int = PAGE_BYTES,
        priority: Priority = Priority.NORMAL,
        time_limit: float | None = None,
        reader: Collection[str] | Reader | None = None,
    ) -> Page:
        """As `query`, without decoding anything; each limit is at most `max_limit`.

        Where it is `max_limit` that cuts, it does not cut a second in two: up to as many again that
        share the last one's created_at come too, so that paging by `until` misses nothing (NIP-67).
        Where the page would have more than `max_bytes`, its newest part comes, of whole seconds if
        there is more than one, and at least one event. Raises QueryTimeout, InvalidFilter.
        """
        ...

    def stream(
        self,
        filters: Sequence[Filter],
        *,
        size: int = 500,
        reader: Collection[str] | Reader | None = None,
    ) -> AsyncIterator[list[Event]]:
        """Everything that matches, newest first, in slices of at most `size`; limits are not read.

        Memory stays bounded. Each slice is its own snapshot. Raises as `query` does.
        """
        ...

    async def count(
        self,
        filters: Sequence[Filter],
        *,
        priority: Priority = Priority.NORMAL,
        time_limit: float | None = None,
        reader: Collection[str] | Reader | None = None,
    ) -> int:
        """How many events match; limits are not read. Raises as `query` does. Cost: all that
        match."""
        ...

    async def sketch(
        self,
        f: Filter,
        offset: int,
        *,
        priority: Priority = Priority.NORMAL,
        time_limit: float | None = None,
        reader: Collection[str] | Reader | None = None,
    ) -> tuple[int, bytes]:
        """How many events match, and the 256 registers of a HyperLogLog of their authors (NIP-45).

        `offset`, 8 to 23, is where in a pubkey it looks (`nips.nip45`). Raises and costs as `count`
        does.
        """
        ...

    async def ids(
        self, f: Filter, *, reader: Collection[str] | Reader | None = None, most: int | None = None
    ) -> list[tuple[int, bytes]]:
        """(created_at, id) of all that match, oldest first, then lowest id: for reconciliation.

        Raises as `query` does, and TooMany when they are more than `most`.
        """
        ...

    async def history(self, address: str) -> list[Event]:
        """The superseded versions that were kept, newest first."""
        ...

    # What is new

    def watch(self, filters: Sequence[Filter]) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """Events that match, stored from entering on, by this or another process, in their order.

        Iteration ends when the store is closed. A reader that falls behind loses nothing and holds
        nothing up. Iterating raises StoreError.
        """
        ...

    def listen(self, hear: Callable[[Stored], None]) -> AbstractAsyncContextManager[int]:
        """Call `hear` on the loop with all that is stored from now on, in the order of commits.

        Gives the last commit before that. What this process saves is heard before `save` returns;
        `hear` must be quick and raise nothing.
        """
        ...

    # Who else has it open

    async def run_alone(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work` while nobody else who has this store open does his of that `name`; until then,
        wait. Where it is not sure any more that nobody else does, it is cancelled, and begun anew
        when it is. Returns when it is done; raises what it raises.

        What must not be done twice at the same time belongs here, such as a mirror; whoever does it
        may die at any moment, and another goes on.
        """

    # Upkeep

    async def remove(self, filters: Sequence[Filter]) -> int:
        """Take out all that match now, as if it had never come; returns how many events.

        It may come again: to bar it is the caller's affair. Limits are not read, expired events go
        too, what is known of copies elsewhere is forgotten; kept history and deletions stay.
        Raises InvalidFilter. Cost: what is much goes in slices, between which others have their
        turn.
        """
        ...

    async def evict(
        self,
        filters: Sequence[Filter] = (),
        *,
        most_bytes: int | None = None,
        spared: Collection[str] = (),
        spared_kinds: Collection[int] = (),
    ) -> Evicted:
        """Retention: take out what matches, then the oldest, until `most_bytes` are enough.

        Neither the current version of anything replaceable nor deletions and requests to vanish
        are taken, nor what is by an author of `spared` or of a kind of `spared_kinds`. An age is a
        filter's `until`; limits are not read. Raises and costs as `remove` does.
        """
        ...

    async def purge(self) -> None:
        """Take out what has expired, or is by those who vanish; reads leave it out in any case, and
        the store does it by itself now and then."""

    async def standing(self) -> int:
        """What those events take, about, which `evict` never takes. Bytes. Cost: everything is
        looked at."""
        ...

    async def size(self) -> Size:
        """What the store takes."""
        ...

    async def index_lag(self) -> int:
        """How many of the last commits a search does not see yet; 0 without search."""
        ...

    async def finish_index(self) -> None:
        """Let searches see all that is stored now, without waiting for an idle moment."""

    async def probe(self) -> None:
        """Write something of no weight, durably: StoreError when nothing can be written."""

    async def check(self) -> None:
        """Raises StoreError if what is kept is damaged. Cost: everything is looked at."""


@runtime_checkable
class ClientStore(EventStore, Protocol):
    """What a client wants besides, and an engine that is for relays alone does not have."""

    @property
    def ledger(self) -> CopyLedger:
        """Which relay holds which event."""

    @property
    def quotas(self) -> Quotas:
        """What strangers may take."""


# What an engine may lack


@runtime_checkable
class PagesAtOnce(Protocol):
    """An engine that can answer what is narrow here and now, cheaper than it could wait."""

    def page_at_once(
        self,
        filters: Sequence[Filter],
        *,
        seconds: float,
        max_limit: int | None = None,
        max_bytes: int = PAGE_BYTES,
        reader: Collection[str] | Reader | None = None,
    ) -> Page:
        """As `EventStore.page`, while the loop waits: for what is narrow, and so for `seconds` at
        most. Raises StoreError, QueryTimeout, InvalidFilter."""
        ...


@runtime_checkable
class PassesOn(Protocol):
    """An engine that carries what is not stored (ephemeral events) to whoever else has it open."""

    async def pass_on(self, events: Sequence[Event]) -> None:
        """Others hear it who hear now (`hear_passing`); it is kept nowhere, and nobody says who
        did. Raises StoreError."""

    def hear_passing(
        self, hear: Callable[[Sequence[Event]], None]
    ) -> AbstractAsyncContextManager[None]:
        """Call `hear` on the loop with what others pass on, and never with one's own; `hear` must
        be quick and raise nothing."""
        ...


@runtime_checkable
class SharesCommits(Protocol):
    """An engine whose other processes find a commit by looking now and then: who can tell them
    saves them the wait."""

    def on_commit(self, tell: Callable[[int], None]) -> None:
        """Call `tell` on the loop with the seq of each commit of this process that stored something
        (not of others'), once it is durable; it must be quick and raise nothing."""

    def look(self, seq: int) -> None:
        """Another process has committed up to `seq`: look now, and not at the next look."""


@runtime_checkable
class FindsAsTyped(Protocol):
    """An engine that finds what is still being typed: the last word may be the beginning of one.

    All raise InvalidFilter where the store was opened without `search`, QueryTimeout; what is found
    is what the index has (`EventStore.index_lag`).
    """

    async def texts_typed(self, f: Filter, typed: str) -> list[Event]:
        """The newest of `f`, with its limit, that have all these words."""
        ...

    async def people_typed(self, f: Filter, typed: str) -> list[Event]:
        """The newest profiles (kind 0) of `f`, with its limit, whose name, display name or NIP-05
        name has words that begin so, or whose npub or key does."""
        ...

    async def tags_typed(self, typed: str, most: int) -> list[tuple[str, int]]:
        """Hashtags (`t`) that begin so, the most used first, each with how many events have it."""
        ...


@runtime_checkable
class Compactable(Protocol):
    """An engine that holds free space which it can give back."""

    async def compact(self) -> int:
        """Give free space back to the system, and tidy up; how many bytes.

        Others go on reading and writing, but may have to wait for a step. Raises StoreError.
        """
        ...


@runtime_checkable
class CopiesToFile(Protocol):
    """An engine that can be copied into one file, which it can open in its turn."""

    async def backup(self, path: Path) -> None:
        """Copy the store, as it is now, into the new file `path`, and read the copy back.

        Others go on reading and writing. `path` is there only when all is well. Raises StoreError,
        also where `path` exists.
        """
