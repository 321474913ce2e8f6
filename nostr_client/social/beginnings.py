"""Whom a newcomer may begin with: packs, people who write about a topic, whom a friend follows.

Everything comes from relays that the newcomer chose, and is only offered: nobody is followed here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from nostr_client.protocol import kinds
from nostr_client.protocol.filters import Filter
from nostr_client.routing.courier import Courier
from nostr_client.social.follows import follows_of
from nostr_client.social.profiles import Profiles
from nostr_client.social.sets import NamedSet

MOST_PACKS: Final = 30
MOST_NOTES: Final = 200
"""Notes on a topic that are looked at."""
MOST_WRITERS: Final = 20
MOST_OF_FRIEND: Final = 500
FETCH_LIMIT: Final = 5.0
"""Seconds for each question."""
LEAST: Final = 3
"""People that a pack holds at least, to be offered."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """Some people who can be followed together; `title` is raw, `why` our words."""

    name: str
    title: str
    why: str
    people: tuple[str, ...]


class Beginnings:
    """Found for the client whose `courier` it is."""

    def __init__(self, courier: Courier, profiles: Profiles) -> None:
        self._courier = courier
        self._profiles = profiles

    async def packs(self) -> list[Beginning]:
        """Starter packs of anybody, those with the most people first. Raises StoreError."""
        wanted = Filter(kinds=frozenset({kinds.STARTER_PACK}), limit=MOST_PACKS)
        await self._courier.fetch([wanted], timeout=FETCH_LIMIT)
        sets = [NamedSet(e, e.tags) for e in await self._courier.store.query([wanted])]
        packs = [pack for pack in sets if pack.title.strip() and len(pack.people) >= LEAST]
        packs.sort(key=lambda pack: -len(pack.people))
        return [Beginning(pack.address, pack.title, "a pack", pack.people) for pack in packs]

    async def topic(self, tag: str) -> Beginning | None:
        """Who wrote most on a hashtag of late; None where nobody did. Raises StoreError."""
        wanted = Filter(
            kinds=frozenset({kinds.NOTE}), tags={"t": frozenset({tag})}, limit=MOST_NOTES
        )
        await self._courier.fetch([wanted], timeout=FETCH_LIMIT)
        notes = await self._courier.store.query([wanted])
        # Who writes of everything in every note would be first, were it counted by the note.
        days = Counter({(note.pubkey, note.created_at // 86_400) for note in notes})
        writers = Counter(pubkey for pubkey, _ in days)
        people = tuple(pubkey for pubkey, _ in writers.most_common(MOST_WRITERS))
        return Beginning(f"#{tag}", f"#{tag}", "who writes about it", people) if people else None

    async def friend(self, text: str) -> Sequence[Beginning]:
        """A friend, by npub, nprofile or name@domain, and whom they follow. Raises InvalidCode,
        NostrError, StoreError."""
        pubkey = await self._profiles.resolve(text)
        wanted = Filter(
            authors=frozenset({pubkey}), kinds=frozenset({kinds.METADATA, kinds.FOLLOWS})
        )
        await self._courier.fetch([wanted], timeout=FETCH_LIMIT)
        label = (await self._profiles.get(pubkey)).label
        found = [Beginning(pubkey, label, "your friend", (pubkey,))]
        lists = await self._courier.store.query([wanted.changed(kinds=frozenset({kinds.FOLLOWS}))])
        others = tuple(dict.fromkeys(follows_of(lists[0])))[:MOST_OF_FRIEND] if lists else ()
        if others:
            found.append(Beginning(f"{pubkey} follows", label, "whom they follow", others))
        return found
