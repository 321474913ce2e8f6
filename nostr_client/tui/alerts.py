"""What comes for the person is said outside of the client too, where they wanted that (`notify`).

Only while the client is not in front, as far as the terminal tells. Who and what, and never what
was written; of people whom nobody knows whom the account follows, and of muted ones, nothing. What
comes within `GAP` seconds is one notification, however much it is.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from nostr_client.client import NostrClient
from nostr_client.errors import NostrError, StoreError
from nostr_client.safe_text import safe_line
from nostr_client.social.notification_views import Notification, NotificationSort
from nostr_client.tui.names import NameCache
from nostr_client.tui.rings import Ring

log = logging.getLogger(__name__)

LOOK_EVERY: Final = 5.0
GAP: Final = 30.0
"""Seconds between two notifications at least."""
WINDOW: Final = 900
"""Seconds for which something may take to come and is still told."""
MOST_LINES: Final = 3
MOST_TOLD: Final = 1_000
MOST_MESSAGES: Final = 500
WORDS: Final = {
    NotificationSort.REPLY: "answered you",
    NotificationSort.MENTION: "mentioned you",
    NotificationSort.QUOTE: "quoted you",
    NotificationSort.MESSAGE: "wrote to you in public",
    NotificationSort.REACTION: "reacted to what you wrote",
    NotificationSort.REPOST: "passed on what you wrote",
    NotificationSort.ZAP: "says that they paid you",
    NotificationSort.FOLLOW: "began to follow you",
    NotificationSort.VOTE: "voted in your poll",
}


class Alerts:
    """Tells what comes for the account of `client` from now on.

    `open_ring` prepares what shows it; `in_front` says whether the person sees the client anyway;
    `say` is told, once, why nothing can be shown. `with_names`: else only how much came is told.
    """

    def __init__(
        self,
        client: NostrClient,
        names: NameCache,
        open_ring: Callable[[], Awaitable[Ring]],
        *,
        in_front: Callable[[], bool],
        say: Callable[[str, str], None],
        with_names: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._names = names
        self._open_ring = open_ring
        self._in_front = in_front
        self._say = say
        self._with_names = with_names
        self._clock = clock
        self._begun = int(clock())
        self._rung_at = float("-inf")
        self._told: deque[str] = deque(maxlen=MOST_TOLD)
        self._lines: list[str] = []
        """What waits to be told, the first of it."""
        self._more = 0
        self._unread = 0

    async def keep(self) -> None:
        """For as long as the account is open."""
        try:
            ring = await self._open_ring()
            while True:
                await asyncio.sleep(LOOK_EVERY)
                try:
                    await self.look(ring)
                except StoreError as error:  # it is told at a later look
                    log.info("what came is not told yet: %s", error)
        except NostrError as error:
            self._say(f"Nothing is told outside of this window: {error}", "warning")

    async def look(self, ring: Ring) -> None:
        """Tell what is new since the last look. Raises ConfigError, StoreError."""
        for line in [*await self._rows(), *await self._messages()]:
            if len(self._lines) < MOST_LINES:
                self._lines.append(line)
            else:
                self._more += 1
        if self._in_front():
            self._lines, self._more = [], 0
        now = self._clock()
        if not self._lines or now - self._rung_at < GAP:
            return
        text = self._text()
        self._lines, self._more, self._rung_at = [], 0, now
        await ring(text)

    def _text(self) -> str:
        if not self._with_names:
            count = len(self._lines) + self._more
            return "something new for you" if count == 1 else f"{count} new things for you"
        more = [f"and {self._more} more"] if self._more else []
        return "\n".join([*self._lines, *more])

    async def _rows(self) -> list[str]:
        since = max(self._begun, int(self._clock()) - WINDOW)
        rows = await self._client.notifications.since(since)
        new = [row for row in rows if self._is_new(_name_of(row))]
        await self._names.know({row.people[0] for row in new})
        return [self._line(row.people[0], row.count - 1, WORDS[row.sort]) for row in new]

    async def _messages(self) -> Sequence[str]:
        """Who wrote privately: of no request, and not what."""
        messages = self._client.messages
        if self._client.signer is None or not messages.status.opened:
            return ()
        before, self._unread = self._unread, await messages.unread()
        if self._unread in (0, before):
            return ()
        unread = await messages.unread_messages(limit=MOST_MESSAGES)
        heard = [one for one in unread if not one.muted and one.created_at > self._begun]
        new = [one for one in heard if self._is_new(one.id)]
        counts: dict[str, int] = {}
        for one in new:
            counts[one.author] = counts.get(one.author, 0) + 1
        await self._names.know(counts)
        several = {who: f"sent you {n} messages" for who, n in counts.items() if n > 1}
        return [self._line(who, 0, several.get(who, "wrote to you")) for who in counts]

    def _is_new(self, name: str) -> bool:
        if name in self._told:
            return False
        self._told.append(name)
        return True

    def _line(self, who: str, others: int, what: str) -> str:
        more = "" if others < 1 else " and another" if others == 1 else f" and {others} others"
        return safe_line(f"{safe_line(self._names.label(who), 40)}{more} {what}", 160)


def _name_of(row: Notification) -> str:
    """Another one when something came to it."""
    return f"{row.key} {row.event.id if row.event else row.people[0]}"
