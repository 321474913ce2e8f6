"""This library beside others, in one run: `python -m benchmarks [--quick] [--only PART]`.

All of it takes a quarter of an hour. A whole run writes `benchmarks/RESULTS.md`, with what the
machine is; a quick one, or one of parts, only prints, unless it is told to `--write`.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import imports, libraries, pull_million
from benchmarks.libraries import OURS, QUICK, SDK, Events, Measured, Sizes
from benchmarks.peers.environments import python_of
from benchmarks.results import machine, write_results
from benchmarks.table import Row, print_table

PARTS = ("imports", "commands", "ingest", "publish", "live", "memory", "million")


def million(folder: Path) -> list[Row]:
    """A million events reconciled into an empty store, where STRFRY names a binary."""
    binary = os.environ.get("STRFRY", "")
    if not binary:
        return [Row("1,000,000 events reconciled, as fast as strfry sync", None, note="no STRFRY")]
    return asyncio.run(pull_million.run(folder, pull_million.EVENTS, 1, binary))


def commands() -> Sequence[Row]:
    """What commands take that need no network."""
    if importlib.util.find_spec("benchmarks.command_line") is None:
        return []
    rows: Callable[[], Sequence[Row]] = importlib.import_module("benchmarks.command_line").rows
    return rows()


def run(parts: Sequence[str], sizes: Sizes, peers: Sequence[str]) -> tuple[list[Row], str]:
    """The rows, and the fingerprint of the events."""
    rows: list[Row] = []
    if "imports" in parts:
        rows += imports.measure(5 if sizes is QUICK else 15)
    if "commands" in parts:
        rows += commands()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measured = Measured(folder, sizes, peers)
        events = Events.made(sizes.ingest)
        print(f"  {len(events.lines):,} events, fingerprint of their ids {events.fingerprint}")
        works = {
            "ingest": lambda: libraries.ingest(measured, events),
            "publish": lambda: libraries.publish(measured, events),
            "live": lambda: libraries.live(measured),
            "memory": lambda: libraries.memory(measured),
        }
        for part, work in works.items():
            if part in parts:
                asyncio.run(work())
        rows += libraries.rows(measured)
        if "million" in parts:
            rows += million(folder)
    return rows, events.fingerprint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="less of everything, in one round")
    parser.add_argument("--only", choices=PARTS, action="append", help="one part; may be repeated")
    parser.add_argument("--rounds", type=int, help="of ingest, publish and latency")
    parser.add_argument("--peer", choices=("pynostr", "monstr", "none"), action="append")
    parser.add_argument("--write", action="store_true", help="RESULTS.md after a quick run, too")
    given = parser.parse_args()
    sizes = QUICK if given.quick else Sizes()
    if given.rounds:
        sizes = sizes._replace(rounds=given.rounds)
    slow = [name for name in given.peer or ("pynostr", "monstr") if name != "none"]
    for name in (SDK, *slow):
        python_of(name)  # before anything is measured
    began = time.monotonic()
    print(machine())
    rows, fingerprint = run(given.only or PARTS, sizes, [OURS, SDK, *slow])
    print_table(rows)
    took = time.monotonic() - began
    print(f"  {took / 60:.1f} minutes")
    if given.write or not (given.quick or given.only):
        write_results(rows, fingerprint, took, whole=not (given.quick or given.only))


if __name__ == "__main__":
    main()
