"""SqliteStore: the EventStore in one SQLite file, safe beside other processes on the same file."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import Final, Self

from nostr_client.errors import StoreError
from nostr_client.paths import patient_lock
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.kinds import VANISH
from nostr_client.protocol.urls import place_of
from nostr_client.store.contract import SaveResult, Stored, StoreOptions
from nostr_client.store.index_keys import IndexKeys
from nostr_client.store.slices import deletion_frees_room
from nostr_client.store.sqlite import backup, connections, search_index
from nostr_client.store.sqlite.database import WRITE_LIMIT, Database
from nostr_client.store.sqlite.ledger import SqliteCopyLedger
from nostr_client.store.sqlite.maintenance import StoreMaintenance
from nostr_client.store.sqlite.queries import StoreQueries
from nostr_client.store.sqlite.quotas import SqliteQuotas
from nostr_client.store.sqlite.reader import TableReader
from nostr_client.store.sqlite.search_index import Indexer
from nostr_client.store.sqlite.typed import SearchAsTyped
from nostr_client.store.sqlite.writer import Saver
from nostr_client.store.watching import Watch, Watchers

_log = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.25
"""How soon a watch hears of what another process stored."""
PURGE_SECONDS: Final = 60.0
TURN_SECONDS: Final = 0.5
"""Between two looks at whether what only one may do is still done by another process."""
_SAVE_AT_ONCE: Final = 2000
_QUEUED_EVENTS: Final = 50_000


class SqliteStore(StoreQueries, SearchAsTyped, StoreMaintenance):
    """See `EventStore`; opened by `store.opening.open_store`."""

    def __init__(
        self, db: Database, keys: IndexKeys, saver: Saver, clock: Callable[[], float]
    ) -> None:
        self._db = db
        self._keys = keys
        self._saver = saver
        self._removal = saver.removal
        self._reading = TableReader(keys)
        self._clock = clock
        self._room = asyncio.Semaphore(_QUEUED_EVENTS // _SAVE_AT_ONCE)
        self._poke = asyncio.Event()
        self._vanishing = asyncio.Event()
        self._watchers = Watchers(self._read_since, self._poke.set)
        self._indexer: Indexer | None = None
        self._tell_others: list[Callable[[int], None]] = []
        self.ledger = SqliteCopyLedger(db, keys, clock)
        self.quotas = SqliteQuotas(db, keys, self._forget)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, path: Path, options: StoreOptions) -> AsyncIterator[Self]:
        """The store in the file `path`, which is made if it is missing.

        Raises StoreError, InvalidData for a service URL that is none.
        """
        places = frozenset(place_of(url) for url in options.service_urls)
        writable = not options.read_only
        db = await Database.open(
            path,
            time_limit=options.time_limit,
            read_only=options.read_only,
            reserve=options.reserve,
            caches=connections.MODEST if options.modest else connections.WIDE,
        )
        try:
            # No question, and so bound by no limit of questions, however busy the machine is.
            secret, indexed = db.at_once(
                lambda c: c.execute("SELECT secret, indexed FROM state").fetchone(), WRITE_LIMIT
            )
            keys = IndexKeys(secret)
            self = cls(db, keys, Saver(keys, places), options.clock)
            await self.keep_history_of(options.keep_history_of)
            if places and writable:
                await db.write(self._removal.obey_stored)
            tasks = [asyncio.create_task(self._upkeep())]
            if writable:
                tasks.append(asyncio.create_task(self._clean()))
            if options.search and writable:
                if indexed is None:
                    await db.write(search_index.prepare)
                self._indexer = Indexer(db, self._read_since, gentle=options.gentle)
                tasks.append(asyncio.create_task(self.run_alone("index", self._indexer.run)))
            try:
                yield self
            finally:
                self._watchers.end()
                for task in tasks:
                    task.cancel()
                for ended in await asyncio.gather(*tasks, return_exceptions=True):
                    if isinstance(ended, Exception):
                        raise ended
        finally:
            await db.close()

    # Writing

    async def save(self, events: Sequence[Event], *, frees: bool = False) -> list[SaveResult]:
        results: list[SaveResult] = []
        for start in range(0, len(events), _SAVE_AT_ONCE):
            part = events[start : start + _SAVE_AT_ONCE]
            async with self._room:
                results += await self._save(part, frees)
        return results

    async def _save(self, events: Sequence[Event], frees: bool) -> list[SaveResult]:
        if not frees and not self._db.has_room:
            await backup.take_again(self._db)
        now = int(self._clock())
        saved = await self._db.write(
            lambda c: self._saver.save(c, events, now), weight=len(events), frees=frees
        )
        if self._indexer is not None:
            self._indexer.saved()
        if self._removal.unfinished or not self._db.has_room:
            self._vanishing.set()
        if saved.after == saved.before:
            return saved.results
        for tell in self._tell_others:
            tell(saved.after)
        if self._watchers:
            fresh = [
                (result.seq, event)
                for result, event in zip(saved.results, events, strict=True)
                if result.seq
            ]
            self._watchers.committed(Stored(fresh, saved.before, saved.after))
        return saved.results

    async def frees_room(self, event: Event) -> bool:
        if event.kind == VANISH:
            return await self._db.read(lambda c: self._removal.covers_any(c, event))
        return await deletion_frees_room(self, event)

    async def obey(self, requests: Sequence[Event], *, frees: bool = False) -> None:

        if not frees and not self._db.has_room:
            await backup.take_again(self._db)

        def run(db: sqlite3.Connection) -> None:
            for request in requests:
                self._removal.obey_vanish(db, request)

        await self._db.write(run, weight=len(requests), frees=frees)
        if self._removal.unfinished:
            self._vanishing.set()

    async def keep_history_of(self, pubkeys: Collection[str]) -> None:
        rows = json.dumps([self._keys.author(pubkey) for pubkey in pubkeys])
        if pubkeys:
            await self._db.write(
                lambda c: c.execute(
                    "INSERT OR IGNORE INTO keeper SELECT value FROM json_each(?)", (rows,)
                )
            )

    def watch(self, filters: Sequence[Filter]) -> Watch:
        return Watch(filters, self._watchers, self._last_seq)

    def listen(self, hear: Callable[[Stored], None]) -> contextlib.AbstractAsyncContextManager[int]:
        return self._watchers.listen(hear, self._last_seq)

    def on_commit(self, tell: Callable[[int], None]) -> None:
        self._tell_others.append(tell)

    def look(self, seq: int) -> None:
        if self._indexer is not None:
            self._indexer.saved()
        if self._watchers and seq > self._watchers.told:
            self._poke.set()

    async def run_alone(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        path = self._db.path.with_name(f"{self._db.path.name}.{name}.lock")
        async with patient_lock(path, math.inf, TURN_SECONDS):
            await work()

    # Inside

    async def _last_seq(self) -> int:
        seq: int = await self._db.read(lambda c: c.execute("SELECT seq FROM state").fetchone()[0])
        return seq

    async def _read_since(self, seq: int) -> Stored:
        """What was stored after `seq`, at most a slice of it."""
        return await self._db.read(lambda c: self._reading.since(c, seq))

    async def _upkeep(self) -> None:
        """Tell watches what other processes stored."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._poke.wait()
            poked = self._poke.is_set()
            self._poke.clear()
            try:
                if self._watchers and (poked or await self._last_seq() > self._watchers.told):
                    await self._tell()
            except StoreError as error:  # whoever saves or asks is told by an error of his own
                _log.warning("upkeep of the store failed, to be tried again: %s", error)

    async def _clean(self) -> None:
        """Take out what has expired now and then, and what vanishes at once."""
        failed = ""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0 if self._removal.unfinished else PURGE_SECONDS):
                    await self._vanishing.wait()
            self._vanishing.clear()
            try:
                await self.purge()
                await backup.give_back(self._db)
                failed = ""
            except StoreError as error:
                if str(error) != failed:  # said once: on a full disk, logs only make it worse
                    _log.warning("cleaning the store failed, to be tried again: %s", error)
                failed = str(error)
                self._removal.unfinished = True
                await asyncio.sleep(POLL_SECONDS)

    async def _tell(self) -> None:
        while True:
            told = self._watchers.told
            stored = await self._read_since(told)
            if stored.after <= self._watchers.told:
                return
            if self._watchers.told == told:  # no commit of our own was told meanwhile
                self._watchers.tell(stored)
