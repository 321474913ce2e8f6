"""Room that is kept back: who may have it, and how it comes back."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nostr_client.errors import StoreError, StoreFull
from nostr_client.protocol.filters import Filter
from nostr_client.store import reserve as reserves
from nostr_client.store.contract import EventStore, StoreOptions
from nostr_client.store.opening import open_store
from nostr_client.store.reserve import SIZE, Reserve
from nostr_client.store.sqlite.database import Database
from tests.store.samples import NOW, author, make

ALICE, BOB = author(1), author(2)
NOTES = [make(ALICE, 1, NOW + n, content="x" * 200) for n in range(200)]


class Disk:
    """As full as is said: what is written then fails until the reserve has been given up."""

    def __init__(self, reserve: Reserve) -> None:
        self.reserve = reserve
        self.full = False
        self.free = 100 * SIZE
        self.refused = 0

    @property
    def has_room(self) -> bool:
        return not self.full or not self.reserve.is_held


class Kept(NamedTuple):
    store: EventStore
    reserve: Reserve
    disk: Disk


@pytest.fixture
async def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kept]:
    reserve = Reserve(tmp_path / "reserve", 1 << 20)
    assert reserve.take()
    disk = Disk(reserve)
    write = Database._write

    async def refuse(
        db: Database, run: Callable[[sqlite3.Connection], Any], *more: Any, **named: Any
    ) -> Any:
        if not disk.has_room:
            disk.refused += 1
            raise StoreFull("the disk is full")
        return await write(db, run, *more, **named)

    def usage(_folder: Path) -> Any:
        return shutil._ntuple_diskusage(0, 0, 0 if disk.full else disk.free)

    monkeypatch.setattr(Database, "_write", refuse)
    monkeypatch.setattr(reserves.shutil, "disk_usage", usage)
    async with open_store(
        tmp_path / "events.db", StoreOptions(service_urls=["wss://here.example"], reserve=reserve)
    ) as store:
        await store.save(NOTES)
        yield Kept(store, reserve, disk)


def test_it_takes_room_and_gives_it_up(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve")
    assert not reserve.is_held
    assert reserve.take()
    assert reserve.take()
    found = (tmp_path / "reserve").stat()
    assert found.st_size == SIZE
    if hasattr(found, "st_blocks"):
        assert found.st_blocks * 512 >= SIZE, "room, and not a hole"
        assert found.st_mode & 0o077 == 0
    assert Reserve(tmp_path / "reserve").is_held, "whoever asks"
    reserve.release()
    assert not reserve.is_held
    assert list(tmp_path.iterdir()) == []


def test_without_fallocate_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    assert Reserve(tmp_path / "reserve", 1_000_000).take()
    assert (tmp_path / "reserve").stat().st_size == 1_000_000


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EINVAL])
def test_so_it_is_where_the_file_system_cannot_do_it(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", cannot, raising=False)
    reserve = Reserve(tmp_path / "reserve", 1_000_000)
    assert reserve.take()
    assert reserve.is_held


def test_the_last_room_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nearly = shutil._ntuple_diskusage(0, 0, SIZE + 1000)  # type: ignore[attr-defined]
    monkeypatch.setattr(reserves.shutil, "disk_usage", lambda _: nearly)
    assert not Reserve(tmp_path / "reserve").take()
    assert Reserve(tmp_path / "reserve").is_scarce
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_taken_whole_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int, start: int, size: int) -> None:
        os.ftruncate(fd, size // 2)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    assert not Reserve(tmp_path / "reserve").take()
    assert list(tmp_path.iterdir()) == []


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("a key")
    (tmp_path / "reserve").symlink_to(tmp_path / "precious")
    assert not Reserve(tmp_path / "reserve").take()
    assert (tmp_path / "precious").read_text() == "a key"


def test_it_makes_way_where_nothing_else_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve = Reserve(tmp_path / "reserve")
    assert reserve.take()
    reserve.make_way()
    assert reserve.is_held
    nothing = shutil._ntuple_diskusage(0, 0, 4096)  # type: ignore[attr-defined]
    monkeypatch.setattr(reserves.shutil, "disk_usage", lambda _: nothing)
    reserve.make_way()
    assert not reserve.is_held
    assert not reserve.take(), "and it is not taken again at once"


async def test_a_removal_has_it_and_it_comes_back_when_there_is_room(kept: Kept) -> None:
    kept.disk.full = True
    assert await kept.store.remove([Filter.of(authors=[ALICE])]) == len(NOTES)
    assert kept.disk.refused == 1
    assert not kept.reserve.is_held
    kept.disk.full = False
    await kept.store.save([make(BOB, 1, NOW)])
    assert kept.reserve.is_held


async def test_nothing_else_has_it(kept: Kept) -> None:
    kept.disk.full = True
    with pytest.raises(StoreFull):
        await kept.store.save([make(BOB, 1, NOW)])
    assert kept.reserve.is_held
    kept.reserve.release()  # by another process, which bans somebody
    with pytest.raises(StoreFull, match="the disk is full: make room on it"):
        await kept.store.save([make(BOB, 1, NOW)])
    assert await kept.store.count([Filter()]) == len(NOTES)
    kept.disk.full = False
    await kept.store.save([make(BOB, 1, NOW)])
    assert kept.reserve.is_held


async def test_a_deletion_of_what_is_here_has_it(kept: Kept) -> None:
    deletion = make(ALICE, 5, NOW + 999, ("e", NOTES[0].id))
    kept.disk.full = True
    assert await kept.store.frees_room(deletion)
    [saved] = await kept.store.save([deletion], frees=True)
    assert saved.status == "stored"
    assert not kept.reserve.is_held
    assert await kept.store.get(NOTES[0].id) is None


async def test_what_takes_nothing_out_frees_nothing(kept: Kept) -> None:
    profile = make(ALICE, 0, NOW)
    await kept.store.save([profile])
    frees = kept.store.frees_room
    assert await frees(make(ALICE, 5, NOW + 1, ("a", f"0:{ALICE}:")))
    assert await frees(make(ALICE, 62, NOW + 1, ("relay", "ALL_RELAYS")))
    for other in (
        make(ALICE, 1, NOW),
        make(ALICE, 5, NOW + 1, ("e", "ab" * 32)),
        make(BOB, 5, NOW + 1, ("e", NOTES[0].id)),
        make(BOB, 62, NOW + 1, ("relay", "ALL_RELAYS")),
        make(ALICE, 62, NOW + 1, ("relay", "wss://there.example")),
        make(ALICE, 62, NOW - 1, ("relay", "ALL_RELAYS")),
        make(ALICE, 5, NOW - 1, ("a", f"0:{ALICE}:")),
        make(ALICE, 5, NOW + 1, ("e", NOTES[0].id), content="x" * 5000),
    ):
        assert not await frees(other)
    every = [("e", note.id) for note in NOTES]
    assert await frees(make(ALICE, 5, NOW + 1, *every)), "large, and worth it"


async def test_who_has_nothing_but_wraps_here_frees_room_by_vanishing(kept: Kept) -> None:
    await kept.store.save([make(ALICE, 1059, NOW, ("p", BOB))])
    assert await kept.store.frees_room(make(BOB, 62, NOW + 1, ("relay", "ALL_RELAYS")))


async def test_what_fails_even_so_is_an_error(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(db: Database, run: object, weight: int) -> None:
        raise StoreFull("the disk is full")

    monkeypatch.setattr(Database, "_write", full)
    with pytest.raises(StoreError, match="full"):
        await kept.store.remove([Filter()])


async def test_where_there_is_little_room_the_log_stays_short(kept: Kept) -> None:
    ask = "PRAGMA wal_autocheckpoint"

    async def pages() -> int:
        found: int = await kept.store._db.write(lambda c: c.execute(ask).fetchone()[0])
        return found

    assert await pages() == 4000
    kept.disk.free = SIZE
    assert await pages() == 500
    kept.disk.free = 100 * SIZE
    assert await pages() == 4000
