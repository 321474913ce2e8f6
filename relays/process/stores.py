"""What a relay keeps: its sub-relays' stores, the keeper's records, and room for what makes room.

The one place that knows where they lie. Commands and the running relay open them in the same way,
beside each other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import StoreError
from nostr_client.store.contract import EventStore, StoreOptions
from nostr_client.store.opening import open_store
from nostr_client.store.reserve import Reserve
from relays.config.sub_relays import ROOT
from relays.moderation.opening import RECORDS, has_records, open_state
from relays.moderation.state import ModerationState

DATABASE: Final = f"{ROOT}.db"
"""That of the sub-relay `/`, which every relay has."""
RESERVE: Final = "reserve"
"""The file that keeps room back."""


class RelayStores:
    """Those of the relay in the folder `data`; a store goes by the name of its database."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.reserve = Reserve(data / RESERVE)

    def names(self) -> list[str]:
        """Of all that are there, that of `/` first."""
        found = {path.name for path in self.data.glob("*.db")} - {RECORDS}
        return sorted(found, key=lambda name: (name != DATABASE, name))

    def has(self, name: str) -> bool:
        """Is there such a store?"""
        return (self.data / name).exists()

    def require(self) -> None:
        """Raises StoreError where there is no relay."""
        if not self.has(DATABASE):
            raise StoreError(f"there is no relay in {self.data}: one is made when it first runs")

    def bytes_on_disk(self) -> int:
        """What their files take."""
        return sum(path.stat().st_size for path in self.data.glob("*.db*"))

    def location(self, name: str) -> str | Path:
        """Where a store is, or is made."""
        return self.data / name

    @property
    def records(self) -> str | Path:
        """Where the keeper's records are."""
        return self.data

    def open(
        self, name: str, options: StoreOptions | None = None
    ) -> AbstractAsyncContextManager[EventStore]:
        """A store, with the room that is kept back (see `open_store`)."""
        options = msgspec.structs.replace(options or StoreOptions(), reserve=self.reserve)
        return open_store(self.location(name), options)

    def open_state(
        self,
        *,
        service_urls: Collection[str] = (),
        clock: Callable[[], float] = time.time,
        read_only: bool = False,
    ) -> AbstractAsyncContextManager[ModerationState]:
        """What the keeper decided, with the room that is kept back.

        `read_only`: nothing is written, unless there are no records yet: then they are made.
        """
        return open_state(
            self.records,
            service_urls=service_urls,
            clock=clock,
            read_only=read_only and has_records(self.records),
            reserve=self.reserve,
        )

    def keep_room(self) -> bool:
        """Keep room back, but for what it takes to open the stores: deletions must be obeyed. False
        where the disk is full."""
        self.reserve.take()
        self.reserve.make_way()
        return self.reserve.is_held
