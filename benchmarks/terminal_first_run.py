"""What `benchmarks.terminal` measures of somebody's first minute, without a network."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.crowd import PASSWORD, paths_in
from benchmarks.pseudo_terminal import PseudoTerminal
from benchmarks.table import Row
from benchmarks.terminal_sittings import Sittings, chosen, middle

STEPS = (
    ("\r", "Once more"),
    (f"ana\t{PASSWORD}\t{PASSWORD}\r", "Back it up"),
    ("\x1b", "otes stay on this machine"),
    ("\r", "ctrl+s"),
)
"""What is typed on each screen, and what the next one says."""
NOTE = "n0000001"
POST = f"{NOTE} hello from here\x13"
PACE = 0.2
"""Seconds that a person takes for a key."""
READING = 3.0
"""Seconds that a person takes to read a screen."""
NOWHERE = 'proxy = "socks5://127.0.0.1:9"\nown_relay = false\n'
"""Everything goes through a proxy that is not there."""


async def first_run(sittings: Sittings) -> list[Row]:
    """From a folder in which nothing is: to the first screen, and to the first note."""
    screens, cpu, posts = [], [], []
    for _ in range(sittings.rounds(5)):
        with TemporaryDirectory() as name, _newcomer(sittings, Path(name)) as terminal:
            screens.append(terminal.until_text("New here") - terminal.began)
            cpu.append(terminal.cpu)
            began = time.perf_counter()
            for keys, words in STEPS:
                terminal.settle(0.2)
                terminal.send(keys)
                terminal.until_text(words)
            terminal.send(POST)
            terminal.until(lambda screen: chosen(screen) == NOTE)
            posts.append(time.perf_counter() - began)
    count = sum(len(keys) for keys, _ in STEPS) + len(POST)
    by_person = count * PACE + (len(STEPS) + 1) * READING
    return [
        Row("first run, nothing there: process start to the first screen", middle(screens), 1, "s"),
        Row("  processor time", middle(cpu), unit="s"),
        Row(
            "  from there to the first note, offline",
            middle(posts) + by_person,
            60,
            "s",
            note=f"with {by_person:.0f} s for {count} keys and {len(STEPS) + 1} screens to read",
        ),
    ]


def _newcomer(sittings: Sittings, folder: Path) -> PseudoTerminal:
    config = paths_in(folder).config
    config.mkdir(mode=0o700)
    (config / "config.toml").write_text(NOWHERE)
    return sittings.newcomer(folder)
