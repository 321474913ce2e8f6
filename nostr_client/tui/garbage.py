"""When Python's garbage collector looks for circles: not while somebody types, as far as may be.

What Textual has painted hangs in circles (a strip remembers itself as its own part), so that a key
leaves about a thousand objects to the collector. Its rounds through the newest ones take 2 ms, and
those through all of them 50: two frames, if they fall on a key. So these are made when no key has
come for a moment; the thresholds are for whoever never stops.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Final

COLLECT_AFTER: Final = (5_000, 5, 100)
"""The thresholds: new objects to a young round, those to a middle one, and these to a full one."""
FULL_AFTER: Final = 20
"""Young rounds after which a full one is made in a quiet moment: 100,000 objects."""
QUIET: Final = 1.0
"""Seconds without a key that are a quiet moment."""
LOOK_EVERY: Final = 2.0
"""Seconds between two looks whether a round is due."""


def set_aside() -> None:
    """What is there by now stays for good: no round goes through it any more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    gc.enable()


def collect_all() -> None:
    """A full round through what was set aside, too, which is so no more: what hangs on something
    that goes a moment later would stay for good."""
    gc.unfreeze()
    gc.collect()


async def quiet(since_key: Callable[[], float]) -> None:
    """Wait for a quiet moment; `since_key` says how many seconds ago the last key was."""
    while True:
        left = QUIET - since_key()
        if left <= 0:
            return
        await asyncio.sleep(left)


async def collect_in_quiet(since_key: Callable[[], float]) -> None:
    """For ever: make full rounds when they are due and it is quiet."""
    collected = young_rounds()
    while True:
        await asyncio.sleep(LOOK_EVERY)
        if young_rounds() - collected >= FULL_AFTER:
            await quiet(since_key)
            gc.collect()
            collected = young_rounds()


def young_rounds() -> int:
    """How many there were in this process."""
    rounds: int = gc.get_stats()[0]["collections"]
    return rounds
