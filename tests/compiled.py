"""Compile the tests once, on every core: `python -m tests.compiled`.

In a fresh clone each worker would do it for itself, and so would every program that they start.
What does not compile is told by the run that follows.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import cache_from_source
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]


def main() -> None:
    files = sorted(ROOT.glob("tests/**/test_*.py"), key=lambda file: -file.stat().st_size)
    if all(_is_compiled(file) for file in files):
        return
    cores = os.cpu_count() or 1
    command = (sys.executable, "-m", "pytest", "--collect-only", "-qq", "-p", "no:cacheprovider")
    shares = [[str(file) for file in files[core::cores]] for core in range(cores)]
    processes = [
        subprocess.Popen([*command, *share], cwd=ROOT, stdout=subprocess.DEVNULL)
        for share in shares
    ]
    for process in processes:
        process.wait()


def _is_compiled(file: Path) -> bool:
    """Has pytest compiled it since it was written?"""
    stem = Path(cache_from_source(str(file))).stem
    compiled = list(file.parent.glob(f"__pycache__/{stem}-pytest-*.pyc"))
    return any(one.stat().st_mtime >= file.stat().st_mtime for one in compiled)


if __name__ == "__main__":
    main()
