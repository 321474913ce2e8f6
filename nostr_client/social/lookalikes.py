"""Who bears the name of somebody the account follows, with another key.

Names are compared as they look, not as they are spelled: letters of other scripts that look like
Latin ones, digits that look like letters, marks and spaces make no difference. `refresh` reads the
names of those who are followed; between, `of` answers at once, for every line that is drawn.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from nostr_client.safe_text import normalized
from nostr_client.social.acquaintances import Acquaintances
from nostr_client.social.profiles import Profiles
from nostr_client.social.views import Profile
from nostr_client.tasks import Turns

AGAIN: Final = 300.0
"""Seconds after which the names are read once more."""
MOST_CHARACTERS: Final = 64
"""Characters of a name that are looked at."""
MOST_KEPT: Final = 5_000
_LIKE: Final = str.maketrans({"0": "o", "1": "l", "i": "l", "|": "l", "5": "s", "$": "s", "@": "a"})


class Lookalikes:
    """The names of those whom the account follows, to tell others by. `clock` counts seconds."""

    def __init__(
        self,
        profiles: Profiles,
        acquaintances: Acquaintances,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._profiles = profiles
        self._acquaintances = acquaintances
        self._clock = clock
        self._friends: frozenset[str] = frozenset()
        self._names: dict[str, Profile] = {}
        self._found: OrderedDict[str, Profile | None] = OrderedDict()
        self._read_at = -AGAIN

    async def refresh(self) -> bool:
        """Read the names of those who are followed, if that was long ago or others are followed
        now; true when that was done. Raises StoreError."""
        friends = await self._acquaintances.friends()
        if friends == self._friends and 0 <= self._clock() - self._read_at < AGAIN:
            return False
        await asyncio.to_thread(looks_of, "")  # its tables are loaded off the loop
        names: dict[str, Profile] = {}
        turns = Turns()
        for profile in (await self._profiles.get_many(friends)).values():
            await turns.rest()
            for name in _names_of(profile):
                names.setdefault(name, profile)
        self._friends, self._names, self._read_at = friends, names, self._clock()
        self._found.clear()
        return True

    def of(self, profile: Profile) -> Profile | None:
        """Whoever is followed and bears the name of `profile`, which is another key and is not
        followed; None for most."""
        if not self._names or profile.pubkey in self._friends:
            return None
        key = f"{profile.pubkey}{profile.label}"
        if key not in self._found:
            found = (self._names.get(name) for name in _names_of(profile))
            self._found[key] = next(filter(None, found), None)
            if len(self._found) > MOST_KEPT:
                self._found.popitem(last=False)
        return self._found[key]


def looks_of(name: str) -> str:
    """What a name looks like, as a text that can be compared: "" where it has no letter."""
    from confusable_homoglyphs import confusables

    data = confusables.confusables_data
    shown = []
    for letter in normalized("NFKD", name[:MOST_CHARACTERS]):
        latin = letter
        if not letter.isascii():
            like = (one["c"][0] for one in data.get(letter, ()))
            latin = next((c for c in like if c.isascii() and c.isalnum()), letter)
        shown.append(latin)
    plain = "".join(shown).casefold().translate(_LIKE)
    return "".join(c for c in plain if c.isalnum()).replace("rn", "m").replace("vv", "w")


def _names_of(profile: Profile) -> set[str]:
    names = (profile.petname, profile.display_name, profile.name)
    return {looks for name in names if name and (looks := looks_of(name))}
