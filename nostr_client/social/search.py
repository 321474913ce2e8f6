"""Search: people, hashtags and notes, at once in what is here, then at relays that search (NIP-50).

`local` answers while somebody types: the last word may be the beginning of one. `ask` hands the
words to a few relays (`SearchRelays`); what comes is checked and stored like everything that
strangers wrote, and counts only if it has one of the words: a relay that does not know NIP-50
sends what is newest. Each relay's end is told: that it has nothing, that it did not answer and that
it may not be asked are three things. `find` does both, `resolve` says what one text points to.

Nothing that looks like a secret key is searched for or sent (`pointers`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from typing import Final

import msgspec

from nostr_client.errors import (
    InvalidFilter,
    InvalidKey,
    QueryTimeout,
    SecretFound,
)
from nostr_client.net.outcome import End, How
from nostr_client.nips import nip19
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import PublicKey
from nostr_client.routing.courier import Courier
from nostr_client.routing.relay_facts import RelayFactBook
from nostr_client.signing.gate import OwnKeys, refuse_codes, refuse_secret_texts
from nostr_client.social.acquaintances import Acquaintances
from nostr_client.social.follows import Follows
from nostr_client.social.note_views import NoteViews
from nostr_client.social.people_search import FoundPerson, PeopleSearch
from nostr_client.social.pointers import (
    LONGEST,
    HexPointer,
    NamePointer,
    Pointer,
    SecretPointer,
    pointed_at,
)
from nostr_client.social.profiles import Profiles
from nostr_client.social.search_relays import SearchRelays
from nostr_client.social.timeline import MAX_AHEAD, SAME_SECOND
from nostr_client.social.views import Cursor, NoteView
from nostr_client.store.contract import FindsAsTyped
from nostr_client.store.words import LONGEST_QUERY, phrases, words_of
from nostr_client.tasks import together

NOTE_KINDS: Final = frozenset(
    {kinds.NOTE, 11, 20, 21, 22, 1068, kinds.COMMENT, 1222, 9802, 30023, 34235, 34236}
)
"""What is found as a note: of what the index has (`words.SEARCHED_KINDS`), what people write for
everybody: no chats, no lists, no code."""
MOST_NOTES: Final = 20
MOST_TAGS: Final = 5
MOST_RELAYS: Final = 4
SHORTEST_RELAY: Final = 3
"""Letters of a relay's address or name from which it is offered."""
SHORTEST_SECRET: Final = 32
"""Characters from which a text may hold a secret key."""
SEARCHED_NOWHERE: Final = "this holds a SECRET key: it is searched for nowhere"
ASK_LIMIT: Final = 8.0
"""Seconds that a relay has to answer."""
MOST_ASKED_FOR: Final = 40
"""Notes, and as many people, that one relay is asked for."""
RESOLVE_LIMIT: Final = 4.0
FINISHED_AT_ONCE: Final = 2_000
"""Commits by which the index may lag for a search that waits for it."""
CAUGHT_UP_AT_ONCE: Final = 200
"""The same while somebody types: some hundredths of a second."""


class FoundTag(msgspec.Struct, frozen=True):
    """A hashtag, and how many notes here have it."""

    tag: str
    notes: int


class FoundRelay(msgspec.Struct, frozen=True):
    """A relay that something is known of here, and what it calls itself (raw)."""

    url: str
    name: str


class LocalFindings(msgspec.Struct, frozen=True):
    """What is here. `behind`: so many of the last commits are not searched yet, for the index is
    still being made. `problem`: why nothing can be searched for here."""

    typed: str
    people: tuple[FoundPerson, ...] = ()
    tags: tuple[FoundTag, ...] = ()
    notes: tuple[NoteView, ...] = ()
    behind: int = 0
    problem: str = ""

    relays: tuple[FoundRelay, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.people or self.tags or self.notes or self.relays)


class RelayFindings(msgspec.Struct, frozen=True):
    """What relays that search said. `asked`: it was looked for whom to ask. `ends`: how each one's
    part ended; those that are still `asking` have none yet. `found`: how many of what each sent
    fit; `events` are their ids."""

    typed: str
    asked: bool = False
    ends: dict[str, End] = {}
    found: dict[str, int] = {}
    asking: tuple[str, ...] = ()
    events: tuple[str, ...] = ()

    @property
    def nobody(self) -> bool:
        """Is no relay known that searches?"""
        return self.asked and not self.ends and not self.asking


class Findings(msgspec.Struct, frozen=True):
    """Both, together: `people`, `tags` and `notes` hold what relays sent, too."""

    local: LocalFindings
    relays: RelayFindings
    people: tuple[FoundPerson, ...]
    tags: tuple[FoundTag, ...]
    notes: tuple[NoteView, ...]


