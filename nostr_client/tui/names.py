"""How people are called on the screens, without waiting: known names at once, others soon after."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Final

from nostr_client.client import NostrClient
from nostr_client.nips import nip19, nip27
from nostr_client.protocol import kinds
from nostr_client.protocol.filters import Filter
from nostr_client.social.views import Profile

MOST_KEPT: Final = 5_000
MOST_ASKED: Final = 200
"""People that are looked for on relays at once."""


class NameCache:
    """Names as the store has them; `catch_up` brings those that were asked for in vain, and
    `take_changes` tells whoever draws them."""

    def __init__(self, client: NostrClient) -> None:
        self._client = client
        self._labels: OrderedDict[str, tuple[str, Profile]] = OrderedDict()
        """With each the profile without its event, by whose names others are told apart."""
        self._changed = False
        self._wanted: set[str] = set()
        self._nameless: set[str] = set()
        self._asked: set[str] = set()

    def label(self, pubkey: str) -> str:
        """The name of a person, or for now the beginning of their npub. Short and safe."""
        known = self._labels.get(pubkey)
        if known is not None:
            return known[0]
        if len(self._wanted) < MOST_KEPT:
            self._wanted.add(pubkey)
        return Profile(pubkey).label

    def namesake(self, pubkey: str) -> Profile | None:
        """Whoever is followed and bears the name of this person, who is somebody else."""
        known = self._labels.get(pubkey)
        return self._client.lookalikes.of(known[1]) if known is not None else None

    def add(self, profiles: Iterable[Profile]) -> None:
        """Profiles that came with views."""
        for profile in profiles:
            self._keep(profile)

    async def know(self, pubkeys: Collection[str]) -> None:
        """Have the names of these ready, as far as the store has them; no relay is asked for them.

        Raises StoreError.
        """
        self.add((await self._client.profiles.get_many(pubkeys)).values())

    async def follow(self) -> None:
        """Whoever is shown and says anew, here or elsewhere, who they are is looked up by the next
        `catch_up`; until the store is closed. Raises StoreError."""
        profiles = Filter(kinds=frozenset({kinds.METADATA}))
        async with self._client.store.watch([profiles]) as news:
            async for event in news:
                if event.pubkey in self._labels:
                    self._wanted.add(event.pubkey)

    async def catch_up(self) -> None:
        """Look up in the store whoever was asked for in vain. Raises StoreError."""
        if not self._wanted:
            return
        found = await self._client.profiles.get_many(set(self._wanted))
        for profile in found.values():
            self._keep(profile)
            if profile.event is None and profile.pubkey not in self._asked:
                self._nameless.add(profile.pubkey)

    def take_changes(self) -> bool:
        """Is anybody whose name was given out called otherwise since the last time, by whichever
        way it came? Whoever asks draws all names anew."""
        changed, self._changed = self._changed, False
        return changed

    @property
    def has_unknown(self) -> bool:
        """Is there anybody whom only relays may know?"""
        return bool(self._nameless)

    async def fetch_missing(self) -> None:
        """Ask relays, once, for the profiles of people whom the store does not know."""
        chosen = sorted(self._nameless)[:MOST_ASKED]
        self._nameless.difference_update(chosen)
        self._asked = {*(self._asked if len(self._asked) < MOST_KEPT else ()), *chosen}
        await self._client.profiles.fetch(chosen, in_passing=True)
        self._wanted.update(chosen)

    def _keep(self, profile: Profile) -> None:
        known = self._labels.get(profile.pubkey)
        if known is not None or profile.pubkey in self._wanted:
            given = known[0] if known is not None else Profile(profile.pubkey).label
            self._changed = self._changed or profile.label != given
        self._wanted.discard(profile.pubkey)
        self._labels[profile.pubkey] = profile.label, replace(profile, event=None)
        self._labels.move_to_end(profile.pubkey)
        while len(self._labels) > MOST_KEPT:
            self._labels.popitem(last=False)


def with_names(text: str, name_of: Callable[[str], str]) -> str:
    """What somebody wrote, raw, with names where codes of people stand in it."""
    pieces = []
    for part in nip27.parts(text):
        match part:
            case nip27.MentionPart(code=nip19.Npub(pubkey=pubkey) | nip19.Nprofile(pubkey=pubkey)):
                pieces.append(f"@{name_of(pubkey)}")
            case nip27.MentionPart():
                pieces.append("↗")
            case nip27.UrlPart():
                pieces.append(part.url)
            case nip27.HashtagPart():
                pieces.append(f"#{part.tag}")
            case nip27.TextPart():
                pieces.append(part.text)
    return "".join(pieces)
