"""Where things are kept, and how files that matter are written: privately, and all or nothing.

The only import of platformdirs. `NOSTR_CLIENT_HOME` overrides all of it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final

from nostr_client.errors import FolderInUse, StoreError, StoreFull

HOME_VARIABLE: Final = "NOSTR_CLIENT_HOME"
SEND_LOCK: Final = "send.lock"
"""In a data folder: who holds it is the one who sends what waits."""
FULL: Final = "the disk is full: make room on it"
_APP: Final = "nostr-client"
_OURS: Final = "NOSTR_CLIENT_"
_SECRET_NAME: Final = re.compile("PASSWORD|PASSPHRASE|SECRET|NSEC", re.IGNORECASE)
_LOCK_POLL: Final = 0.05
"""Seconds between two tries for a lock that another process holds."""
_is_name: Final = re.compile(r"process \d{1,20}").fullmatch
_NAME: Final = 32
"""Bytes of the holder's name in a lock file, with blanks before it."""
_LOCKED_BYTE: Final = 1 << 30
"""Windows locks bytes, and nobody can read a locked one: this is far behind the holder's name."""


@dataclass(frozen=True)
class Paths:
    """The three folders of one person. They need not exist yet, and may be the same folder."""

    config: Path
    data: Path
    state: Path


def paths() -> Paths:
    """The folders that this process is to use.

    With `NOSTR_CLIENT_HOME=DIR`: `DIR/config`, `DIR/data` and `DIR/state`. Else where the system
    wants them (on Linux `~/.config`, `~/.local/share`, `~/.local/state`).
    """
    home = os.environ.get(HOME_VARIABLE)
    if home:
        base = Path(home).expanduser().absolute()
        return Paths(base / "config", base / "data", base / "state")
    import platformdirs

    dirs = platformdirs.PlatformDirs(_APP, appauthor=False)
    return Paths(dirs.user_config_path, dirs.user_data_path, dirs.user_state_path)


