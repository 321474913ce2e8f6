"""What has an address, read: an article from its head to the last comment on it (NIP-23)."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual.app import ComposeResult
from textual.widgets import Static

from nostr_client.client import NostrClient
from nostr_client.errors import NostrError
from nostr_client.net.outcome import in_words
from nostr_client.protocol.event import Event
from nostr_client.social.views import ThreadView
from nostr_client.tasks import together
from nostr_client.tui.acts.registry import NOTE
from nostr_client.tui.article_renderer import ArticleRenderer, article_rows
from nostr_client.tui.faces.registry import called
from nostr_client.tui.keymap import LIST, KeyGroup, hints
from nostr_client.tui.note_renderer import NoteRenderer
from nostr_client.tui.panes.registry import EVERYWHERE
from nostr_client.tui.saying import Say
from nostr_client.tui.screens.target_screen import TargetScreen
from nostr_client.tui.targets import AddressTarget
from nostr_client.tui.widgets.hint_line import HintLine
from nostr_client.tui.widgets.items import FixedItems
from nostr_client.tui.widgets.note_list import ArticleList
from nostr_client.tui.widgets.thread import GATHER, watched
from nostr_client.tui.workers import start_worker


class ArticleScreen(TargetScreen):
    """The newest version that there is, at once what is here and then what relays have."""

    key_groups: ClassVar[tuple[KeyGroup, ...]] = (LIST, NOTE)

    def __init__(self, client: NostrClient, renderer: NoteRenderer, target: AddressTarget) -> None:
        super().__init__(target)
        self._address, self._relays = target.address, target.relays
        self._client = client
        self._renderer = ArticleRenderer(renderer)
        self._thread: ThreadView | None = None
        self._head = Static("", markup=False, classes="head")
        self.rows = ArticleList(self._renderer, id="article")

    def compose(self) -> ComposeResult:
        yield self._head
        yield self.rows
        yield HintLine(hints(LIST, NOTE, EVERYWHERE), id="hints")

    def on_mount(self) -> None:
        self.rows.focus()
        start_worker(self, self._live, "article", exclusive=True)

    def on_unfolded(self) -> None:
        """A warning was lifted, or is back."""
        if self._thread is not None:
            self._draw(self._thread)

    async def refresh_target(self) -> None:
        event = await self._client.store.get_address(self._address)
        if event is not None:
            self._draw(await self._client.threads.load(event.id))

    async def _live(self) -> None:
        """Show what is here, look for what is newer and for comments, and follow both."""
        try:
            event = await self._client.store.get_address(self._address)
            if event is None:
                self._head.update("it is looked for on relays")
            else:
                self._draw(await self._client.threads.load(event.id))
            event, ends = await self._client.threads.newest(self._address, relays=self._relays)
            if event is None:
                words = in_words(ends.values(), found=False, named=0)
                self._head.update(f"this is not here · {words}")
                return
            thread = await self._client.threads.load(event.id)
            self._draw(thread)
            changed = asyncio.Event()
            async with together() as group:
                group.create_task(self._fetch(event))
                group.create_task(self._redraw(changed))
                async with self._client.store.watch(watched(thread)) as news:
                    async for _ in news:
                        changed.set()
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    async def _fetch(self, event: Event) -> None:
        self._draw(await self._client.threads.fetch(event.id, relays=self._relays))

    async def _redraw(self, changed: asyncio.Event) -> None:
        while True:
            await changed.wait()
            await asyncio.sleep(GATHER)
            changed.clear()
            await self.refresh_target()

    def _draw(self, thread: ThreadView) -> None:
        view = next((v for _, v in thread.items if v.event.id == thread.focus), None)
        if view is None or not self.is_mounted:
            return
        self._thread = thread
        rows = article_rows(view, thread, self.rows.unfolded)
        self.rows.renew(FixedItems(rows, self._renderer.key))
        count = sum(row.answer is not None for row in rows)
        words = "1 comment" if count == 1 else f"{count} comments" if count else "no comments yet"
        self._head.update(f"{called(view.event)} · {words}")
