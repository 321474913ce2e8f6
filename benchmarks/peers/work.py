"""How a program of one library is told its work, and says what came of it.

Standard library alone: each program runs in the environment of the library that it is for. It is
called with one JSON object, does the work, and prints another: `seconds` and what the work found.
The clock starts when the library is imported and what it is to send is in its own form; it stops
when the result is in the caller's hands.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

LIMIT = 240.0
"""Seconds for any work."""
Work: TypeAlias = dict[str, Any]
Found: TypeAlias = dict[str, Any]


class Stopwatch:
    """Seconds by the clock, and of work by this process."""

    def __init__(self) -> None:
        self.began, self.worked = time.perf_counter(), time.process_time()

    def found(self, **more: Any) -> Found:
        took = time.perf_counter() - self.began
        return {"seconds": took, "cpu": time.process_time() - self.worked, **more}


def resident() -> float:
    """Bytes of this process in memory now; where the system does not say, at its most."""
    gc.collect()
    try:
        with open("/proc/self/statm") as file:  # noqa: PTH123 - one read
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def lines_of(path: str) -> list[str]:
    """Events, one a line."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        return file.read().splitlines()


def serve(works: Mapping[str, Callable[[Work], Awaitable[Found]]]) -> None:
    """Do what the command line says."""
    told: Work = json.loads(sys.argv[1])

    async def run() -> Found:
        return await asyncio.wait_for(works[told["work"]](told), LIMIT)

    print(json.dumps(asyncio.run(run())), flush=True)
