"""A relay's folder: who opens it beside whom, what must not lie in it, and restores cut short."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from io import BytesIO
from pathlib import Path

import pytest

from nostr_client.errors import StoreError
from nostr_client.paths import FolderLock
from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import StoreOptions
from nostr_client.store.opening import open_store
from relays.cli.moderation import open_actions
from relays.config.relay_config import RelayConfig
from relays.moderation import opening
from relays.moderation.opening import open_state
from relays.operations.backup import back_up, restore
from relays.operations.compact import compact
from relays.operations.doctor import examine
from relays.operations.import_export import export_events
from relays.process import folder
from relays.process.folder import PART, RESTORED, exclusive_folder, open_folder
from relays.process.offline import open_offline
from relays.process.run import run
from relays.process.stores import DATABASE
from tests.relays.operations.test_backup import filled, held
from tests.relays.talk import NOW, note

EVENTS = [note(f"{number}", at=NOW + number) for number in range(30)]
Act = Callable[[Path], Awaitable[object]]


async def beside_it(data: Path) -> None:
    async with open_offline(RelayConfig(), data):
        pass


async def moderate(data: Path) -> None:
    async with open_actions(data):
        pass


async def look(data: Path) -> list[str]:
    """What the doctor says is bad, which is an error here."""
    found = [str(one) async for one in examine(data, None) if one.level == "bad"]
    wrong = [words for words in found if words.startswith("bad   folder")]
    if wrong:
        raise StoreError("\n".join(wrong))
    return found


ACTS: dict[str, Act] = {
    "run": lambda data: run(RelayConfig(port=0), data),
    "export": lambda data: export_events(data, BytesIO()),
    "import": beside_it,
    "backup": lambda data: back_up(data, data.with_name("another")),
    "compact": lambda data: anext(compact(data)),
    "moderation": moderate,
    "doctor": look,
}
every_act = pytest.mark.parametrize("name", sorted(ACTS))


@pytest.fixture(autouse=True)
def nobody_only_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So a lock that is held is not waited for."""
    for module in (folder, opening):
        monkeypatch.setattr(module, "LOCK_PATIENCE", 0.0)


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backup")

    async def make() -> None:
        await back_up(await filled(folder / "source", EVENTS), folder / "copy")

    asyncio.run(make())
    return folder / "copy"


@every_act
async def test_nobody_opens_a_folder_that_is_being_restored(tmp_path: Path, name: str) -> None:
    data = await filled(tmp_path / "relay", EVENTS)
    with exclusive_folder(data), pytest.raises(StoreError, match="in use by process"):
        await ACTS[name](data)


async def test_whoever_has_opened_a_folder_keeps_restores_out(tmp_path: Path, backup: Path) -> None:
    (tmp_path / "new").mkdir()
    one, two = (open_folder(tmp_path / "new", new=True) for _ in range(2))
    with one, two, pytest.raises(StoreError, match="another process: let it end first"):
        await restore(backup, tmp_path / "new")
    await restore(backup, tmp_path / "new")
    assert len(await held(tmp_path / "new")) == len(EVENTS)


@every_act
@pytest.mark.parametrize("left", ["events.db-wal", "events.db-shm", "keeper.db-journal", PART])
async def test_leftovers_are_refused(tmp_path: Path, name: str, left: str) -> None:
    data = tmp_path / "relay"
    data.mkdir()
    if left == PART:
        (data / PART).mkdir()
    else:
        (data / left).write_bytes(b"left by another")
    with pytest.raises(StoreError, match=r"move|remove") as refused:
        await ACTS[name](data)
    assert left in str(refused.value)
    assert not (data / DATABASE).exists(), "no empty start"


@pytest.mark.parametrize("left", ["events.db-wal", "keeper.db-shm", "chat.db-journal", PART])
async def test_nothing_is_restored_beside_leftovers(
    tmp_path: Path, backup: Path, left: str
) -> None:
    new = tmp_path / "new"
    new.mkdir()
    if left == PART:
        (new / PART).mkdir()
    else:
        (new / left).write_bytes(b"left by another")
    with pytest.raises(StoreError, match=r"move|remove"):
        await restore(backup, new)
    assert sorted(path.name for path in new.iterdir()) == sorted(
        [left, "folder.lock", "relay.lock"]
    )


