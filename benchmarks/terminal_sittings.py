"""The programs that `benchmarks.terminal` sits down at, and what is read from their screens."""

from __future__ import annotations

import os
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.crowd import PASSWORD, Home
from benchmarks.pseudo_terminal import PseudoTerminal
from benchmarks.table import Row

MARK = "▌"
RAIL = 16
"""Columns of the sections, left of the list."""
MIDDLE = 68
"""Where the detail begins, at 120 columns."""
NUMBER = re.compile(r"n\d{7}")
QUIET = 1.0


@dataclass(frozen=True)
class Sittings:
    """Starts the programs. `quick`: fewer rounds."""

    large: Home
    small: Home
    unindexed: Home
    """As `large`, before anything of it was made ready to be searched."""
    relay: str
    quick: bool = False
    hours: int = 1

    def rounds(self, many: int) -> int:
        return max(many // 10, 3) if self.quick else many

    def client(
        self, home: Home, *, columns: int = 120, rows: int = 40, rate: float = 0, delay: float = 0
    ) -> PseudoTerminal:
        """The client, as it is started."""
        return self._start(["nostr_client"], home.folder, columns, rows, rate, delay)

    def newcomer(self, folder: Path) -> PseudoTerminal:
        """The client, started for the first time."""
        return self._start(["nostr_client"], folder, 120, 40)

    def hasty_client(self, home: Home, speed: float) -> PseudoTerminal:
        """The same, by a fast clock."""
        return self._start(
            ["benchmarks.fast_clock", f"{speed}", "nostr_client"], home.folder, 120, 40
        )

    def bare(
        self, *, columns: int = 120, rows: int = 40, rate: float = 0, delay: float = 0
    ) -> PseudoTerminal:
        return self._start(["benchmarks.bare_list"], self.large.folder, columns, rows, rate, delay)

    def _start(  # noqa: PLR0917
        self,
        module: Sequence[str],
        folder: Path,
        columns: int,
        rows: int,
        rate: float = 0,
        delay: float = 0,
    ) -> PseudoTerminal:
        environment = {**os.environ, "NOSTR_CLIENT_HOME": str(folder), "HOME": str(folder)}
        return PseudoTerminal(
            [sys.executable, "-m", *module],
            environment,
            columns=columns,
            rows=rows,
            rate=rate,
            delay=delay,
        )


def at_home(terminal: PseudoTerminal) -> PseudoTerminal:
    """Wait for the timeline, go to its top (the client opens where one was), and until all is
    quiet."""
    terminal.until(lambda screen: bool(NUMBER.search(screen.text)))
    terminal.settle(QUIET)
    terminal.send("g")
    terminal.settle(QUIET)
    return terminal


def unlocked(terminal: PseudoTerminal) -> PseudoTerminal:
    """Type the password of the account, and wait for the timeline."""
    terminal.until_text("assword")
    terminal.settle(QUIET)
    terminal.send(f"{PASSWORD}\r")
    return at_home(terminal)


def chosen(terminal: PseudoTerminal, left: int = RAIL, right: int = MIDDLE) -> str:
    """The number of the note that is selected in a list between these columns; or nothing."""
    for line in terminal.screen.display:
        part = line[left:right]
        if MARK in part and (found := NUMBER.search(part)):
            return found[0]
    return ""


def opened(terminal: PseudoTerminal) -> str:
    """The number of the note that is selected in the detail."""
    return chosen(terminal, MIDDLE, terminal.screen.columns)


def highlighted(terminal: PseudoTerminal) -> str:
    """The number of the note that is highlighted in the bare list, by its ground."""
    rows = [row for row, line in enumerate(terminal.screen.display) if NUMBER.search(line)]
    grounds = {row: terminal.screen.buffer[row][4].bg for row in rows}
    usual = Counter(grounds.values()).most_common(1)
    for row, ground in grounds.items():
        if ground != usual[0][0] and (found := NUMBER.search(terminal.screen.display[row])):
            return found[0]
    return ""


class Took(NamedTuple):
    """Milliseconds from a key to the frame that shows what it does."""

    wall: float
    cpu: float
    """Processor time of the program meanwhile, whatever it did."""


def press(terminal: PseudoTerminal, key: str, shown: Callable[[PseudoTerminal], object]) -> Took:
    """Press a key; how long until what is `shown` is another one."""
    before = shown(terminal)
    return pressed(terminal, key, lambda screen: shown(screen) not in ("", before))


def pressed(terminal: PseudoTerminal, key: str, done: Callable[[PseudoTerminal], bool]) -> Took:
    """Press a key; how long until it is `done`."""
    cpu = terminal.cpu
    began = terminal.send(key)
    painted = terminal.until(done)
    return Took(1000 * (painted - began), 1000 * (terminal.cpu - cpu))


def walls(took: Sequence[Took]) -> list[float]:
    return [each.wall for each in took]


def cpus(took: Sequence[Took]) -> list[float]:
    return [each.cpu for each in took]


def cpu_rows(took: Sequence[Took], other: Sequence[Took] = (), name: str = "") -> list[Row]:
    """Processor time a key, which says on a busy machine what the wall's clock cannot; `other`: of
    `name`, in the same run."""
    rows = [
        Row("  processor time, p50", middle(cpus(took)), unit="ms"),
        Row("  processor time, p99", p99(cpus(took)), unit="ms"),
    ]
    for part, of in (("p50", middle), ("p99", p99)) if other else ():
        rows.append(Row(f"  of {name} processor time, {part}", of(cpus(took)) / of(cpus(other))))
    return rows


def burst(
    terminal: PseudoTerminal, keys: str, wanted: str, shown: Callable[[PseudoTerminal], str]
) -> float:
    """Milliseconds of processor time a key, of keys that come at once, until `wanted` is shown."""
    before = terminal.cpu
    terminal.send(keys)
    terminal.until(lambda screen: shown(screen) == wanted)
    return 1000 * (terminal.cpu - before) / len(keys)


def middle(values: Sequence[float]) -> float:
    return statistics.median(values)


def p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


def wait_for_second(first: int, last: int, terminal: PseudoTerminal) -> None:
    """Wait until the clock's second is between these, so that no minute passes soon."""
    while not first <= int(time.time()) % 60 <= last:
        terminal.watch(0.5)
