"""A program whose clock runs faster: `python -m benchmarks.fast_clock SPEED MODULE`.

What it waits for by asyncio comes as much sooner, so that an hour's polls, ages and timers happen
in a minute. What it computes takes as long as ever; threads that wait are not hurried.
"""

from __future__ import annotations

import runpy
import selectors
import sys
import time
from collections.abc import Callable


def hasten(speed: float) -> None:
    """Let all clocks of this process run `speed` times as fast from now on."""
    for name in ("time", "monotonic", "perf_counter"):
        setattr(time, name, _faster(getattr(time, name), speed))
    base = selectors.DefaultSelector

    class Hasty(base):  # type: ignore[misc,valid-type]
        def select(self, timeout: float | None = None) -> object:
            return super().select(timeout / speed if timeout else timeout)

    selectors.DefaultSelector = Hasty  # type: ignore[misc]


def _faster(clock: Callable[[], float], speed: float) -> Callable[[], float]:
    began = clock()
    return lambda: began + (clock() - began) * speed


if __name__ == "__main__":
    hasten(float(sys.argv[1]))
    module, sys.argv = sys.argv[2], sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
