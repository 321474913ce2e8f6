"""Giving back what is no longer needed: of every sub-relay's database, beside a running relay."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from nostr_client.store.contract import Compactable
from relays.process.folder import open_folder


class Compacted(NamedTuple):
    """A database's name, its size before and after, in bytes."""

    name: str
    before: int
    after: int


async def compact(data: Path, database: str = "") -> AsyncIterator[Compacted]:
    """Give the free space of the relay in `data` back to the disk. Raises StoreError, also for one
    in a `database`."""
    with open_folder(data, database) as stores:
        stores.require_files("PostgreSQL gives room back by itself (autovacuum), or by VACUUM FULL")
        await stores.require()
        stores.make_way()
        for name in await stores.names():
            async with stores.open(name) as store:
                before = (await store.size()).allocated
                if isinstance(store, Compactable):
                    await store.compact()
                yield Compacted(name, before, (await store.size()).allocated)
