"""A bar that says how long something still takes, where somebody is looking: on a terminal."""

from __future__ import annotations

import sys
import time
from typing import Final, TextIO

_EVERY: Final = 0.2
"""Seconds between two pictures."""
_WIDTH: Final = 24


class ProgressBar:
    """Used as `with Progress(total) as progress: ... progress.show(done, "12 lines")`.

    `total` is in the unit of `done`; None: not known. Where `out` is no terminal, nothing is
    written.
    """

    def __init__(self, total: int | None, *, start: int = 0, out: TextIO | None = None) -> None:
        self._total = total
        self._start = start
        self._out = out if out is not None else sys.stderr
        self._live = self._out.isatty()
        self._began = time.monotonic()
        self._shown = 0.0
        self._long = 0

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._long:
            self._out.write(f"\r{' ' * self._long}\r")
            self._out.flush()

    def show(self, done: int, words: str) -> None:
        """So much is done; `words` stand beside the bar."""
        now = time.monotonic()
        if not self._live or now - self._shown < _EVERY:
            return
        self._shown = now
        line = f"{self._bar(done, now)}{words}"
        self._out.write(f"\r{line.ljust(self._long)}")
        self._out.flush()
        self._long = max(self._long, len(line))

    def _bar(self, done: int, now: float) -> str:
        if not self._total:
            return ""
        share = min(1.0, done / self._total)
        filled = round(share * _WIDTH)
        bar = f"[{'#' * filled}{'-' * (_WIDTH - filled)}] {share:4.0%} "
        gained = done - self._start
        if gained > 0 and now - self._began > 1:
            left = (self._total - done) * (now - self._began) / gained
            bar += f"{time_text(left)} left, "
        return bar


def time_text(seconds: float) -> str:
    """`0:07`, `12:30`, `3:04:05`."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
