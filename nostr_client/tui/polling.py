"""Looking again and again at what changes by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from nostr_client.errors import NostrError

POLL_EVERY = 2.0
"""Seconds between two looks; the first ones follow each other faster."""


async def poll(look: Callable[[], Awaitable[str]], say: Callable[[str], object]) -> None:
    """Look, for ever; `look` returns what is wrong, or raises it, and it is said once until it
    is mended or something else is wrong."""
    trouble, looks = "", 0
    while True:
        try:
            found = await look()
        except NostrError as error:
            found = str(error)
        if found and found != trouble:
            say(f"{found}. It goes on when that is mended.")
        trouble = found
        looks += 1
        await asyncio.sleep(min(POLL_EVERY, 0.3 * looks))
