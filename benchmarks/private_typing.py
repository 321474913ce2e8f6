"""From a key to the letter on the screen while a large inbox opens, in a real terminal.

    python -m benchmarks.private_typing [WRAPS]

The terminal client starts in a pseudo-terminal on a folder with so many gift wraps that are not
opened yet, and is unlocked; then one letter after the other is typed into a note, each when the one
before was painted, until nothing is left to open. The same again when all is quiet.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from struct import pack

from benchmarks.gift_wraps import make_wraps
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
LIMIT = 60.0
"""Seconds for anything that must appear."""
LETTERS = [chr(0x430 + n) for n in range(32)]
"""None of them stands on the screen by itself."""
LONGEST = 300.0


class Terminal:
    """The client in a pseudo-terminal of 100 by 30."""

    def __init__(self, home: Path) -> None:
        self._screen, inside = pty.openpty()
        import fcntl
        import termios

        fcntl.ioctl(inside, termios.TIOCSWINSZ, pack("HHHH", 30, 100, 0, 0))
        environment = {**os.environ, "NOSTR_CLIENT_HOME": str(home), "TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "nostr_client"],
            stdin=inside,
            stdout=inside,
            stderr=inside,
            env=environment,
            start_new_session=True,
        )
        os.close(inside)

    def send(self, keys: str) -> None:
        os.write(self._screen, keys.encode())

    def wait_for(self, text: str) -> None:
        """Read until `text` was written. Raises TimeoutError."""
        wanted, tail, end = text.encode(), b"", time.monotonic() + LIMIT
        while (left := end - time.monotonic()) > 0:
            if select.select([self._screen], [], [], left)[0]:
                tail = tail[-200:] + os.read(self._screen, 65_536)
                if wanted in tail:
                    return
        raise TimeoutError(f"{text!r} does not appear")

    def drain(self, seconds: float) -> None:
        """Read whatever is written within so many seconds."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self._screen], [], [], left)[0]:
                os.read(self._screen, 65_536)

    def close(self) -> None:
        self.process.terminate()
        with contextlib.suppress(OSError):  # a terminal whose program has ended
            self.drain(0.5)
        self.process.wait(LIMIT)
        os.close(self._screen)


async def furnish(home: Path, wraps: Sequence[Event], key: SecretKey) -> None:
    """An account that is kept by `PASSWORD`, and its inbox."""
    (home / "config").mkdir(parents=True)
    (home / "config" / "config.toml").write_text(CONFIG)
    await Accounts(paths_in(home), work=4).import_key(key, "ana", password=PASSWORD)
    async with open_store(home / "data" / "events.db") as store:
        await store.save(wraps)


def paths_in(home: Path) -> Paths:
    return Paths(home / "config", home / "data", home / "state")


def type_on(terminal: Terminal, seconds: float, growing: Path | None = None) -> list[float]:
    """Seconds from each key to its letter, for so long, or until a file grows no more."""
    took: list[float] = []
    began = changed = time.monotonic()
    size = 0
    while time.monotonic() - began < seconds:
        letter = LETTERS[len(took) % len(LETTERS)]
        pressed = time.perf_counter()
        terminal.send(letter)
        terminal.wait_for(letter)
        took.append(time.perf_counter() - pressed)
        if len(took) % len(LETTERS) == 0:
            terminal.send("\x15")  # the line is deleted: no letter of it is painted once more
            terminal.drain(0.3)
        terminal.drain(PAUSE)
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
    terminal = Terminal(home)
    try:
        terminal.wait_for("assword")
        terminal.drain(0.5)
        terminal.send(f"{PASSWORD}\r")
        terminal.wait_for("Mentions")
        terminal.send("c")
        terminal.wait_for("New note")
        opening = type_on(terminal, LONGEST, kept)
        quiet = type_on(terminal, 10.0)
    finally:
        terminal.close()
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
