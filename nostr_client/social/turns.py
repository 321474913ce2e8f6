"""Work on many hostile texts in small turns, so that keys and sockets are heard in between."""

from __future__ import annotations

import asyncio
import time
from typing import Final

TURN: Final = 0.01
"""Seconds of work after which others run."""


class Turns:
    """One piece of work: `await turns.rest()` between its steps, each of which is short."""

    def __init__(self) -> None:
        self._since = time.perf_counter()

    async def rest(self) -> None:
        """Let others run, if this has been working for a turn."""
        if time.perf_counter() - self._since >= TURN:
            await asyncio.sleep(0)
            self._since = time.perf_counter()
