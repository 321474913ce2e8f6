"""A feed that is no section: a hashtag, what a relay has. Opened as a target."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import ClassVar, Final

from textual.app import ComposeResult

from nostr_client.client import NostrClient
from nostr_client.errors import NostrError
from nostr_client.net.outcome import in_words
from nostr_client.net.session.paging import Paging
from nostr_client.protocol import kinds
from nostr_client.protocol.filters import Filter
from nostr_client.safe_text import safe_line
from nostr_client.social.views import Cursor, NoteView
from nostr_client.tasks import together
from nostr_client.tui.acts.registry import NOTE
from nostr_client.tui.app_messages import Say
from nostr_client.tui.keymap import LIST, KeyGroup, hints
from nostr_client.tui.note_renderer import NoteRenderer
from nostr_client.tui.panes.registry import EVERYWHERE
from nostr_client.tui.polling import poll
from nostr_client.tui.screens.target_screen import TargetScreen
from nostr_client.tui.targets import Target
from nostr_client.tui.timeline_source import ReadPage
from nostr_client.tui.widgets.feed import NoteFeed
from nostr_client.tui.widgets.hint_line import HintLine
from nostr_client.tui.workers import start_worker

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
    by itself.
    """

    title: str
    empty: str
    read: ReadPage
    wanted: Filter | None = None


class FeedScreen(TargetScreen):
    """One feed: first what is here, then what relays send."""

    key_groups: ClassVar[tuple[KeyGroup, ...]] = (LIST, NOTE)

    def __init__(
        self, client: NostrClient, renderer: NoteRenderer, target: Target, source: FeedSource
    ) -> None:
        super().__init__(target)
        self._client = client
        self._source = source
        title, empty = safe_line(source.title, 80), safe_line(source.empty, 200)
        self.feed = NoteFeed(title, source.read, renderer, empty=empty)

    def compose(self) -> ComposeResult:
        yield self.feed
        yield HintLine(hints(LIST, NOTE, EVERYWHERE), id="hints")

    def on_mount(self) -> None:
        self.feed.open()
        self.feed.notes.focus()
        start_worker(self, self._refresh, "poll")
        if self._source.wanted is not None:
            start_worker(self, self._live, "live")

    async def _refresh(self) -> None:
        async def look() -> str:
            await self.feed.refresh_notes(self._client)
            return ""

        await poll(look, lambda words: self.post_message(Say(words, "error")))

    async def _live(self) -> None:
        """Follow the feed, and ask for what relays have of it."""
        wanted = self._source.wanted
        if wanted is None:
            return
        try:
            async with together() as group:
                group.create_task(self._ask(wanted))
                waiting: list[str] = []
                some = asyncio.Event()
                group.create_task(self._arrive(waiting, some))
                async for event in self._client.feed(wanted):
                    waiting.append(event.id)
                    some.set()
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    async def _ask(self, wanted: Filter) -> None:
        self.feed.show_state("asking relays")
        asked = await self._client.courier.fetch(
            [wanted.changed(limit=ASKED_FOR)], timeout=ASK_LIMIT
        )
        self.feed.show_state("" if asked.events else in_words(asked.ends.values(), found=False))
        self.feed.arrive(await self._client.timeline.views(asked.events))

    async def _arrive(self, waiting: list[str], some: asyncio.Event) -> None:
        while True:
            await some.wait()
            await asyncio.sleep(GATHER)
            some.clear()
            ids, waiting[:] = list(waiting), []
            self.feed.arrive(await self._client.timeline.views(ids))


def tag_feed(client: NostrClient, tag: str) -> FeedSource:
    """What people write under a hashtag."""
    wanted = Filter.of(kinds=kinds.POSTS, t=[tag.lower()])

    async def read(until: Cursor | None, limit: int) -> list[NoteView]:
        return await client.timeline.matching(wanted, until=until, limit=limit)

    return FeedSource(f"#{tag}", "Nothing of it is here yet; relays are asked.", read, wanted)


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

    return FeedSource(url, f"Nothing came from {url}: it has nothing, or did not answer.", read)
