"""People by what they are called: whom the account follows first, then those whom its people know.

`known` of a person counts how many of those that the account follows follow them
(`acquaintances`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import is_hex64
from nostr_client.safe_text import normalized
from nostr_client.social.acquaintances import Acquaintances
from nostr_client.social.follows import Follows
from nostr_client.social.mute_matcher import MuteMatcher
from nostr_client.social.profiles import Profiles
from nostr_client.social.views import Profile
from nostr_client.store.contract import EventStore, FindsAsTyped

MOST: Final = 12
"""People that are shown for one text."""
MOST_LOOKED_AT: Final = 100


class FoundPerson(msgspec.Struct, frozen=True):
    """`mine` is the account itself; `known`: how many of those that it follows follow them, None
    where that was not counted."""

    profile: Profile
    mine: bool = False
    followed: bool = False
    known: int | None = None

    @property
    def words(self) -> str:
        """Who they are to the account, in a few words."""
        if self.mine:
            return "you"
        others = f"+{self.known} you know" if self.known else ""
        if self.followed:
            return ", ".join(filter(None, ("you follow", others)))
        return others or ("nobody you know" if self.known == 0 else "")


class PeopleSearch:
    """People as the store has them, for the account `owner`; muted ones are left out."""

    def __init__(
        self,
        store: EventStore,
        profiles: Profiles,
        follows: Follows,
        acquaintances: Acquaintances,
        *,
        mutes: Callable[[], MuteMatcher],
        owner: str,
    ) -> None:
        self._store = store
        self._profiles = profiles
        self._follows = follows
        self._acquaintances = acquaintances
        self._mutes = mutes
        self._owner = owner

    async def named(self, typed: str) -> list[FoundPerson]:
        """Those who are called so: who is followed first, then by how well the name fits, then by
        who knows them, as far as that was counted already. Raises InvalidFilter, StoreError."""
        if not isinstance(self._store, FindsAsTyped):
            return []
        anybody = Filter(limit=MOST_LOOKED_AT)
        followed = frozenset(await self._follows.pubkeys())
        near = anybody.changed(authors=followed | ({self._owner} if self._owner else set()))
        found = await self._store.people_typed(near, typed) if near.authors else []
        if petnamed := await self._petnamed(typed):
            asked = Filter(authors=petnamed, kinds=frozenset({kinds.METADATA}))
            found += await self._store.query([asked])
        found += await self._store.people_typed(anybody, typed)
        return await self.of(found, typed)

    async def _petnamed(self, typed: str) -> frozenset[str]:
        """Those whom the account calls so in its own follow list."""
        event, plain = await self._follows.event(), _plain(typed)
        if event is None or not plain:
            return frozenset()
        named = (tag for tag in event.tags if tag[0] == "p" and len(tag) > 3 and tag[3])
        return frozenset(
            tag[1] for tag in named if is_hex64(tag[1]) and _plain(tag[3]).startswith(plain)
        )

    async def of(self, events: Iterable[Event], typed: str) -> list[FoundPerson]:
        """The people whose profiles (kind 0) these are, the best first."""
        muted = self._mutes().why
        wanted = dict.fromkeys(event.pubkey for event in events if not muted(event))
        followed = set(await self._follows.pubkeys())
        profiles = await self._profiles.get_many(wanted)
        people = [
            FoundPerson(
                profiles[p], p == self._owner, p in followed, self._acquaintances.counted(p)
            )
            for p in wanted
        ]
        return sorted(people, key=lambda person: _rank(person, typed))[:MOST]

    async def counted(self, people: Sequence[FoundPerson]) -> tuple[FoundPerson, ...]:
        """The same, in the same order, with how many of those that the account follows follow them.
        Raises StoreError."""
        others = [person.profile.pubkey for person in people if not person.mine]
        known = await self._acquaintances.known_by(others)
        return tuple(
            msgspec.structs.replace(one, known=known.get(one.profile.pubkey)) for one in people
        )


def _rank(person: FoundPerson, typed: str) -> tuple[int, int, int, str]:
    profile = person.profile
    plain = _plain(typed)
    names = [_plain(n) for n in (profile.petname, profile.display_name, profile.name) if n]
    fit = 0 if plain in names else 1 if any(name.startswith(plain) for name in names) else 2
    first = 0 if person.followed or person.mine else 1
    return first, fit, -(person.known or 0), profile.label.casefold()


def _plain(text: str) -> str:
    return normalized("NFKC", text[:200]).casefold().strip()
