"""Home: the notes of those whom one follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from nostr_client.net.outcome import Outcome, in_words, outcome_of
from nostr_client.social.views import Cursor, NoteView, RelayRow, SyncStatus
from nostr_client.tui.keymap import with_keys
from nostr_client.tui.panes.feed_pane import FeedPane
from nostr_client.tui.panes.pane import Pane, PaneContext

NOTHING: Final = "Nothing here yet"
NO_RELAY: Final = (
    "there is no relay to ask: {app.relays} shows yours, {relays.add_relay} there adds one"
)
FIRST_NOTE: Final = (
    "{app.find} finds people to follow, tags and notes; {app.write} writes your first note."
)


class HomePane(FeedPane):
    """The home timeline, and how far the background reading has come."""

    def __init__(self, context: PaneContext) -> None:
        async def home(until: Cursor | None, limit: int) -> list[NoteView]:
            return await context.client.timeline.home(until=until, limit=limit)

        super().__init__(context, home, empty=f"{NOTHING}. {with_keys(FIRST_NOTE)}")

    def arrive(self, notes: list[NoteView], *, awaited: bool) -> None:
        self.insert(notes, awaited=awaited)

    async def poll(self, relays: Sequence[RelayRow], *, shown: bool) -> None:
        status = self.client.feed_sync.status
        self.feed.show_state(_syncing(status))
        self.feed.set_empty_text(nothing_at_home(status))
        await super().poll(relays, shown=shown)


def _syncing(status: SyncStatus) -> str:
    if status.problem:
        return status.problem
    if status.running and status.caught_up < status.relays:
        heard = f"{status.caught_up} of {status.relays} relays caught up"
        return heard if status.is_complete else f"reading, {heard}"
    return ""


def nothing_at_home(status: SyncStatus) -> str:
    """What an empty home timeline means: that nobody answered is not that there is nothing."""
    ends = status.ends.values()
    if not status.is_complete or outcome_of(ends, found=False) is Outcome.NOTHING:
        return f"{NOTHING}. {with_keys(FIRST_NOTE)}"
    if status.planned and not status.relays:
        return f"{NOTHING}: {with_keys(NO_RELAY)}. {with_keys(FIRST_NOTE)}"
    return f"{NOTHING}: {in_words(ends, found=False)}. {with_keys(FIRST_NOTE)}"


PANE: Final = Pane("home", "1", "Home: the notes of those you follow", HomePane, place=10)
