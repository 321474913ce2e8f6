"""How people are called on the screens, without waiting: known names at once, others soon after."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Final

from nostr_client.client import NostrClient
from nostr_client.nips import nip19, nip27
from nostr_client.social.views import Profile

MOST_KEPT: Final = 5_000
MOST_ASKED: Final = 200
"""People that are looked for on relays at once."""


class NameCache:
    """Names as the store has them; `catch_up` brings those that were asked for in vain."""

    def __init__(self, client: NostrClient) -> None:
        self._client = client
        self._labels: OrderedDict[str, tuple[str, Profile]] = OrderedDict()
        """With each the profile without its event, by whose names others are told apart."""
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

    async def catch_up(self) -> bool:
        """Look up in the store whoever was asked for; true when a name came to be known."""
        wanted, self._wanted = self._wanted, set()
        if not wanted:
            return False
        found = await self._client.profiles.get_many(wanted)
        for profile in found.values():
            self._keep(profile)
            if profile.event is None and profile.pubkey not in self._asked:
                self._nameless.add(profile.pubkey)
        return any(profile.event is not None or profile.petname for profile in found.values())

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
