"""Where things are kept, and how files that matter are written: privately, and all or nothing.

The only import of platformdirs. `NOSTR_CLIENT_HOME` overrides all of it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from nostr_client.errors import StoreError, StoreFull

HOME_VARIABLE: Final = "NOSTR_CLIENT_HOME"
_APP: Final = "nostr-client"
_OURS: Final = "NOSTR_CLIENT_"
_SECRET_NAME: Final = re.compile("PASSWORD|PASSPHRASE|SECRET|NSEC", re.IGNORECASE)
_LOCK_POLL: Final = 0.05
"""Seconds between two tries for a lock that another process holds."""
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


def private_folder(path: Path) -> Path:
    """Make `path`, and the folders above it that are missing, for their owner only (0700).

    A folder that exists keeps the rights that its owner gave it. Raises StoreError.
    """
    try:
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
        _sync_folder(target.parent)
    except OSError as error:
        raise store_error(f"cannot write {path}", error) from error


class FolderLock:
    """Exclusive use of a folder, by a lock file in it: `with FolderLock(folder / "relay.lock"):`.

    The system drops the lock when its holder ends, however it ends. Entering raises StoreError,
    which names the holder, when the lock is not free within `timeout` seconds; it blocks the
    thread meanwhile. Not reentrant.
    """

    def __init__(self, path: Path, timeout: float = 0.0) -> None:
        self.path = path
        self._timeout = timeout
        self._fd: int | None = None

    def __enter__(self) -> FolderLock:
        if self._fd is not None:
            raise StoreError(f"{self.path} is locked by this very object")
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        except OSError as error:
            raise store_error(f"cannot open the lock {self.path}", error) from error
        try:
            self._wait(fd)
            os.ftruncate(fd, 0)
            os.write(fd, f"process {os.getpid()}".encode())
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
            with contextlib.suppress(OSError):
                os.ftruncate(fd, 0)
            _unlock(fd)
            os.close(fd)

    def _wait(self, fd: int) -> None:
        deadline = time.monotonic() + self._timeout
        while not _try_lock(fd):
            if time.monotonic() >= deadline:
                raise StoreError(f"{self.path.parent} is in use by {self._holder(fd)}")
            time.sleep(_LOCK_POLL)

    def _holder(self, fd: int) -> str:
        os.lseek(fd, 0, os.SEEK_SET)
        return os.read(fd, 100).decode("ascii", "replace") or "another process"


@contextlib.contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        raise


def _write_new(path: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":  # a folder cannot be opened there, nor need it be
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(fd: int) -> bool:
        os.lseek(fd, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(fd, 0, os.SEEK_SET)
        return True

    def _unlock(fd: int) -> None:
        os.lseek(fd, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    def _try_lock(fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)


def store_error(what: str, error: OSError) -> StoreError:
    """What the system said about a folder of ours, as an error of ours; `what` comes first."""
    kind = StoreFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else StoreError
    return kind(f"{what}: {error.strerror or error}")
