"""Notes: the account's own."""

from __future__ import annotations

from typing import Final

from nostr_client.social.views import Cursor, NoteView
from nostr_client.tui.keymap import with_keys
from nostr_client.tui.panes.feed_pane import FeedPane
from nostr_client.tui.panes.pane import Pane, PaneContext


class NotesPane(FeedPane):
    """What the account wrote and reposted."""

    def __init__(self, context: PaneContext) -> None:
        client = context.client

        async def notes(until: Cursor | None, limit: int) -> list[NoteView]:
            return await client.timeline.author(client.pubkey, until=until, limit=limit)

        super().__init__(
            context, notes, empty=with_keys("Nothing written yet. {app.write} writes.")
        )

    def arrive(self, notes: list[NoteView], *, awaited: bool) -> None:
        self.insert([note for note in notes if self.is_own(note)], awaited=awaited)


PANE: Final = Pane("notes", "7", "Notes: your own", NotesPane, place=70)
