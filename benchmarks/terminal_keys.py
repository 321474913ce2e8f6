"""What `benchmarks.terminal` measures by pressing keys."""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.bare_list import ROWS
from benchmarks.crowd import ANSWERS
from benchmarks.pseudo_terminal import PseudoTerminal
from benchmarks.table import Row
from benchmarks.terminal_sittings import (
    QUIET,
    Sittings,
    Took,
    at_home,
    chosen,
    cpu_rows,
    cpus,
    highlighted,
    middle,
    opened,
    p99,
    press,
    pressed,
    wait_for_second,
    walls,
)
from benchmarks.terminal_sittings import (
    burst as burst_of,
)

BURST = 300
SLOW_RATE = 50_000.0
SLOW_DELAY = 0.3
REPEAT = 30
"""Keys a second that a held key sends."""
HELD = 5
"""Seconds for which it is held."""


async def start(sittings: Sittings) -> list[Row]:
    ours, bare = [], []
    for _ in range(sittings.rounds(8)):
        with sittings.bare() as terminal:
            painted = terminal.until_text("n0000000")
            bare.append(Took(1000 * (painted - terminal.began), 1000 * terminal.cpu))
            terminal.settle()
        with sittings.client(sittings.large) as terminal:
            painted = terminal.until_text(sittings.large.newest[0])
            ours.append(Took(1000 * (painted - terminal.began), 1000 * terminal.cpu))
            terminal.settle()
    times = middle(cpus(ours)) / middle(cpus(bare))
    return [
        Row(
            "start to painted timeline, of the bare start",
            middle(walls(ours)) / middle(walls(bare)),
            2.5,
        ),
        Row("  the same", middle(walls(ours)), unit="ms"),
        Row("  the bare program's", middle(walls(bare)), unit="ms"),
        Row("  processor time", middle(cpus(ours)), unit="ms"),
        Row("  of the bare start's processor time", times),
    ]


async def keys(sittings: Sittings) -> list[Row]:
    ours, bare, threads, screens = list[Took](), list[Took](), list[Took](), list[Took]()
    with sittings.client(sittings.large) as client, sittings.bare() as plain:
        at_home(client)
        at_home(plain)
        for _ in range(sittings.rounds(200)):
            ours.append(press(client, "j", chosen))
            bare.append(press(plain, "\x1b[B", highlighted))
        for _ in range(sittings.rounds(60)):
            client.settle(0.3)
            press(client, "j", chosen)
            threads.append(pressed(client, "\r", shows(chosen(client))))
            client.send("\x1b")
            screens.append(pressed(plain, "\r", lambda screen: "opened" in screen.text))
            plain.send("\x1b")
            plain.settle(0.4)
    return [
        Row("key to painted, one row down, p50", middle(walls(ours)), 30, "ms"),
        Row("  p99", p99(walls(ours)), 100, "ms"),
        Row("  of the bare list's, p50", middle(walls(ours)) / middle(walls(bare)), 1.5),
        Row("  of the bare list's, p99", p99(walls(ours)) / p99(walls(bare)), 1.5),
        *cpu_rows(ours, bare, "the bare list's"),
        Row("key to painted, a thread opened, p50", middle(walls(threads)), 30, "ms"),
        Row("  p99", p99(walls(threads)), 100, "ms"),
        Row(
            "  of the bare program's opening of a list, p50",
            middle(walls(threads)) / middle(walls(screens)),
            1.5,
        ),
        *cpu_rows(threads, screens, "the bare program's"),
    ]


def shows(number: str) -> Callable[[PseudoTerminal], bool]:
    """Is the note of this number the selected one of the detail?"""
    return lambda terminal: opened(terminal) == number


