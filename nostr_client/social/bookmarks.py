"""What the account keeps for later, and what it shows on its profile.

Notes and articles stand in its list of bookmarks (kind 10003, NIP-51), which holds `e` and `a`
alone; a web page is an event of its own (kind 39701, NIP-B0), which everybody can read. Pinned
notes are one's own (kind 10001).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from nostr_client.errors import InvalidData
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event, Tag
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import is_hex64
from nostr_client.routing.courier import Courier, OnAnswer
from nostr_client.routing.fetch_results import FetchReport
from nostr_client.routing.list_guard import ListGuard
from nostr_client.routing.list_reading import Waiver
from nostr_client.safe_text import typeable
from nostr_client.signing.gate import refuse_codes
from nostr_client.social.lists import EntryList, OwnList
from nostr_client.social.views import Posted

MOST_SHOWN: Final = 500
"""Bookmarks that are listed, the last that were made."""
MOST_PINNED: Final = 20
MAX_TITLE: Final = 200
MAX_URL: Final = 2_000
FETCH_LIMIT: Final = 5.0


@dataclass(frozen=True, slots=True)
class Bookmark:
    """An entry of the list; `event` is None while it is not here."""

    entry: Tag
    private: bool
    event: Event | None = None


class Bookmarks(EntryList):
    """The bookmarks of the account `owner`: `e` and `a` entries, private unless said.

    `await bookmarks.add(("e", id))`, `await bookmarks.remove(("e", id))`.
    """

    def __init__(self, courier: Courier, guard: ListGuard, owner: str) -> None:
        super().__init__(courier, guard, owner, kinds.BOOKMARKS)

    async def shown(self) -> list[Bookmark]:
        """The last `MOST_SHOWN`, the newest first, with the events that are here.

        Raises SignerUnavailable, StoreError.
        """
        held = await self.entries()
        # Nothing says when an entry was made but its place, and each side has places of its own.
        both = [Bookmark(e, private=True) for e in held.private if _is_bookmark(e)]
        both += [Bookmark(e, private=False) for e in held.public if _is_bookmark(e)]
        both = both[::-1][:MOST_SHOWN]
        store = self._courier.store
        known = await store.known([one.entry[1] for one in both if one.entry[0] == "e"])
        found: list[Bookmark] = []
        for one in both:
            name, value = one.entry[:2]
            if name == "a":
                event = await store.get_address(value)
            else:
                data = known.get(value)
                event = Event.from_trusted(data) if data is not None else None
            found.append(Bookmark(one.entry, one.private, event))
        return found

    async def fetch_missing(
        self, shown: Sequence[Bookmark], *, limit: float = FETCH_LIMIT
    ) -> FetchReport:
        """Ask relays for what is bookmarked and not here, at most `limit` seconds for each of
        notes and articles. Raises StoreError."""
        missing = [one.entry for one in shown if one.event is None]
        hints = [entry[2] for entry in missing if len(entry) > 2 and entry[2]]
        asked = FetchReport()
        if ids := [entry[1] for entry in missing if entry[0] == "e"]:
            asked.add(await self._courier.fetch_ids(ids, near=hints, limit=limit))
        parts = [entry[1].split(":", 2) for entry in missing if entry[0] == "a"]
        if parts:
            wanted = [Filter.of(kinds=[int(k)], authors=[p], d=[d]) for k, p, d in parts]
            asked.add(await self._courier.fetch(wanted, timeout=limit))
        return asked


class Pins(EntryList):
    """The notes of its own that the account `owner` shows on its profile: `e` entries, public."""

    def __init__(self, courier: Courier, guard: ListGuard, owner: str) -> None:
        super().__init__(courier, guard, owner, kinds.PINS)

    async def of(self, pubkey: str) -> list[Event]:
        """What somebody has pinned and wrote themselves, as far as it is here; the last first."""
        listed = await self._courier.store.get_address(f"{kinds.PINS}:{pubkey}:")
        if listed is None:
            return []
        ids = list(dict.fromkeys(filter(is_hex64, listed.values("e"))))[::-1][:MOST_PINNED]
        held = await self._courier.store.known(ids)
        events = [Event.from_trusted(held[id]) for id in ids if id in held]
        return [event for event in events if event.pubkey == pubkey]

    async def fetch_of(self, pubkey: str, *, limit: float = FETCH_LIMIT) -> FetchReport:
        """Ask relays for somebody's list, and for the notes in it. Raises StoreError."""
        listed = Filter.of(authors=[pubkey], kinds=[kinds.PINS])
        asked = await self._courier.fetch([listed], timeout=limit)
        event = await self._courier.store.get_address(f"{kinds.PINS}:{pubkey}:")
        ids = [id for id in event.values("e") if is_hex64(id)][-MOST_PINNED:] if event else []
        missing = set(ids) - (await self._courier.store.known(ids)).keys()
        if missing:
            asked.add(await self._courier.fetch_ids(missing, authors=[pubkey], limit=limit))
        return asked


