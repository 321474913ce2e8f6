"""Mentions: who speaks of the account, or to it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from nostr_client.social.views import Cursor, NoteView, RelayRow
from nostr_client.tui.panes.feed_pane import FeedPane
from nostr_client.tui.panes.pane import Pane, PaneContext

MOST_FRESH: Final = 20
"""Mentions that a look may find new at most; the list itself reads on."""


class MentionsPane(FeedPane):
    """The mentions; the mark counts those written since it was made and not looked at yet."""

    has_mark = True

    def __init__(self, context: PaneContext) -> None:
        async def mentions(until: Cursor | None, limit: int) -> list[NoteView]:
            return await context.client.timeline.mentions(until=until, limit=limit)

        super().__init__(context, mentions, empty="Nobody has mentioned you yet.")
        self._began = time.time()
        self._newest: set[str] | None = None
        """The newest mentions of the last look."""
        self._unread = 0

    async def poll(self, relays: Sequence[RelayRow], *, shown: bool) -> None:
        newest = await self.client.timeline.mentions(limit=MOST_FRESH)
        before, self._newest = self._newest, {note.entry.id for note in newest}
        fresh = [note for note in newest if before is not None and note.entry.id not in before]
        self.feed.arrive(fresh)
        recent = sum(1 for note in fresh if note.at >= self._began)
        self._unread = 0 if shown else self._unread + recent
        self.mark = str(self._unread or "")
        await super().poll(relays, shown=shown)


PANE: Final = Pane("mentions", "3", "Mentions: who speaks of you or to you", MentionsPane, place=30)
