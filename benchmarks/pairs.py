"""Is anything slower than before? `python -m benchmarks.pairs OLD [NEW] [--pairs N]`.

OLD and NEW are source trees or revisions of this repository; without NEW it is this tree. In each
pair the relay of the old one is measured twice and that of the new one once, in turns, with one
load. What counts is the median of the pairs' ratios, new to old, of each rate: at least 0.97, or
within what the old one's two runs differ by, which is printed beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import loading
from benchmarks.relay import FEW, PACE, SUBSCRIBERS, wait_for_index
from benchmarks.relay_load import LIVE, NEWEST, Apart, Load, generator, req
from benchmarks.subjects import ROOT, Subject, ours

LEAST: Final = 0.97
CONNECTIONS: Final = (1, 8, 64)
Rates = dict[str, float]


def measure(subject: Subject, load: Load, apart: Apart) -> Rates:
    """How often in a second, of each thing; the more, the better."""
    rates: Rates = {}
    with subject() as relay:
        rates["ingest"] = apart(loading.ingest, relay.url, load.events, 8)
        slow = load.live[LIVE : LIVE + LIVE // 8]
        told = apart(loading.fan_out, relay.url, slow, req(NEWEST), SUBSCRIBERS, PACE)
        rates["paced fan-out, index behind: 1 / p99"] = 1000 / told.p99
        for name, questions in load.questions.items():
            behind = apart(loading.query, relay.url, questions, 1)
            rates[f"{name}, index behind: 1 / p99"] = 1000 / behind.p99
        wait_for_index(relay)
        for name, questions in load.questions.items():
            for count in CONNECTIONS:
                asked = questions if count == 1 else questions * 2
                rates[f"{name}, {count}"] = apart(loading.query, relay.url, asked, count).rate
        full = apart(loading.fan_out, relay.url, load.live[:LIVE], req(NEWEST), SUBSCRIBERS, None)
        rates["fan-out"] = full.rate
        asked, wrote = apart(loading.mixed, relay.url, load.mix, load.writes, 64)
        rates["mixed, 64"] = asked.rate + wrote.rate
    return rates


@contextlib.contextmanager
def tree_of(name: str) -> Iterator[Path]:
    """The folder of that name, or what is in that revision. Raises CalledProcessError."""
    if Path(name, "relays").is_dir():
        yield Path(name).resolve()
        return
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "tree.tar")
        command = ["git", "archive", f"--output={archive}", name, "nostr_client", "relays"]
        subprocess.run(command, cwd=ROOT, check=True)
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        archive.unlink()
        yield Path(folder)


def show(old: Sequence[Rates], again: Sequence[Rates], new: Sequence[Rates]) -> bool:
    """A line for each rate. Is none slower?"""
    print(f"\n{'':<46}{'new / old':>10}  {'old / old':>10} (from to)      not slower")
    good = True
    for what in old[0]:
        changed = statistics.median(b[what] / a[what] for a, b in zip(old, new, strict=True))
        same = sorted(b[what] / a[what] for a, b in zip(old, again, strict=True))
        met = changed >= min(LEAST, same[0])
        good &= met
        spread = f"({same[0]:.2f} {same[-1]:.2f})"
        print(f"{what:<46}{changed:>10.2f}  {statistics.median(same):>10.2f} {spread:<14}", end="")
        print("yes" if met else "NO")
    return good


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old")
    parser.add_argument("new", nargs="?", default=str(ROOT))
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--events", type=int, default=FEW)
    parser.add_argument("--reqs", type=int, default=400, help="questions of each class")
    given = parser.parse_args()
    found: list[list[Rates]] = [[], [], []]
    with tree_of(given.old) as old, tree_of(given.new) as new, generator() as apart:
        subjects = [partial(ours, tree=tree) for tree in (old, old, new)]
        for number in range(given.pairs):
            load = Load(given.events, given.reqs, 2000, 7 + number)
            for turn in range(3):  # each is the first of them as often
                which = (number + turn) % 3
                found[which].append(measure(subjects[which], load, apart))
            print(f"  pair {number + 1} of {given.pairs}", flush=True)
    if not show(*found):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
