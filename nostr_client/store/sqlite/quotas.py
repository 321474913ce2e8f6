# ruff: noqa: S608 - SQL is made of constants; values are always bound
"""How much of what strangers sent is kept: so many bytes by one of them, and so many by one relay.

Strangers are all but the store's own people (`StoreOptions.keep_history_of`), whom those follow,
and whom an account keeps a copy of (`also_spared`). An event is charged to the relay that brought
it first, wherever else it is found later; what came inside of another event (a note in a repost),
and from no relay itself, has a quota like a relay's.
When there is no room left, what the same stranger sent, or the same relay brought, gives way, what
came first goes first, and gift wraps go last: they may be had nowhere else. What one's own people
wrote, and what is written by those whom they follow, is never taken, nor anything that is wanted
elsewhere: it is ours, whoever signed it.

The files are the truth: they are read at the start and before anything is taken out. In between
each process counts what it saves itself, and reads again after `LOOK_AGAIN` seconds.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Final

from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import is_hex64
from nostr_client.protocol.kinds import FOLLOWS, GIFT_WRAP
from nostr_client.store.contract import OVERHEAD, QuotaLimits, cost
from nostr_client.store.index_keys import IndexKeys
from nostr_client.store.rules import quota_target
from nostr_client.store.sqlite.database import Database

LOOK_AGAIN: Final = 60.0
LOOK_SHARE: Final = 20
"""Looks wait so many times as long as the last one took: a large store is not read all the time."""
_REMOVED_AT_ONCE: Final = 64
_READ_AT_ONCE: Final = 2048
_MOST_AUTHORS: Final = 20_000
"""Strangers whose shares are remembered; of others they are looked up again."""
_LISTED: Final = "(SELECT value FROM json_each(?))"
_SIZE: Final = f"(length(e.json) + {OVERHEAD})"
_BROUGHT_BY: Final = (
    "(SELECT c.relay FROM copy c WHERE c.tie = e.tie AND c.state = 'confirmed'"
    " ORDER BY c.updated_at, c.relay LIMIT 1)"
)
_NOT_OURS: Final = "NOT EXISTS (SELECT 1 FROM copy w WHERE w.tie = e.tie AND w.wanted)"
"""What is to be placed was written here, though a gift wrap's author is a key used once."""
_BY_AUTHORS: Final = (
    f"e.seq IN (SELECT seq FROM author WHERE author IN {_LISTED}"
    f" UNION ALL SELECT seq FROM new_author WHERE author IN {_LISTED})"
)


