"""The account's own lists: one replaceable or addressable event each (NIP-01), and one road to
change it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from nostr_client.errors import DecryptionFailed, SigningRefused
from nostr_client.protocol.event import Draft, Event, Tag, Tags, event_address
from nostr_client.protocol.kinds import KindClass, kind_class
from nostr_client.routing.courier import Courier, OnAnswer
from nostr_client.routing.fetch_results import FetchReport
from nostr_client.routing.list_guard import Change, ListGuard
from nostr_client.routing.list_loss import Entry
from nostr_client.routing.list_reading import NO_WAIVER, Waiver
from nostr_client.routing.private_part import PrivatePart, content_of
from nostr_client.social.views import Posted

FETCH_LIMIT: Final = 5.0
CLOSED: Final = (
    "the private part of this list cannot be decrypted here: it is carried along, and not edited"
)


class OwnList:
    """The event of `kind` of the account `owner` (hex; empty: nobody's, and there is none).

    `identifier` is the `d` of an addressable kind.
    """

    def __init__(
        self, courier: Courier, guard: ListGuard, owner: str, kind: int, identifier: str = ""
    ) -> None:
        self._courier = courier
        self._guard = guard
        self._owner = owner
        self._kind = kind
        self._identifier = identifier
        self._address = event_address(kind, owner, identifier)

    async def event(self) -> Event | None:
        """The newest version that the store has."""
        return await self._courier.store.get_address(self._address) if self._owner else None

    async def history(self) -> list[Event]:
        """Earlier versions, newest first."""
        return await self._courier.store.history(self._address)

    async def fetch(self, limit: float = FETCH_LIMIT) -> FetchReport:
        """Ask relays for the newest version, at most `limit` seconds. Offline nothing comes."""
        if not self._owner:
            return FetchReport()
        mine = self._guard.reader.filter_of(self._kind, self._identifier)
        return await self._courier.fetch([mine], timeout=limit)

    def draft(self, last: Event | None, tags: Iterable[Tag]) -> Draft:
        """The version after `last`: with these tags, and what the content held."""
        return Draft(self._kind, last.content if last else "", self._named(last, tuple(tags)))

    def _named(self, last: Event | None, tags: Tags) -> Tags:
        """The tags of the version after `last`: the first of an addressable one gets its name."""
        addressable = kind_class(self._kind) is KindClass.ADDRESSABLE
        return (("d", self._identifier), *tags) if addressable and last is None else tags

    async def edit(
        self,
        change: Change,
        waiver: Waiver = NO_WAIVER,
        *,
        also: Collection[str] = (),
        on_answer: OnAnswer | None = None,
        private: PrivatePart | None = None,
        removes: Collection[Entry] = (),
    ) -> Posted | None:
        """Read the newest version, make `change` on it, publish; see `ListGuard.edit`."""
        done = await self._guard.edit(
            self._kind,
            change,
            identifier=self._identifier,
            waiver=waiver,
            also=also,
            on_answer=on_answer,
            private=private,
            removes=removes,
        )
        return None if done is None else Posted(*done)


@dataclass(frozen=True, slots=True)
class Entries:
    """What a list holds. `closed`: it has a private part that cannot be read here."""

    public: Tags = ()
    private: Tags = ()
    closed: bool = False


class EntryList(OwnList):
    """A list of entries, public in its tags or private in its content (NIP-51).

    An entry is a tag; its first two items say which one. It is public or private, never both.
    """

    async def entries(self) -> Entries:
        """What the store's version holds. Raises SignerUnavailable."""
        event = await self.event()
        if event is None:
            return Entries()
        try:
            part = self._guard.private_part()
        except SigningRefused:  # watched only
            return Entries(event.tags, (), bool(event.content))
        private = part.tags(await part.open(event))
        return Entries(event.tags, private or (), private is None)

    async def add(
        self,
        entry: Tag,
        *,
        public: bool = False,
        waiver: Waiver = NO_WAIVER,
        on_answer: OnAnswer | None = None,
    ) -> Posted | None:
        """Have `entry` in the list; one that stands on the other side moves, whole.

        None when nothing changes. Raises DecryptionFailed for a private entry where the private
        part cannot be read, PlaintextTooLong, ListNotRead, SignerError, StoreError.
        """
        part = self._guard.private_part()

        def change(last: Event | None) -> Draft | None:
            outside, inside = sides(part, last)
            if inside is None:
                if not public:
                    raise DecryptionFailed(CLOSED)
                shown = _with(outside, (), entry)
                return None if shown == outside else self.draft(last, shown)
            if public:
                shown, hidden = _with(outside, inside, entry), _others(inside, entry)
            else:
                shown, hidden = _others(outside, entry), _with(inside, outside, entry)
            return self.next(last, outside, inside, shown, hidden)

        return await self.edit(change, waiver, on_answer=on_answer, private=part)

    async def remove(
        self, entry: Tag, *, waiver: Waiver = NO_WAIVER, on_answer: OnAnswer | None = None
    ) -> Posted | None:
        """Take `entry` out, wherever it stands. None when it is not there. Raises as `add` does."""
        part = self._guard.private_part()

        def change(last: Event | None) -> Draft | None:
            outside, inside = sides(part, last)
            shown = _others(outside, entry)
            if inside is None:
                if shown == outside:
                    raise DecryptionFailed(CLOSED)
                return self.draft(last, shown)
            return self.next(last, outside, inside, shown, _others(inside, entry))

        named = [(entry[0], entry[1])]
        return await self.edit(change, waiver, on_answer=on_answer, private=part, removes=named)

    def next(
        self, last: Event | None, outside: Tags, inside: Tags, shown: Tags, hidden: Tags
    ) -> Draft | None:
        """The version after `last`, which holds `outside` and `inside`: with `shown` and `hidden`.

        None where these are the same. A private part that stays is carried on byte for byte.
        """
        if (shown, hidden) == (outside, inside):
            return None
        if hidden == inside:
            return self.draft(last, shown)
        return Draft(self._kind, content_of(hidden, self._kind), self._named(last, shown))


def sides(part: PrivatePart, last: Event | None) -> tuple[Tags, Tags | None]:
    """The public and the private entries of an opened version; None for what could not be read."""
    return (last.tags if last else ()), part.tags(last)


def _others(tags: Tags, entry: Tag) -> Tags:
    return tuple(tag for tag in tags if tag[:2] != entry[:2])


def _with(tags: Tags, other_side: Tags, entry: Tag) -> Tags:
    """`tags` with `entry`, as the other side has it where it does."""
    if any(tag[:2] == entry[:2] for tag in tags):
        return tags
    return (*tags, next((tag for tag in other_side if tag[:2] == entry[:2]), entry))
