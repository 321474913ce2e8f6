"""The file of a store, before SQLite opens it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from nostr_client.errors import StoreError

_ASIDE: Final = ("-wal", "-shm", "-journal")
"""What is beside the file of a database that is open, or whose process was killed."""


def create_private(path: Path) -> None:
    """Make the file if it is missing, for its owner alone."""
    if path.exists():
        return
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    if os.name == "posix":  # the name must be as durable as what is written under it
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def refuse_remains(path: Path) -> None:
    """Raises StoreError for a damaged file.

    SQLite takes one that is shorter than a page for an empty one, and would begin anew in it.
    """
    # In this order, since another process may be making the file: first a page, then the log.
    log = path.with_name(f"{path.name}-wal")
    logged = log.exists() and log.stat().st_size > 0
    size = path.stat().st_size
    with path.open("rb") as file:
        header = file.read(18)
    if size == 0:
        sound = not logged
    else:
        page = int.from_bytes(header[16:], "big")
        sound = header.startswith(b"SQLite format 3\0") and size >= (65536 if page == 1 else page)
    if not sound:
        raise StoreError(f"{path}: the file is damaged, or no database at all")


def leftovers(folder: Path) -> list[str]:
    """Names of what databases that are gone from `folder` have left there, sorted.

    Not all of a database is in its one file, and SQLite would mix this into a new one.
    """
    return [
        path.name
        for path in sorted(folder.glob("*.db-*"))
        if path.name.endswith(_ASIDE) and not (folder / path.name.rpartition("-")[0]).exists()
    ]
