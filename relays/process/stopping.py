"""What ends a relay, and what it is told while it runs: signals, standard input, idleness."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from relays.server.systemd import ALIVE, READY, STOPPING, Supervisor

LOOK: Final = 1.0
"""Seconds between two looks at whether anybody is here, or wants the relay to stay."""


class StopConditions(msgspec.Struct, frozen=True, kw_only=True):
    """What ends a relay beside signals: the end of standard input, if `stop_on_eof`; `idle` seconds
    in which nobody was here who was let in, nor wanted it to stay (`KEEP`, `USERS`)."""

    stop_on_eof: bool = False
    idle: float | None = None


class Reloads(Protocol):
    """Who has the configuration read again while `run` runs, when `asked`."""

    asked: asyncio.Event

    async def run(self) -> None:
        """Work until cancelled."""


def say(address: str, place: str) -> None:
    """Tell whoever started the relay that it listens."""
    # Whoever started the relay may not listen any more, or where he keeps what it says may be full:
    # that is no reason to end.
    with contextlib.suppress(OSError):
        sys.stdout.write(f"{address}\n")
        sys.stdout.flush()
    if sys.stderr.isatty():
        sys.stderr.write(f"The relay keeps its events in {place}. Ctrl-C ends it.\n")


async def until_told_to_stop(
    ends: StopConditions,
    reloader: Reloads,
    *,
    idle: Callable[[], float],
    ready: Callable[[], None],
    told: asyncio.Event | None = None,
) -> None:
    """Returns when a signal, `ends` or whoever sets `told` says so. `ready` is called when whoever
    hears of us may send signals; `idle` says for how long nobody has been here."""
    loop = asyncio.get_running_loop()
    told = told or asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        if sys.platform == "win32":
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(told.set))
        else:
            loop.add_signal_handler(number, told.set)
    if sys.platform != "win32":
        loop.add_signal_handler(signal.SIGHUP, reloader.asked.set)
    if ends.stop_on_eof:
        threading.Thread(target=_read_to_end, args=(loop, told), daemon=True).start()
    supervisor = Supervisor()
    async with asyncio.TaskGroup() as group:
        beside = [group.create_task(reloader.run()), group.create_task(_stay_alive(supervisor))]
        if ends.idle is not None:
            beside.append(group.create_task(_watch_idle(ends.idle, idle, told)))
        ready()
        supervisor.tell(READY)
        await told.wait()
        supervisor.tell(STOPPING)
        for task in beside:
            task.cancel()


async def _watch_idle(limit: float, idle: Callable[[], float], told: asyncio.Event) -> None:
    """Look every `LOOK` seconds: a lock is held or not, and tells nobody of it."""
    while True:
        await asyncio.sleep(LOOK)
        if idle() >= limit:
            told.set()


async def _stay_alive(supervisor: Supervisor) -> None:
    """Let the supervisor know, as often as it wants, that the loop turns."""
    while supervisor.pulse:
        supervisor.tell(ALIVE)
        await asyncio.sleep(supervisor.pulse)


def _read_to_end(loop: asyncio.AbstractEventLoop, told: asyncio.Event) -> None:
    """Wait for the end of standard input, on a thread: not every kind of file can be watched."""
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    with contextlib.suppress(RuntimeError):  # the loop has ended before
        loop.call_soon_threadsafe(told.set)
