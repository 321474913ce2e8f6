# ruff: noqa: S608 - SQL is made of constants; values are always bound
"""Saving a batch: what `judging` comes to, carried out on the tables, in few statements a run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from nostr_client.protocol.event import Event
from nostr_client.protocol.kinds import DELETION, VANISH
from nostr_client.store import judging, rules
from nostr_client.store.contract import SaveResult, cost
from nostr_client.store.index_keys import IndexKeys, id_key
from nostr_client.store.judging import CurrentVersion, Facts, Saved
from nostr_client.store.postgres.removal import PostgresRemoval
from nostr_client.store.rules import Version

if TYPE_CHECKING:
    from asyncpg import Connection

LOCK: Final = (
    "SELECT seq, floor(extract(epoch FROM clock_timestamp()))::bigint FROM state FOR UPDATE"
)
"""Whoever writes holds this row: so commits have one order. With the database's time."""
_EPOCH: Final = (
    "SELECT (('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint - 1)"
    " << 32"
)
"""Below every seq that this server gives: it grows whenever a standby becomes the primary. What was
not copied to it is lost, and the seqs of that, which nodes and their clients have seen, must not be
given again."""
_ID: Final = "substring(json FROM 8 FOR 64)"
_INSERT: Final = (
    "WITH events AS (INSERT INTO event SELECT * FROM unnest($1::bigint[], $2::bigint[],"
    " $3::bigint[], $4::int[], $5::bigint[], $6::bigint[], $7::bytea[])),"
    " entries AS (INSERT INTO tag SELECT * FROM unnest($8::bigint[], $9::bigint[], $10::bigint[],"
    " $11::bigint[], $12::int[]))"
    " UPDATE state SET seq = $13::bigint, used = used + $14"
    " RETURNING pg_notify($15, ($13::bigint)::text)"
)
"""The last seq is said to whoever listens, when it is committed."""


class PostgresSaver:
    """Saves into the tables of one store, within a transaction."""

    def __init__(self, keys: IndexKeys, places: Collection[str], schema: str) -> None:
        self._keys = keys
        self._obeys_vanish = bool(places)
        self.channel = channel("events", schema)
        self.passing_channel = channel("passing", schema)
        self.removal = PostgresRemoval(keys, places)

    async def save(self, db: Connection, events: Sequence[Event], now: int) -> Saved:
        before, theirs = await db.fetchrow(LOCK)
        seq = max(before, await db.fetchval(_EPOCH))
        begun, now = seq, min(now, theirs)  # what has expired by a wrong clock is not taken out
        results: list[SaveResult] = []
        for run in judging.runs(events):
            facts = await self._facts(db, run, now)
            judged = judging.judge(run, facts, self._keys, now, seq)
            await self.removal.archive(db, judged.superseded)
            await self.removal.remove(db, judged.gone, archive=True)
            await self.removal.remove(db, judged.expired, archive=False)
            seq = max([seq, *(found.seq for found in judged.results)])
            if judged.stored:
                await self._insert(db, judged.stored, seq)
            last, result = run[-1], judged.results[-1]
            if result.seq and last.kind == DELETION:
                await self.removal.obey_deletion(db, last)
            elif result.seq and last.kind == VANISH:
                await self.removal.obey_vanish(db, last)
            results += judged.results
        return Saved(results, before, before if seq == begun else seq)

    async def _facts(self, db: Connection, run: Sequence[Event], now: int) -> Facts:
        ties = [id_key(event.id) for event in run]
        addresses = [self._keys.address(e.address) for e in run if e.address is not None]
        rows = await db.fetch(f"SELECT {_ID} FROM event WHERE tie = ANY($1::bigint[])", ties)
        held = {row[0].decode() for row in rows}
        rows = await db.fetch(
            "SELECT target, author, until FROM tombstone WHERE target = ANY($1::bigint[])",
            [*ties, *addresses],
        )
        tombstones = {(target, author): until for target, author, until in rows}
        current: dict[int, CurrentVersion] = {}
        if addresses:
            rows = await db.fetch(
                f"SELECT t.key, t.seq, e.created_at, e.expires, {_ID}"
                " FROM tag t JOIN event e ON e.seq = t.seq WHERE t.key = ANY($1::bigint[])",
                addresses,
            )
            current = {
                key: CurrentVersion(
                    Version(created_at, id.decode()), seq, rules.is_expired(expires, now)
                )
                for key, seq, created_at, expires, id in rows
            }
        vanished = await self._vanished(db, run) if self._obeys_vanish else {}
        return Facts(held, current, tombstones, vanished)

    async def _vanished(self, db: Connection, run: Sequence[Event]) -> dict[str, int]:
        subjects = {
            self._keys.author(pubkey): pubkey
            for event in run
            for pubkey in rules.vanish_subjects(event)
        }
        rows = await db.fetch(
            "SELECT author, until FROM vanished WHERE author = ANY($1::bigint[])", list(subjects)
        )
        return {subjects[author]: until for author, until in rows}

    async def _insert(self, db: Connection, stored: Mapping[int, Event], seq: int) -> None:
        keys = self._keys
        rows = [
            (
                *(number, event.created_at, id_key(event.id), event.kind),
                *(keys.author(event.pubkey), event.expiration, event.json),
            )
            for number, event in stored.items()
        ]
        tags = [
            (key, event.created_at, id_key(event.id), number, event.kind)
            for number, event in stored.items()
            for key in keys.tags(event)
        ]
        tags.sort()  # neighbours go to the same page
        columns = list(map(list, zip(*rows, strict=True)))
        entries = list(map(list, zip(*tags, strict=True))) or [[], [], [], [], []]
        spent = sum(map(cost, stored.values()))
        await db.execute(_INSERT, *columns, *entries, seq, spent, self.channel)


def channel(what: str, schema: str) -> str:
    """Where nodes tell each other of `what` in the store in `schema`: names are short there."""
    return f"nostr_{what}_{blake2b(schema.encode(), digest_size=8).hexdigest()}"
