"""A large account takes little memory, and a run that is killed leaves nothing half."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

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
    pytest.mark.skipif(sys.platform == "win32", reason="signals and resource limits of POSIX"),
]
MOST_MORE = 80 * 2**20
"""Bytes of memory beside what an almost empty backup takes: batches, and SQLite's caches."""

CHILD = """
import asyncio, resource, sys
from pathlib import Path
from tests.kit.accounts import KEEPING, make_kit, paths_in, restore_kit
from nostr_client.store.opening import MEMORY, open_store

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

async def main(folder):
    async with open_store(MEMORY, KEEPING) as store:
        await make_kit(paths_in(folder), folder / "empty.kit", store=store)
        await restore_kit(folder / "empty.kit", store, folder / "nothing")
    before = peak()
    await make_kit(paths_in(folder), folder / "ana.kit")
    async with open_store(folder / "new.db", KEEPING) as store:
        report = await restore_kit(folder / "ana.kit", store, folder / "new")
    print(report.new, peak() - before)

asyncio.run(main(Path(sys.argv[1])))
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
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", CHILD, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    new, more = map(int, done.stdout.split())
    assert new == 20_000
    assert more < MOST_MORE, f"{more / 2**20:.0f} MiB"
    assert (tmp_path / "ana.kit").stat().st_size > 60_000_000


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
    made = last_kit(paths.data, ME)
    assert made is None or made.path.endswith("empty.kit")
    await make_kit(paths, kit)
    assert not part.exists()
    assert not trial.parent.exists()
    async with open_store(MEMORY, KEEPING) as store:
        report = await restore_kit(kit, store, tmp_path / "new", SECRET)
    assert (report.new, report.is_whole) == (5_000, True)
