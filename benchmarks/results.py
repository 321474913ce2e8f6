"""What a whole run leaves behind: `benchmarks/RESULTS.md`, with what the machine is, not whose."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.peers.environments import ROOT, VERSIONS
from benchmarks.table import Row
from nostr_client.version import __version__

PATH: Final = Path(__file__).with_name("RESULTS.md")


def machine() -> str:
    """Processor, memory, system and Python."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{_processor()}, {len(_cores())} cores for this run, {memory:.0f} GiB, "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    )


def _cores() -> Sequence[int]:
    if sys.platform == "linux":
        return sorted(os.sched_getaffinity(0))
    return range(os.cpu_count() or 1)


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "no repository"


def write_results(rows: Sequence[Row], fingerprint: str, took: float, *, whole: bool) -> None:
    """Put this run in place of the one before."""
    others = ", ".join(f"{name} {version}" for name, version in VERSIONS.items())
    lines = [
        "# Results",
        "",
        "Written by `make bench`; what is compared, and how, stands in `benchmarks/libraries.py`.",
        "",
        f"- {time.strftime('%Y-%m-%d', time.gmtime())}, nostr-client {__version__} ({_commit()})"
        f" beside {others}",
        f"- {machine()}",
        f"- {'a whole run' if whole else 'a quick run, of less than the goals name'},"
        f" {took / 60:.0f} minutes; load at the end {os.getloadavg()[0]:.1f}",
        f"- fingerprint of the events (SHA-256 of their ids, in order): `{fingerprint}`",
        "",
        "Ratios are medians of interleaved rounds, this library over the other; in brackets from",
        "where to where they went in the rounds.",
        "",
        "| | goal | measured | met |",
        "| --- | ---: | ---: | --- |",
        *(f"| {' | '.join(row.cells())} |" for row in rows),
        "",
    ]
    PATH.write_text("\n".join(lines), encoding="utf-8")
