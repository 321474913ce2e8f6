"""What runs while a socket is open: tasks that end together, and pings that notice its death."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any, Final

from websockets.exceptions import ConnectionClosed

from nostr_client.net.websocket import SocketClosed, WebSocket, closing_words

QUIET: Final = 25.0
"""Seconds of silence after which a ping is sent."""
PONG_LIMIT: Final = 20.0
"""Seconds for its pong."""


async def until_closed(*parts: Coroutine[Any, Any, None]) -> SocketClosed:
    """Run all `parts`, each of which raises SocketClosed, until the first does; why it did.

    Where several do, an end that the relay made comes before one of ours.
    """
    ends: list[SocketClosed] = []
    over = asyncio.Event()

    async def run(part: Coroutine[Any, Any, None]) -> None:
        try:
            await part
        except SocketClosed as closed:
            ends.append(closed)
        over.set()

    # An error that escapes from a task would leave a mark on this one (before Python 3.13).
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run(part)) for part in parts]
        await over.wait()
        for task in tasks:
            task.cancel()
    return next((end for end in ends if not end.ours), ends[0])


async def keep_alive(socket: WebSocket, measured: Callable[[float], None]) -> None:
    """Send a ping when the relay is silent, and tell how many seconds its pong took.

    Raises SocketClosed when none comes: then it is dead.
    """
    while True:
        quiet = monotonic() - socket.heard_at
        if quiet < QUIET or socket.holding:
            await asyncio.sleep(1.0 if socket.holding else QUIET - quiet)
            continue
        try:
            async with asyncio.timeout(PONG_LIMIT):
                latency = await (await socket.ping())
        except TimeoutError:
            if not socket.holding:
                raise SocketClosed(f"timeout: no pong within {PONG_LIMIT:g} s") from None
        except ConnectionClosed:
            raise SocketClosed(closing_words(socket)) from None
        else:
            measured(latency)
