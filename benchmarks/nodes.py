"""Several nodes on one PostgreSQL, beside our relay on SQLite:
`python -m benchmarks.nodes [--help]`.

Machines are noisy, so that only ratios count of what was measured in turns: SQLite, one node, two
nodes, four; a median of each ratio. The database is a server of its own with the durability that
PostgreSQL has by itself; which settings are not its own is printed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from benchmarks import loading
from benchmarks.relay import SETTLE
from benchmarks.relay_load import CLASSES, Load
from benchmarks.results import machine
from benchmarks.subjects import STOP_LIMIT, ours
from benchmarks.table import Row, print_table
from nostr_client.paths import environment_for_children
from tests.nodes.database import Database

SQLITE: Final = "SQLite"
COUNTS: Final = (1, 2, 4)
"""Nodes."""
CONNECTIONS: Final = 8
SLOWER: Final = {"20 authors, limit 500": 2.5}
"""Times SQLite's time that a class may take, where not 1.5."""
PACE: Final = 100.0
"""Events a second that are passed on."""
_LIVE: Final = '["REQ","q",{"kinds":[1],"limit":1}]'
_SETTINGS: Final = (
    "SELECT string_agg(name || ' = ' || setting, ', ') FROM pg_settings WHERE name IN"
    " ('server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers',"
    " 'max_wal_size', 'max_connections')"
)
Figures = dict[str, float]


@contextlib.contextmanager
def sqlite() -> Iterator[str]:
    """Our relay as it comes; its URL."""
    with ours() as relay:
        yield relay.url


@contextlib.contextmanager
def nodes(count: int, said: Callable[[str], None] = lambda _: None) -> Iterator[str]:
    """So many nodes on an empty database, as they come; their URLs with spaces between. `said` is
    told of the database's settings."""
    with tempfile.TemporaryDirectory(prefix="nodes-") as name, contextlib.ExitStack() as stack:
        Path(name).chmod(0o755)  # the server runs as somebody else where we are root
        database = stack.enter_context(Database.running(Path(name) / "database"))
        said(database.execute(_SETTINGS))
        urls = [
            stack.enter_context(node(Path(name) / f"node-{number}", database.url()))
            for number in range(count)
        ]
        yield " ".join(urls)


