"""When garbage is collected: counted rounds, no clock."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from pathlib import Path

import pytest

from nostr_client.tui import garbage, run
from nostr_client.tui.environment import Environment


async def test_full_rounds_are_made_when_no_key_has_come_for_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    since_key, young, looks, collected = 0.0, 0, asyncio.Semaphore(0), 0

    async def look(seconds: float) -> None:
        await looks.acquire()

    def collect() -> int:
        nonlocal collected
        collected += 1
        return 0

    async def looked(seconds: float, rounds: int) -> int:
        nonlocal since_key, young
        since_key, young = seconds, young + rounds
        looks.release()
        for _ in range(5):
            await pause(0)
        return collected

    pause = asyncio.sleep
    monkeypatch.setattr(garbage, "young_rounds", lambda: young)
    monkeypatch.setattr(gc, "collect", collect)
    monkeypatch.setattr(asyncio, "sleep", look)
    task = asyncio.create_task(garbage.collect_in_quiet(lambda: since_key))
    try:
        await pause(0)
        assert await looked(0.1, garbage.FULL_AFTER) == 0, "somebody types"
        assert await looked(0.5, 0) == 0
        assert await looked(garbage.QUIET, 0) == 1
        assert await looked(60, garbage.FULL_AFTER - 1) == 1, "there is not much of it"
        assert await looked(60, 1) == 2
    finally:
        task.cancel()


def test_of_what_is_closed_nothing_stays_though_it_was_set_aside() -> None:
    class Circle:
        def __init__(self) -> None:
            self.own = self

    circle = Circle()
    there = weakref.ref(circle)
    gc.freeze()
    del circle
    gc.collect()
    assert there() is not None
    try:
        garbage.collect_all()
        assert there() is None
    finally:
        gc.freeze()  # as the tests have it


def test_threads_hand_python_over_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step of the loop may wait as long for a thread that computes."""
    seen: list[float] = []

    async def serve(environment: Environment, *, demo: bool = False) -> int:
        seen.append(sys.getswitchinterval())
        return 0

    before = sys.getswitchinterval()
    sys.setswitchinterval(0.005)  # Python's own: another test may have run the client here
    monkeypatch.setenv("NOSTR_CLIENT_HOME", str(tmp_path))
    monkeypatch.setattr(run, "serve", serve)
    try:
        assert run.run() == 0
    finally:
        sys.setswitchinterval(before)
    assert seen[0] <= 0.001
