"""A full disk: whoever only reads goes on, bans and deletions make room, nothing ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nostr_client.errors import StoreFull
from nostr_client.protocol.event import Event
from nostr_client.store.contract import EventStore, SaveResult
from nostr_client.store.reserve import Reserve
from nostr_client.store.sqlite import opening
from nostr_client.store.sqlite.store import SqliteStore
from relays.cli import moderation
from relays.cli.app import run_command as main
from relays.moderation.opening import open_state
from relays.moderation.sqlite.records import SqliteRecords
from relays.process.stores import RESERVE
from tests.conftest import StartRelay
from tests.relays.conftest import Serve
from tests.relays.operations.test_backup import filled
from tests.relays.talk import KEY, NOW, OTHER, note, wire

READING = (
    ["export"],
    ["bans"],
    ["reports"],
    ["reports", "list"],
    ["log"],
    ["log", "export"],
    ["members"],
    ["members", "invites"],
    ["key"],
)


@pytest.fixture
def relay_folder(tmp_path: Path) -> Path:
    events = [note(f"{number}", at=NOW + number) for number in range(20)]
    return asyncio.run(filled(tmp_path / "relay", events))


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_what_only_reads_opens_nothing_to_write(
    relay_folder: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreFull("the disk is full")

    monkeypatch.setattr(opening, "connect", full)
    for room in ("relays.moderation.sqlite.records", "nostr_client.store.sqlite.connections"):
        monkeypatch.setattr(f"{room}.connect", full)
    before = {path.name: path.read_bytes() for path in relay_folder.glob("*.db")}
    assert main([*command, "--data", str(relay_folder)]) == 0
    assert {path.name: path.read_bytes() for path in relay_folder.glob("*.db")} == before


def test_backup_and_doctor_read_too(
    relay_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SqliteRecords, "write", None)
    monkeypatch.setattr("nostr_client.store.sqlite.connections.connect", None)
    data = ["--data", str(relay_folder)]
    assert main(["backup", str(tmp_path / "copy"), *data]) == 0
    main(["doctor", *data])


def test_a_ban_has_the_reserve_to_open_what_it_is_about(
    relay_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on a full disk, where no relay runs: SQLite wants room only to open its files."""
    really, release = moderation._open_stores, Reserve.release
    given_up: list[Path] = []

    def give_up(reserve: Reserve) -> None:
        given_up.append(reserve.path)
        release(reserve)

    async def opened(*args: object) -> object:
        if not given_up:
            raise StoreFull("events.db: the disk is full: make room on it")
        return await really(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(moderation, "_open_stores", opened)
    monkeypatch.setattr(Reserve, "release", give_up)
    data = ["--data", str(relay_folder)]
    assert main(["unban", "word", "casino", *data]) == 1
    assert capsys.readouterr().err == "error: events.db: the disk is full: make room on it\n"
    assert given_up == []
    assert main(["ban", "word", "casino", *data]) == 0
    assert given_up == [relay_folder / RESERVE]


async def test_the_keepers_bans_have_the_reserve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve = Reserve(tmp_path / RESERVE, 1 << 20)
    async with open_state(tmp_path, reserve=reserve) as state:
        reserve.take()
        really = SqliteRecords._transaction

        async def full(records: SqliteRecords, *args: object) -> object:
            if reserve.is_held:
                raise StoreFull("keeper.db: the disk is full")
            return await really(records, *args)  # type: ignore[arg-type]

        monkeypatch.setattr(SqliteRecords, "_transaction", full)
        with pytest.raises(StoreFull):
            await state.write(lambda tables: tables.settings.put("a", "b"))
        assert reserve.is_held
        await state.write(lambda tables: tables.settings.put("a", "b"), frees=True)
        assert not reserve.is_held


async def test_a_deletion_is_taken_where_other_events_are_refused(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = await serve()
    mine = note("mine", at=NOW)
    save = SqliteStore.save

    async def full(
        store: EventStore, events: list[Event], *, frees: bool = False
    ) -> list[SaveResult]:
        if not frees:
            raise StoreFull("the disk is full")
        return await save(store, events, frees=True)

    async with wire(served.url) as client:
        await client.publish(mine)
        monkeypatch.setattr(SqliteStore, "save", full)
        another = await client.publish(note("another", at=NOW + 1))
        assert another[2:] == [False, "error: the event could not be stored"]
        strange = note("", kind=5, key=OTHER, tags=(("e", mine.id),), at=NOW + 2)
        assert (await client.publish(strange))[2] is False, "it takes nothing out"
        deletion = note("", kind=5, tags=(("e", mine.id),), at=NOW + 3)
        assert (await client.publish(deletion))[2] is True
        assert await client.stored({}) == [deletion.id]


# On a disk that is really full


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Path]:
    """A file system of 24 MB."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("a small file system can be mounted by root on Linux only")
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs", str(place)], check=False
    )
    if mounted.returncode:
        pytest.skip("this system lets nobody mount a file system")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(path: Path) -> None:
    """To the last byte."""
    with path.open("ab", buffering=0) as rest, contextlib.suppress(OSError):
        while True:
            rest.write(b"x" * 4096)


async def command(data: Path, *arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "relays", *arguments, "--data", str(data)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(120):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


@pytest.mark.slow
@pytest.mark.parametrize("running", [True, False], ids=["beside a relay", "without one"])
async def test_a_keeper_makes_room_on_a_full_disk(
    small: Path, tmp_path: Path, start_relay: StartRelay, running: bool
) -> None:
    relay = await start_relay(data=small / "relay")
    data, count = small / "relay", 0
    (small / "rest").write_bytes(b"x" * (12 << 20))
    async with wire(relay.url) as client:
        while (answer := await client.publish(note("z" * 4000 + secrets.token_hex(8))))[2]:
            count += 1
        assert answer[3] == "error: the event could not be stored"
        fill(small / "rest")
        if not running:
            await relay.stop()
        code, out, err = await command(data, "export")
        assert (code, out.count("\n"), err) == (0, count, "")
        for name in ("bans", "reports", "log", "key", "members"):
            assert (await command(data, name))[::2] == (0, ""), name
        assert (await command(data, "backup", str(tmp_path / "copy")))[0] == 0
        doctor = (await command(data, "doctor"))[1]
        assert "events.db is sound" in doctor
        assert "bad   disk" in doctor
        code, _, err = await command(data, "unban", "word", "nothing")
        assert "Traceback" not in err
        code, out, err = await command(data, "ban", "pubkey", KEY.public_key.hex, "--yes")
        assert (code, err) == (0, "")
        assert "events removed" in out
        if not running:
            assert f"{count} events removed" in out, "beside a relay, it takes its part"
            relay = await start_relay(data=data)
    async with wire(relay.url) as client, asyncio.timeout(60):
        while await client.stored({}) or not (data / RESERVE).exists():
            await asyncio.sleep(0.1)
        fresh = note("there is room again", key=OTHER)
        assert (await client.publish(fresh))[2] is True
        assert await client.stored({}) == [fresh.id]
    assert relay.alive


@pytest.mark.slow
async def test_a_relay_starts_on_a_full_disk_and_obeys_deletions(
    small: Path, start_relay: StartRelay
) -> None:
    data = small / "relay"
    await filled(data, [note(f"{number}", at=NOW + number) for number in range(20)])
    relay = await start_relay(data=data)
    await relay.stop()
    fill(small / "rest")
    relay = await start_relay(data=data)
    async with wire(relay.url) as client:
        old = await client.stored({"kinds": [1]})
        assert len(old) == 20
        assert (await client.publish(note("another")))[2] is False
        tags = tuple(("e", id) for id in old)
        assert (await client.publish(note("", kind=5, tags=tags)))[2] is True
        assert await client.stored({"kinds": [1]}) == []
        (small / "rest").unlink()
        assert (await client.publish(note("another", at=NOW + 99)))[2] is True
    assert (data / RESERVE).exists()
    await relay.stop()
