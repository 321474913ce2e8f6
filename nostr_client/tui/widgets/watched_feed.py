"""A feed of something that is watched while it is shown: a hashtag, a list, what a relay has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nostr_client.client import NostrClient
from nostr_client.errors import FeedRefused, NostrError
from nostr_client.net.outcome import in_words
from nostr_client.net.session.paging import Paging
from nostr_client.nips import nip19, nip22
from nostr_client.protocol import kinds
from nostr_client.protocol.filters import Filter
from nostr_client.safe_text import safe_line
from nostr_client.social.views import Cursor, NoteView
from nostr_client.tasks import together
from nostr_client.tui.note_renderer import NoteRenderer
from nostr_client.tui.saying import Say
from nostr_client.tui.timeline_source import ReadPage
from nostr_client.tui.widgets.feed import NoteFeed
from nostr_client.tui.workers import start_worker

if TYPE_CHECKING:
    from nostr_client.protocol.event import Event
    from nostr_client.social.sets import NamedSet

ASKED_FOR: Final = 100
"""Notes that relays are asked for when a feed is opened."""
ASK_LIMIT: Final = 8.0
"""Seconds that they have for it."""
GATHER: Final = 0.3
"""Seconds in which arrivals are gathered."""


@dataclass(frozen=True)
class FeedSource:
    """What a feed shows: `title` and `empty` are words for the screen, raw; `read` reads a page.

    `wanted` is what relays are asked for when it is opened, and watched for: None where `read` asks
    by itself. `anybody`: strangers write there, too.
    """

    title: str
    empty: str
    read: ReadPage
    wanted: Filter | None = None
    anybody: bool = False


class WatchedFeed(NoteFeed):
    """First what is here, then what relays send."""

    def __init__(self, client: NostrClient, renderer: NoteRenderer, source: FeedSource) -> None:
        title, empty = safe_line(source.title, 80), safe_line(source.empty, 200)
        known = client.acquaintances if source.anybody else None
        super().__init__(title, source.read, renderer, empty=empty, acquaintances=known)
        self._client = client
        self._wanted = source.wanted

    def become(self, source: FeedSource) -> None:
        """What it is of is known now: before it is followed for the first time."""
        self._title, self._read = safe_line(source.title, 80), source.read
        self._wanted = source.wanted
        self._acquaintances = self._client.acquaintances if source.anybody else None
        self.set_empty_text(safe_line(source.empty, 200))
        self._draw_head()

    def follow(self) -> None:
        """Read it, and follow it as long as it is mounted."""
        self.open()
        if self._wanted is not None:
            start_worker(self, self._live, "live", exclusive=True)

    async def _live(self) -> None:
        """Follow the feed, and ask for what relays have of it."""
        wanted = self._wanted
        if wanted is None:
            return
        try:
            async with together() as group:
                group.create_task(self._ask(wanted))
                waiting: list[str] = []
                some = asyncio.Event()
                group.create_task(self._arrive(waiting, some))
                async for event in self._followed(wanted):
                    waiting.append(event.id)
                    some.set()
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    async def _followed(self, wanted: Filter) -> AsyncIterator[Event]:
        """What relays have that is new; where none will be followed, what comes in other ways."""
        try:
            async for event in self._client.feed(wanted):
                yield event
        except FeedRefused as refusal:
            self.post_message(Say(str(refusal), "error"))
        else:
            return
        async with self._client.store.watch([wanted]) as watch:
            async for event in watch:
                yield event

    async def _ask(self, wanted: Filter) -> None:
        self.show_state("asking relays")
        asked = await self._client.courier.fetch(
            [wanted.changed(limit=ASKED_FOR)], timeout=ASK_LIMIT
        )
        self.show_state("" if asked.events else in_words(asked.ends.values(), found=False))
        self.arrive(await self._client.timeline.views(asked.events))

    async def _arrive(self, waiting: list[str], some: asyncio.Event) -> None:
        while True:
            await some.wait()
            await asyncio.sleep(GATHER)
            some.clear()
            ids, waiting[:] = list(waiting), []
            self.arrive(await self._client.timeline.views(ids))


def tag_feed(client: NostrClient, tag: str) -> FeedSource:
    """What people write under a hashtag."""
    wanted = Filter.of(kinds=kinds.POSTS, t=[tag.lower()])

    async def read(until: Cursor | None, limit: int) -> list[NoteView]:
        return await client.timeline.matching(wanted, until=until, limit=limit)

    return FeedSource(
        f"#{tag}", "Nothing of it is here yet; relays are asked.", read, wanted, anybody=True
    )


async def nothing(until: Cursor | None, limit: int) -> list[NoteView]:
    """A page of what is not known yet."""
    return []


def set_feed(client: NostrClient, one: NamedSet, title: str) -> FeedSource:
    """What the people of a list write, or notes on its topics; one with both is of its people."""
    if one.topics and not one.people:
        wanted = Filter.of(kinds=[kinds.NOTE], t=one.topics)
    else:
        wanted = Filter(authors=frozenset(one.people), kinds=kinds.POSTS)

    async def read(until: Cursor | None, limit: int) -> list[NoteView]:
        return await client.timeline.matching(wanted, until=until, limit=limit)

    return FeedSource(
        title, "Nothing of theirs is here yet.", read, wanted, anybody=not wanted.authors
    )


async def find_set(
    client: NostrClient, address: str, relays: tuple[str, ...] = ()
) -> NamedSet | None:
    """The list at an address, from here or from relays. Raises NostrError."""
    if not nip22.is_address(address):
        return None
    kind, pubkey, name = address.split(":", 2)
    return await client.sets.find(nip19.Naddr(int(kind), pubkey, name, relays))


def relay_feed(client: NostrClient, url: str) -> FeedSource:
    """What one relay has to read, the newest first: whatever the person opens there is theirs to
    see, whoever wrote it. It is asked page by page."""

    async def read(until: Cursor | None, limit: int) -> list[NoteView]:
        wanted = Filter.of(kinds=kinds.POSTS, until=until[0] if until else None, limit=limit)
        asked = await client.courier.fetch_from(
            [wanted], [url], timeout=ASK_LIMIT, paging=Paging(most=limit)
        )
        views = await client.timeline.views(asked.events)
        after = (-until[0], until[1]) if until else (-(2**63), "")
        return [view for view in views if view.entry.order > after]

    words = f"Nothing came from {url}: it has nothing, or did not answer."
    return FeedSource(url, words, read, anybody=True)
