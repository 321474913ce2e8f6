"""Waiting for private messages, so that a script that asks again and again misses none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from nostr_client.net.outcome import is_closed_to_us

if TYPE_CHECKING:
    from nostr_client.social.messages.messages import Messages
    from nostr_client.social.messages.views import PrivateMessage

CATCH_UP: Final = 15.0
"""Seconds that message relays have to send what is new."""
PAGE: Final = 100
Room = Collection[str] | None


async def await_messages(
    messages: Messages,
    show: Callable[[PrivateMessage], Awaitable[None]],
    room: Room,
    *,
    requests: bool,
    count: int,
    limit: float,
) -> int:
    """Show what is unread in a room, or in all, the oldest first, then what comes, until `count`
    were shown, `limit` seconds are over, or no relay allows it; how many were.

    What was shown is read from then on: what fails between the two is shown again. Where several
    processes wait on one folder, each message is shown by one of them.
    Raises SignerError, StoreError.
    """
    deadline, shown = asyncio.get_running_loop().time() + limit, 0
    async with aclosing(_unread(messages, room, requests, min(CATCH_UP, limit / 2))) as unread:
        while shown < count:
            try:
                async with asyncio.timeout_at(deadline):
                    message = await anext(unread)
            except (TimeoutError, StopAsyncIteration):
                break
            shown += await messages.hand_out(message.id, show)
    return shown


async def _unread(
    messages: Messages, room: Room, requests: bool, catch_up: float
) -> AsyncGenerator[PrivateMessage, None]:
    """Unread messages, for as long as a relay may send some; each is to be marked as read before
    the next is taken."""
    await messages.sync(catch_up)
    with messages.watch() as changes:
        messages.start()
        while True:
            while page := await messages.unread_messages(room, requests=requests, limit=PAGE):
                for message in page:
                    yield message
            if is_closed_to_us(messages.status.ends.values()):
                return
            await anext(changes)
