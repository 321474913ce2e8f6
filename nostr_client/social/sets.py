"""Lists with a name, as many as one wants of each kind (NIP-51): people, topics, packs.

Those of the account are changed as all its lists are, public and private part (`lists.EntryList`);
those of others are read. Relay sets (kind 30002), bookmark sets (30003) and the favourites of kind
10011 are read only.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from nostr_client.errors import InvalidData, InvalidEvent, SignerUnavailable, SigningRefused
from nostr_client.nips import nip19
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event, Tag, Tags, event_address
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import is_hex64
from nostr_client.routing.address_policy import relay_url
from nostr_client.routing.courier import Courier, OnAnswer
from nostr_client.routing.fetch_results import FetchReport
from nostr_client.routing.list_guard import ListGuard
from nostr_client.routing.list_reading import Waiver
from nostr_client.safe_text import typeable
from nostr_client.signing.gate import refuse_codes
from nostr_client.social.lists import EntryList
from nostr_client.social.views import Posted

SET_KINDS: Final = {
    kinds.FOLLOW_SET: "people",
    kinds.STARTER_PACK: "pack",
    kinds.INTEREST_SET: "topics",
    kinds.BOOKMARK_SET: "bookmarks",
    kinds.RELAY_SET: "relays",
}
"""What is shown, and the word for each."""
WRITTEN: Final = frozenset({kinds.FOLLOW_SET, kinds.STARTER_PACK, kinds.INTEREST_SET})
PACK_LIMIT: Final = 200
"""Packs and lists of others that are listed, and asked for."""
MAX_TITLE: Final = 100
FETCH_LIMIT: Final = 5.0
_OLD_NAMES: Final = frozenset({"mute", "pin", "bookmark", "communities"})
"""Lists from the days before they had kinds of their own (NIP-51): no sets of anybody's."""


@dataclass(frozen=True, slots=True)
class NamedSet:
    """One of those lists. `private` says how many of its entries nobody else sees; `closed` that it
    has a private part which cannot be read here. All texts are raw."""

    event: Event
    entries: Tags
    private: int = 0
    closed: bool = False

    @property
    def kind(self) -> int:
        return self.event.kind

    @property
    def identifier(self) -> str:
        return self.event.value("d") or ""

    @property
    def title(self) -> str:
        """Its title, or what stands in for one; may be empty."""
        return self.event.value("title") or self.event.value("name") or self.identifier

    @property
    def says(self) -> str:
        """Its description; may be empty."""
        return self.event.value("description") or self.event.value("summary") or ""

    @property
    def word(self) -> str:
        return SET_KINDS.get(self.kind, f"kind {self.kind}")

    @property
    def people(self) -> tuple[str, ...]:
        """Pubkeys, each once."""
        return self._ids("p")

    @property
    def topics(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(t[1].lower() for t in self.entries if t[0] == "t" and t[1:]))

    @property
    def relays(self) -> tuple[str, ...]:
        """URLs in one spelling; strangers' words: to dial one is the address policy's affair."""
        urls = (relay_url(t[1]) for t in self.entries if t[0] == "relay" and t[1:])
        return tuple(dict.fromkeys(url for url in urls if url))

    @property
    def notes(self) -> tuple[str, ...]:
        """Ids of events that it holds."""
        return self._ids("e")

    @property
    def address(self) -> str:
        return event_address(self.kind, self.event.pubkey, self.identifier)

    @property
    def size(self) -> int:
        """How many people, topics, relays and notes."""
        return sum(map(len, (self.people, self.topics, self.relays, self.notes)))

    def naddr(self, relays: Collection[str] = ()) -> str:
        """The code by which it is passed on."""
        return nip19.encode_naddr(self.kind, self.event.pubkey, self.identifier, relays)

    def _ids(self, name: str) -> tuple[str, ...]:
        return tuple(
            dict.fromkeys(t[1] for t in self.entries if t[0] == name and t[1:] and is_hex64(t[1]))
        )


