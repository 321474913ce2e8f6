"""Folders, private files that are written all or nothing, and locks."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nostr_client.errors import StoreError
from nostr_client.paths import HOME_VARIABLE, FolderLock, paths, private_folder, write_private

posix_only = pytest.mark.skipif(os.name != "posix", reason="rights of files are POSIX's")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_one_variable_moves_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    found = paths()
    assert (found.config, found.data, found.state) == (
        tmp_path / "config",
        tmp_path / "data",
        tmp_path / "state",
    )
    assert not list(tmp_path.iterdir()), "looking must not make anything"


def test_the_variable_may_be_relative_or_hold_a_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(HOME_VARIABLE, "here")
    assert paths().data == tmp_path / "here" / "data"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv(HOME_VARIABLE, "~/there")
    assert paths().data == tmp_path / "there" / "data"


def test_without_it_the_system_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, "")
    found = paths()
    assert all("nostr-client" in str(p) for p in (found.config, found.data, found.state))


@posix_only
def test_folders_are_made_for_their_owner_only(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        made = private_folder(tmp_path / "a" / "b")
    finally:
        os.umask(old)
    assert made == tmp_path / "a" / "b"
    assert (mode(tmp_path / "a"), mode(made)) == (0o700, 0o700)


@posix_only
def test_a_folder_that_exists_keeps_its_rights(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine").chmod(0o755)
    private_folder(tmp_path / "mine")
    assert mode(tmp_path / "mine") == 0o755


def test_a_file_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        private_folder(tmp_path / "file" / "below")


@posix_only
def test_a_private_file_is_private_also_when_it_replaces_an_open_one(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("old")
    path.chmod(0o644)
    old = os.umask(0)
    try:
        write_private(path, b"new")
    finally:
        os.umask(old)
    assert path.read_bytes() == b"new"
    assert mode(path) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key"
    write_private(path, b"old")

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        write_private(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="missing"):
        write_private(tmp_path / "missing" / "key", b"")


@posix_only
def test_a_link_is_followed(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles"
    real.write_text("old")
    (tmp_path / "config").symlink_to(real)
    write_private(tmp_path / "config", b"new")
    assert (tmp_path / "config").is_symlink()
    assert real.read_bytes() == b"new"


def test_readers_see_the_old_or_the_new_and_nothing_between(tmp_path: Path) -> None:
    path = tmp_path / "list"
    versions = [bytes([65 + n]) * 50_000 for n in range(8)]
    write_private(path, versions[0])
    done = threading.Event()

    def write() -> None:
        for _ in range(5):
            for version in versions:
                write_private(path, version)
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    while not done.is_set():
        assert path.read_bytes() in versions
    thread.join()


def test_a_lock_excludes_and_names_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "relay.lock"
    with FolderLock(path), pytest.raises(StoreError, match=f"process {os.getpid()}"):
        FolderLock(path).__enter__()
    with FolderLock(path):
        pass


def test_a_lock_is_waited_for_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with FolderLock(path):
            held.set()
            release.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    with pytest.raises(StoreError):
        FolderLock(path, timeout=0.1).__enter__()
    threading.Timer(0.1, release.set).start()
    with FolderLock(path, timeout=10):
        pass
    thread.join(10)


def test_a_lock_object_is_not_entered_twice(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "lock")
    with lock, pytest.raises(StoreError):
        lock.__enter__()
    with FolderLock(tmp_path / "lock"):
        pass


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = (
        "import sys; from pathlib import Path; from nostr_client.paths import FolderLock\n"
        "with FolderLock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == b"held"
        with pytest.raises(StoreError, match=f"process {child.pid}"):
            FolderLock(path).__enter__()
        child.kill()
        child.wait(10)
    with FolderLock(path, timeout=1):
        pass


def test_a_lock_in_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="missing"):
        FolderLock(tmp_path / "missing" / "lock").__enter__()
