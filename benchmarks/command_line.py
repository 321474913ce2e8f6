"""The command line: how soon a small command ends, and how fast lines pass through a filter.

Everything is measured in one run, in turns, and said as a ratio: start-up beside bare Python and
beside Python with typer imported, the filter beside a bare loop that decodes the same lines. It is
processor time of the programs' own that counts, so that a busy machine does not count against any.

    python -m benchmarks.command_line --lines 100000
    python -m benchmarks.command_line --lines 120000 --memory publish req
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks import line_memory
from benchmarks.table import Row, print_table
from nostr_client.nips.nip19 import encode_npub
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey

LINES: Final = 1_000_000
FEW: Final = 20_000
"""Lines after which the filter's memory is looked at the first time."""
DISTINCT: Final = 2_000
"""Different events, sent again and again."""
BARE: Final = (
    "import sys, msgspec\n"
    "decode = msgspec.json.Decoder().decode\n"
    "for line in sys.stdin.buffer: decode(line)\n"
)
CLIENT: Final = ("-m", "nostr_client")
STARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "python": ("-c", "pass"),
    "typer": ("-c", "import typer"),
    "--version": (*CLIENT, "--version"),
    "--help": (*CLIENT, "--help"),
    "decode": (*CLIENT, "decode", encode_npub("2" * 63 + "1")),
}


def rows(lines: int = LINES, rounds: int = 3, starts: int = 20) -> list[Row]:
    """All that is measured here: start-up from `starts` starts each, the filter in `rounds`."""
    return [*_start_rows(starts), *_filter_rows(lines, rounds)]


def _start_rows(starts: int) -> Iterator[Row]:
    has_typer = importlib.util.find_spec("typer") is not None
    took = _quickest(
        {name: words for name, words in STARTS.items() if name != "typer" or has_typer}, starts
    )
    bare = took["python"]
    yield Row("python -c pass", bare * 1000, unit="ms")
    yield Row("nostr-client --version, of bare Python", took["--version"] / bare, 3.0)
    yield Row("nostr-client --help, of bare Python", took["--help"] / bare)
    yield Row("nostr-client decode npub1..., from start to end", took["decode"] * 1000, unit="ms")
    if has_typer:
        ratio, note = took["decode"] / took["typer"], ""
    else:
        ratio, note = None, "typer is not installed"
    yield Row("nostr-client decode, of Python that imports typer", ratio, 1.5, note=note)


def _quickest(commands: Mapping[str, Sequence[str]], starts: int) -> dict[str, float]:
    """Seconds of processor time that each took at its best, in turns, all compiled before."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    took: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(starts + 1):
        for name, words in commands.items():
            before = _spent()
            subprocess.run(
                [sys.executable, *words],
                env=environment,
                stdout=subprocess.DEVNULL,
                check=True,
                timeout=60,
            )
            if turn:
                took[name].append(_spent() - before)
    return {name: min(times) for name, times in took.items()}


def _spent() -> float:
    """Seconds of processor time of all programs that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _filter_rows(lines: int, rounds: int) -> Iterator[Row]:
    block = _block(random.Random(20210108))
    loops: dict[str, tuple[str, ...]] = {
        "bare": ("-c", BARE),
        "by kind": (*CLIENT, "filter", "-k", "1"),
        "by tag": (*CLIENT, "filter", "-t", "t=nostr"),
    }
    took: dict[str, list[float]] = {name: [] for name in loops}
    memory: list[tuple[int, int]] = []
    for _ in range(rounds):
        for name, words in loops.items():
            before = _spent()
            held = _fed(words, block, lines)
            took[name].append(_spent() - before)
            if name == "by tag" and held is not None:
                memory.append(held)
    bare = statistics.median(took["bare"])
    yield Row("a bare decode loop", lines / bare / 1000, unit="k lines/s")
    for name in ("by kind", "by tag"):
        speed = bare / statistics.median(took[name])
        yield Row(f"filter {name}, {lines:,} lines, of the bare loop", speed, 0.3, least=True)
    grown = max((late / early for early, late in memory), default=None)
    note = "" if memory else "there is no /proc here"
    yield Row(f"its memory after {lines:,} lines, of that after {FEW:,}", grown, 1.1, note=note)


def _fed(words: Sequence[str], block: bytes, lines: int) -> tuple[int, int] | None:
    """Give a program that many lines, and wait for its end; its largest memory, in kB, after `FEW`
    lines and after all, where the system says it."""
    with subprocess.Popen(
        [sys.executable, *words], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        assert process.stdin is not None
        early = None
        for sent in range(0, lines, DISTINCT):
            if sent >= FEW and early is None:
                early = _largest(process.pid)
            process.stdin.write(block)
        process.stdin.flush()
        late = _largest(process.pid)
        process.stdin.close()
        if process.wait(600) != 0:
            raise RuntimeError(f"{' '.join(words)} ended with {process.returncode}")
    return (early, late) if early and late else None


def _largest(pid: int) -> int | None:
    """The most memory that a process has had, in kB; None where the system does not say."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii")
    except OSError:
        return None
    return int(status.partition("VmHWM:")[2].split()[0])


def _block(chance: random.Random) -> bytes:
    """Signed events as relays have them, the same at each run but for their authors and times."""
    keys = [SecretKey.from_hex(f"{chance.randrange(1, 2**250):064x}") for _ in range(20)]
    words = ["relay", "note", "käse", "今日は", "hello", "zap", "https://example.com/a.jpg", "🙂"]
    made = []
    for number in range(DISTINCT):
        kind = chance.choices([1, 7, 6, 0, 30023], [60, 25, 8, 5, 2])[0]
        text = " ".join(
            chance.choices(words, [20, 20, 1, 1, 20, 10, 3, 1], k=chance.randint(1, 60))
        )
        tags = [
            ("e", f"{chance.randrange(2**250):064x}"),
            ("p", chance.choice(keys).public_key.hex),
        ]
        tags += [("t", chance.choice(["nostr", "art", "food"]))] * chance.randint(0, 1)
        made.append(
            Draft(kind, text, tuple(tags), 1_700_000_000 + number).sign(chance.choice(keys), 0)
        )
    return b"".join(event.json + b"\n" for event in made)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lines", type=int, default=LINES, help="lines through the filter")
    parser.add_argument(
        "--memory",
        nargs="*",
        metavar="COMMAND",
        help="instead: the memory of each command that reads lines, or of those named, while"
        " they pass, at most --lines",
    )
    parser.add_argument("--rounds", type=int, default=3, help="turns of the filter")
    parser.add_argument("--starts", type=int, default=20, help="starts of each command")
    given = parser.parse_args()
    if given.memory is not None:
        for row in line_memory.rows(given.lines, given.memory):
            print(*row.cells(), sep="  ", flush=True)
        return
    print_table(rows(given.lines, given.rounds, given.starts))


if __name__ == "__main__":
    main()
