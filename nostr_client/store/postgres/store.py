"""PostgresStore: the EventStore in one PostgreSQL database, for any number of nodes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from nostr_client.errors import StoreError
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.kinds import VANISH
from nostr_client.protocol.urls import place_of
from nostr_client.store.contract import SaveResult, Stored, StoreOptions
from nostr_client.store.index_keys import IndexKeys
from nostr_client.store.judging import Saved
from nostr_client.store.postgres import duties, schema
from nostr_client.store.postgres.connections import Connections
from nostr_client.store.postgres.listening import StoreNotifications
from nostr_client.store.postgres.maintenance import PostgresMaintenance
from nostr_client.store.postgres.passing import Passing
from nostr_client.store.postgres.queries import PostgresQueries
from nostr_client.store.postgres.reader import PostgresReader
from nostr_client.store.postgres.search_index import WordIndexer
from nostr_client.store.postgres.writer import LOCK, PostgresSaver
from nostr_client.store.slices import deletion_frees_room
from nostr_client.store.watching import Watch, Watchers

if TYPE_CHECKING:
    from asyncpg import Connection

_log = logging.getLogger(__name__)

PURGE_SECONDS: Final = 60.0
INDEX_SECONDS: Final = 1.0
CLOCKS_APART: Final = 10.0
"""Seconds: more than this between a node's clock and the database's is said."""
_SAVE_AT_ONCE: Final = 2000
_QUEUED_EVENTS: Final = 50_000


class PostgresStore(PostgresQueries, PostgresMaintenance):
    """See `EventStore`; opened by `store.opening.open_store`."""

    def __init__(
        self, connections: Connections, keys: IndexKeys, saver: PostgresSaver, options: StoreOptions
    ) -> None:
        self._db = connections
        self._keys = keys
        self._saver = saver
        self._removal = saver.removal
        self._reading = PostgresReader(keys)
        self._clock = options.clock
        self._searchable = options.search
        self._indexer = WordIndexer(connections)
        self._room = asyncio.Semaphore(_QUEUED_EVENTS // _SAVE_AT_ONCE)
        self._waiting: list[tuple[Sequence[Event], asyncio.Future[list[SaveResult]]]] = []
        self._wake = asyncio.Event()
        self._closed = False
        self._last = 0
        """Where the last save of this node stands."""
        self._stored = asyncio.Event()
        self._vanishing = asyncio.Event()
        self._notifications = StoreNotifications(connections)
        poke = self._notifications.poke
        self._watchers = Watchers(self._read_since, poke)
        self._passing = Passing(connections, saver.passing_channel, poke)
        self._notifications.tell(saver.channel, lambda _: poke())
        self._notifications.tell(self._passing.channel, self._passing.heard)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, url: str, options: StoreOptions) -> AsyncIterator[Self]:
        """The store in the database at `url`, whose tables are made if they are missing.

        Raises StoreError, InvalidData for a service URL that is none.
        """
        places = frozenset(place_of(url) for url in options.service_urls)
        writes = not options.read_only
        async with Connections.open(url, options.time_limit, writes=writes) as connections:
            if writes:
                await connections.prepare(schema.prepare)
            about = await connections.read(_about)
            if about.version != schema.VERSION:
                raise StoreError(
                    f"the database has no store of this program (format {about.version})"
                )
            if options.clock is time.time:
                _compare_clocks(options.clock(), about.now)
            keys = IndexKeys(about.secret)
            self = cls(connections, keys, PostgresSaver(keys, places, about.schema), options)
            if writes:
                await self.keep_history_of(options.keep_history_of)
                if places:
                    await connections.write(self._obey_stored)
            async with contextlib.AsyncExitStack() as stack:
                works = [self._notifications.run(self._tell)]
                if writes:
                    works += [self._save_waiting(), self.run_alone("purge", self._clean)]
                    if options.search:
                        works.append(self.run_alone("index", self._index))
                tasks = [asyncio.create_task(work) for work in works]
                stack.push_async_callback(_ended, tasks)
                stack.callback(self._watchers.end)
                stack.callback(self._give_up)
                yield self

    # Writing

    async def save(self, events: Sequence[Event], *, frees: bool = False) -> list[SaveResult]:
        results: list[SaveResult] = []
        for start in range(0, len(events), _SAVE_AT_ONCE):
            async with self._room:
                results += await self._save(events[start : start + _SAVE_AT_ONCE])
        return results

    async def _save(self, events: Sequence[Event]) -> list[SaveResult]:
        """With all that others brought while the last transaction ran, in the next one. Whoever
        waits for it and is cancelled does not undo what others brought."""
        if not self._db.writes or self._closed:
            raise StoreError(f"the store is {'closed' if self._closed else 'open for reading'}")
        done: asyncio.Future[list[SaveResult]] = asyncio.get_running_loop().create_future()
        self._waiting.append((events, done))
        self._wake.set()
        return await done

    async def _save_waiting(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._save_some()

    async def _save_some(self) -> None:
        batch: list[tuple[Sequence[Event], asyncio.Future[list[SaveResult]]]] = []
        while self._waiting and sum(len(events) for events, _ in batch) < _SAVE_AT_ONCE:
            batch.append(self._waiting.pop(0))
        events = [event for part, _ in batch for event in part]
        try:
            now = int(self._clock())
            saved = await self._db.write(lambda db: self._saver.save(db, events, now))
        except BaseException as error:
            told = error if isinstance(error, StoreError) else StoreError("not saved")
            for _, done in batch:
                if not done.done():
                    done.set_exception(told)
            if not isinstance(error, Exception):
                raise
            if not isinstance(error, StoreError):
                _log.exception("events could not be saved")
            return
        self._committed(events, saved)
        at = 0
        for part, done in batch:
            if not done.done():
                done.set_result(saved.results[at : at + len(part)])
            at += len(part)

    def _give_up(self) -> None:
        """The store is closed: whoever still waits is told."""
        self._closed = True
        for _, done in self._waiting:
            if not done.done():
                done.set_exception(StoreError("the store is closed"))
        self._waiting.clear()

    def _committed(self, events: Sequence[Event], saved: Saved) -> None:
        if saved.after == saved.before:
            return
        self._last = saved.after
        self._stored.set()
        if any(event.kind == VANISH for event in events):
            self._vanishing.set()
        fresh = [
            (result.seq, event)
            for result, event in zip(saved.results, events, strict=True)
            if result.seq
        ]
        self._watchers.committed(Stored(fresh, saved.before, saved.after))

    async def frees_room(self, event: Event) -> bool:
        if event.kind == VANISH:
            return await self._db.read(lambda db: self._removal.covers_any(db, event))
        return await deletion_frees_room(self, event)

    async def obey(self, requests: Sequence[Event], *, frees: bool = False) -> None:
        async def run(db: Connection) -> None:
            await db.fetchval(LOCK)
            for request in requests:
                await self._removal.obey_vanish(db, request)

        await self._db.write(run)
        self._vanishing.set()

    async def _obey_stored(self, db: Connection) -> None:
        await db.fetchval(LOCK)
        await self._removal.obey_stored(db)

    async def keep_history_of(self, pubkeys: Collection[str]) -> None:
        authors = [self._keys.author(pubkey) for pubkey in pubkeys]
        sql = "INSERT INTO keeper SELECT DISTINCT unnest($1::bigint[]) ON CONFLICT DO NOTHING"
        if pubkeys:
            await self._db.write(lambda db: db.execute(sql, authors))

    # What is new

    def watch(self, filters: Sequence[Filter]) -> Watch:
        return Watch(filters, self._watchers, self._last_seq)

    def listen(self, hear: Callable[[Stored], None]) -> contextlib.AbstractAsyncContextManager[int]:
        return self._watchers.listen(hear, self._last_seq)

    async def pass_on(self, events: Sequence[Event]) -> None:
        await self._passing.pass_on(events)

    def hear_passing(
        self, hear: Callable[[Sequence[Event]], None]
    ) -> contextlib.AbstractAsyncContextManager[None]:
        return self._passing.hearing(hear)

    async def run_alone(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        await duties.run_alone(self._db, name, work)

    # Inside

    def _seen(self) -> int:
        return max(self._last, self._watchers.told)

    async def _last_seq(self) -> int:
        return int(await self._db.read(lambda db: db.fetchval("SELECT seq FROM state")))

    async def _read_since(self, seq: int) -> Stored:
        """What was stored after `seq`, at most a slice of it."""
        return await self._db.read(lambda db: self._reading.since(db, seq))

    async def _tell(self) -> None:
        """Tell watches what others stored, up to now; and what passes."""
        await self._passing.fetch()
        while self._watchers:
            told = self._watchers.told
            stored = await self._read_since(told)
            if stored.after <= self._watchers.told:
                return
            if self._watchers.told == told:  # no commit of our own was told meanwhile
                self._watchers.tell(stored)

    async def _clean(self) -> None:
        """Take out what has expired now and then, and what vanishes at once."""
        failed = ""
        while True:
            try:
                await self.purge()
                failed = ""
            except StoreError as error:
                if str(error) != failed:  # said once
                    _log.warning("cleaning the store failed, to be tried again: %s", error)
                failed = str(error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PURGE_SECONDS):
                    await self._vanishing.wait()
            self._vanishing.clear()

    async def _index(self) -> None:
        """Bring the index of words up to date whenever something was stored, by whomsoever."""
        failed = ""
        while True:
            try:
                await self._indexer.finish()
                failed = ""
            except StoreError as error:
                if str(error) != failed:
                    _log.warning("words are not indexed, to be tried again: %s", error)
                failed = str(error)
            self._stored.clear()
            await asyncio.sleep(INDEX_SECONDS)


class _About(NamedTuple):
    version: int
    secret: bytes = b""
    schema: str = ""
    now: float = 0.0


async def _about(db: Connection) -> _About:
    """The version of the tables, the store's secret, the schema that they are in, and what time the
    database says that it is."""
    version = await schema.version_of(db)
    if version != schema.VERSION:
        return _About(version)
    row = await db.fetchrow(
        "SELECT secret, current_schema(), extract(epoch FROM clock_timestamp())::float8 FROM state"
    )
    return _About(version, *row)


def _compare_clocks(ours: float, theirs: float) -> None:
    if abs(ours - theirs) > CLOCKS_APART:
        _log.warning(
            "this node's clock and that of its database are %.0f s apart: what has expired is taken"
            " out by the earlier of the two",
            abs(ours - theirs),
        )


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended
