# ruff: noqa: S608 - SQL is made of constants; values are always bound
"""Taking events out of the tables: superseded, deleted (NIP-09), vanished (NIP-62), expired.

What has been superseded or deleted goes into the history of those who keep one. Everything here is
called within a transaction that holds the row of `state`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from nostr_client.protocol.event import Event
from nostr_client.protocol.kinds import DELETION, GIFT_WRAP, VANISH, is_replaceable
from nostr_client.store import rules
from nostr_client.store.contract import cost
from nostr_client.store.index_keys import MAX, IndexKeys, id_key

if TYPE_CHECKING:
    from asyncpg import Connection

VANISHED_AT_ONCE: Final = 256
"""What a request to vanish covers beyond these is taken out in slices."""
IDLE_MARKS: Final = 100_000
"""Requests to vanish that are remembered of keys of which there was nothing here. Those of all
others are remembered for ever."""
_TAKE_OUT: Final = (
    "WITH entries AS (DELETE FROM tag WHERE (key, created_at, tie, seq) IN"
    " (SELECT * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]))),"
    " indexed AS (DELETE FROM words WHERE seq = ANY($1::bigint[])),"
    " counted AS (UPDATE state SET used = used - $6)"
    " DELETE FROM event WHERE seq = ANY($1::bigint[])"
)
_COVERED: Final = (
    "(SELECT seq FROM event WHERE author = $1 AND created_at <= $3"
    f" AND NOT (kind = {VANISH} AND created_at = $3) LIMIT $4)"
    " UNION"
    f" (SELECT seq FROM tag WHERE key = $2 AND created_at <= $3 AND kind = {GIFT_WRAP} LIMIT $4)"
)
_KNOWN: Final = (
    f"SELECT EXISTS (SELECT 1 FROM event WHERE author = $1 AND kind <> {VANISH})"
    f" OR EXISTS (SELECT 1 FROM tag WHERE key = $2 AND kind = {GIFT_WRAP})"
)
"""Is anything here by an author, but for requests to vanish, or a gift wrap for him?"""
_MARK: Final = (
    "INSERT INTO vanished VALUES ($1, $2, $3) ON CONFLICT (author) DO UPDATE SET"
    " until = greatest(vanished.until, excluded.until), idle = vanished.idle AND excluded.idle"
)


class PostgresRemoval:
    """`places` (`place_of`) are those for which requests to vanish are obeyed."""

    def __init__(self, keys: IndexKeys, places: Collection[str]) -> None:
        self._keys = keys
        self._places = frozenset(places)

    async def remove(self, db: Connection, seqs: Collection[int], *, archive: bool) -> int:
        """Take events out; with `archive`, into the history of those who keep one. How many."""
        if not seqs:
            return 0
        rows = await db.fetch("SELECT seq, json FROM event WHERE seq = ANY($1::bigint[])", seqs)
        events = {row[0]: Event.from_trusted(row[1]) for row in rows}
        entries = [
            (key, event.created_at, id_key(event.id), seq)
            for seq, event in events.items()
            for key in self._keys.tags(event)
        ]
        columns = list(map(list, zip(*entries, strict=True))) or [[], [], [], []]
        await db.execute(_TAKE_OUT, list(events), *columns, sum(map(cost, events.values())))
        if archive:
            await self.archive(db, events.values())
        return len(events)

    async def archive(self, db: Connection, events: Iterable[Event]) -> None:
        """Keep those that are versions of something, and whose authors' histories are kept."""
        versions = [event for event in events if is_replaceable(event.kind)]
        if not versions:
            return
        authors = {self._keys.author(event.pubkey) for event in versions}
        rows = await db.fetch("SELECT author FROM keeper WHERE author = ANY($1::bigint[])", authors)
        keepers = {row[0] for row in rows}
        for event in versions:
            author = self._keys.author(event.pubkey)
            if author in keepers:
                address = self._keys.address(event.address or "")
                place = address, event.created_at, id_key(event.id)
                await db.execute(
                    "INSERT INTO history VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                    *(*place, author, event.json),
                )

    async def obey_deletion(self, db: Connection, deletion: Event) -> None:
        """Remove what a kind 5 event names, and remember it for what is still to come."""
        targets = rules.deletion_of(deletion)
        ties = [id_key(event_id) for event_id in targets.ids]
        addresses = [self._keys.address(address) for address in targets.addresses]
        author = self._keys.author(deletion.pubkey)
        for marks, until in ((ties, MAX), (addresses, deletion.created_at)):
            await db.execute(
                "INSERT INTO tombstone SELECT DISTINCT m, $2::bigint, $3::bigint"
                " FROM unnest($1::bigint[]) m ON CONFLICT (target, author)"
                " DO UPDATE SET until = greatest(tombstone.until, excluded.until)",
                *(marks, author, until),
            )
        rows = await db.fetch("SELECT seq, json FROM event WHERE tie = ANY($1::bigint[])", ties)
        named = [(row[0], Event.from_trusted(row[1])) for row in rows]
        gone = {
            seq
            for seq, event in named
            if event.id in targets.ids and deletion.pubkey in rules.deleters(event)
        }
        rows = await db.fetch(
            "SELECT seq FROM tag WHERE key = ANY($1::bigint[]) AND created_at <= $2",
            *(addresses, deletion.created_at),
        )
        await self.remove(db, gone.union(row[0] for row in rows), archive=True)

    async def lift_deletions(self, db: Connection, seqs: Collection[int]) -> None:
        """Forget what the kind 5 events among these bar."""
        rows = await db.fetch(
            f"SELECT json FROM event WHERE seq = ANY($1::bigint[]) AND kind = {DELETION}", seqs
        )
        for (data,) in rows:
            deletion = Event.from_trusted(data)
            targets = rules.deletion_of(deletion)
            marks = [id_key(event_id) for event_id in targets.ids]
            marks += [self._keys.address(address) for address in targets.addresses]
            await db.execute(
                "DELETE FROM tombstone WHERE author = $1 AND target = ANY($2::bigint[])",
                *(self._keys.author(deletion.pubkey), marks),
            )

    async def obey_vanish(self, db: Connection, request: Event) -> None:
        """Remove what a kind 62 event covers, if it speaks to this store, and bar its return.

        What is much is marked as leaving, so that nobody sees it, and taken out later.
        """
        if not rules.vanish_reaches(request, self._places):
            return
        author, person, until = self._bound(request)
        known = await db.fetchval(_KNOWN, author, person)
        await db.execute(_MARK, author, until, not known)
        if not known:
            await self._trim_marks(db)
        await db.execute(
            "DELETE FROM history WHERE author = $1 AND created_at <= $2", author, until
        )
        covered = await self.covered(db, author, person, until, VANISHED_AT_ONCE + 1)
        if len(covered) <= VANISHED_AT_ONCE:
            await self.remove(db, covered, archive=False)
            return
        await db.execute(
            "INSERT INTO leaving VALUES ($1, $2, $3) ON CONFLICT (author)"
            " DO UPDATE SET until = greatest(leaving.until, excluded.until)",
            *(author, person, until),
        )

    async def covers_any(self, db: Connection, request: Event) -> bool:
        """Would a kind 62 event take out anything here?"""
        reaches = rules.vanish_reaches(request, self._places)
        return reaches and bool(await self.covered(db, *self._bound(request), 1))

    async def covered(
        self, db: Connection, author: int, person: int, until: int, most: int
    ) -> list[int]:
        """The seqs of what a request to vanish covers, at most twice so many."""
        return sorted({row[0] for row in await db.fetch(_COVERED, author, person, until, most)})

    async def obey_stored(self, db: Connection) -> None:
        """Carry out the requests to vanish that came before their URL was known to be ours."""
        rows = await db.fetch(f"SELECT json FROM event WHERE kind = {VANISH}")
        done = dict(await db.fetch("SELECT author, until FROM vanished"))
        for (data,) in rows:
            request = Event.from_trusted(data)
            if done.get(self._keys.author(request.pubkey), -1) < request.created_at:
                await self.obey_vanish(db, request)

    def _bound(self, request: Event) -> tuple[int, int, int]:
        """Author, person and date that a request to vanish is about."""
        pubkey = request.pubkey
        return self._keys.author(pubkey), self._keys.tag("p", pubkey), request.created_at

    async def _trim_marks(self, db: Connection) -> None:
        count = await db.fetchval("SELECT count(*) FROM vanished WHERE idle")
        if count > IDLE_MARKS:
            await db.execute(
                "DELETE FROM vanished WHERE author IN"
                " (SELECT author FROM vanished WHERE idle ORDER BY until LIMIT $1)",
                count - IDLE_MARKS * 99 // 100,
            )


def seqs_of(rows: Sequence[Sequence[int]]) -> list[int]:
    """The first column."""
    return [row[0] for row in rows]