async def test_a_log_beside_its_database_is_no_leftover(tmp_path: Path) -> None:
    async with open_store(tmp_path / DATABASE) as store:
        await store.save(EVENTS)
        assert (tmp_path / f"{DATABASE}-wal").exists()
        with open_folder(tmp_path):
            pass


class Killed(BaseException):
    """In place of a kill: nobody catches it, and nothing is done after it."""


@pytest.mark.parametrize(
    ("name", "after"),
    [("export", 0), ("export", 1), ("export", 2), ("import", 1), ("moderation", 1), ("doctor", 1)],
)
async def test_a_restore_killed_after_its_switch_is_finished_by_whoever_comes_next(
    tmp_path: Path, backup: Path, monkeypatch: pytest.MonkeyPatch, after: int, name: str
) -> None:
    new, real = tmp_path / "new", Path.rename
    moved: list[Path] = []

    def rename(path: Path, target: Path) -> Path:
        if path.parent.name == RESTORED:
            if len(moved) == after:
                raise Killed
            moved.append(path)
        return real(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(Killed):
        await restore(backup, new)
    monkeypatch.undo()
    assert (new / RESTORED).exists()
    await ACTS[name](new)
    assert not (new / RESTORED).exists()
    assert await held(new) == {event.id for event in EVENTS}
    async with open_state(new) as state:
        assert bytes(state.key).hex() in (backup / "relay.key").read_text()


async def test_what_is_in_the_way_is_said(tmp_path: Path, backup: Path) -> None:
    new = tmp_path / "new"
    (new / RESTORED).mkdir(parents=True)
    (new / RESTORED / "events.db").write_bytes(b"restored")
    (new / "events.db").write_bytes(b"put there by hand")
    with pytest.raises(StoreError, match="in the way"):
        await export_events(new, BytesIO())
    assert (new / RESTORED / "events.db").read_bytes() == b"restored"


KILLED = """
import asyncio, os, pathlib, sys
left = int(sys.argv[3])
def count(name, real):
    def act(*args, **options):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), 9)
        return real(*args, **options)
    return act
pathlib.Path.rename = count("rename", pathlib.Path.rename)
for name in ("fsync", "rmdir", "mkdir"):
    setattr(os, name, count(name, getattr(os, name)))
from relays.operations.backup import restore
asyncio.run(restore(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="it is killed by a signal")
async def test_a_restore_killed_at_any_step_leaves_all_or_nothing(
    tmp_path: Path, backup: Path
) -> None:
    outcomes: list[str] = []
    for step in range(60):
        new = tmp_path / f"new-{step}"
        command = [sys.executable, "-c", KILLED, str(backup), str(new), str(step)]
        ended = await asyncio.to_thread(subprocess.run, command, check=False, timeout=60)
        if ended.returncode == 0:
            break
        assert ended.returncode == -9
        try:
            with open_folder(new):
                there = (new / DATABASE).exists()
        except StoreError as error:
            assert "remove" in str(error) or "no relay" in str(error)  # noqa: PT017
            outcomes.append("refused")
            continue
        if there:
            assert await held(new) == {event.id for event in EVENTS}
            assert (new / "relay.key").read_bytes() == (backup / "relay.key").read_bytes()
            assert (new / "keeper.db").exists()
        outcomes.append("whole" if there else "nothing")
    assert ended.returncode == 0, "all steps were tried"
    assert {"refused", "whole"} <= set(outcomes)
    order = [name for name in outcomes if name != "nothing"]
    assert order == sorted(order), "refused up to the switch, and whole from then on"
    async with open_store(new / DATABASE, StoreOptions(read_only=True)) as store:
        assert await store.count([Filter()]) == len(EVENTS)


def test_what_is_not_in_its_place_yet_is_not_begun_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restore that is killed while another waits for it leaves all of it still to be moved."""
    for module in (folder, opening):
        monkeypatch.setattr(module, "LOCK_PATIENCE", 0.01)
    (tmp_path / RESTORED).mkdir()
    (tmp_path / RESTORED / DATABASE).touch()
    somebody = FolderLock(tmp_path / folder.FOLDER_LOCK, shared=True)
    with (
        somebody,
        pytest.raises(StoreError, match="not in its place"),
        open_folder(tmp_path, new=True),
    ):
        pass
    with open_folder(tmp_path):
        assert (tmp_path / DATABASE).exists()
