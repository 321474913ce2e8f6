"""Waiting for what is wanted, and never for a while.

That something does *not* happen is seen at what comes after it: a later event, the end of stored
ones, another turn of the loop that would have done it.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any, Final

LIMIT: Final = 60.0
"""Seconds after which nothing comes any more, however busy the machine is."""
_PAUSE: Final = 0.01


async def until(holds: Callable[[], object], limit: float = LIMIT) -> Any:
    """Ask `holds`, which may be a coroutine function, until its answer is true; the answer.

    Raises TimeoutError.
    """
    async with asyncio.timeout(limit):
        while True:
            answer = holds()
            if inspect.isawaitable(answer):
                answer = await answer
            if answer:
                return answer
            await asyncio.sleep(_PAUSE)


def wait_until(holds: Callable[[], object], limit: float = LIMIT) -> Any:
    """The same for a test without a loop."""
    deadline = time.monotonic() + limit
    while not (answer := holds()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"it did not come in {limit:g} s")
        time.sleep(_PAUSE)
    return answer