class WebBookmarks:
    """The web pages that the account `owner` keeps: one event each, for everybody to see."""

    def __init__(
        self,
        courier: Courier,
        guard: ListGuard,
        owner: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._courier = courier
        self._guard = guard
        self._owner = owner
        self._clock = clock

    async def shown(self) -> list[Event]:
        """Those that are here, the newest first. Raises StoreError."""
        wanted = Filter.of(authors=[self._owner], kinds=[kinds.WEB_BOOKMARK], limit=MOST_SHOWN)
        return await self._courier.store.query([wanted]) if self._owner else []

    async def held(self, url: str) -> Event | None:
        """The bookmark of a page, if it is here. Raises InvalidData for what is no web page."""
        address = f"{kinds.WEB_BOOKMARK}:{self._owner}:{web_identifier(url)}"
        return await self._courier.store.get_address(address)

    async def add(
        self, url: str, title: str = "", says: str = "", *, on_answer: OnAnswer | None = None
    ) -> Posted | None:
        """Keep a page; what is said of it already stays where nothing new is. None when nothing
        changes. Raises InvalidData, ListNotRead, SecretFound, SignerError, StoreError."""
        identifier = web_identifier(url)
        name, text = " ".join(typeable(title).split())[:MAX_TITLE], typeable(says).strip()
        refuse_codes(identifier, name, text)
        mine = OwnList(self._courier, self._guard, self._owner, kinds.WEB_BOOKMARK, identifier)
        now = int(self._clock())

        def change(last: Event | None) -> Draft | None:
            if last is None:
                tags: tuple[Tag, ...] = (("d", identifier), ("published_at", str(now)))
                return Draft(kinds.WEB_BOOKMARK, text, (*tags, *_titled(name)))
            tags = last.tags
            if name:
                tags = (*(tag for tag in tags if tag[0] != "title"), *_titled(name))
            if (tags, text or last.content) == (last.tags, last.content):
                return None
            return Draft(kinds.WEB_BOOKMARK, text or last.content, tags)

        removes = [("title", title) for title in await self._titles(url)] if name else []
        waiver = Waiver(allow_empty=True)  # each page is a list of one: most are not there yet
        return await mine.edit(change, waiver, on_answer=on_answer, removes=removes)

    async def _titles(self, url: str) -> list[str]:
        held = await self.held(url)
        return list(held.values("title")) if held is not None else []


def bookmark_entry(event: Event, hint: str = "") -> Tag:
    """The entry of an event: by its address where it has one, which names every version."""
    name, value = ("a", event.address) if event.address else ("e", event.id)
    return (name, value, hint) if hint else (name, value)


def web_identifier(url: str) -> str:
    """The `d` tag of a page: its URL without the scheme (NIP-B0). Raises InvalidData."""
    text = typeable(url).strip()
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    fits = parts.scheme.lower() in ("http", "https") and parts.hostname
    if not fits or len(text) > MAX_URL or len(text.split()) != 1 or "@" in parts.netloc:
        raise InvalidData("this is not the address of a web page: https://…")
    return text.partition("://")[2]


def _titled(title: str) -> tuple[Tag, ...]:
    return (("title", title),) if title else ()


def _is_bookmark(entry: Tag) -> bool:
    if len(entry) < 2:
        return False
    if entry[0] == "e":
        return bool(is_hex64(entry[1]))
    kind, _, rest = entry[1].partition(":")
    fits = kind.isascii() and kind.isdigit() and len(kind) <= 5 and int(kind) <= kinds.MAX_KIND
    return entry[0] == "a" and fits and bool(is_hex64(rest[:64])) and rest[64:65] == ":"