class Sets:
    """The named lists of the account `owner` (hex), and those of others."""

    def __init__(self, courier: Courier, guard: ListGuard, owner: str) -> None:
        self._courier = courier
        self._guard = guard
        self._owner = owner
        self._known: dict[str, NamedSet] = {}
        """Own lists with their private parts, by the event: a bunker takes a second for each."""

    async def of(self, pubkey: str, wanted: Iterable[int] = SET_KINDS) -> list[NamedSet]:
        """The lists of one person that are here, by title. Raises StoreError."""
        asked = Filter.of(authors=[pubkey], kinds=wanted, limit=PACK_LIMIT)
        events = await self._courier.store.query([asked])
        found = [await self._opened(event) for event in events if _is_set(event)]
        return sorted(found, key=lambda one: (one.title.casefold(), one.identifier))

    async def packs(self, authors: Collection[str]) -> list[NamedSet]:
        """Starter packs by `authors` that are here and hold somebody, the newest first."""
        asked = Filter.of(authors=authors, kinds=[kinds.STARTER_PACK], limit=PACK_LIMIT)
        found = [NamedSet(e, e.tags) for e in await self._courier.store.query([asked])]
        return [pack for pack in found if pack.people]

    async def get(self, address: str) -> NamedSet | None:
        """The list at an address, if it is here. Raises StoreError."""
        event = await self._courier.store.get_address(address)
        return await self._opened(event) if event is not None else None

    async def find(self, code: nip19.Naddr, *, limit: float = FETCH_LIMIT) -> NamedSet | None:
        """The list that a code names, from relays if it is not here."""
        if (held := await self.get(code.address)) is not None:
            return held
        wanted = Filter.of(authors=[code.pubkey], kinds=[code.kind], d=[code.identifier])
        policy = self._courier.book.policy
        near = [url for hint in code.relays if (url := policy.from_stranger(hint))]
        await self._courier.fetch([wanted], timeout=limit)
        if (held := await self.get(code.address)) is None and near:
            await self._courier.fetch_from([wanted], near, timeout=limit)
            held = await self.get(code.address)
        return held

    async def fetch(self, pubkey: str, *, limit: float = FETCH_LIMIT) -> FetchReport:
        """Ask relays for the lists of one person. Offline nothing comes. Raises StoreError."""
        wanted = Filter.of(authors=[pubkey], kinds=SET_KINDS, limit=PACK_LIMIT)
        return await self._courier.fetch([wanted], timeout=limit)

    async def fetch_packs(
        self, authors: Collection[str], *, limit: float = FETCH_LIMIT
    ) -> FetchReport:
        """Ask relays for starter packs by `authors`. Raises StoreError."""
        wanted = Filter.of(authors=authors, kinds=[kinds.STARTER_PACK], limit=PACK_LIMIT)
        return await self._courier.fetch([wanted], timeout=limit)

    def list(self, kind: int, identifier: str) -> EntryList:
        """The own list, to be changed. Raises InvalidEvent for a kind that is only read."""
        if kind not in WRITTEN:
            raise InvalidEvent(f"lists of kind {kind} are read here, and not written")
        return EntryList(self._courier, self._guard, self._owner, kind, identifier)

    async def create(
        self,
        kind: int,
        title: str,
        entries: Collection[Tag] = (),
        *,
        public: bool = False,
        on_answer: OnAnswer | None = None,
    ) -> Posted:
        """A new list with a title that everybody sees, and `entries` that only the account sees,
        unless they are `public`. A pack is for others: what it holds is public.

        Raises InvalidData, InvalidEvent, ListNotRead, SignerError, StoreError.
        """
        name, shown = _title(title), public or kind == kinds.STARTER_PACK
        new = self.list(kind, secrets.token_hex(8))
        part = self._guard.private_part()

        def change(last: Event | None) -> Draft | None:
            if last is not None:
                return None
            hidden = () if shown else tuple(entries)
            tags: Tags = (("title", name), *(entries if shown else ()))
            return new.next(last, (), (), tags, hidden)

        # Nobody can have this name: that there is no such list is no reason for doubt.
        posted = await new.edit(change, Waiver(allow_empty=True), on_answer=on_answer, private=part)
        if posted is None:
            raise InvalidEvent("this list is there already")
        return posted

    async def rename(
        self, one: NamedSet, title: str, *, on_answer: OnAnswer | None = None
    ) -> Posted | None:
        """Give an own list another title; all else in it stays. None when nothing changes."""
        name, mine = _title(title), self.list(one.kind, one.identifier)

        def change(last: Event | None) -> Draft | None:
            if last is None:
                raise InvalidEvent("this list is not there any more")
            tags = last.tags
            at = next((n for n, tag in enumerate(tags) if tag[0] == "title"), None)
            if at is None:
                return mine.draft(last, (*tags, ("title", name)))
            changed = (*tags[:at], ("title", name, *tags[at][2:]), *tags[at + 1 :])
            return mine.draft(last, changed) if changed != tags else None

        return await mine.edit(change, on_answer=on_answer, removes=[("title", one.title)])

    async def _opened(self, event: Event) -> NamedSet:
        """With its private part, where it is the account's own."""
        closed = NamedSet(event, event.tags, closed=bool(event.content))
        if not event.content or event.pubkey != self._owner:
            return closed
        if (known := self._known.get(event.id)) is not None:
            return known
        try:
            part = self._guard.private_part()
            hidden = part.tags(await part.open(event))
        except (SigningRefused, SignerUnavailable):  # watched only, or a bunker that is away
            return closed
        if hidden is None:
            return closed
        if len(self._known) >= PACK_LIMIT:
            del self._known[next(iter(self._known))]
        self._known[event.id] = NamedSet(event, (*event.tags, *hidden), len(hidden))
        return self._known[event.id]


def person_entry(pubkey: str, hint: str = "") -> Tag:
    """The entry of a person. Raises InvalidData."""
    if not is_hex64(pubkey):
        raise InvalidData("this is no public key")
    return ("p", pubkey, hint) if hint else ("p", pubkey)


def _is_set(event: Event) -> bool:
    old = event.kind == kinds.FOLLOW_SET and event.value("d") in _OLD_NAMES
    return event.kind in SET_KINDS and not old


def _title(text: str) -> str:
    title = " ".join(typeable(text).split())[:MAX_TITLE]
    if not title:
        raise InvalidData("a list needs a title")
    refuse_codes(title)
    return title
