"""The client over a slow line: the screen is not far behind a key that is held."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from nostr_client.tui.widgets.pager import PAGE
from tests.tui.world import World, world_in

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals there"),
]

RATE = 50_000.0
DELAY = 0.3
REPEAT = 30
NOTES = 4 * PAGE
CONFIG = 'relays = ["ws://127.0.0.1:9"]\nown_relay = false\n'
BEHIND = 10.0
"""Seconds; at 10 kB a frame, a frame a key would be half a minute behind."""


async def _furnish(world: World) -> None:
    notes = [
        world.note("ben", f"n{number:07} " + "some words of a note " * 12, ago=60 * number)
        for number in range(1, NOTES + 1)
    ]
    await world.put(world.follows("ana", "ben"), *notes)
    await world.watched("ana")


def test_a_held_key_is_kept_up_with_over_a_slow_line(tmp_path: Path) -> None:
    pytest.importorskip("pyte")
    from benchmarks.pseudo_terminal import PseudoTerminal
    from benchmarks.terminal_sittings import chosen

    world = world_in(tmp_path)
    world.where.config.mkdir(parents=True)
    (world.where.config / "config.toml").write_text(CONFIG)
    asyncio.run(_furnish(world))
    environment = {**os.environ, "NOSTR_CLIENT_HOME": str(tmp_path)}
    environment.pop("PYTHONUNBUFFERED", None)  # a write that a signal cuts would lose its rest
    for size in ("COLUMNS", "LINES"):  # they would count before the terminal's own
        environment.pop(size, None)
    command = [sys.executable, "-m", "nostr_client"]
    with PseudoTerminal(command, environment, rate=RATE, delay=DELAY) as terminal:
        terminal.until(lambda screen: chosen(screen) == "n0000001")
        terminal.settle(2.0)
        keys = 3 * PAGE
        for _ in range(keys):
            terminal.send("j")
            terminal.watch(1 / REPEAT)
        let_go = time.perf_counter()
        goal = f"n{keys + 1:07}"
        behind = terminal.until(lambda screen: chosen(screen) == goal) - let_go
    assert behind < BEHIND
    assert terminal.bytes < RATE * (keys / REPEAT + BEHIND + 20)
