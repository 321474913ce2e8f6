"""The fuzz from the command line."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

KINDS = ("queries", "live", "frames", "decrypt")
ROUND_LIMIT = 600.0
"""Seconds that one round may take, on any machine."""


def main() -> None:
    """Play rounds; raises what went wrong in the first that went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)}; or all")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each kind (60)")
    parser.add_argument("--seed", default="", help="of all rounds; by default a new one")
    parser.add_argument("--round", type=int, help="this round alone")
    options = parser.parse_args()
    kinds = options.kinds or list(KINDS)
    if not set(kinds) <= set(KINDS):
        parser.error(f"a KIND is one of {', '.join(KINDS)}")
    seed = options.seed or str(random.SystemRandom().randrange(10**9))
    for kind in kinds:
        _fuzz(kind, seed, options)


def _fuzz(kind: str, seed: str, options: argparse.Namespace) -> None:
    end = time.monotonic() + options.seconds
    number, checks = options.round or 0, 0
    while True:
        with _how_to_see_it_again(f"make fuzz KIND={kind} SEED={seed} ROUND={number}"):
            checks += _round(kind, f"{kind} {seed} {number}")
        number += 1
        if options.round is not None or time.monotonic() > end:
            break
    rounds = number - (options.round or 0)
    sys.stdout.write(f"{kind}: seed {seed}, {rounds} rounds, {checks} checks, all well\n")
    sys.stdout.flush()


@contextlib.contextmanager
def _how_to_see_it_again(command: str) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        error.add_note(f"\nThe same round again: {command}")
        raise


def _round(kind: str, seed: str) -> int:
    async def play() -> int:
        async with asyncio.timeout(ROUND_LIMIT):
            checks: int = await module.play(seed, Path(folder))
            return checks

    module = importlib.import_module(f"tests.fuzz.{kind}")
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(play())


if __name__ == "__main__":
    main()
