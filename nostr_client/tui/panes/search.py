"""Search: the notes of what was searched for last, as a list that reads on."""

from __future__ import annotations

from functools import partial
from typing import Final

from nostr_client.errors import NostrError
from nostr_client.safe_text import safe_line
from nostr_client.social.search import RelayFindings
from nostr_client.social.views import Cursor, NoteView
from nostr_client.tui.find_rows import relay_words
from nostr_client.tui.keymap import with_keys
from nostr_client.tui.panes.feed_pane import FeedPane
from nostr_client.tui.panes.pane import Pane, PaneContext
from nostr_client.tui.saying import Say
from nostr_client.tui.workers import start_worker

NOTHING_YET: Final = (
    "Nothing was searched for yet: {app.find} finds people, tags, notes and relays."
)


class SearchPane(FeedPane):
    """What is here and has the words that were searched for last, and what relays sent."""

    def __init__(self, context: PaneContext) -> None:
        self._shown = RelayFindings("")

        async def read(until: Cursor | None, limit: int) -> list[NoteView]:
            shown = self._shown
            if not shown.typed.strip():
                return []
            search = context.client.search
            return await search.notes(shown.typed, until=until, limit=limit, also=shown.events)

        super().__init__(context, read, empty=with_keys(NOTHING_YET), anybody=True)

    def open(self) -> None:
        kept = self.client.search.kept
        if kept.typed != self._shown.typed or kept.events != self._shown.events:
            self._read(kept)
            if not kept.asked:
                start_worker(self, partial(self._ask, kept.typed), "search", exclusive=True)
        else:
            super().open()

    def _read(self, findings: RelayFindings) -> None:
        """Show these words' notes from the top."""
        self._shown = findings
        self._say()
        self.feed.read_anew()

    async def _ask(self, typed: str) -> None:
        def heard(findings: RelayFindings) -> None:
            self._shown = findings
            self._say()

        try:
            found = await self.client.search.ask(typed, heard)
        except NostrError as error:
            self.post_message(Say(str(error), "error"))
            return
        self.client.search.kept = found
        self._read(found)

    def _say(self) -> None:
        words = f"“{safe_line(self._shown.typed, 60)}”"
        self.feed.show_state(f"{words} · {relay_words(self._shown)}")
        self.feed.set_empty_text(f"No note here has all of {words}. {relay_words(self._shown)}")


PANE: Final = Pane(
    "search", "5", "Search: the notes that were searched for last", SearchPane, place=50
)
