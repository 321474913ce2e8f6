"""From a key to the letter on the screen while a large inbox opens, in a real terminal.

    python -m benchmarks.private_typing [WRAPS]

The terminal client starts in a pseudo-terminal on a folder with so many gift wraps that are not
opened yet, and is unlocked; then one letter after the other is typed into a note, each when the one
before was painted, until nothing is left to open. The same again when all is quiet.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gift_wraps import make_wraps
from benchmarks.pseudo_terminal import PseudoTerminal
from benchmarks.table import Row, print_table
from nostr_client.accounts.account import Accounts
from nostr_client.paths import Paths
from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.store.opening import open_store

PASSWORD = "correct horse"
CONFIG = 'relays = ["ws://127.0.0.1:9"]\nown_relay = false\n'
PAUSE = 0.03
"""Seconds between a letter that was painted and the next one."""
QUIET = 3.0
"""Seconds without anything opened after which all is."""
LETTERS = [chr(0x430 + n) for n in range(32)]
"""None of them stands on the screen by itself."""
LONGEST = 300.0


async def furnish(home: Path, wraps: Sequence[Event], key: SecretKey) -> None:
    """An account that is kept by `PASSWORD`, and its inbox."""
    (home / "config").mkdir(parents=True)
    (home / "config" / "config.toml").write_text(CONFIG)
    await Accounts(paths_in(home), work=4).import_key(key, "ana", password=PASSWORD)
    async with open_store(home / "data" / "events.db") as store:
        await store.save(wraps)


def paths_in(home: Path) -> Paths:
    return Paths(home / "config", home / "data", home / "state")


def type_on(terminal: PseudoTerminal, seconds: float, growing: Path | None = None) -> list[float]:
    """Seconds from each key to its letter, for so long, or until a file grows no more."""
    took: list[float] = []
    began = changed = time.monotonic()
    size = 0
    while time.monotonic() - began < seconds:
        letter = LETTERS[len(took) % len(LETTERS)]
        pressed = time.perf_counter()
        terminal.send(letter)
        terminal.until_text(letter)
        took.append(time.perf_counter() - pressed)
        if len(took) % len(LETTERS) == 0:
            terminal.send("\x15")  # the line is deleted: no letter of it is painted once more
            terminal.watch(0.3)
        terminal.watch(PAUSE)
        if growing is not None:
            now = growing.stat().st_size if growing.exists() else 0
            if now != size:
                size, changed = now, time.monotonic()
            elif size and time.monotonic() - changed > QUIET:
                break
    return took


async def measure(home: Path, wraps: Sequence[Event], key: SecretKey) -> list[Row]:
    """What a key waits for until its letter is painted: while `wraps` open, and after it."""
    await furnish(home, wraps, key)
    return await asyncio.to_thread(
        _type, home, home / "data" / f"messages-{key.public_key.hex[:16]}.sealed"
    )


def _type(home: Path, kept: Path) -> list[Row]:
    environment = {**os.environ, "NOSTR_CLIENT_HOME": str(home)}
    command = [sys.executable, "-m", "nostr_client"]
    with PseudoTerminal(command, environment, columns=100, rows=30) as terminal:
        terminal.until_text("assword")
        terminal.watch(0.5)
        terminal.send(f"{PASSWORD}\r")
        terminal.until_text("Mentions")
        terminal.send("c")
        terminal.until_text("New note")
        opening = type_on(terminal, LONGEST, kept)
        quiet = type_on(terminal, 10.0)
    note = f"{len(opening)} keys"
    return [
        Row("key to painted meanwhile, p99", _p99(opening), 100, "ms", note=note),
        Row("the same when all is quiet", _p99(quiet), unit="ms"),
    ]


def _p99(seconds: Sequence[float]) -> float:
    return 1000 * statistics.quantiles(seconds, n=100)[98]


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    key = SecretKey.generate()
    wraps = make_wraps(key, count, int(time.time()))
    with tempfile.TemporaryDirectory() as name:
        print_table(asyncio.run(measure(Path(name), wraps, key)))


if __name__ == "__main__":
    main()
