"""What a text that is being written may mean: people by their names, hashtags, own emoji (NIP-30).

Read from the store in one go and kept for a while, so that no key waits for it.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, Tag, event_address
from nostr_client.protocol.filters import Filter
from nostr_client.social.draft_text import DraftText
from nostr_client.social.follows import Follows
from nostr_client.social.profiles import Profiles
from nostr_client.social.views import Profile
from nostr_client.social.writing import Writing
from nostr_client.store.contract import EventStore

MOST_FOLLOWED: Final = 5_000
MOST_KNOWN: Final = 1_000
"""People beside those who are followed: whose profile came last."""
MOST_NOTES: Final = 500
"""Newest notes whose hashtags are offered."""
MOST_SETS: Final = 50
MOST_EMOJI: Final = 2_000
FRESH: Final = 300.0
"""Seconds for which what was read is good enough."""
_SHORTCODE: Final = re.compile(r":([A-Za-z0-9_-]+):")


class Vocabulary(msgspec.Struct, frozen=True):
    """What is known at a time: `people`, of whom the first `followed` are followed; `hashtags`, the
    most frequent first; the `emoji` tag by shortcode, of the account's own sets."""

    people: tuple[Profile, ...] = ()
    followed: int = 0
    hashtags: tuple[str, ...] = ()
    emoji: dict[str, Tag] = {}


class Completion:
    """Reads the `Vocabulary` of the account `owner`."""

    def __init__(
        self,
        store: EventStore,
        follows: Follows,
        profiles: Profiles,
        *,
        owner: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._follows = follows
        self._profiles = profiles
        self._owner = owner
        self._clock = clock
        self._known = Vocabulary()
        self._read_at = float("-inf")

    async def vocabulary(self) -> Vocabulary:
        """What is known now, or was some minutes ago. Raises StoreError."""
        if self._clock() - self._read_at > FRESH:
            self._known = await self._read()
            self._read_at = self._clock()
        return self._known

    async def writing(self, draft: str, *, reply_to: str = "", quote: str = "") -> Writing:
        """What a draft says, as it lies on the disk, with the emoji that it names. Raises
        StoreError."""
        text, warning = DraftText.of(draft)
        tags = emoji_tags(text, await self.vocabulary())
        return Writing(text=text, reply_to=reply_to, quote=quote, warning=warning, tags=tags)

    async def _read(self) -> Vocabulary:
        followed = (await self._follows.pubkeys())[:MOST_FOLLOWED]
        newest = await self._store.query([_newest(kinds.METADATA, MOST_KNOWN)])
        near = frozenset(followed)
        others = [event.pubkey for event in newest if event.pubkey not in near]
        found = await self._profiles.get_many([*followed, *others])
        notes = await self._store.query([_newest(kinds.NOTE, MOST_NOTES)])
        return Vocabulary(
            people=tuple(found[pubkey] for pubkey in (*followed, *others)),
            followed=len(followed),
            hashtags=_hashtags(notes),
            emoji=await self._emoji(),
        )

    async def _emoji(self) -> dict[str, Tag]:
        """The emoji of the account's list (kind 10030), and of the sets that it names."""
        listed = await self._store.get_address(event_address(kinds.EMOJI_LIST, self._owner))
        own = Filter.of(authors=[self._owner], kinds=[kinds.EMOJI_SET], limit=MOST_SETS)
        sets = await self._store.query([own]) if self._owner else []
        prefix = f"{kinds.EMOJI_SET}:"
        named = [a for a in listed.values("a") if a.startswith(prefix)] if listed else []
        for address in named[:MOST_SETS]:
            if (event := await self._store.get_address(address)) is not None:
                sets.append(event)
        found: dict[str, Tag] = {}
        for event in (*([listed] if listed else []), *sets):
            for tag in event.tags:
                if is_emoji(tag) and len(found) < MOST_EMOJI:
                    found.setdefault(tag[1], tag[:3])
        return found


def emoji_tags(text: str, known: Vocabulary) -> tuple[Tag, ...]:
    """The `emoji` tags that the shortcodes in `text` need (NIP-30)."""
    codes = dict.fromkeys(_SHORTCODE.findall(text))
    return tuple(known.emoji[code] for code in codes if code in known.emoji)


def is_emoji(tag: Tag) -> bool:
    """Is it a custom emoji: a shortcode, and where its picture is?"""
    if tag[0] != "emoji" or len(tag) < 3 or not tag[2].startswith("https://"):
        return False
    return tag[1].isascii() and tag[1].replace("-", "").replace("_", "").isalnum()


def _hashtags(notes: Iterable[Event]) -> tuple[str, ...]:
    """Those of `notes`, the most frequent first: each counts once an author."""
    used = {(event.pubkey, tag.lower()) for event in notes for tag in event.values("t")}
    counts = Counter(tag for _, tag in sorted(used))
    return tuple(tag for tag, _ in counts.most_common())


def _newest(kind: int, limit: int) -> Filter:
    return Filter.of(kinds=[kind], limit=limit)
