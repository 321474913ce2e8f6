"""How fast our relay is, alone or beside another: `python -m benchmarks.relay [--help]`.

Machines are noisy, so that only ratios count of what was measured in turns: ours, the other, ours,
the other, a median of each figure. Without another, ours are printed alone. The other is

- `--peer-command CMD`: what starts it on an empty database, prints `PID URL [FOLDER]` and leaves it
  running; it is sent SIGTERM after each run. FOLDER, if given, is what its disk use is read from.
- `--url URL`, perhaps with `--pid PID`: one that runs. It keeps what it is sent, all runs of it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import loading
from benchmarks.loading import frame
from benchmarks.network import SPAN, Network, signed
from nostr_client.paths import environment_for_children
from nostr_client.protocol.event import Draft
from nostr_client.protocol.filters import Filter

CLASSES = (
    *("20 authors, limit 500", "single id", "#e thread"),
    *("kind + since", "#p notifications", "100 ids"),
)
SUBSCRIBERS = 200
IDLE = 1000
MIXED = 64
FEW = 20_000
"""Events that one connection sends."""
LIVE = 1000
PACE = 25.0
"""Events a second, where they are paced."""
SETTLE = 3.0
"""Seconds from the last OK to the first question, and to the reading of the disk."""
STOP_LIMIT = 30.0
Figures = dict[str, float]


class Running(NamedTuple):
    """One relay. `pid` 0: not known; `folder` None: nor its folder."""

    url: str
    pid: int
    folder: Path | None


Subject = Callable[[], contextlib.AbstractContextManager[Running]]


@contextlib.contextmanager
def ours() -> Iterator[Running]:
    """Our relay on an empty database, as it comes."""
    with tempfile.TemporaryDirectory() as name:
        process = subprocess.Popen(
            [sys.executable, "-m", "relays", "run", "--port", "0", "--stop-on-eof", "--data", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment_for_children(),
        )
        try:
            assert process.stdout is not None
            yield Running(process.stdout.readline().decode().strip(), process.pid, Path(name))
        finally:
            process.terminate()
            process.wait(STOP_LIMIT)


@contextlib.contextmanager
def started(command: str) -> Iterator[Running]:
    """Another, by the command that starts it."""
    printed = subprocess.run(shlex.split(command), check=True, capture_output=True, text=True)
    pid, url, *folder = printed.stdout.split()
    try:
        yield Running(url, int(pid), Path(folder[0]) if folder else None)
    finally:
        os.kill(int(pid), signal.SIGTERM)
        until = time.monotonic() + STOP_LIMIT
        while _runs(int(pid)) and time.monotonic() < until:
            time.sleep(0.1)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextlib.contextmanager
def running(url: str, pid: int) -> Iterator[Running]:
    """Another, which somebody else started and will end."""
    yield Running(url, pid, None)


class Load:
    """What every relay gets in one run: the same events and questions."""

    def __init__(self, count: int, reqs: int, authors: int, seed: int) -> None:
        now = int(time.time()) - 3600
        network = Network(count + FEW + reqs, now, authors=authors, seed=seed)
        events = list(network.events())
        texts = [frame(b'["EVENT",' + data + b"]") for data in signed(network, events)]
        self.events, self.first, self.writes = (
            texts[:count],
            texts[count : count + FEW],
            texts[count + FEW :],
        )
        network.notes = [
            note for note in network.notes if note.created_at <= events[count].created_at
        ]
        network.now = events[count - 1].created_at
        questions = network.questions()
        self.questions = {name: [_req(questions[name]()) for _ in range(reqs)] for name in CLASSES}
        self.mix = [
            one for several in zip(*self.questions.values(), strict=True) for one in several
        ]
        random.Random(seed).shuffle(self.mix)
        self.live = [_note(network, number) for number in range(2 * LIVE)]


def _req(f: Filter) -> bytes:
    return frame(json.dumps(["REQ", "q", f.to_dict()], separators=(",", ":")).encode())


def _note(network: Network, number: int) -> bytes:
    key = network.rng.choice(network.keys)
    text = " ".join(network.rng.choices(("live", "from", "the", "bench"), k=40))
    event = Draft(1, f"{text} {number}").sign(key, int(time.time()))
    return frame(b'["EVENT",' + event.json + b"]")


def measure(subject: Subject, load: Load, generator: ProcessPoolExecutor) -> Figures:
    """All figures of one relay in one run."""
    figures: Figures = {}

    def apart(scenario: Callable[..., Any], *arguments: Any) -> Any:
        return generator.submit(_apart, scenario, arguments).result(loading.LIMIT)

    with subject() as relay:
        if relay.pid:
            each = apart(
                loading.idle, relay.url, relay.pid, _req(Filter.of(kinds=[1], limit=1)), IDLE
            )
            figures["idle connection with a REQ, kB"] = each / 1024
    with subject() as relay:
        rate = apart(loading.ingest, relay.url, load.first, 1)
        figures[f"ingest, {FEW:,} events, 1 connection, /s"] = rate
    with subject() as relay:
        rate = apart(loading.ingest, relay.url, load.events, 8)
        figures[f"ingest, {len(load.events):,} events, 8 connections, /s"] = rate
        time.sleep(SETTLE)
        if relay.folder is not None:
            figures["on disk, MB"] = _size(relay.folder) / 1e6
        for name, questions in load.questions.items():
            one = apart(loading.query, relay.url, questions, 1)
            eight = apart(loading.query, relay.url, questions * 2, 8)
            figures[f"{name}: p50, ms"] = one.p50
            figures[f"{name}: p99, ms"] = one.p99
            figures[f"{name}: events/s, 8 connections"] = eight.events
        _fan_out(relay, load, apart, figures)
        asked, wrote = apart(loading.mixed, relay.url, load.mix, load.writes, MIXED)
        figures[f"mixed, {MIXED} connections: messages/s"] = asked.rate + wrote.rate
        figures[f"mixed, {MIXED} connections: query p99, ms"] = asked.p99
        figures[f"mixed, {MIXED} connections: write p99, ms"] = wrote.p99
    return figures


def _apart(scenario: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    return loading.run(scenario(*arguments))


def _fan_out(relay: Running, load: Load, apart: Callable[..., Any], figures: Figures) -> None:
    subscription = _req(Filter.of(kinds=[1], limit=1))
    fast, slow = load.live[:LIVE], load.live[LIVE : LIVE + LIVE // 4]
    full = apart(loading.fan_out, relay.url, fast, subscription, SUBSCRIBERS, None)
    paced = apart(loading.fan_out, relay.url, slow, subscription, SUBSCRIBERS, PACE)
    figures[f"fan-out to {SUBSCRIBERS}: deliveries/s"] = full.rate
    figures[f"fan-out to {SUBSCRIBERS}, {PACE:g} events/s: p50, ms"] = paced.p50
    figures[f"fan-out to {SUBSCRIBERS}, {PACE:g} events/s: p99, ms"] = paced.p99


def _size(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def show(all_figures: dict[str, list[Figures]]) -> None:
    """The medians, and the ratios where there are two relays."""
    names = list(all_figures)
    print(f"\n{'':<48}" + "".join(f"{name:>12}" for name in names) + "   ratio" * (len(names) - 1))
    values: dict[str, dict[str, float]] = defaultdict(dict)
    for name, runs in all_figures.items():
        for figure in runs[0]:
            values[figure][name] = statistics.median(run[figure] for run in runs)
    for figure, row in values.items():
        cells = "".join(f"{row[name]:>12,.2f}" if name in row else " " * 12 for name in names)
        ratio = f"{row[names[0]] / row[names[1]]:>8.2f}" if len(row) == 2 and row[names[1]] else ""
        print(f"{figure:<48}{cells}{ratio}")


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.relay",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--peer-command", metavar="CMD", help="starts the other, prints PID URL")
    parser.add_argument("--url", help="of the other, which runs")
    parser.add_argument("--pid", type=int, default=0, help="its process, for its memory")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--authors", type=int, default=2000)
    parser.add_argument("--reqs", type=int, default=400, help="questions of each class")
    return parser.parse_args(arguments)


def main() -> None:
    options = options_of()
    subjects: dict[str, Subject] = {"ours": ours}
    if options.peer_command:
        subjects["the other"] = lambda: started(options.peer_command)
    elif options.url:
        subjects["the other"] = lambda: running(options.url, options.pid)
    found: dict[str, list[Figures]] = {name: [] for name in subjects}
    print(f"{options.events:,} events of {SPAN // 86_400} days, {loading.cores()} cores")
    with ProcessPoolExecutor(1, get_context("spawn")) as generator:
        for number in range(options.runs):
            load = Load(options.events, options.reqs, options.authors, 7 + number)
            for name, subject in subjects.items():
                began = time.monotonic()
                found[name].append(measure(subject, load, generator))
                took, busy = time.monotonic() - began, os.getloadavg()[0]
                print(f"  run {number + 1}, {name}: {took:.0f} s, load {busy:.1f}", flush=True)
    show(found)


if __name__ == "__main__":
    main()
