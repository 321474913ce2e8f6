"""A large account takes little memory, and a run that is killed leaves nothing half."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Final

import pytest

from nostr_client.kit.last_kit import last_kit
from nostr_client.store.opening import MEMORY, open_store
from tests.kit.accounts import (
    KEEPING,
    ME,
    SECRET,
    account_in,
    make_kit,
    paths_in,
    restore_kit,
)
from tests.routing.rooms import START, signed
from tests.waiting import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does"),
]
MOST: Final = 30_000_000
"""Bytes in Python's hands at any time, of 60 MB of events."""
CHILD: Final = """
import asyncio, sys
from pathlib import Path
from tests.kit.accounts import make_kit, paths_in

folder = Path(sys.argv[1])
asyncio.run(make_kit(paths_in(folder), folder / "ana.kit"))
"""


async def large_account(folder: Path, count: int) -> None:
    paths = paths_in(folder)
    await account_in(paths)
    async with open_store(paths.data / "events.db", KEEPING) as store:
        for start in range(0, count, 1000):
            numbers = range(start, min(start + 1000, count))
            notes = [signed(content=f"{n} " + "x" * 3000, at=START + n) for n in numbers]
            await store.save(notes)
            await asyncio.gather(
                *(store.ledger.want(note.id, ["wss://relay.example"]) for note in notes)
            )


async def test_twenty_thousand_events_in_little_memory(tmp_path: Path) -> None:
    await large_account(tmp_path, 20_000)
    kit = tmp_path / "ana.kit"
    tracemalloc.start()
    try:
        counts = await make_kit(paths_in(tmp_path), kit)
        async with open_store(tmp_path / "new.db", KEEPING) as store:
            report = await restore_kit(kit, store, tmp_path / "new")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (counts.events, counts.copies, report.new) == (20_000, 20_000, 20_000)
    assert kit.stat().st_size > 2 * MOST
    assert most < MOST


@pytest.mark.parametrize("moment", ["write", "trial"])
async def test_a_run_that_is_killed_leaves_nothing_half(tmp_path: Path, moment: str) -> None:
    await large_account(tmp_path, 5_000)
    paths, kit = paths_in(tmp_path), tmp_path / "ana.kit"
    part, trial = tmp_path / "ana.kit.part", paths.data / "kit-trial" / "events.db"
    process = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)])
    try:

        def is_under_way() -> bool:
            if moment == "trial":
                return trial.exists() and part.exists()
            return part.exists() and part.stat().st_size > 1_000_000

        await until(is_under_way)
    finally:
        process.kill()
        process.wait(60)
    assert not kit.exists()
    assert part.exists()
    assert last_kit(paths.data, ME) is None
    await make_kit(paths, kit)
    assert not part.exists()
    assert not trial.parent.exists()
    async with open_store(MEMORY, KEEPING) as store:
        report = await restore_kit(kit, store, tmp_path / "new", SECRET)
    assert (report.new, report.is_whole) == (5_000, True)
