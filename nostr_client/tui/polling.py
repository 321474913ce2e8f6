"""Looking again and again at what changes by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from nostr_client.errors import NostrError

POLL_EVERY = 2.0
"""Seconds between two looks; the first ones follow each other faster."""
REST_EVERY = 10.0
"""The same while nobody is there."""


async def poll(
    look: Callable[[], Awaitable[str]],
    say: Callable[[str], object],
    rests: Callable[[], bool] = lambda: False,
) -> None:
    """Look, for ever, more rarely while it `rests`; `look` returns what is wrong, or raises it, and
    it is said once until it is mended or something else is wrong."""
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
        await asyncio.sleep(REST_EVERY if rests() else min(POLL_EVERY, 0.3 * looks))