class Search:
    """The search of one account. `relays` is its list of relays that search (kind 10007); `own`
    names the accounts of the folder, whose secret keys are looked for in what is searched for."""

    def __init__(
        self,
        courier: Courier,
        views: NoteViews,
        profiles: Profiles,
        follows: Follows,
        relays: SearchRelays,
        *,
        acquaintances: Acquaintances,
        facts: RelayFactBook,
        owner: str = "",
        own: OwnKeys = tuple,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.relays = relays
        self.kept = RelayFindings("")
        """What was searched for last, as far as relays answered: a feed shows it."""
        self._facts = facts
        self._own = own
        self.people = PeopleSearch(
            *(courier.store, profiles, follows, acquaintances), mutes=views.mutes, owner=owner
        )
        self._courier = courier
        self._store = courier.store
        self._views = views
        self._profiles = profiles
        self._clock = clock

    # Here

    async def local(self, typed: str, *, only: str = "", notes: int = MOST_NOTES) -> LocalFindings:
        """What is here, at once; `only`: "people", "tags", "notes" or "relays". Raises SecretFound,
        StoreError."""
        await self._refuse_secrets(typed)
        if not isinstance(self._store, FindsAsTyped):
            return LocalFindings(typed, problem="this store does not search")
        try:
            await self._catch_up(CAUGHT_UP_AT_ONCE)
            people = await self.people.named(typed) if only in ("", "people") else ()
            tags = await self._tags(typed) if only in ("", "tags") else ()
            found = await self.notes(typed, limit=notes) if only in ("", "notes") else ()
            relays = await self._known_relays(typed) if only in ("", "relays") else ()
            behind = await self._store.index_lag()
        except InvalidFilter:
            return LocalFindings(typed, problem="what is stored here is not indexed")
        except QueryTimeout:
            return LocalFindings(typed, problem="that is too much to be searched for at once")
        return LocalFindings(
            typed, tuple(people), tuple(tags), tuple(found), behind, relays=tuple(relays)
        )

    async def notes(
        self,
        typed: str,
        *,
        until: Cursor | None = None,
        limit: int = 50,
        also: Collection[str] = (),
    ) -> list[NoteView]:
        """Notes that have these words, newest first, without those that are muted; `until` is the
        `cursor` of the last one of the page before. `also` names events that relays found.

        Raises SecretFound, InvalidFilter, StoreError.
        """
        await self._refuse_secrets(typed)
        at, last = until or (int(self._clock()) + MAX_AHEAD, "")
        wanted = Filter(kinds=NOTE_KINDS, until=at)
        others = await self._others(wanted, also)
        size = limit + SAME_SECOND
        while True:
            here = await self._texts(wanted.changed(limit=size), typed)
            edge = here[-1].order if len(here) >= size else None
            united = {event.id: event for event in (*here, *others)}
            ordered = sorted(united.values(), key=lambda event: event.order)
            kept = [e for e in ordered if e.order > (-at, last) and (not edge or e.order <= edge)]
            views = [v for v in await self._views.of(kept[: 2 * limit]) if not v.muted]
            if len(views) >= limit or edge is None:
                return views[:limit]
            size *= 4

    async def _texts(self, wanted: Filter, typed: str) -> list[Event]:
        if not isinstance(self._store, FindsAsTyped):
            return []
        return await self._store.texts_typed(wanted, typed)

    async def _others(self, wanted: Filter, also: Collection[str]) -> list[Event]:
        if not also:
            return []
        return await self._store.query([wanted.changed(ids=frozenset(also))])

    async def _catch_up(self, most: int) -> None:
        """Have the last commits indexed, if there are so many at most."""
        if 0 < await self._store.index_lag() <= most:
            await self._store.finish_index()

    async def _tags(self, typed: str) -> list[FoundTag]:
        if not isinstance(self._store, FindsAsTyped):
            return []
        return [FoundTag(*found) for found in await self._store.tags_typed(typed, MOST_TAGS)]

    async def _known_relays(self, typed: str) -> list[FoundRelay]:
        wanted = typed.strip().lower()
        if len(wanted) < SHORTEST_RELAY:
            return []
        found = [
            FoundRelay(url, facts.name)
            for url, facts in (await self._facts.known()).items()
            if wanted in url or wanted in facts.name.lower()
        ]
        return sorted(found, key=lambda relay: relay.url)[:MOST_RELAYS]

    async def _refuse_secrets(self, text: str) -> None:
        """Raises SecretFound where a secret key stands in what is searched for."""
        try:
            if isinstance(pointed_at(text), SecretPointer):
                raise SecretFound(SEARCHED_NOWHERE)
            refuse_codes(text[:LONGEST])
            if len(text) >= SHORTEST_SECRET:
                await asyncio.to_thread(refuse_secret_texts, [text[:LONGEST]], self._own)
        except SecretFound:
            raise SecretFound(SEARCHED_NOWHERE) from None

    # At relays

    async def ask(
        self,
        words: str,
        on_answer: Callable[[RelayFindings], None] = lambda findings: None,
        *,
        limit: float = ASK_LIMIT,
    ) -> RelayFindings:
        """Ask relays that search for these words, each at most `limit` seconds; `on_answer` is told
        whom, and of each answer as it comes. Raises SecretFound, StoreError."""
        await self._refuse_secrets(words)
        words = words.strip()[:LONGEST_QUERY]
        state = RelayFindings(words)
        if not phrases(words):
            return state
        urls = await self.relays.urls()
        state = msgspec.structs.replace(state, asked=True, asking=urls)
        on_answer(state)

        async def one(url: str) -> None:
            nonlocal state
            end, events = await self._ask_one(url, words, limit)
            state = msgspec.structs.replace(
                state,
                ends=state.ends | {url: end},
                found=state.found | {url: len(events)},
                asking=tuple(other for other in state.asking if other != url),
                events=tuple(dict.fromkeys((*state.events, *events))),
            )
            on_answer(state)

        async with together() as group:
            for url in urls:
                group.create_task(one(url))
        return state

    async def _ask_one(self, url: str, words: str, limit: float) -> tuple[End, list[str]]:
        """How it ended, and which of what it sent is held and has one of the words."""
        asked = [
            Filter(kinds=frozenset({kinds.METADATA}), search=words, limit=MOST_ASKED_FOR),
            Filter(kinds=NOTE_KINDS, search=words, limit=MOST_ASKED_FOR),
        ]
        report = await self._courier.fetch_from(asked, [url], timeout=limit)
        end = report.ends.get(url) or End(url=url, how=How.NOT_ASKED)
        held = await self._store.known(list(report.events)[: 4 * MOST_ASKED_FOR])
        events = map(Event.from_trusted, held.values())
        return end, [event.id for event in events if _has_a_word(event, words)]

    async def found_people(self, relays: RelayFindings) -> list[FoundPerson]:
        """The people that relays found, as they are known here. Raises StoreError."""
        if not relays.events:
            return []
        asked = Filter(ids=frozenset(relays.events), kinds=frozenset({kinds.METADATA}))
        return await self.people.of(await self._store.query([asked]), relays.typed)

    async def find(
        self,
        words: str,
        *,
        limit: int = MOST_NOTES,
        ask: bool = True,
        seconds: float = ASK_LIMIT,
    ) -> Findings:
        """Everything for these words: what is here and, if they are to be asked, what relays answer
        within `seconds`.

        Waits for an index that is only a little behind. Raises SecretFound, StoreError.
        """
        await self._catch_up(FINISHED_AT_ONCE)
        local = await self.local(words, notes=limit)
        relays = await self.ask(words, limit=seconds) if ask else RelayFindings(words)
        notes = local.notes
        if relays.events and not local.problem:
            notes = tuple(await self.notes(words, limit=limit, also=relays.events))
        people = joined_people(local.people, await self.found_people(relays))
        return Findings(local, relays, await self.people.counted(people), local.tags, notes)

    # One text

    async def resolve(self, text: str) -> Pointer | None:
        """What `text` points to, once its domain or relays were asked where it takes that; None for
        words. Raises NostrError where a domain does not answer or knows nobody, SecretFound for
        the secret key of an account of this folder in hex."""
        pointer = pointed_at(text)
        if isinstance(pointer, SecretPointer):
            return pointer
        if isinstance(pointer, HexPointer):
            await self._refuse_secrets(text)
        match pointer:
            case NamePointer(name):
                return nip19.Nprofile(await self._profiles.resolve(name))
            case HexPointer(digits):
                return await self._of_digits(digits)
        return pointer

    async def _of_digits(self, digits: str) -> nip19.Nprofile | nip19.Nevent:
        """An event where there is one of that id, here or at relays; else a person."""
        by = Filter(authors=frozenset({digits}), limit=1)
        if await self._store.known([digits]):
            return nip19.Nevent(digits)
        if await self._store.query([by]):
            return nip19.Nprofile(digits)
        await self._courier.fetch_ids([digits], limit=RESOLVE_LIMIT)
        if await self._store.known([digits]):
            return nip19.Nevent(digits)
        try:
            return nip19.Nprofile(PublicKey(digits).hex)
        except InvalidKey:
            return nip19.Nevent(digits)


def joined_people(
    here: Sequence[FoundPerson], others: Sequence[FoundPerson]
) -> tuple[FoundPerson, ...]:
    """Those who are here first, then those whom only relays found, each once."""
    found = {person.profile.pubkey: person for person in (*others, *here)}
    order = dict.fromkeys(person.profile.pubkey for person in (*here, *others))
    return tuple(found[pubkey] for pubkey in order)


def _has_a_word(event: Event, words: str) -> bool:
    """Does it have a word that begins as one that is searched for? Relays may know endings."""
    wanted = [word[:8] for phrase in phrases(words) for word in phrase]
    return any(word.startswith(begin) for word in words_of(event) for begin in wanted)
