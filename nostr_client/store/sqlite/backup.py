# ruff: noqa: S608 - SQL is made of constants; values are always bound
"""A copy of a store, and the tidying of its file: beside others who read and write it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from pathlib import Path
from typing import Final

from nostr_client.errors import StoreError, StoreFull
from nostr_client.store.contract import Size
from nostr_client.store.sqlite.database import Database
from nostr_client.store.sqlite.opening import copy_out

_PAGES: Final = 256
"""Of 4 kB, in one step."""
_INCREMENTAL: Final = 2


async def size(db: Database) -> Size:
    """What the store takes on the disk."""
    sql = (
        "SELECT (pages - free) * page, pages * page FROM"
        " (SELECT page_size AS page FROM pragma_page_size),"
        " (SELECT page_count AS pages FROM pragma_page_count),"
        " (SELECT freelist_count AS free FROM pragma_freelist_count)"
    )
    used, file = await db.read(lambda c: c.execute(sql).fetchone())
    log = db.path.with_name(f"{db.path.name}-wal")
    return Size(used, file + (log.stat().st_size if log.exists() else 0))


async def backup(db: Database, path: Path) -> None:
    """See `EventStore.backup`."""
    stop = threading.Event()
    try:
        await db.apart(lambda c: copy_out(c, path, stop, mark="SELECT seq FROM state"))
    finally:
        stop.set()


async def check(db: Database) -> None:
    """See `EventStore.check`."""

    def run(c: sqlite3.Connection) -> str:
        rows = c.execute("PRAGMA integrity_check(10)").fetchall()
        found = "; ".join(row[0].decode(errors="replace") for row in rows)
        if found != "ok":
            return found
        for index in ("id", "author"):
            sql = (
                f"SELECT (SELECT count(*) FROM event) - (SELECT count(*) FROM {index})"
                f" - (SELECT count(*) FROM new_{index})"
            )
            if c.execute(sql).fetchone()[0]:
                return f"the index {index} has not as many entries as there are events"
        return ""

    if found := await db.apart(run):
        raise StoreError(f"{db.path}: the file is damaged: {found}")


async def compact(db: Database) -> int:
    """See `EventStore.compact`."""
    before = await size(db)
    await _merge_words(db)
    if await db.read(lambda c: c.execute("PRAGMA auto_vacuum").fetchone()[0]) == _INCREMENTAL:
        await _free_pages(db)
    else:
        await db.apart(_rewrite)
    await db.shorten_log()
    await give_back(db)
    return before.allocated - (await size(db)).allocated


async def give_back(db: Database) -> None:
    """After the room that is kept back was needed: give free space back to the disk, and keep as
    much back again, if there is so much."""
    if db.reserve is None or await asyncio.to_thread(db.reserve.take):
        return
    with contextlib.suppress(StoreFull):
        if await db.read(lambda c: c.execute("PRAGMA auto_vacuum").fetchone()[0]) == _INCREMENTAL:
            await _free_pages(db)
        await db.shorten_log()
    await asyncio.to_thread(db.reserve.take)


async def take_again(db: Database) -> None:
    """Keep room back again. Raises StoreFull where there is not so much."""
    if db.reserve is not None and not await asyncio.to_thread(db.reserve.take):
        raise StoreFull(f"{db.path}: the disk is full: make room on it")


async def _merge_words(db: Database) -> None:
    """Bring the index of searches into one piece, without the words of what was taken out."""

    def step(c: sqlite3.Connection, pages: int) -> bool:
        if c.execute("SELECT indexed FROM state").fetchone()[0] is None:
            return False
        changes = c.total_changes
        c.execute("INSERT INTO words (words, rank) VALUES ('merge', ?)", (pages,))
        return c.total_changes - changes >= 2  # FTS5's own sign that there was something to do

    more = await db.write(lambda c: step(c, -_PAGES), frees=True)
    while more:
        await asyncio.sleep(0)
        more = await db.write(lambda c: step(c, _PAGES), frees=True)


async def _free_pages(db: Database) -> None:
    def step(c: sqlite3.Connection) -> int:
        c.execute(f"PRAGMA incremental_vacuum({_PAGES})").fetchall()
        free: int = c.execute("PRAGMA freelist_count").fetchone()[0]
        return free

    left = await db.write(step, frees=True)
    while left:
        await asyncio.sleep(0)  # whoever waits to write has his turn
        left = await db.write(step, frees=True)


def _rewrite(c: sqlite3.Connection) -> None:
    c.execute("PRAGMA query_only = 0")
    c.execute("PRAGMA busy_timeout = 20000")
    c.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
    c.execute("VACUUM")
