"""Reading a list of the account conclusively: is this its newest version, whatever relays are down?

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

**Conclusive** is a reading when

1. every place that could be reached has answered or is mute, and
2. more than half of all places have answered (unreachable and mute ones are counted among "all"),
3. and a version was found, there or in the store. Where none was found, the key may still have a
   list on relays that nobody here knows of, above all just after an import: then only the
   person's own word makes it conclusive (`Waiver.allow_empty`). It replaces (3), never (1) and
   (2).

So with one place it must answer; with two, both; with three or four, one may be down. A place that
is down for good is taken out by the person's own word (`Waiver.without`): it then counts in none
of the rules. Removing a relay from the relay list is such a word about that relay. One that is
being added is asked for the list, too; and that the list *begins* with it (`Waiver.begin`) is a
word about all others: they are asked, and what is found anywhere is built on, but none of them need
have answered. An own relay list that is empty on purpose leaves no places; then the store alone
knows.

**A key that never left this machine** (`only_here`: made by this program a short while ago, never
exported) is not used elsewhere, so the store knows all there is. The places are still asked, and
those that are reached must answer in time, for a copy of this folder may be at work elsewhere all
the same; once a version is here, a refusal to answer is in the way too. What cannot be reached is
not required: a newcomer can follow people with no network at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from nostr_client.errors import ListNotRead
from nostr_client.net.health import REFUSING, SLOW_STATE, UP
from nostr_client.net.outcome import How
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, event_address
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.refusals import AUTH_REQUIRED
from nostr_client.routing.address_policy import relay_url
from nostr_client.routing.courier import Courier
from nostr_client.routing.fetch_results import FetchReport
from nostr_client.routing.planner import INDEXED_KINDS, PersonRelays
from nostr_client.routing.saved_relays import UrlFile

READ_LIMIT: Final = 8.0
"""Seconds that the places have to answer, in each round."""
HINT_LIMIT: Final = 2.0
"""Seconds to reach them, where nothing is required of those that cannot be reached."""
ROUNDS: Final = 3
NONE_FOUND: Final = (
    "no relay has one, but this key may have used relays that are not known here; "
    "add a relay you used before, or confirm that you want to start with an empty one"
)
MOVING: Final = "its relays change faster than they can be read; try again"


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
class Waiver:
    """The person's own word, which stands in for what cannot be read.

    `allow_empty`: a key without any list may start one. `without` names relays that need not have
    answered. `adding` is a relay (normal spelling) that is to be added to the relay list, and with
    `begin` the list begins with it, whatever others answer or do not.
    """

    allow_empty: bool = False
    without: Collection[str] = ()
    adding: str = ""
    begin: bool = False


NO_WAIVER: Final = Waiver()


@dataclass(frozen=True, slots=True)
class ConclusiveRead:
    """A conclusive reading: the newest `version` (None: there is none), and what places said."""

    version: Event | None
    answers: Mapping[str, ListAnswer]


def objection(
    answers: Mapping[str, ListAnswer],
    *,
    found: bool,
    no_places: bool = False,
    allow_empty: bool = False,
) -> str:
    """Why a reading is not conclusive, and what to do about it; empty when it is. Pure.

    `answers` has an entry for every place that counts; `no_places` says that, if there are none, it
    is because the person wants none.
    """
    if not answers and not no_places:
        return "no relay is known where it may be; add a relay you used before"
    if answers and set(answers.values()) == {ListAnswer.UNREACHABLE}:
        return "none of its relays can be reached; try again when you are online"
    if why := in_the_way(answers, IN_THE_WAY):
        return why
    missing = [url for url, answer in answers.items() if answer is not ListAnswer.ANSWERED]
    answered = len(answers) - len(missing)
    if answers and answered * 2 <= len(answers):
        return (
            f"only {answered} of its {len(answers)} relays answered, more than half must; "
            f"try again later, or say that it may be changed without {', '.join(missing)}"
        )
    return "" if found or allow_empty else NONE_FOUND


def in_the_way(answers: Mapping[str, ListAnswer], which: Collection[ListAnswer]) -> str:
    """Which places must not be passed over, for they said one of `which`; empty for none."""
    walls = [f"{url} {answer.value}" for url, answer in answers.items() if answer in which]
    if not walls:
        return ""
    return f"{', '.join(walls)}; try again, or say that it may be changed without having read there"


class ListReader:
    """Reads the replaceable events of the account `pubkey`.

    `folder` (data) holds which relay list is settled. `only_here` says that the key was made by
    this program and never left this machine; `introduced` are the relays to whom we have said who
    we are (NIP-42).
    """

    def __init__(
        self,
        courier: Courier,
        *,
        pubkey: str,
        folder: Path,
        only_here: bool = False,
        introduced: Collection[str] = (),
    ) -> None:
        self.courier = courier
        self.pubkey = pubkey
        self.folder = folder
        self._only_here = only_here
        self._introduced = introduced
        self._settled = UrlFile(folder / f"lists-{pubkey[:16]}.settled.json")

    async def read(
        self, kind: int, identifier: str = "", waiver: Waiver = NO_WAIVER
    ) -> ConclusiveRead:
        """The newest version of the account's event of `kind`, read as the head of this file says.

        `identifier` is the `d` tag of an addressable kind. Raises ListNotRead, StoreError.
        """
        places, answers = await self._ask_places(kind, identifier, waiver.adding)
        version = await self.courier.store.get_address(event_address(kind, self.pubkey, identifier))
        without = {relay_url(url) for url in waiver.without}
        counting = {url: answers[url] for url in places if url in answers and url not in without}
        read = ConclusiveRead(version, counting)
        if waiver.begin:
            return read
        if why := await self._objection(places, answers, read, waiver):
            none_found = why == NONE_FOUND
            ready = answers.get(waiver.adding) is ListAnswer.ANSWERED
            if ready:
                why += f"; or say that the list begins with {waiver.adding}, which answered"
            raise ListNotRead(
                f"the {name_of(kind)} was not changed: {why}",
                none_found=none_found,
                may_begin=ready,
            )
        if not self._only_here:
            await self.settle()
        return read

    async def newest(self, kind: int, identifier: str = "") -> Event | None:
        """The version that `read` finds. Raises as that does."""
        return (await self.read(kind, identifier)).version

    async def ask(
        self, kind: int, identifier: str, urls: Iterable[str], limit: float
    ) -> dict[str, ListAnswer]:
        """Ask `urls` for the list and for the relay list, at most `limit` seconds; what each said.

        Relays that rest after a failure are tried all the same.
        """
        mine = frozenset({self.pubkey})
        relay_list = Filter(authors=mine, kinds=frozenset({kinds.RELAY_LIST}))
        if identifier:
            filters = [relay_list, self.filter_of(kind, identifier)]
        else:
            filters = [Filter(authors=mine, kinds=frozenset({kind, kinds.RELAY_LIST}))]
        each = list(dict.fromkeys(urls))
        self.courier.pool.retry_now(each)
        asked = await self.courier.fetch_from(filters, each, timeout=limit)
        return {url: self._answer(url, asked) for url in asked.ends}

    def filter_of(self, kind: int, identifier: str) -> Filter:
        """The filter for the list alone."""
        tags = {"d": frozenset({identifier})} if identifier else {}
        return Filter(authors=frozenset({self.pubkey}), kinds=frozenset({kind}), tags=tags)

    def places(self, relays: PersonRelays) -> tuple[str, ...]:
        """Where the newest version must be; `relays` are what is known of the account's."""
        named = self._named(relays)
        return tuple(url for url in named if self.courier.book.policy(url))

    def _named(self, relays: PersonRelays) -> tuple[str, ...]:
        book = self.courier.book
        listed = relays.write if relays.source == "list" else ()
        settled = self._settled.read()
        if settled is not None:
            return (*settled, *listed)
        if relays.source != "list":
            return (*book.fallback, *book.trusted_hints(self.pubkey))
        return listed if self._only_here else (*listed, *book.fallback)

    async def settle(self) -> None:
        """The relay list in the store is the newest: from now on it alone names the places."""
        relays = await self.courier.book.relays_of(self.pubkey)
        if relays.source == "list":
            await asyncio.to_thread(self._settled.write, relays.write)

    # Inside

    async def _ask_places(
        self, kind: int, identifier: str, adding: str
    ) -> tuple[Collection[str], dict[str, ListAnswer]]:
        """Ask all places, those too that turn up meanwhile. The places, and what was said by them
        and by those asked beside them; after `ROUNDS` a place may be left that was not asked."""
        book = self.courier.book
        address = event_address(kind, self.pubkey, identifier)
        new_here = self._only_here and await self.courier.store.get_address(address) is None
        limit = HINT_LIMIT if new_here else READ_LIMIT
        relays = await book.relays_of(self.pubkey)
        places = dict.fromkeys(self.places(relays))
        beside = [*([adding] if adding else []), *self._beside(kind, relays)]
        answers: dict[str, ListAnswer] = {}
        for _ in range(ROUNDS):
            unread = [url for url in places if url not in answers]
            if answers and not unread:
                break
            answers |= await self.ask(kind, identifier, [*unread, *beside], limit)
            beside = []
            late = [url for url in unread if answers[url] is ListAnswer.SILENT]
            if late and limit < READ_LIMIT:  # they were reached: now they must answer
                answers |= await self.ask(kind, identifier, late, READ_LIMIT)
            places |= dict.fromkeys(self.places(await book.relays_of(self.pubkey)))
        return places, answers

    def _beside(self, kind: int, relays: PersonRelays) -> tuple[str, ...]:
        """Asked in passing: they may know a newer version, but nothing depends on them."""
        book = self.courier.book
        indexers = book.indexers if kind in INDEXED_KINDS else ()
        own = (book.policy.own_relay,) if book.policy.own_relay else ()
        hints = book.trusted_hints(self.pubkey)
        return (*indexers, *own, *relays.read, *hints, *book.fallback)

    async def _objection(
        self,
        places: Collection[str],
        answers: Mapping[str, ListAnswer],
        read: ConclusiveRead,
        waiver: Waiver,
    ) -> str:
        if any(url not in answers for url in places):
            return MOVING
        if self._only_here:
            which = (ListAnswer.SILENT,) if read.version is None else IN_THE_WAY
            return in_the_way(read.answers, which)
        relays = await self.courier.book.relays_of(self.pubkey)
        return objection(
            read.answers,
            found=read.version is not None,
            no_places=bool(places) or relays.source == "list",
            allow_empty=waiver.allow_empty,
        )

    def _answer(self, url: str, asked: FetchReport) -> ListAnswer:
        end = asked.ends[url]
        health = self.courier.pool.health(url)
        if end.answered:
            unmet = health.counters.challenges and url not in self._introduced
            return ListAnswer.MUTE if unmet and not end.events else ListAnswer.ANSWERED
        if end.prefix.lower() in (AUTH_REQUIRED, "restricted"):
            return ListAnswer.WALLED
        if end.prefix or end.how in (How.REFUSED, How.INCOMPLETE):
            return ListAnswer.CLOSED
        reached = health.state in (UP, SLOW_STATE, REFUSING)
        return ListAnswer.SILENT if reached else ListAnswer.UNREACHABLE


_NAMES: Final = {
    kinds.METADATA: "profile",
    kinds.FOLLOWS: "follow list",
    kinds.RELAY_LIST: "relay list",
    kinds.MUTES: "mute list",
    kinds.BLOCKED_RELAYS: "list of blocked relays",
    kinds.BOOKMARKS: "list of bookmarks",
    kinds.DM_RELAYS: "list of message relays",
    kinds.PRIVATE_RELAYS: "list of private relays",
    kinds.MEDIA_SERVERS: "list of media servers",
    kinds.PINS: "list of pinned notes",
    kinds.INTERESTS: "list of topics",
    kinds.FOLLOW_SET: "list of people",
    kinds.INTEREST_SET: "list of topics",
    kinds.STARTER_PACK: "starter pack",
    kinds.WEB_BOOKMARK: "bookmark of a web page",
}


def name_of(kind: int) -> str:
    """What people call the event of `kind`."""
    return _NAMES.get(kind, f"list of kind {kind}")
