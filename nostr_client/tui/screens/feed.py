"""A feed that is no section, on a screen of its own. Opened as a target."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult

from nostr_client.client import NostrClient
from nostr_client.tui.acts.registry import NOTE
from nostr_client.tui.keymap import LIST, KeyGroup, hints
from nostr_client.tui.note_renderer import NoteRenderer
from nostr_client.tui.panes.registry import EVERYWHERE
from nostr_client.tui.polling import poll
from nostr_client.tui.saying import Say
from nostr_client.tui.screens.target_screen import TargetScreen
from nostr_client.tui.targets import Target
from nostr_client.tui.widgets.hint_line import HintLine
from nostr_client.tui.widgets.watched_feed import FeedSource, WatchedFeed
from nostr_client.tui.workers import start_worker


class FeedScreen(TargetScreen):
    """One feed: first what is here, then what relays send."""

    key_groups: ClassVar[tuple[KeyGroup, ...]] = (LIST, NOTE)

    def __init__(
        self, client: NostrClient, renderer: NoteRenderer, target: Target, source: FeedSource
    ) -> None:
        super().__init__(target)
        self._client = client
        self.feed = WatchedFeed(client, renderer, source)

    def compose(self) -> ComposeResult:
        yield self.feed
        yield HintLine(hints(LIST, NOTE, EVERYWHERE), id="hints")

    def on_mount(self) -> None:
        self.feed.follow()
        self.feed.notes.focus()
        start_worker(self, self._refresh, "poll")

    async def _refresh(self) -> None:
        async def look() -> str:
            await self.feed.refresh_notes(self._client)
            return ""

        await poll(look, lambda words: self.post_message(Say(words, "error")))