class SqliteQuotas:
    """See `Quotas`."""

    def __init__(
        self,
        db: Database,
        keys: IndexKeys,
        remove: Callable[[Sequence[int]], Awaitable[int]],
    ) -> None:
        """`remove` takes events out, by their seqs."""
        self.limits = QuotaLimits()
        self.also_spared: Callable[[], Collection[str]] = tuple
        self.evicted = 0
        """Events that gave way."""
        self.refused = 0
        """Events for which no room could be made."""
        self._db = db
        self._keys = keys
        self._remove = remove
        self._relays: dict[str, int] = {}
        self._authors: dict[int, int] = {}
        self._spared: frozenset[int] = frozenset()
        self._read_at = float("-inf")
        self._pause = LOOK_AGAIN
        self._lock = asyncio.Lock()

    async def admit(self, arrivals: Collection[tuple[Event, str]]) -> set[str]:
        async with self._lock:
            if time.monotonic() - self._read_at > self._pause:
                await self._read()
            strangers = [(e, url) for e, url in arrivals if self._key(e) not in self._spared]
            if not strangers:
                return set()
            needed = sum(cost(event) for event, _ in strangers)
            refused: set[str] = set()
            if sum(self._relays.values()) + needed > self.limits.stranger:
                refused = await self._room_by_author([event for event, _ in strangers])
            for url in {url for _, url in strangers}:
                brought = [e for e, u in strangers if u == url and e.id not in refused]
                refused |= await self._room_by_relay(url, brought)
            self.refused += len(refused)
            return refused

    def charge(self, stored: Iterable[tuple[Event, str]]) -> None:
        for event, url in stored:
            key = self._key(event)
            if key not in self._spared:
                self._relays[url] = self._relays.get(url, 0) + cost(event)
                if key in self._authors:
                    self._authors[key] += cost(event)

    # Inside

    def _key(self, event: Event) -> int:
        return self._keys.author(event.pubkey)

    async def _read(self) -> None:
        """Who is spared, and what every relay has brought."""
        self._spared = await self._db.apart(self._find_spared)
        spared = json.dumps(list(self._spared))
        sql = (
            f"SELECT coalesce(r.url, ''), sum({_SIZE}) FROM event e LEFT JOIN relay r"
            f" ON r.id = {_BROUGHT_BY} WHERE e.author NOT IN {_LISTED} GROUP BY r.id"
        )
        began = time.monotonic()
        rows = await self._db.apart(lambda db: db.execute(sql, (spared,)).fetchall())
        self._relays = {_text(url): size for url, size in rows}
        self._authors.clear()
        self._read_at = time.monotonic()
        self._pause = max(LOOK_AGAIN, LOOK_SHARE * (self._read_at - began))

    def _find_spared(self, db: sqlite3.Connection) -> frozenset[int]:
        own = [row[0] for row in db.execute("SELECT author FROM keeper")]
        listed = json.dumps(own)
        sql = f"SELECT e.json FROM event e WHERE e.kind = {FOLLOWS} AND {_BY_AUTHORS}"
        lists = [Event.from_trusted(row[0]) for row in db.execute(sql, (listed, listed))]
        followed = {name for event in lists for name in event.values("p") if is_hex64(name)}
        return frozenset((*own, *map(self._keys.author, (*followed, *self.also_spared()))))

    async def _room_by_author(self, events: Sequence[Event]) -> set[str]:
        await self._look_up({self._key(event) for event in events})
        needed: dict[int, int] = {}
        refused: set[str] = set()
        for event in events:
            key, wanted = self._key(event), needed.get(self._key(event), 0) + cost(event)
            if wanted > self.limits.stranger:
                refused.add(event.id)
            else:
                needed[key] = wanted
        for key, wanted in needed.items():
            if self._authors[key] + wanted > self.limits.stranger:
                listed = json.dumps([key])
                left = await self._evict(
                    self._authors[key],
                    quota_target(self.limits.stranger, wanted),
                    _BY_AUTHORS,
                    (listed, listed),
                )
                self._authors[key] = left
        return refused

    async def _look_up(self, keys: Collection[int]) -> None:
        """What these strangers' events take."""
        unknown = [key for key in keys if key not in self._authors]
        if not unknown:
            return
        while len(self._authors) + len(unknown) > _MOST_AUTHORS and self._authors:
            del self._authors[next(iter(self._authors))]
        missing = [key for key in keys if key not in self._authors]
        listed = json.dumps(missing)
        sql = f"SELECT e.author, sum({_SIZE}) FROM event e WHERE {_BY_AUTHORS} GROUP BY 1"
        rows = await self._db.apart(lambda db: db.execute(sql, (listed, listed)).fetchall())
        self._authors |= dict.fromkeys(missing, 0) | dict(rows)

    async def _room_by_relay(self, url: str, events: Sequence[Event]) -> set[str]:
        refused: set[str] = set()
        wanted = 0
        for event in events:
            if wanted + cost(event) > self.limits.relay:
                refused.add(event.id)
            else:
                wanted += cost(event)
        if self._relays.get(url, 0) + wanted > self.limits.relay:
            await self._read()
            condition = f"{_BROUGHT_BY} IS (SELECT id FROM relay WHERE url = ?)"
            self._relays[url] = await self._evict(
                self._relays.get(url, 0), quota_target(self.limits.relay, wanted), condition, (url,)
            )
        return refused

    async def _evict(self, used: int, target: int, condition: str, bound: Sequence[str]) -> int:
        """Take out strangers' events until at most `target` bytes are left; how many are."""
        spared = json.dumps(list(self._spared))
        for kinds in (f"e.kind <> {GIFT_WRAP}", f"e.kind = {GIFT_WRAP}"):
            sql = (
                f"SELECT e.seq, {_SIZE} FROM event e WHERE e.seq > ? AND {condition} AND {kinds}"
                f" AND {_NOT_OURS} AND e.author NOT IN {_LISTED}"
                f" ORDER BY e.seq LIMIT {_READ_AT_ONCE}"
            )
            seq = 0
            while used > target:
                given = (seq, *bound, spared)
                rows = await self._db.apart(lambda db, g=given: db.execute(sql, g).fetchall())  # type: ignore[misc] # noqa: B023
                if not rows:
                    break
                for start in range(0, len(rows), _REMOVED_AT_ONCE):
                    part: list[tuple[int, int]] = []
                    for row in rows[start : start + _REMOVED_AT_ONCE]:
                        if used > target:
                            part.append(row)
                            used -= row[1]
                    if part:
                        self.evicted += await self._remove([seq for seq, _ in part])
                seq = rows[-1][0]
        return max(used, 0)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
