"""No list is published that was not conclusively read.

A follow list, a profile or a relay list is one event that replaces the last: whoever publishes a
new version without having seen the newest one destroys it, on every relay, for every program of the
person. So a list is changed in one way only: read conclusively, apply the change to what was read,
sign, publish. When that cannot be done, `ListNotRead` says which relay is in the way and what the
person can do. Nothing is ever published instead.

**Places.** Where the newest version must be, if it is anywhere: the write relays of the key's
relay list (kind 10002); for that list itself and for kinds 0 and 3 the indexers are asked too.
While no relay list is *settled* (`saved_relays`), the client's own relays are places beside it,
and without any list the relays where the key was seen. The relay list is read in the same breath:
one that turns up adds its write relays, which are asked as well, at most `ROUNDS` times. It takes
no place away, since it may be old and the relay that has a newer one be down; a conclusive reading
settles it, for the next one. What strangers say (hearsay) makes no place.

**An answer.** EOSE to `{authors: [key], kinds: [kind]}`. No answer are: CLOSED with whatever prefix
(`auth-required`, `restricted`: a wall behind which the list may be), a timeout, a connection that
was lost. And an EOSE without any event, the relay list included, from a relay that sent an AUTH
challenge we have not met, is *mute*: it may show strangers nothing, so it is neither an answer nor
in the way.

**ConclusiveRead** is a reading when

1. every place that could be reached has answered or is mute, and
2. more than half of all places have answered (unreachable and mute ones are counted among "all"),
3. and a version was found, there or in the store. Where none was found, the key may still have a
   list on relays that nobody here knows of, above all just after an import: then only the
   person's own word makes it conclusive (`allow_empty`). It replaces (3), never (1) and (2).

So with one place it must answer; with two, both; with three or four, one may be down. A place that
is down for good is taken out by the person's own word (`without`): it then counts in none of the
rules. Removing a relay from the relay list is such a word about that relay. One that is being added
is asked for the list, too; and that the list *begins* with it (`begin`) is a word about all others:
they are asked, and what is found anywhere is built on, but none of them need have answered. An own
relay list that is empty on purpose leaves no places; then the store alone knows.

**A key that never left this machine** (`only_here`: made by this program a short while ago, never
exported) is not used elsewhere, so the store knows all there is. The places are still asked, and
those that are reached must answer in time, for a copy of this folder may be at work elsewhere all
the same; once a version is here, a refusal to answer is in the way too. What cannot be reached is
not required: a newcomer can follow people with no network at all.

**Offline** therefore means: refused, with the store untouched.

**The new version** keeps every tag and all content it was not asked to change, byte for byte. Its
created_at is later than the last one's: it must win on every relay. Of versions that a wrong clock
dated in the future, `routing.list_dates` tells. The store keeps every version of the account's
lists (`keep_history_of`).

**Two devices at once.** Between our reading and our sending another device may publish. So the
list's relays are listened to all the while, the list is read back once it was taken, and if another
version won or was replaced unread (`routing.concurrent_edits`), both changes are made on the newest
and published again: after a random wait, at most `EDITS` times. The report says when that was not
enough. Within one folder, processes and tasks take turns.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import FolderInUse, ListNotRead, Outdated, SigningRefused
from nostr_client.net.health import REFUSING, SLOW_STATE, UP
from nostr_client.net.outcome import How
from nostr_client.net.report import PublishReport
from nostr_client.paths import FolderLock, private_folder
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.routing.concurrent_edits import (
    ConcurrentEdits,
    VersionChange,
    change_between,
    listen_for_edits,
)
from nostr_client.routing.courier import Courier, OnAnswer
from nostr_client.routing.fetch_results import FetchReport
from nostr_client.routing.list_dates import Footing, footing, next_created_at
from nostr_client.routing.planner import INDEXED_KINDS, PersonRelays
from nostr_client.routing.saved_relays import UrlFile
from nostr_client.signing.signer import Signer

READ_LIMIT: Final = 8.0
"""Seconds that the places have to answer, in each round."""
HINT_LIMIT: Final = 2.0
"""Seconds to reach them, where nothing is required of those that cannot be reached."""
TURN_LIMIT: Final = 30.0
"""Seconds to wait for another process that changes a list of this account."""
ROUNDS: Final = 3
READ_BACK_LIMIT: Final = 4.0
"""Seconds that relays have to show what they have taken."""
EDITS: Final = 8
AGAIN: Final = 0.1
"""Seconds to wait at most before the second edit; twice as long before each further one."""
NONE_FOUND: Final = (
    "no relay has one, but this key may have used relays that are not known here; "
    "add a relay you used before, or confirm that you want to start with an empty one"
)

Change = Callable[[Event | None], Draft | None]
"""From the newest version (None: there is none) to the next; None leaves it as it is."""


class ListAnswer(Enum):
    """What one place said."""

    ANSWERED = "answered"
    MUTE = "shows nothing without authentication"
    WALLED = "wants authentication"
    CLOSED = "refused to answer"
    SILENT = "did not answer in time"
    UNREACHABLE = "cannot be reached"


IN_THE_WAY: Final = (ListAnswer.WALLED, ListAnswer.CLOSED, ListAnswer.SILENT)


@dataclass(frozen=True, slots=True)
class ConclusiveRead:
    """A conclusive reading: the newest `version` (None: there is none), and what places said."""

    version: Event | None
    words: Mapping[str, ListAnswer]


def objection(
    words: Mapping[str, ListAnswer],
    *,
    found: bool,
    no_places: bool = False,
    allow_empty: bool = False,
) -> str:
    """Why a reading is not conclusive, and what to do about it; empty when it is. Pure.

    `words` has an entry for every place that counts; `no_places` says that, if there are none, it
    is because the person wants none.
    """
    if not words and not no_places:
        return "no relay is known where it may be; add a relay you used before"
    if words and not any(word is not ListAnswer.UNREACHABLE for word in words.values()):
        return "none of its relays can be reached; try again when you are online"
    if why := _in_the_way(words, IN_THE_WAY):
        return why
    answered = sum(word is ListAnswer.ANSWERED for word in words.values())
    if words and answered * 2 <= len(words):
        missing = ", ".join(url for url, word in words.items() if word is not ListAnswer.ANSWERED)
        return (
            f"only {answered} of its {len(words)} relays answered, more than half must; "
            f"try again later, or say that it may be changed without {missing}"
        )
    if not found and not allow_empty:
        return NONE_FOUND
    return ""


def _in_the_way(words: Mapping[str, ListAnswer], which: Collection[ListAnswer]) -> str:
    wall = [url for url, word in words.items() if word in which]
    if not wall:
        return ""
    told = ", ".join(f"{url} {words[url].value}" for url in wall)
    return f"{told}; try again, or say that it may be changed without having read there"


class ListGuard:
    """Reads and changes the replaceable events of one account.

    `only_here` says that the key was made by this program and never left this machine; `folder`
    (data) holds the lock that lets processes take turns, and which relay list is settled.
    `own_urls` gives the URLs that the own relay has had.
    """

    def __init__(
        self,
        courier: Courier,
        signer: Signer | None,
        *,
        pubkey: str,
        folder: Path,
        only_here: bool = False,
        own_urls: Callable[[], Collection[str]] = lambda: (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._courier = courier
        self._signer = signer
        self._pubkey = pubkey
        self._only_here = only_here
        self._own_urls = own_urls
        self._lock_path = folder / f"lists-{pubkey[:16]}.lock"
        self._settled = UrlFile(folder / f"lists-{pubkey[:16]}.settled.json")
        self._clock = clock
        self._turn = asyncio.Lock()
        self.introduced: set[str] = set()
        """The relays to whom we have said who we are (NIP-42)."""

    async def conclusive(
        self,
        kind: int,
        *,
        identifier: str = "",
        allow_empty: bool = False,
        without: Collection[str] = (),
        adding: str = "",
        begin: bool = False,
    ) -> ConclusiveRead:
        """The newest version of the account's event of `kind`, read as the head of this file says.

        `identifier` is the `d` tag of an addressable kind, `adding` a relay that is to be added to
        the relay list. Raises ListNotRead, StoreError.
        """
        store = self._courier.store
        address = f"{kind}:{self._pubkey}:{identifier}"
        limit = READ_LIMIT
        if self._only_here and await store.get_address(address) is None:
            limit = HINT_LIMIT
        words: dict[str, ListAnswer] = {}
        relays = await self._courier.book.relays_of(self._pubkey)
        places = dict.fromkeys(self._places(relays))
        for _ in range(ROUNDS):
            unread = [url for url in places if url not in words]
            if words and not unread:
                break
            extras = () if words else await self._extras(kind, relays)
            added = [adding] if adding and not words else []
            words |= await self._read(kind, identifier, [*unread, *added, *extras], limit)
            late = [url for url in unread if words[url] is ListAnswer.SILENT]
            if late and limit < READ_LIMIT:  # they were reached: now they must answer
                words |= await self._read(kind, identifier, late, READ_LIMIT)
            relays = await self._courier.book.relays_of(self._pubkey)
            places |= dict.fromkeys(self._places(relays))
        version = await store.get_address(address)
        counting = {url: words[url] for url in places if url in words and url not in set(without)}
        if begin:
            return ConclusiveRead(version, counting)
        if any(url not in words for url in places):
            why = "its relays change faster than they can be read; try again"
        elif self._only_here:
            why = _in_the_way(counting, (ListAnswer.SILENT,) if version is None else IN_THE_WAY)
        else:
            why = objection(
                counting,
                found=version is not None,
                no_places=bool(places) or relays.source == "list",
                allow_empty=allow_empty,
            )
        if why:
            ready = words.get(adding) is ListAnswer.ANSWERED
            if ready:
                why += f"; or say that the list begins with {adding}, which answered"
            raise ListNotRead(
                f"the {name_of(kind)} was not changed: {why}",
                none_found=version is None and why.startswith(NONE_FOUND),
                may_begin=ready,
            )
        if not self._only_here:
            await self._settle()
        return ConclusiveRead(version, counting)

    async def edit(
        self,
        kind: int,
        change: Change,
        *,
        identifier: str = "",
        also: Collection[str] = (),
        allow_empty: bool = False,
        without: Collection[str] = (),
        adding: str = "",
        begin: bool = False,
        on_answer: OnAnswer | None = None,
    ) -> tuple[Event, PublishReport] | None:
        """Read, change, sign, publish. None when `change` leaves the list as it is.

        `also` names relays that get the new version beside those of the plan; the others are those
        of `conclusive`. The draft's created_at is set here. Raises ListNotRead, SignerError,
        InvalidEvent, StoreError.
        """
        if self._signer is None:
            raise SigningRefused("this account is only watched: it has no key to sign with")
        done: tuple[Event, PublishReport] | None = None
        carry: list[VersionChange] = []
        async with self._taking_turns(), self._listening(kind, identifier) as rivals:
            for again in range(EDITS):
                read = await self.conclusive(
                    kind,
                    identifier=identifier,
                    allow_empty=allow_empty,
                    without=without,
                    adding=adding,
                    begin=begin,
                )
                base = read.version
                ground = await self._footing(base)
                draft = _next_version(base, change, carry, refresh=bool(ground.stranded))
                if draft is None or (again and not ground.stranded and _same(draft, base)):
                    return done
                rivals.know(base)
                at = next_created_at(ground.last, self._clock())
                event = await self._signer.sign(
                    Draft(draft.kind, draft.content, draft.tags, created_at=at)
                )
                if ground.stranded:
                    await self._delete(ground, event)
                with contextlib.suppress(Outdated):  # while it was signed; then it has no report
                    report = await self._courier.publish(event, also=also, on_answer=on_answer)
                    done = event, report
                    rivals.know(event)
                    won = await self._has_won(event, report, identifier)
                    replaced = rivals.replaced(base, event)
                    if won and replaced is None:
                        if kind == kinds.RELAY_LIST:
                            await self._settle()
                        return done
                    if replaced is not None:
                        carry.append(change_between(base, replaced))
                        rivals.know(replaced)
                await asyncio.sleep(random.uniform(0, AGAIN * 2**again))  # noqa: S311 - no secret
        if done is None:
            raise ListNotRead(
                f"the {name_of(kind)} was not changed: other devices change it all the time; "
                "try again"
            )
        return done[0], msgspec.structs.replace(done[1], overtaken=True)

    async def date_after(self, previous: Event | None) -> int:
        """The created_at of what follows `previous`, the store's current version of anything.

        A version that a wrong clock dated in the future gives way first: see `routing.list_dates`.
        Raises InvalidEvent, SignerError, StoreError.
        """
        ground = await self._footing(previous)
        if ground.stranded:
            await self._delete(ground)
        return next_created_at(ground.last, self._clock())

    # Inside

    async def _footing(self, version: Event | None) -> Footing:
        own = {self._courier.book.policy.own_relay, *self._own_urls()}
        return await footing(self._courier.store, version, self._clock(), own)

    async def _delete(self, ground: Footing, successor: Event | None = None) -> None:
        """Delete what is stranded; `successor` takes its place in the same commit."""
        if self._signer is None:
            raise SigningRefused("this account is only watched: it has no key to sign with")
        deletion = await self._signer.sign(ground.deletion)
        await self._courier.store.save([deletion, successor] if successor else [deletion])
        await self._courier.publish(deletion)

    async def _settle(self) -> None:
        """The relay list in the store is the newest: from now on it alone names the places."""
        relays = await self._courier.book.relays_of(self._pubkey)
        if relays.source == "list":
            await asyncio.to_thread(self._settled.write, relays.write)

    def _places(self, relays: PersonRelays) -> tuple[str, ...]:
        book = self._courier.book
        listed = relays.write if relays.source == "list" else ()
        settled = self._settled.read()
        if settled is not None:
            return (*settled, *listed)
        if relays.source != "list":
            return (*book.fallback, *book.trusted_hints(self._pubkey))
        return listed if self._only_here else (*listed, *book.fallback)

    async def _extras(self, kind: int, relays: PersonRelays) -> tuple[str, ...]:
        """Asked in passing: they may know a newer version, but nothing depends on them."""
        book = self._courier.book
        indexers = book.indexers if kind in INDEXED_KINDS else ()
        own = (book.policy.own_relay,) if book.policy.own_relay else ()
        return (*indexers, *own, *relays.read, *book.trusted_hints(self._pubkey), *book.fallback)

    async def _read(
        self, kind: int, identifier: str, urls: Iterable[str], limit: float
    ) -> dict[str, ListAnswer]:
        mine = frozenset({self._pubkey})
        wanted = Filter(authors=mine, kinds=frozenset({kind, kinds.RELAY_LIST}))
        filters = [wanted]
        if identifier:
            listed = Filter(authors=mine, kinds=frozenset({kinds.RELAY_LIST}))
            filters = [listed, wanted.changed(tags={"d": frozenset({identifier})})]
        wanted_urls = list(dict.fromkeys(urls))
        self._courier.pool.retry_now(wanted_urls)
        asked = await self._courier.fetch_from(filters, wanted_urls, timeout=limit)
        return {url: self._word(url, asked) for url in asked.ends}

    def _word(self, url: str, asked: FetchReport) -> ListAnswer:
        end = asked.ends[url]
        health = self._courier.pool.health(url)
        if end.answered:
            unmet = health.counters.challenges and url not in self.introduced
            return ListAnswer.MUTE if unmet and not end.events else ListAnswer.ANSWERED
        if end.prefix in ("auth-required", "restricted"):
            return ListAnswer.WALLED
        if end.prefix or end.how in (How.REFUSED, How.INCOMPLETE):
            return ListAnswer.CLOSED
        return (
            ListAnswer.SILENT
            if health.state in (UP, SLOW_STATE, REFUSING)
            else ListAnswer.UNREACHABLE
        )

    @asynccontextmanager
    async def _listening(self, kind: int, identifier: str) -> AsyncIterator[ConcurrentEdits]:
        """Hear what others publish of this list, from before it is read until the block ends."""
        mine = Filter(authors=frozenset({self._pubkey}), kinds=frozenset({kind}), limit=1)
        if identifier:
            mine = mine.changed(tags={"d": frozenset({identifier})})
        relays = await self._courier.book.relays_of(self._pubkey)
        urls = [url for url in self._places(relays) if self._courier.book.policy(url)]
        async with listen_for_edits(self._courier.pool, [mine], urls) as rivals:
            yield rivals

    async def _has_won(self, event: Event, report: PublishReport, identifier: str) -> bool:
        """Read back: is it the newest version at the relays that answered?"""
        answered = [answer.url for answer in report.answers if answer.accepted is not None]
        if answered:
            await self._read(event.kind, identifier, answered, READ_BACK_LIMIT)
        held = await self._courier.store.get_address(event.address or "")
        return held is None or held.id == event.id

    @asynccontextmanager
    async def _taking_turns(self) -> AsyncIterator[None]:
        async with self._turn:
            with contextlib.ExitStack() as stack:
                await self._take_lock(stack)
                yield

    async def _take_lock(self, stack: contextlib.ExitStack) -> None:
        private_folder(self._lock_path.parent)
        deadline = time.monotonic() + TURN_LIMIT
        while True:
            try:
                stack.enter_context(FolderLock(self._lock_path, timeout=0))
                return
            except FolderInUse:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.1)


def _next_version(
    base: Event | None, change: Change, carry: Sequence[VersionChange], *, refresh: bool
) -> Draft | None:
    """`change`, and what is carried over, made on `base`; None when neither changes anything.

    `refresh`: there is to be a new version in any case.
    """
    start = base
    for each in carry:
        start = each(start) if start is not None else None
    draft = change(start)
    if draft is None and start is not None and (refresh or start is not base):
        draft = Draft(start.kind, start.content, start.tags)
    return draft


def _same(draft: Draft, version: Event | None) -> bool:
    return version is not None and (draft.content, draft.tags) == (version.content, version.tags)


_NAMES: Final = {
    kinds.METADATA: "profile",
    kinds.FOLLOWS: "follow list",
    kinds.RELAY_LIST: "relay list",
    kinds.MUTES: "mute list",
    kinds.DM_RELAYS: "list of message relays",
}


def name_of(kind: int) -> str:
    """What people call the event of `kind`."""
    return _NAMES.get(kind, f"list of kind {kind}")
