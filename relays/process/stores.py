"""What a relay keeps: its sub-relays' stores, the keeper's records, and room for what makes room.

The one place that knows where they lie: in the relay's folder, or in a PostgreSQL database that any
number of nodes share, each with a folder for what is its own. Commands and the running relay open
them in the same way, beside each other.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import StoreError
from nostr_client.store.contract import EventStore, StoreOptions
from nostr_client.store.opening import open_store, schemas_with_stores
from nostr_client.store.reserve import Reserve
from relays.config.store_url import base_of, shown, url_of_schema
from relays.config.sub_relays import ROOT
from relays.moderation.opening import RECORDS, has_records, open_state
from relays.moderation.state import ModerationState

DATABASE: Final = f"{ROOT}.db"
"""That of the sub-relay `/`, which every relay has."""
RESERVE: Final = "reserve"
"""The file that keeps room back."""
_RECORDS_SCHEMA: Final = "keeper"


class RelayStores:
    """Those of the relay in the folder `data`; a store goes by the name of its database."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.reserve: Reserve | None = Reserve(data / RESERVE)

    @property
    def elsewhere(self) -> str:
        """Where they are, if not in the folder, for people: no password stands in it."""
        return ""

    @property
    def place(self) -> str:
        """Where they are, for people."""
        return self.elsewhere or str(self.data)

    async def names(self) -> list[str]:
        """Of all that are there, that of `/` first. Raises StoreError."""
        found = {path.name for path in self.data.glob("*.db")} - {RECORDS}
        return sorted(found, key=lambda name: (name != DATABASE, name))

    async def has(self, name: str) -> bool:
        """Is there such a store? Raises StoreError."""
        return (self.data / name).exists()

    async def require(self) -> None:
        """Raises StoreError where there is no relay."""
        if not await self.has(DATABASE):
            raise StoreError(f"there is no relay in {self.place}: one is made when it first runs")

    def require_files(self, instead: str) -> None:
        """For what is done to files alone. Raises StoreError where there are none: `instead` says
        what to do then."""

    def bytes_on_disk(self) -> int:
        """What they take of this machine's disk."""
        return sum(path.stat().st_size for path in self.data.glob("*.db*"))

    def location(self, name: str) -> str | Path:
        """Where a store is, or is made; it may hold a password."""
        return self.data / name

    def shown(self, name: str) -> str:
        """The same for people."""
        return str(self.data / name)

    @property
    def records(self) -> str | Path:
        """Where the keeper's records are; it may hold a password."""
        return self.data

    def open(
        self, name: str, options: StoreOptions | None = None
    ) -> AbstractAsyncContextManager[EventStore]:
        """A store, with the room that is kept back (see `open_store`)."""
        options = msgspec.structs.replace(options or StoreOptions(), reserve=self.reserve)
        return open_store(self.location(name), options)

    @asynccontextmanager
    async def open_state(
        self,
        *,
        service_urls: Collection[str] = (),
        clock: Callable[[], float] = time.time,
        read_only: bool = False,
    ) -> AsyncIterator[ModerationState]:
        """What the keeper decided, with the room that is kept back.

        `read_only`: nothing is written, unless there are no records yet: then they are made.
        """
        async with open_state(
            self.records,
            service_urls=service_urls,
            clock=clock,
            read_only=read_only and await has_records(self.records),
            reserve=self.reserve,
            node=self.data,
        ) as state:
            yield state

    def keep_room(self) -> bool:
        """Keep room back, but for what it takes to open the stores: deletions must be obeyed. False
        where the disk is full."""
        if self.reserve is None:
            return True
        self.reserve.take()
        self.make_way()
        return self.reserve.is_held

    def make_way(self) -> None:
        """Give up the room that is kept back where it takes it to open the stores."""
        if self.reserve is not None:
            self.reserve.make_way()

    def give_room(self) -> None:
        """Give up the room that is kept back: for what makes room."""
        if self.reserve is not None:
            self.reserve.release()


class DatabaseStores(RelayStores):
    """Those of a relay in the PostgreSQL database at `url`; `data` is the folder of one node.

    Each is in a schema of its own. How full the database's disk is, is its keeper's affair.
    """

    def __init__(self, data: Path, url: str) -> None:
        super().__init__(data)
        self.reserve = None
        self._url = url
        self._base = base_of(url)

    @property
    def elsewhere(self) -> str:
        return shown(self._url)

    async def names(self) -> list[str]:
        schemas = await schemas_with_stores(self._url)
        others = sorted(one for one in schemas if one.startswith(f"{self._base}_"))
        found = [f"{one.removeprefix(f'{self._base}_')}.db" for one in others]
        return [DATABASE, *found] if self._base in schemas else found

    async def has(self, name: str) -> bool:
        return self._schema(name) in await schemas_with_stores(self._url)

    def require_files(self, instead: str) -> None:
        raise StoreError(f"the relay is in {self.place}, and in no files: {instead}")

    def bytes_on_disk(self) -> int:
        return 0

    def location(self, name: str) -> str:
        return url_of_schema(self._url, self._schema(name))

    def shown(self, name: str) -> str:
        return f"the schema {self._schema(name)}"

    @property
    def records(self) -> str:
        return url_of_schema(self._url, f"{self._base}_{_RECORDS_SCHEMA}")

    def _schema(self, name: str) -> str:
        room = name.removesuffix(".db")
        return self._base if room == ROOT else f"{self._base}_{room}"


def stores_of(data: Path, store: str = "") -> RelayStores:
    """Those of the relay in the folder `data`, or where it has one, in the database at `store`."""
    return DatabaseStores(data, store) if store else RelayStores(data)