async def burst(sittings: Sittings) -> list[Row]:
    large, small, bare = list[float](), list[float](), list[float]()
    with (
        sittings.client(sittings.large) as one,
        sittings.client(sittings.small) as other,
        sittings.bare() as plain,
    ):
        for terminal in (one, other, plain):
            at_home(terminal)
        for _ in range(sittings.rounds(5)):
            for client, home, found in (
                (one, sittings.large, large),
                (other, sittings.small, small),
            ):
                found.append(burst_of(client, "j" * BURST, home.newest[BURST], chosen))
                press(client, "g", chosen)
                client.settle(QUIET)
            bare.append(burst_of(plain, "\x1b[B" * BURST, f"n{BURST:07}", highlighted) * 3)
            press(plain, "\x1b[H", highlighted)
            plain.settle()
    assert ROWS > BURST
    return [
        Row(f"processor time a key, {BURST} at once", middle(large), 15, "ms"),
        Row("  of that at 1,000 rows", middle(large) / middle(small), 1.2),
        Row("  the bare list's", middle(bare), unit="ms"),
    ]


async def written(sittings: Sittings) -> list[Row]:
    rows, painted, fullest = [], [], 0
    with sittings.client(sittings.large) as client:
        at_home(client)
        for _ in range(sittings.rounds(40)):
            before, frames = client.bytes, len(client.frames)
            press(client, "j", chosen)
            painted.append(client.bytes - before)
            client.settle(0.4)
            rows.append(client.bytes - before)
            fullest = max(fullest, *client.frames[frames:])
        press(client, "G", chosen)
        client.settle(3.0)
        wait_for_second(2, 25, client)
        still = client.watch(30.0)
    return [
        Row("bytes for one row down, with its thread beside it", middle(rows), 16_000, ""),
        Row("  the most", max(rows), 16_000, ""),
        Row("  until the row is painted", middle(painted), unit=""),
        Row("  rows of 40 that a frame wrote on, the most", fullest, 39, ""),
        Row("bytes in 30 s in which nothing changes", still, 0, ""),
    ]


async def long_thread(sittings: Sittings) -> list[Row]:
    first, whole, cpu = [], [], []
    with sittings.client(sittings.large, columns=80, rows=24) as client:
        at_home(client)
        for _ in range(sittings.rounds(15)):
            before = client.cpu
            began = client.send("\r")
            painted = client.until(_shows_thread)
            first.append(1000 * (painted - began))
            cpu.append(1000 * (client.cpu - before))
            if f"{ANSWERS} answers" not in client.text:
                painted = client.until_text(f"{ANSWERS} answers")
            whole.append(1000 * (painted - began))
            client.settle(QUIET)
            client.send("\x1b")
            client.settle(QUIET)
    return [
        Row(
            "a thread of 500 notes opened: the note painted, for the first time",
            first[0],
            150,
            "ms",
        ),
        Row("  p50", middle(first), 150, "ms"),
        Row("  processor time, for the first time", cpu[0], unit="ms"),
        Row("  processor time, p50", middle(cpu), unit="ms"),
        Row("  all of it, p50", middle(whole), unit="ms"),
    ]


def _shows_thread(terminal: PseudoTerminal) -> bool:
    return "thread · " in terminal.text and bool(chosen(terminal, 0, terminal.screen.columns))


async def slow_line(sittings: Sittings) -> list[Row]:
    """How far behind the keys the screen is when a held key is let go."""
    late, bytes_read = [], []
    with sittings.client(sittings.large, rate=SLOW_RATE, delay=SLOW_DELAY) as client:
        at_home(client)
        wanted = 0
        for _ in range(sittings.rounds(3)):
            before = client.bytes
            for _ in range(REPEAT * HELD):
                client.send("j")
                client.watch(1 / REPEAT)
            wanted += REPEAT * HELD
            let_go = time.perf_counter()
            goal = sittings.large.newest[wanted]
            late.append(client.until(lambda screen, goal=goal: chosen(screen) == goal) - let_go)
            bytes_read.append((client.bytes - before) / (REPEAT * HELD))
            client.settle(QUIET)
    return [
        Row(
            f"{REPEAT} keys a second over 50 kB/s, 300 ms: behind when let go",
            1000 * max(late),
            1600,
            "ms",
            note="the line itself takes 600",
        ),
        Row("  bytes a key", middle(bytes_read), unit=""),
    ]
