"""A relay's folder: who has it open, and what must not lie in it.

- The relay that runs has the lock of the keeper's records (`moderation.opening.relay_lock`) alone.
- `folder.lock` is shared by all who have opened what is in the folder, the relay and every command;
  a restore has it alone.
- A restore fills `.restore.part`. One rename makes `.restored` of it, and from then on it counts;
  its files then go to their places, and where it was killed, whoever opens the folder next moves
  what is left.
- What a database that is gone has left behind would be mixed into a new one of its name.
- Where all is in a database, the folder has what is one node's own; `elsewhere` says so, and which
  database that is, so that no command takes the folder for an empty relay.
- `relay.json` says who runs, and where it listens; `keep` and `users` who wants it to stay.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import FolderInUse, StoreError
from nostr_client.paths import FolderLock, private_folder, store_error, sync_folder, write_private
from nostr_client.safe_text import safe_line
from nostr_client.store.opening import leftovers
from relays.config.store_url import VARIABLE
from relays.moderation.opening import LOCK_PATIENCE, relay_lock
from relays.process.stores import RelayStores, stores_of

FOLDER_LOCK: Final = "folder.lock"
PART: Final = ".restore.part"
RESTORED: Final = ".restored"
ELSEWHERE: Final = "elsewhere"
KEEP: Final = "keep"
USERS: Final = "users"
"""A relay that ends when nobody uses it stays while its folder has a file `keep`, or a lock in the
folder `users` is held: each by a program that wants it there, suspended or not."""
_JUST_MADE: Final = 1.0
"""Seconds within which whoever has made a lock file may be about to lock it."""
_NOTE: Final = "relay.json"


class RunningRelay(msgspec.Struct, frozen=True):
    """`relay.json`: who is running here, and where it listens."""

    pid: int
    url: str
    started: int


def running_relay(data: Path) -> RunningRelay | None:
    """What the relay in `data` wrote of itself; it may have ended without taking that back."""
    try:
        return msgspec.json.decode((data / _NOTE).read_bytes(), type=RunningRelay)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


@contextlib.contextmanager
def announced(data: Path, relay: RunningRelay) -> Iterator[None]:
    """While the block runs, `running_relay` finds `relay` in `data`. Raises StoreError."""
    write_private(data / _NOTE, msgspec.json.encode(relay))
    try:
        yield
    finally:
        (data / _NOTE).unlink(missing_ok=True)


@contextlib.contextmanager
def open_folder(data: Path, store: str = "", *, new: bool = False) -> Iterator[RelayStores]:
    """While the block runs, what is in the folder `data` may be opened: nobody restores it.

    `store`: the URL of the database that has the relay instead; then the folder need not be there.
    `new`: it is made if it is missing. Raises StoreError, also for what a restore that was broken
    off, or a database that is gone, has left in it.
    """
    if store and not new:
        yield stores_of(data, store)
        return
    if new:
        private_folder(data)
    if not store:
        _refuse_a_node(data)
        if not new and not holds_any(data):
            raise StoreError(f"there is no relay in {data}: one is made when it first runs")
    with contextlib.suppress(FolderInUse):  # somebody else has just moved it
        if (data / RESTORED).exists():
            with FolderLock(data / FOLDER_LOCK, LOCK_PATIENCE):
                move_restored(data)
    with FolderLock(data / FOLDER_LOCK, LOCK_PATIENCE, shared=True):
        _refuse_remains(data)
        yield stores_of(data, store)


def note_node(data: Path, stores: RelayStores) -> None:
    """Write down in the folder of a node that the relay is elsewhere. Raises StoreError."""
    if stores.elsewhere:
        write_private(data / ELSEWHERE, f"{stores.elsewhere}\n".encode())


def _refuse_a_node(data: Path) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        place = safe_line((data / ELSEWHERE).read_text("utf-8", "replace"), 300)
        raise StoreError(
            f"the relay of {data} is in {place}: say so with --store URL, with --config FILE, or in"
            f" ${VARIABLE}; to keep another one here, remove {data / ELSEWHERE}"
        )


@contextlib.contextmanager
def only_relay(data: Path) -> Iterator[None]:
    """While the block runs, it is the one relay of the folder `data`. Raises StoreError."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(relay_lock(RelayStores(data).records))
        except StoreError as error:
            note = running_relay(data)
            where = f": a relay listens at {note.url} (process {note.pid})" if note else ""
            raise StoreError(f"{error}{where}") from None
        yield


@contextlib.contextmanager
def exclusive_folder(data: Path) -> Iterator[None]:
    """While the block runs, nobody else has the folder `data` open.

    Raises StoreError as `open_folder` does, and where somebody has.
    """
    private_folder(data)
    with only_relay(data):
        try:
            lock = FolderLock(data / FOLDER_LOCK, LOCK_PATIENCE).__enter__()
        except FolderInUse as error:
            raise StoreError(f"{error}: let it end first") from None
        with contextlib.closing(contextlib.ExitStack()) as stack:
            stack.push(lock)
            if (data / RESTORED).exists():
                move_restored(data)
            _refuse_remains(data)
            yield


def move_restored(data: Path) -> None:
    """Bring what was restored to its places: again and again, until all is there.

    Only in an `exclusive_folder`. Raises StoreError; then the next one goes on.
    """
    restored = data / RESTORED
    try:
        for path in sorted(restored.iterdir()):
            target = data / path.name
            if target.exists():
                raise StoreError(
                    f"{target} is in the way of what was restored ({path}): move one of them away"
                )
            path.rename(target)
        sync_folder(data)
        restored.rmdir()
    except OSError as error:
        raise store_error(f"what was restored into {data} is not in its place", error) from error


def holds_any(data: Path) -> bool:
    """Is there anything of a relay in the folder? Elsewhere, not even a lock is left behind."""
    named = any((data / name).exists() for name in (PART, RESTORED, ELSEWHERE))
    return named or next(data.glob("*.db*"), None) is not None


def _refuse_remains(data: Path) -> None:
    """Raises StoreError for what must not be opened, nor begun beside."""
    if (data / PART).exists():
        raise StoreError(
            f"a restore into {data} was broken off, and changed nothing: remove {data / PART}, then"
            " restore again"
        )
    if (data / RESTORED).exists():
        raise StoreError(f"what was restored into {data} is not in its place yet: try again")
    if left := leftovers(data):
        raise StoreError(
            f"in {data} there is what a database that is gone left behind, and would be mixed with"
            f" a new one: put the database back, or move {', '.join(left)} away"
        )


def is_wanted(data: Path) -> bool:
    """Does somebody want the relay in `data` to stay although nobody is connected?"""
    if (data / KEEP).exists():
        return True
    for path in (data / USERS).glob("*.lock"):
        try:
            if 0 <= time.time() - path.stat().st_mtime < _JUST_MADE:
                return True  # whoever has just made it may be about to lock it
            with FolderLock(path):
                path.unlink()  # of one that has ended; no name comes twice
        except StoreError:
            return True
        except OSError:
            continue  # it ended just now, and took its file along; nobody holds it
    return False
