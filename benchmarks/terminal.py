"""The terminal client's speed, in a real terminal, as one table of goals and what was measured.

    python -m benchmarks.terminal [--events N] [--quick] [--only START,KEYS,...] [--hours N]

On a folder with 200,000 events of 2,000 people who are followed, made from a seed, at 120 by 40,
beside a bare Textual program (`benchmarks.bare_list`: an `OptionList`) in the same run, by turns:

- first: from nothing at all to the first screen, and to the first note, without a network;
- start: from the process's start to the first painted timeline;
- keys: one row down, and a thread opened, from the key to the frame that shows it;
- burst: processor time a key, of 300 that come at once, at `--events` rows and at 1,000;
- bytes: written for one row down, all that follows from it included, and while nothing changes;
- thread: 500 notes that are here, opened at 80 by 24;
- slow: a line of 50 kB/s, 300 ms away, with 30 keys a second;
- arrivals: keys while 100 events a second come over a relay on this machine;
- index: keys while what is stored is made ready to be searched;
- hour: memory after hours by a fast clock, with keys and arrivals;
- idle: processor time while nobody does anything.

Beside what the wall's clock says stands the processor time that the program took: on a machine that
does other things, that and the ratios within the run are to be read.

No network is used but loopback. Linux only: processor time and memory are read in /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import terminal_first_run, terminal_keys, terminal_load
from benchmarks.crowd import furnish
from benchmarks.table import Row, print_table
from benchmarks.terminal_sittings import Sittings
from nostr_client.errors import NostrError
from nostr_client.rehearsal.relay_process import RelayProcess

FEW = 1_000
"""Events of the small store."""
Measure = Callable[[Sittings], Awaitable[list[Row]]]
FAILURES = (OSError, EOFError, RuntimeError, AssertionError, ExceptionGroup, NostrError)
"""What one measure may end with; TimeoutError is an OSError."""
MEASURES: dict[str, Measure] = {
    "first": terminal_first_run.first_run,
    "start": terminal_keys.start,
    "keys": terminal_keys.keys,
    "burst": terminal_keys.burst,
    "bytes": terminal_keys.written,
    "thread": terminal_keys.long_thread,
    "slow": terminal_keys.slow_line,
    "arrivals": terminal_load.arrivals,
    "index": terminal_load.index,
    "idle": terminal_load.idle,
    "hour": terminal_load.hours,
}


async def measure(
    folder: Path, events: int, only: Sequence[str], *, quick: bool, hours: int
) -> list[Row]:
    relay = await RelayProcess.start(folder / "relay")
    rows: list[Row] = []
    try:
        bare_of_index = folder / "unindexed"
        large = await furnish(folder / "large", events, relay.url, bare_of_index)
        unindexed = replace(large, folder=bare_of_index)
        small = await furnish(folder / "small", FEW, relay.url)
        sittings = Sittings(large, small, unindexed, relay.url, quick=quick, hours=hours)
        for name in [name for name in MEASURES if not only or name in only]:
            print(f"{name} ...", file=sys.stderr, flush=True)
            try:
                rows += await MEASURES[name](sittings)
            except FAILURES as error:  # the others are measured all the same
                print(error, file=sys.stderr, flush=True)
                rows.append(Row(f"{name}: not measured", 1, 0, "", note=type(error).__name__))
    finally:
        await relay.stop()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.terminal")
    parser.add_argument("--events", type=int, default=200_000, help="in the client's store")
    parser.add_argument("--quick", action="store_true", help="fewer keys, shorter waits")
    parser.add_argument("--only", default="", help=f"of {','.join(MEASURES)}")
    parser.add_argument("--hours", type=int, default=1, help="by the fast clock; 24: a soak")
    given = parser.parse_args()
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"):  # as it is where it is installed
        os.environ.pop(name, None)
    only = [name for name in given.only.split(",") if name]
    with tempfile.TemporaryDirectory() as name:
        rows = asyncio.run(
            measure(Path(name), given.events, only, quick=given.quick, hours=given.hours)
        )
    print_table(rows)


if __name__ == "__main__":
    main()