def environment_for_children() -> dict[str, str]:
    """The environment without our own settings and without anything that may be a secret.

    A child is told on its command line what it needs; what unlocks a key is none of its business.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(_OURS) and _SECRET_NAME.search(name) is None
    }


FileStamp = tuple[int, int, int]
"""When a file was written (ns), its size and its inode: another one when the file is another."""


def file_stamp(path: Path) -> FileStamp | None:
    """What tells whether the file at `path` has changed; None where there is none just now."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def private_folder(path: Path) -> Path:
    """Make `path`, and the folders above it that are missing, for their owner only (0700).

    A folder that exists keeps the rights that its owner gave it. Raises StoreError.
    """
    try:
        if path.is_dir():
            return path
        for folder in reversed((path, *path.parents)):
            if not folder.is_dir():
                folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise store_error(f"cannot make the folder {path}", error) from error
    return path


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read (0600), all or nothing, and durably.

    Whoever reads `path` at any time, also after a crash, finds the old content or the new one.
    A symbolic link is followed. Raises StoreError.
    """
    target = Path(os.path.realpath(path))
    draft = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    try:
        with _removed_on_failure(draft):
            _write_new(draft, data)
            draft.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        raise store_error(f"cannot write {path}", error) from error


class FolderLock:
    """Use of a folder, by a lock file in it: `with FolderLock(folder / "relay.lock"):`.

    Exclusive, or `shared` with others who share it. The system drops the lock when its holder ends,
    however it ends. Entering raises FolderInUse, which names an exclusive holder, when the lock is
    not free within `timeout` seconds; it blocks the thread meanwhile. Not reentrant.

    No link is followed, nothing is cut short, and a folder that others can write to is refused:
    they could put their own file in the lock's place. Then, and where there is no lock to be had,
    entering raises StoreError.
    """

    def __init__(self, path: Path, timeout: float = 0.0, *, shared: bool = False) -> None:
        self.path = path
        self._timeout = timeout
        self._shared = shared
        self._fd: int | None = None

    def __enter__(self) -> FolderLock:
        if self._fd is not None:
            raise StoreError(f"{self.path} is locked by this very object")
        fd = self._open()
        try:
            self._wait(fd)
            # Whoever shares it is not named, but does not leave the name of one who was killed.
            _write_name(fd, "" if self._shared else f"process {os.getpid()}")
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            # The file stays: to remove it would let two processes lock two files of one name.
            if not self._shared:
                _write_name(fd, "")
            _unlock(fd)
            os.close(fd)

    def _open(self) -> int:
        _refuse_if_others_write(self.path.parent)
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        try:
            fd = os.open(self.path, flags, 0o600)
        except OSError as error:
            if self.path.is_symlink():
                raise StoreError(f"{self.path} is a link, and no lock: remove it") from error
            raise store_error(f"cannot open the lock {self.path}", error) from error
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise StoreError(f"{self.path} is not a file, and no lock: remove it")
        return fd

    def _wait(self, fd: int) -> None:
        deadline = time.monotonic() + self._timeout
        while not self._try(fd):
            if time.monotonic() >= deadline:
                raise FolderInUse(f"{self.path.parent} is in use by {self._holder(fd)}")
            time.sleep(_LOCK_POLL)

    def _try(self, fd: int) -> bool:
        with translated(f"cannot lock {self.path}"):  # some network file systems have no locks
            return _try_lock(fd, shared=self._shared)

    def _holder(self, fd: int) -> str:
        os.lseek(fd, 0, os.SEEK_SET)
        name = os.read(fd, 100).decode("ascii", "replace").strip()
        return name if _is_name(name) else "another process"


@contextlib.asynccontextmanager
async def patient_lock(path: Path, limit: float, pause: float = _LOCK_POLL) -> AsyncIterator[None]:
    """A `FolderLock` that is waited for without blocking the loop, at most `limit` seconds,
    with `pause` seconds between two looks. Raises as that does.
    """
    import asyncio

    deadline = time.monotonic() + limit
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(FolderLock(path))
                break
            except FolderInUse:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(pause)
        yield


def _write_name(fd: int, name: str) -> None:
    """Say in the lock file who holds it: always as many bytes, so that a full disk has room for it.

    Where it cannot be written nevertheless, the lock is held all the same.
    """
    os.lseek(fd, 0, os.SEEK_SET)
    with contextlib.suppress(OSError):
        os.write(fd, name.rjust(_NAME).encode())


def _refuse_if_others_write(folder: Path) -> None:
    """Raises StoreError where another user could put files into `folder`."""
    if sys.platform == "win32":  # rights are lists there, inherited from the profile's folder
        return
    try:
        found = folder.stat()
    except OSError as error:
        raise store_error(f"cannot use the folder {folder}", error) from error
    if found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and _has_members(found)):
        raise StoreError(f"others can write to the folder {folder}: chmod go-w {folder}")
    if found.st_uid not in (0, os.geteuid()) and os.geteuid() != 0:
        raise StoreError(f"the folder {folder} belongs to another user")


def _has_members(found: os.stat_result) -> bool:
    """Is a folder's group more than the owner's own? Many systems give each user one."""
    import grp
    import pwd

    try:
        owner, group = pwd.getpwuid(found.st_uid), grp.getgrgid(found.st_gid)
    except KeyError:
        return True
    its_own = owner.pw_gid == found.st_gid and owner.pw_name == group.gr_name
    return not its_own or bool(set(group.gr_mem) - {owner.pw_name})


@contextlib.contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        raise


def _write_new(path: Path, data: bytes) -> None:
    with open_new_private(path) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def open_new_private(path: Path) -> BinaryIO:
    """A new file that only its owner may read (0600), to be written. Raises OSError, also where
    there is something already."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, 0o600), "wb")


def take_free_name(draft: Path, path: Path) -> bool:
    """Give the file `draft` the name `path`, durably; False where something has that name already.

    Raises OSError.
    """
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without links, as on many sticks
        if path.exists():
            return False
        draft.replace(path)
    else:
        draft.unlink()
    sync_folder(path.parent)
    return True


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` as durable as the files that they are of. Raises OSError."""
    if sys.platform == "win32":  # a folder cannot be opened there, nor need it be
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


if sys.platform == "win32":
    import msvcrt

    _SHARERS = 64
    """There is no shared lock: whoever shares takes one byte of so many, and who is alone all."""
    _held: dict[int, tuple[int, int]] = {}
    """By file descriptor: the first byte, and how many."""

    def _try_lock(fd: int, *, shared: bool) -> bool:
        places = [(n, 1) for n in range(_SHARERS)] if shared else [(0, _SHARERS)]
        for first, count in places:
            os.lseek(fd, _LOCKED_BYTE + first, os.SEEK_SET)
            with contextlib.suppress(OSError):
                msvcrt.locking(fd, msvcrt.LK_NBLCK, count)
                _held[fd] = first, count
                return True
        return False

    def _unlock(fd: int) -> None:
        first, count = _held.pop(fd)
        os.lseek(fd, _LOCKED_BYTE + first, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, count)
else:
    import fcntl

    def _try_lock(fd: int, *, shared: bool) -> bool:
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)


def store_error(what: str, error: OSError) -> StoreError:
    """What the system said about a folder of ours, as an error of ours; `what` comes first."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull(f"{what}: {FULL}")
    return StoreError(f"{what}: {error.strerror or error}")


@contextlib.contextmanager
def translated(what: str) -> Iterator[None]:
    """What the system says about a folder of ours within the block becomes a StoreError."""
    try:
        yield
    except OSError as error:
        raise store_error(what, error) from error
