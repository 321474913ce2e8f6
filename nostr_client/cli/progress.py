"""What takes long says how far it is: a line every few seconds on a terminal, and nothing else."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from nostr_client.tasks import OwnedTasks

if TYPE_CHECKING:
    from nostr_client.client import NostrClient
    from nostr_client.command_line.context import Context

EVERY: Final = 3.0
"""Seconds from one line to the next."""


def started(client: NostrClient, urls: Sequence[str]) -> Callable[[], str]:
    """In words how many events these relays have sent since now."""

    def events() -> int:
        return sum(client.pool.health(url).counters.events for url in urls)

    before = events()
    return lambda: f", {events() - before:,} events came"


@asynccontextmanager
async def progress(
    context: Context, words: Callable[[], str], every: float = EVERY
) -> AsyncIterator[None]:
    """Say `words()` on standard error while the block runs, whenever they are others by then. Not
    with --json or --quiet, and not where standard error is no terminal."""
    if context.json or context.quiet or not sys.stderr.isatty():
        yield
        return

    async def tell() -> None:
        said = ""
        while True:
            await asyncio.sleep(every)
            if (now := words()) and now != said:
                context.out.note(now)
                said = now

    async with OwnedTasks() as tasks:
        tasks.start(tell())
        yield
