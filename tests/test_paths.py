"""Folders, private files that are written all or nothing, and locks."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nostr_client.errors import FolderInUse, StoreError, StoreFull
from nostr_client.paths import (
    HOME_VARIABLE,
    FolderLock,
    file_stamp,
    paths,
    private_folder,
    write_private,
)

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
    with pytest.raises(StoreError, match="the disk is full: make room on it"):
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


def test_a_shared_lock_is_shared_and_keeps_the_exclusive_one_out(tmp_path: Path) -> None:
    path = tmp_path / "folder.lock"
    both = FolderLock(path, shared=True), FolderLock(path, shared=True)
    with both[0], both[1], pytest.raises(FolderInUse):
        FolderLock(path).__enter__()
    with FolderLock(path), pytest.raises(FolderInUse, match=f"process {os.getpid()}"):
        FolderLock(path, shared=True).__enter__()
    with FolderLock(path, shared=True):
        pass


@posix_only
def test_a_lock_follows_no_link(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("a key")
    for name, target in (("one.lock", precious), ("two.lock", tmp_path / "missing")):
        (tmp_path / name).symlink_to(target)
        for shared in (False, True):
            with pytest.raises(StoreError, match="is a link"):
                FolderLock(tmp_path / name, shared=shared).__enter__()
    assert precious.read_text() == "a key"
    assert not (tmp_path / "missing").exists()


@posix_only
def test_a_lock_that_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lock")
    with pytest.raises(StoreError, match="not a file"):
        FolderLock(tmp_path / "lock").__enter__()


def test_what_stands_in_a_lock_file_is_not_cut(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_bytes(b"x" * 100)
    with FolderLock(path):
        assert path.read_bytes()[32:] == b"x" * 68
    assert path.read_bytes() == b" " * 32 + b"x" * 68


@posix_only
@pytest.mark.parametrize("rights", [0o777, 0o1777, 0o702])
def test_a_folder_that_others_can_write_to_is_refused(tmp_path: Path, rights: int) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(rights)
    for shared in (False, True):
        with pytest.raises(StoreError, match=r"others can write.*chmod go-w"):
            FolderLock(folder / "lock", shared=shared).__enter__()
    assert list(folder.iterdir()) == []
    folder.chmod(0o755)
    with FolderLock(folder / "lock"):
        pass


@posix_only
def test_a_group_of_ones_own_is_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import grp
    import pwd

    owner = pwd.getpwuid(os.geteuid())
    tmp_path.chmod(0o770)
    os.chown(tmp_path, -1, owner.pw_gid)

    def group(members: list[str], name: str = owner.pw_name) -> None:
        found = grp.struct_group((name, "x", owner.pw_gid, members))
        monkeypatch.setattr(grp, "getgrgid", lambda _: found)

    group([owner.pw_name])
    with FolderLock(tmp_path / "lock"):
        pass
    group(["somebody"])
    with pytest.raises(StoreError, match="others can write"):
        FolderLock(tmp_path / "lock").__enter__()
    group([], "users")
    with pytest.raises(StoreError, match="others can write"):
        FolderLock(tmp_path / "lock").__enter__()


def test_a_lock_is_held_where_its_holders_name_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with FolderLock(tmp_path / "lock"), pytest.raises(StoreError, match="in use by another"):
        FolderLock(tmp_path / "lock").__enter__()


def test_a_full_disk_has_an_error_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "open", full)
    for act in (
        lambda: write_private(tmp_path / "a", b""),
        lambda: FolderLock(tmp_path / "lock").__enter__(),
    ):
        with pytest.raises(StoreFull, match="the disk is full: make room on it"):
            act()


@pytest.mark.skipif(sys.platform == "win32", reason="it has locks of another kind")
def test_a_file_system_without_locks_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def none(*_: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.raises(StoreError, match=r"cannot lock .*: No locks available"):
        FolderLock(tmp_path / "lock").__enter__()


def test_who_was_killed_is_not_named(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(f"process {os.getpid()}".rjust(32))
    (tmp_path / "lock").chmod(0o600)
    with (
        FolderLock(tmp_path / "lock", shared=True),
        pytest.raises(FolderInUse, match="another process"),
    ):
        FolderLock(tmp_path / "lock").__enter__()


def test_a_file_that_changed_has_another_stamp(tmp_path: Path) -> None:
    file = tmp_path / "a"
    assert file_stamp(file) is None
    file.write_bytes(b"one")
    first = file_stamp(file)
    assert first is not None
    assert file_stamp(file) == first
    other = tmp_path / "b"
    other.write_bytes(b"two")
    os.utime(other, ns=(first[0], first[0]))
    other.replace(file)  # as old and as long, and another file
    assert file_stamp(file) != first
