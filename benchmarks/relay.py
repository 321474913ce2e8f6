"""How fast our relay is, alone or beside another: `python -m benchmarks.relay [--help]`.

Machines are noisy, so that only ratios count of what was measured in turns: ours, the other, ours,
the other; of each run a ratio, and of all runs their median. "At least" 1.0: as often in a second
as the other; "at most" 1.5: 1.5 times as long as the other takes. Without another, ours are printed
alone. The other is

- strfry, where the environment names the binary: `STRFRY=/path/to/strfry`. It runs as it comes, on
  an empty database in a temporary folder, and each of its commits is on the disk, as ours are.
- `--peer-command CMD`: what starts it on an empty database, prints `PID URL [FOLDER]` and leaves it
  running; it is sent SIGTERM after each run. FOLDER, if given, is what its disk use is read from.
- `--url URL`, perhaps with `--pid PID`: one that runs. It keeps what it is sent, all runs of it.

Right after the ingest our search index is behind, and what is asked and told then is measured as
`behind`; all else once it has caught up, which the other waits for, too.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks import loading
from benchmarks.loading import Latencies
from benchmarks.network import SPAN
from benchmarks.relay_load import LIVE, NEWEST, Apart, Load, generator, req
from benchmarks.subjects import Running, Strfry, Subject, disk_use, ours, running, started

CONNECTIONS: Final = (1, 8, 64)
SUBSCRIBERS: Final = 200
IDLE: Final = 1000
MIXED: Final = 64
FEW: Final = 20_000
"""Events that one connection sends."""
PACE: Final = 25.0
"""Events a second, where they are paced."""
SETTLE: Final = 3.0
"""Seconds in which a relay without an index comes to rest."""
CATCH_UP: Final = 1800.0
"""Seconds that the index may take at the most."""


class Figure(NamedTuple):
    """What a number is held against: as a ratio to the other's, or (`absolute`) as it is. `most`
    and `least` None: to be known."""

    value: float
    least: float | None = None
    most: float | None = None
    absolute: bool = False


Figures = dict[str, Figure]


def measure(subject: Subject, load: Load, apart: Apart, *, quick: bool) -> Figures:
    """All figures of one relay in one run."""
    figures: Figures = {}
    if not quick:
        with subject() as relay:
            if relay.pid:
                each = apart(loading.idle, relay.url, relay.pid, req(NEWEST), IDLE)
                figures["idle connection with a REQ, kB"] = Figure(each / 1024)
    with subject() as relay:
        rate = apart(loading.ingest, relay.url, load.first, 1)
        figures[f"ingest, {len(load.first):,} events, 1 connection, /s"] = Figure(rate)
    with subject() as relay:
        rate = apart(loading.ingest, relay.url, load.events, 8)
        figures[f"ingest, {len(load.events):,} events, 8 connections, /s"] = Figure(rate, 2.0)
        _behind(relay, load, apart, figures)
        began = time.monotonic()
        wait_for_index(relay)
        figures["until the index is there, s"] = Figure(time.monotonic() - began)
        if relay.folder is not None:
            figures["on disk, MB"] = Figure(disk_use(relay.folder) / 1e6)
        _classes(relay, load, apart, figures)
        full = apart(loading.fan_out, relay.url, load.live[:LIVE], req(NEWEST), SUBSCRIBERS, None)
        figures[f"fan-out to {SUBSCRIBERS}: deliveries/s"] = Figure(full.rate)
        asked, wrote = apart(loading.mixed, relay.url, load.mix, load.writes, MIXED)
        mixed = f"mixed, {MIXED} connections"
        figures[f"{mixed}: messages/s"] = Figure(asked.rate + wrote.rate)
        figures[f"{mixed}: query p99, ms"] = Figure(asked.p99, most=1.0)
        figures[f"{mixed}: write p99, ms"] = Figure(wrote.p99, most=1.0)
    return figures


def _behind(relay: Running, load: Load, apart: Apart, figures: Figures) -> None:
    slow = load.live[LIVE : LIVE + LIVE // 4]
    paced = apart(loading.fan_out, relay.url, slow, req(NEWEST), SUBSCRIBERS, PACE)
    told = f"behind: fan-out to {SUBSCRIBERS}, {PACE:g} events/s"
    figures[f"{told}: p50, ms"] = Figure(paced.p50)
    figures[f"{told}: p99, ms"] = Figure(paced.p99, most=8.0, absolute=True)
    for name, questions in load.questions.items():
        answered = apart(loading.query, relay.url, questions, 1)
        figures[f"behind: {name}, 1: p50, ms"] = Figure(answered.p50)
        figures[f"behind: {name}, 1: p99, ms"] = Figure(answered.p99, most=1.5)
    if (lag := index_lag(relay)) is not None:
        figures["behind: events not in the index then"] = Figure(lag)


def _classes(relay: Running, load: Load, apart: Apart, figures: Figures) -> None:
    for name, questions in load.questions.items():
        for count in CONNECTIONS:
            asked = questions * (1 if count == 1 else 2)
            answered: Latencies = apart(loading.query, relay.url, asked, count)
            figures[f"{name}, {count}: answers/s"] = Figure(answered.rate, 1.0)
            figures[f"{name}, {count}: p50, ms"] = Figure(answered.p50)
            figures[f"{name}, {count}: p99, ms"] = Figure(answered.p99, most=1.5)


def index_lag(relay: Running) -> int | None:
    """Events that are not in our index yet; None for another relay, which has none."""
    path = None if relay.folder is None else relay.folder / "events.db"
    if path is None or not path.exists():
        return None
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        lag: int = db.execute("SELECT seq - coalesce(indexed, 0) FROM state").fetchone()[0]
    return lag


def wait_for_index(relay: Running, tell: Callable[[int], None] = lambda _lag: None) -> None:
    """Until all is in the index, if there is one. Raises TimeoutError."""
    until = time.monotonic() + CATCH_UP
    time.sleep(SETTLE)
    while lag := index_lag(relay):
        if time.monotonic() > until:
            raise TimeoutError(f"{lag} events are not in the index after {CATCH_UP:g} s")
        tell(lag)
        time.sleep(1.0)


def show(found: dict[str, list[Figures]]) -> bool:
    """The medians, and beside another the ratios and what they are held to. Are all met?"""
    names = list(found)
    print(f"\n{'':<52}" + "".join(f"{name:>11}" for name in names), end="")
    print("   ratio          goal  met")
    met = True
    for what, one in found[names[0]][0].items():
        runs = [[run[what].value for run in found[name] if what in run] for name in names]
        cells = "".join(f"{statistics.median(row):>11,.2f}" if row else " " * 11 for row in runs)
        verdict, good = _verdict(one, [row for row in runs if row])
        print(f"{what:<52}{cells}{verdict}".rstrip())
        met &= good
    return met


def _verdict(one: Figure, runs: Sequence[Sequence[float]]) -> tuple[str, bool]:
    ratios = [a / b for a, b in zip(*runs, strict=True) if b] if len(runs) == 2 else []
    held = statistics.median(runs[0] if one.absolute else ratios) if one.absolute or ratios else 0
    shown = f"{statistics.median(ratios):8.2f}" if ratios else " " * 8
    bound = one.most if one.least is None else one.least
    if bound is None or not held:
        return shown, True
    good = held <= bound if one.least is None else held >= bound
    goal = f"{'at most' if one.least is None else 'at least'} {bound:g}"
    return f"{shown}  {goal:>12}  {'yes' if good else 'NO'}", good


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.relay",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--peer-command", metavar="CMD", help="starts the other, prints PID URL")
    parser.add_argument("--url", help="of the other, which runs")
    parser.add_argument("--pid", type=int, default=0, help="its process, for its memory")
    parser.add_argument("--workers", metavar="N", help="of ours; by itself as it comes")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--authors", type=int, default=2000)
    parser.add_argument("--reqs", type=int, default=400, help="questions of each class")
    parser.add_argument("--quick", action="store_true", help="one run of a tenth of the events")
    return parser.parse_args(arguments)


def _subjects(options: argparse.Namespace) -> Iterator[tuple[str, Subject]]:
    own = () if options.workers is None else ("--workers", options.workers)
    yield "ours", lambda: ours(options=own)
    if options.peer_command:
        yield "the other", lambda: started(options.peer_command)
    elif options.url:
        yield "the other", lambda: running(options.url, options.pid)
    elif binary := os.environ.get("STRFRY"):
        yield "strfry", Strfry(str(Path(binary).absolute())).relay


def main() -> None:
    options = options_of()
    subjects = dict(_subjects(options))
    events, runs = (options.events // 10, 1) if options.quick else (options.events, options.runs)
    found: dict[str, list[Figures]] = {name: [] for name in subjects}
    print(f"{events:,} events of {SPAN // 86_400} days, {loading.cores()} cores")
    with generator() as apart:
        for number in range(runs):
            few = min(FEW, events)
            load = Load(events, options.reqs, options.authors, 7 + number, first=few)
            for name, subject in subjects.items():
                began = time.monotonic()
                found[name].append(measure(subject, load, apart, quick=options.quick))
                took, busy = time.monotonic() - began, os.getloadavg()[0]
                print(f"  run {number + 1}, {name}: {took:.0f} s, load {busy:.1f}", flush=True)
    show(found)


if __name__ == "__main__":
    main()
