"""One way to open SQLite files: beside others who make the same one, and to read and no more."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import random
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from nostr_client.errors import StoreError, StoreFull
from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import StoreOptions
from nostr_client.store.opening import open_store
from nostr_client.store.sqlite import opening
from nostr_client.store.sqlite.database import Database
from nostr_client.store.sqlite.opening import connect_to_read, explained, translated
from relays.moderation.sqlite.records import SqliteRecords
from tests.store.samples import NOW, author, make
from tests.store.sqlite.test_schema import file_of_version

ALICE = author(1)

Open = Callable[[Path], Awaitable[None]]


async def open_and_save(path: Path) -> None:
    async with open_store(path) as store:
        await store.save([make(ALICE, 1, NOW)])


async def open_records(path: Path) -> None:
    async with SqliteRecords.open(path.parent) as records:
        await records.write(lambda tables: tables.settings.put("a", "b"))


both = pytest.mark.parametrize("open_file", [open_and_save, open_records])


@contextlib.contextmanager
def held_for(path: Path, waits: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Another process writes to the new file until `waits` tries have failed; counts the tries."""
    path.touch()
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    tries: list[int] = []

    def wait(_low: float, _high: float) -> float:
        tries.append(len(tries))
        if len(tries) == waits:
            other.execute("ROLLBACK")
        return 0.0

    monkeypatch.setattr(random, "uniform", wait)
    try:
        yield tries
    finally:
        other.close()


@both
async def test_whoever_finds_a_new_file_locked_tries_again(
    tmp_path: Path, open_file: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held_for(tmp_path / "keeper.db", 3, monkeypatch) as tries:
        await open_file(tmp_path / "keeper.db")
    assert len(tries) >= 3


@both
async def test_switching_to_a_log_is_tried_again_too(
    tmp_path: Path, open_file: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite answers that at once, however long it may wait for other locks."""
    path = tmp_path / "keeper.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("PRAGMA auto_vacuum = INCREMENTAL")
    other.execute("VACUUM")
    other.execute("BEGIN IMMEDIATE")  # one may read, and not switch

    def wait(_low: float, _high: float) -> float:
        if other.in_transaction:
            other.execute("ROLLBACK")
        return 0.0

    monkeypatch.setattr(random, "uniform", wait)
    with contextlib.closing(other):
        await open_file(path)


@both
async def test_many_at_once_make_one_file(tmp_path: Path, open_file: Open) -> None:
    await asyncio.gather(*(open_file(tmp_path / "keeper.db") for _ in range(6)))


@both
async def test_another_programs_file_is_left_as_it_is(tmp_path: Path, open_file: Open) -> None:
    path = tmp_path / "keeper.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE t (x)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        await open_file(path)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["keeper.db"]


async def test_reading_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    await open_and_save(path)
    before = path.read_bytes()
    async with open_store(path, StoreOptions(read_only=True)) as store:
        assert await store.count([Filter()]) == 1
        await store.check()
        with pytest.raises(StoreError, match="to be read"):
            await store.save([make(ALICE, 1, NOW + 1)])
        with pytest.raises(StoreError, match="to be read"):
            await store.remove([Filter()])
    assert path.read_bytes() == before


async def test_reading_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such file"):
        async with open_store(tmp_path / "new" / "events.db", StoreOptions(read_only=True)):
            pass
    with pytest.raises(StoreError, match="no such file"):
        async with SqliteRecords.open(tmp_path, read_only=True):
            pass
    assert list(tmp_path.iterdir()) == []


async def test_who_reads_sees_what_another_process_commits(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    async with open_store(path) as writer, open_store(path, StoreOptions(read_only=True)) as reader:
        await writer.save([make(ALICE, 1, NOW)])
        assert await reader.count([Filter()]) == 1


async def test_an_older_versions_file_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    ids = file_of_version(path, 1)
    async with open_store(path, StoreOptions(read_only=True)) as store:
        assert [event.id for event in await store.query([Filter()])] == ids


async def test_a_log_whose_index_cannot_be_made_is_read_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a full disk, where nobody has the file open: SQLite cannot make its `-shm`."""
    path = tmp_path / "events.db"
    async with open_store(path) as store:
        await store.save([make(ALICE, 1, NOW)])
        for name in ("events.db", "events.db-wal"):
            (tmp_path / f"copy-{name}").write_bytes((tmp_path / name).read_bytes())
    copy = tmp_path / "copy-events.db"
    opened = opening._opened
    places: list[str] = []

    def refuse(place: str, *, uri: bool) -> sqlite3.Connection:
        places.append(place)
        if not place.endswith("readonly_shm=1"):
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE
            raise error
        return opened(place, uri=uri)

    monkeypatch.setattr(opening, "_opened", refuse)
    with contextlib.closing(connect_to_read(copy, lambda db: None)) as db:
        assert db.execute("SELECT count(*) FROM event").fetchone() == (1,)
    assert len(places) == 2
    assert (tmp_path / "copy-events.db-shm").stat().st_size == 0


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (sqlite3.SQLITE_FULL, StoreFull, "the disk is full"),
        (sqlite3.SQLITE_IOERR_SHMSIZE, StoreFull, "the disk is full"),
        (sqlite3.SQLITE_BUSY, StoreError, "locked"),
        (sqlite3.SQLITE_CORRUPT, StoreError, "damaged"),
        (sqlite3.SQLITE_READONLY, StoreError, "cannot be written"),
        (sqlite3.SQLITE_IOERR_READ, StoreError, "failed"),
    ],
)
def test_errors_have_one_meaning(code: int, kind: type[StoreError], words: str) -> None:
    error = sqlite3.OperationalError("words of SQLite")
    error.sqlite_errorcode = code
    found = explained(error, Path("/folder/a.db"))
    assert type(found) is kind
    assert str(found).startswith("/folder/a.db: ")
    assert words in str(found)


def test_a_full_disk_is_known_when_the_system_says_so() -> None:
    with pytest.raises(StoreFull, match="the disk is full"), translated(Path("a.db")):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(StoreError, match="Permission") as refused, translated(Path("a.db")):
        raise OSError(errno.EACCES, "Permission denied")
    assert not isinstance(refused.value, StoreFull)


async def test_reading_has_no_writer(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    await open_and_save(path)
    db = await Database.open(path, time_limit=5, read_only=True)
    try:
        with pytest.raises(StoreError, match="to be read"):
            await db.write(lambda c: c.execute("UPDATE state SET seq = seq"))
    finally:
        await db.close()
