"""Full disks, damaged files, folders that may not be written: clear errors, nothing made worse."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from nostr_client.errors import StoreError
from nostr_client.protocol.filters import Filter
from nostr_client.store.opening import open_store
from nostr_client.store.sqlite.database import Database
from nostr_client.store.sqlite.store import SqliteStore
from tests.store.samples import NOW, author, make
from tests.store.sqlite.test_processes import all_lines, child

ALICE = author(1)
posix = pytest.mark.skipif(sys.platform == "win32", reason="rights and limits of POSIX")


async def filled(path: Path, count: int = 3000) -> None:
    async with open_store(path) as store:
        await store.save([make(ALICE, 1, NOW - n, ("t", f"{n}")) for n in range(count)])


async def test_a_full_disk_is_an_error_and_passes(tmp_path: Path) -> None:
    async with open_store(tmp_path / "events.db") as store:
        held = [make(ALICE, 1, NOW - n) for n in range(100)]
        more = [make(ALICE, 1, NOW - n, content="x" * 1000) for n in range(2000)]
        await store.save(held)
        await store._db.write(lambda db: db.execute("PRAGMA max_page_count = 100").fetchall())
        for _ in range(2):
            with pytest.raises(StoreError, match="full"):
                await store.save(more)
            with pytest.raises(StoreError, match="full"):
                await store.ledger.want(held[0].id, [f"wss://{n}.example" for n in range(20_000)])
            assert await store.query([Filter()]) == held
        await store._db.write(lambda db: db.execute("PRAGMA max_page_count = 100000").fetchall())
        assert all(result.held for result in await store.save(more))
        await store.check()


async def test_many_jobs_on_a_full_disk_fail_together(tmp_path: Path) -> None:
    async with open_store(tmp_path / "events.db") as store:
        await store._db.write(lambda db: db.execute("PRAGMA max_page_count = 60").fetchall())
        made = [make(ALICE, 1, NOW - n, content="x" * 5000) for n in range(500)]
        outcomes = await asyncio.gather(
            *(store.save([event]) for event in made), return_exceptions=True
        )
        failed = [outcome for outcome in outcomes if isinstance(outcome, StoreError)]
        held = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        assert failed
        assert len(failed) + len(held) == 500
        assert await store.count([Filter()]) == len(held)


async def test_one_job_that_fails_does_not_fail_its_neighbours(tmp_path: Path) -> None:
    async with open_store(tmp_path / "events.db") as store:
        notes = [make(ALICE, 1, NOW - n) for n in range(10)]
        bad = store._db.write(lambda db: db.execute("SELECT * FROM nowhere"))
        good = [store.save([note]) for note in notes]
        first, *others = await asyncio.gather(bad, *good, return_exceptions=True)
        assert isinstance(first, StoreError)
        assert [result[0].status for result in others] == ["stored"] * 10  # type: ignore[index]


@posix
async def test_a_limit_on_file_sizes(tmp_path: Path) -> None:
    async with child("full", tmp_path / "events.db") as process:
        said = await all_lines(process)
    assert said[-1] == "recovered"
    assert said.count("failed") + said.count("full") >= 2, said


@posix
async def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    await filled(tmp_path / "seed.db", 10)
    async with child("unwritable", tmp_path / "seed.db") as process:
        said = " ".join(await all_lines(process))
    assert said.count("events.db") == 1, said
    assert said.count("new.db") == 1, said


@pytest.mark.parametrize("name", ["a-file/events.db", "a-file/deeper/events.db"])
async def test_a_path_that_cannot_be(tmp_path: Path, name: str) -> None:
    (tmp_path / "a-file").write_text("not a folder")
    with pytest.raises(StoreError, match="a-file"):
        async with open_store(tmp_path / name):
            pass


async def test_a_folder_in_the_files_place(tmp_path: Path) -> None:
    (tmp_path / "events.db").mkdir()
    with pytest.raises(StoreError, match=r"events\.db"):
        async with open_store(tmp_path / "events.db"):
            pass


def noise(data: bytes) -> bytes:
    return os.urandom(len(data))


def no_header(data: bytes) -> bytes:
    return b"\0" * 100 + data[100:]


def text(data: bytes) -> bytes:
    return b"hello, this is a text\n" * 99


def first_words(data: bytes) -> bytes:
    return data[:1000]


@pytest.mark.parametrize("damage", [noise, no_header, text, first_words])
async def test_what_is_no_store_is_refused_and_left_alone(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "events.db"
    await filled(path)
    path.write_bytes(damage(path.read_bytes()))
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(StoreError, match="damaged"):
            async with open_store(path):
                pass
    assert path.read_bytes() == before


async def test_a_file_cut_to_nothing_beside_its_log_is_left_alone(tmp_path: Path) -> None:
    path, log = tmp_path / "events.db", tmp_path / "events.db-wal"
    async with open_store(path) as store:
        await store.save([make(ALICE, 1, NOW)])
        kept = log.read_bytes()
    path.write_bytes(b"")
    log.write_bytes(kept)
    with pytest.raises(StoreError, match="damaged"):
        async with open_store(path):
            pass
    assert log.read_bytes() == kept


def cut(data: bytes) -> bytes:
    return data[: len(data) // 8192 * 4096]


def holes(data: bytes) -> bytes:
    """Every third page but the first ones is overwritten."""
    pages = [data[start : start + 4096] for start in range(0, len(data), 4096)]
    return b"".join(b"\xaa" * 4096 if n > 12 and n % 3 == 0 else p for n, p in enumerate(pages))


@pytest.mark.parametrize("damage", [cut, holes])
async def test_damage_inside_is_told(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "events.db"
    await filled(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(StoreError, match="damaged"):
        async with open_store(path) as store:
            await store.check()
    with pytest.raises(StoreError, match="damaged"):
        async with open_store(path) as store:
            await store.query([Filter()])


@posix
async def test_only_the_owner_may_read(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        async with open_store(tmp_path / "new" / "folder" / "events.db") as store:
            await store.save([make(ALICE, 1, NOW)])
            files = sorted((tmp_path / "new" / "folder").iterdir())
            assert len(files) == 3, "the file, and two that SQLite keeps beside it"
            assert {stat.S_IMODE(item.stat().st_mode) for item in files} == {0o600}
    finally:
        os.umask(old)
    for folder in (tmp_path / "new", tmp_path / "new" / "folder"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@posix
async def test_a_folder_that_exists_keeps_its_rights(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    async with open_store(tmp_path / "events.db"):
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


async def test_a_read_waits_for_a_lock_as_a_write_does(store: SqliteStore) -> None:
    """As where another process mends the log of one that was killed."""
    busy = sqlite3.OperationalError("database is locked")
    busy.sqlite_errorcode = sqlite3.SQLITE_BUSY_RECOVERY

    def read(db: sqlite3.Connection) -> int:
        if locked:
            raise locked.pop()
        return db.execute("SELECT 7").fetchone()[0]

    for ask in (store._db.read, store._db.apart):
        locked = [busy, busy]
        assert await ask(read) == 7


async def test_what_need_not_be_on_the_disk_is_not_waited_for(tmp_path: Path) -> None:
    """SQLite's `synchronous` within a commit: 2 waits for the disk, 1 does not."""

    def level(c: sqlite3.Connection) -> int:
        found: int = c.execute("PRAGMA synchronous").fetchone()[0]
        return found

    db = await Database.open(tmp_path / "events.db", time_limit=5)
    try:
        assert await db.write(level, durable=False) == 1
        assert await db.write(level) == 2
        held = threading.Event()
        first = asyncio.create_task(db.write(lambda _: held.wait(10)))
        await asyncio.sleep(0)
        together = [asyncio.create_task(db.write(level, durable=one)) for one in (False, True)]
        await asyncio.sleep(0)
        held.set()
        assert await first
        found = await asyncio.gather(*together)
        assert found in ([2, 2], [1, 2]), "what is to be on the disk is"
        with pytest.raises(StoreError):
            await db.write(lambda c: c.execute("no SQL"), durable=False)
        assert await db.write(level) == 2
    finally:
        await db.close()