@contextlib.contextmanager
def node(folder: Path, store: str) -> Iterator[str]:
    """A relay over the database at `store`; its URL."""
    command = [sys.executable, "-m", "relays", "run", "--port", "0", "--stop-on-eof"]
    process = subprocess.Popen(
        [*command, "--data", str(folder), "--store", store],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment_for_children(),
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().decode().strip()
    finally:
        process.terminate()
        process.wait(STOP_LIMIT)


class Bench:
    """Measures one subject after the other; what loads them runs in a process of its own."""

    def __init__(self, generator: ProcessPoolExecutor) -> None:
        self._generator = generator
        self.settings = ""

    def _apart(self, scenario: Callable[..., Any], *arguments: Any) -> Any:
        return self._generator.submit(_run, scenario, arguments).result(loading.LIMIT)

    def _written(self, url: str, load: Load) -> Figures:
        rate = self._apart(loading.ingest, url, load.events, CONNECTIONS)
        time.sleep(SETTLE)
        return {"ingest": rate}

    def _asked(self, url: str, load: Load) -> Figures:
        found = {
            name: self._apart(loading.query, url, questions, 1).p50
            for name, questions in load.questions.items()
        }
        found["reads"] = self._apart(loading.query, url, load.mix, CONNECTIONS).rate
        return found

    def _keep(self, settings: str) -> None:
        self.settings = settings

    def run(self, load: Load) -> dict[str, Figures]:
        """All figures of one run, by subject."""
        found: dict[str, Figures] = {}
        with sqlite() as url:
            found[SQLITE] = self._written(url, load) | self._asked(url, load)
        for count in COUNTS:
            with nodes(count, self._keep) as urls:
                figures = found[str(count)] = self._written(urls, load)
                if count == 1:
                    figures |= self._asked(urls, load)
                if count == 2:
                    one, _ = urls.split()
                    figures["reads of one"] = self._apart(
                        loading.query, one, load.mix, CONNECTIONS
                    ).rate
                    figures["reads"] = self._apart(loading.query, urls, load.mix, CONNECTIONS).rate
                    late = self._apart(
                        loading.passed_on, urls, load.live, loading.frame(_LIVE.encode()), PACE
                    )
                    figures["passed on, p50"], figures["passed on, p99"] = late.p50, late.p99
        return found


def _run(scenario: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    return loading.run(scenario(*arguments))


def rows_of(runs: Sequence[Mapping[str, Figures]], events: int) -> list[Row]:
    """The table."""
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for run in runs:
        for subject, figures in run.items():
            for figure, value in figures.items():
                values[subject, figure].append(value)

    def median(subject: str, figure: str) -> float:
        return statistics.median(values[subject, figure])

    def ratio(figure: str, one: str, other: str, of: str = "") -> float:
        pairs = zip(values[one, figure], values[other, of or figure], strict=True)
        return statistics.median(a / b for a, b in pairs)

    def rates(*subjects: str) -> str:
        return " to ".join(f"{median(one, 'ingest'):,.0f}/s" for one in subjects)

    rows = [
        Row(
            f"durable ingest of {events:,} events, one node to SQLite",
            *(ratio("ingest", "1", SQLITE), 0.6),
            least=True,
            note=rates("1", SQLITE),
        )
    ]
    for count, goal in (("2", 0.8), ("4", 0.5)):
        what = f"durable ingest, {count} nodes together to one"
        found = ratio("ingest", count, "1")
        rows.append(Row(what, found, goal, least=True, note=rates(count, "1")))
    for name in CLASSES:
        note = f"{median('1', name):.2f} to {median(SQLITE, name):.2f} ms"
        goal = SLOWER.get(name, 1.5)
        rows.append(
            Row(f"{name}: p50, one node to SQLite", ratio(name, "1", SQLITE), goal, note=note)
        )
    what = f"from OK on one node to a subscriber of another, {PACE:g} events/s"
    rows.append(Row(f"{what}: p50", median("2", "passed on, p50"), 10, "ms"))
    rows.append(Row(f"{what}: p99", median("2", "passed on, p99"), 50, "ms"))
    reads = f"{median('2', 'reads'):,.0f}/s to {median('2', 'reads of one'):,.0f}/s"
    rows.append(
        Row(
            "questions a second, two nodes to one",
            ratio("reads", "2", "2", "reads of one"),
            1.5 if loading.cores() > 4 else None,
            least=True,
            note=f"{reads}; {loading.cores()} cores",
        )
    )
    return rows


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.nodes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="one run of 5,000 events")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--authors", type=int, default=2000)
    parser.add_argument("--reqs", type=int, default=400, help="questions of each class")
    options = parser.parse_args(arguments)
    if options.quick:
        options.runs, options.events, options.reqs = 1, 5000, 100
    return options


def main() -> None:
    options = options_of()
    began = time.monotonic()
    found: list[dict[str, Figures]] = []
    print(f"{options.events:,} events, {machine()}", flush=True)
    with ProcessPoolExecutor(1, get_context("spawn")) as generator:
        bench = Bench(generator)
        for number in range(options.runs):
            load = Load(options.events, options.reqs, options.authors, 7 + number)
            found.append(bench.run(load))
            took, busy = time.monotonic() - began, os.getloadavg()[0]
            print(f"  run {number + 1}: {took:.0f} s so far, load {busy:.1f}", flush=True)
    print(f"PostgreSQL: {bench.settings}\n")
    print_table(rows_of(found, options.events))


if __name__ == "__main__":
    main()
