"""Telling whoever watches what changes among private messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final

from nostr_client.social.messages.mailbox import Touched
from nostr_client.social.messages.views import ChangeKind, MessageChange

MOST_UNTOLD: Final = 1_000
"""Changes that wait for one watcher; past that it is told that everything changed."""

_EVERYTHING: Final = MessageChange(ChangeKind.EVERYTHING)
_STATUS: Final = MessageChange(ChangeKind.STATUS)


class ChangeFeed:
    """One watcher's changes, each once until it was taken: an async iterator without an end."""

    def __init__(self) -> None:
        self._untold: dict[MessageChange, None] = {}
        self._there = asyncio.Event()

    def tell(self, change: MessageChange) -> None:
        """Put a change behind those that wait."""
        if _EVERYTHING in self._untold:
            return
        if change is _EVERYTHING or len(self._untold) >= MOST_UNTOLD:
            self._untold.clear()
            change = _EVERYTHING
        self._untold[change] = None
        self._there.set()

    def __aiter__(self) -> AsyncIterator[MessageChange]:
        return self

    async def __anext__(self) -> MessageChange:
        while not self._untold:
            self._there.clear()
            await self._there.wait()
        change = next(iter(self._untold))
        del self._untold[change]
        return change


class ChangeTeller:
    """All who watch."""

    def __init__(self) -> None:
        self._feeds: set[ChangeFeed] = set()

    @contextmanager
    def watch(self) -> Iterator[ChangeFeed]:
        """What changes from now on."""
        feed = ChangeFeed()
        self._feeds.add(feed)
        try:
            yield feed
        finally:
            self._feeds.discard(feed)

    def touched(self, touched: Touched) -> None:
        """Rooms and messages changed."""
        for room, message_id, new in touched if self._feeds else ():
            kind = ChangeKind.MESSAGE if new else ChangeKind.UPDATED
            self._tell(MessageChange(kind if message_id else ChangeKind.ROOM, room, message_id))

    def status(self) -> None:
        """The status says something else."""
        self._tell(_STATUS)

    def everything(self) -> None:
        """It is another mailbox."""
        self._tell(_EVERYTHING)

    def _tell(self, change: MessageChange) -> None:
        for feed in self._feeds:
            feed.tell(change)
