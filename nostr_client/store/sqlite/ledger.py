# ruff: noqa: S608 - SQL is made of constants; values are always bound
"""The CopyLedger: which relay holds which event, and what is still to be placed.

One row is one event on one relay (`Copy`). A wanted copy is tried until it is confirmed, or refused
for good. The ledger lives in the store's file; a row outlives its event, so that it is still known
where a deleted note once went.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from nostr_client.store.contract import (
    FIRST_AUDIT,
    Audited,
    Copy,
    CopyGrade,
    CopyState,
    Refuser,
)
from nostr_client.store.index_keys import IndexKeys, id_key
from nostr_client.store.sqlite.database import Database

_COLUMNS = (
    "r.url, c.state, c.attempts, c.next_try, c.prefix, c.reason, c.updated_at, c.wanted,"
    " c.grade, c.audit_at, c.audits FROM copy c JOIN relay r ON r.id = c.relay"
)
_FIELDS = "(tie, relay, state, attempts, next_try, prefix, reason, updated_at, wanted)"
_FIELDS_AND_GRADE = _FIELDS[:-1] + ", grade)"
_ALL_FIELDS = _FIELDS_AND_GRADE[:-1] + ", audit_at, audits)"
_SEQS = "SELECT seq FROM new_id WHERE tie = c.tie UNION ALL SELECT seq FROM id WHERE tie = c.tie"
_FIRST = "kind IN (0, 3) OR kind BETWEEN 10000 AND 19999 DESC, created_at DESC"
"""NIP-01's replaceable kinds, then what is new."""
_FIRST_OF_C = _FIRST.replace("kind", "c.kind").replace("created", "c.created")
_ID = "CAST(substr(e.json, 8, 64) AS TEXT)"


class SqliteCopyLedger:
    """The ledger of one store: see `CopyLedger`."""

    def __init__(self, db: Database, keys: IndexKeys, clock: Callable[[], float]) -> None:
        self._db = db
        self._keys = keys
        self._clock = clock

    async def want(self, event_id: str, urls: Collection[str], *, anew: bool = True) -> None:
        await self.want_all({event_id: urls}, anew=anew)

    async def want_all(self, wanted: Mapping[str, Collection[str]], *, anew: bool = True) -> None:
        at = int(self._clock())
        known = {"at": at, "audit_at": at + FIRST_AUDIT, "anew": anew}
        rows = [
            {"tie": id_key(event_id), "url": url, **known}
            for event_id, urls in wanted.items()
            for url in urls
        ]

        def run(db: sqlite3.Connection) -> None:
            _add_relays(db, set().union(*wanted.values()))
            db.executemany(
                f"INSERT INTO copy {_FIELDS} SELECT :tie, id, 'wanted', 0, 0, '', '', :at, 1"
                " FROM relay WHERE url = :url ON CONFLICT (tie, relay) DO UPDATE SET wanted = 1,"
                " audit_at = iif(state = 'confirmed' AND wanted = 0, :audit_at, audit_at),"
                " next_try = iif(:anew AND state IN ('refused', 'dropped'), 0, next_try),"
                " updated_at = iif(:anew AND state IN ('refused', 'dropped'), :at, updated_at),"
                " state = iif(:anew AND state IN ('refused', 'dropped'), 'wanted', state)",
                rows,
            )

        if rows:
            await self._db.write(run, weight=len(rows))

    async def unwant(self, event_id: str, urls: Collection[str]) -> None:
        rows = [(id_key(event_id), url) for url in urls]

        def run(db: sqlite3.Connection) -> None:
            where = "WHERE tie = ? AND relay = (SELECT id FROM relay WHERE url = ?)"
            db.executemany(f"DELETE FROM copy {where} AND state <> 'confirmed'", rows)
            db.executemany(f"UPDATE copy SET wanted = 0, audit_at = 0 {where}", rows)

        if rows:
            await self._db.write(run)

    async def confirm(
        self, pairs: Sequence[tuple[str, str]], grade: CopyGrade = CopyGrade.SAID
    ) -> None:
        now = int(self._clock())
        known = {"at": now, "grade": int(grade), "audit_at": now + FIRST_AUDIT}
        rows = [{"tie": id_key(event_id), "url": url, **known} for event_id, url in pairs]

        def run(db: sqlite3.Connection) -> None:
            _add_relays(db, {url for _, url in pairs})
            db.executemany(
                f"INSERT INTO copy {_FIELDS_AND_GRADE} SELECT :tie, id, 'confirmed', 0, 0, '', '',"
                " :at, 0, :grade FROM relay WHERE url = :url"
                " ON CONFLICT (tie, relay) DO UPDATE SET state = 'confirmed',"
                " next_try = 0, prefix = '', reason = '',"
                " grade = max(iif(state = 'confirmed', grade, 0), excluded.grade),"
                " audit_at = iif(state <> 'confirmed' AND wanted = 1, :audit_at, audit_at),"
                " audits = iif(state <> 'confirmed', 0, audits),"
                " updated_at = iif(state = 'confirmed', updated_at, excluded.updated_at)",
                rows,
            )

        if rows:
            await self._db.write(run, weight=len(rows))

    async def adopt(self, copies: Sequence[Copy]) -> None:
        rows = [{**msgspec.structs.asdict(c), "tie": id_key(c.event_id)} for c in copies]

        def run(db: sqlite3.Connection) -> None:
            _add_relays(db, {copy.url for copy in copies})
            db.executemany(
                f"INSERT INTO copy {_ALL_FIELDS} SELECT :tie, id, :state, :attempts, :next_try,"
                " :prefix, :reason, :updated_at, :wanted, :grade, :audit_at, :audits"
                " FROM relay WHERE url = :url ON CONFLICT (tie, relay) DO NOTHING",
                rows,
            )

        if rows:
            await self._db.write(run, weight=len(rows))

    async def refuse(
        self,
        event_id: str,
        url: str,
        prefix: str,
        reason: str,
        *,
        final: bool,
        next_try: int,
        handed: bool = True,
    ) -> None:
        state = CopyState.REFUSED if final else CopyState.FAILED if handed else CopyState.WANTED
        row = {
            "tie": id_key(event_id),
            "url": url,
            "state": state,
            "next_try": next_try,
            "prefix": prefix,
            "reason": reason,
            "at": int(self._clock()),
        }

        def run(db: sqlite3.Connection) -> None:
            _add_relays(db, [url])
            db.execute(
                f"INSERT INTO copy {_FIELDS} SELECT :tie, id, :state, 1, :next_try, :prefix,"
                " :reason, :at, 1 FROM relay WHERE url = :url"
                " ON CONFLICT (tie, relay) DO UPDATE SET"
                " state = iif(excluded.state = 'wanted' AND state = 'failed', state,"
                " excluded.state),"
                " grade = 0, audit_at = 0,"
                " attempts = attempts + 1, next_try = excluded.next_try, prefix = excluded.prefix,"
                " reason = excluded.reason, updated_at = excluded.updated_at",
                row,
            )

        await self._db.write(run)

    async def copies(self, event_id: str) -> list[Copy]:
        return (await self.copies_of([event_id]))[event_id]

    async def copies_of(self, ids: Collection[str]) -> dict[str, list[Copy]]:
        names = {id_key(event_id): event_id for event_id in ids}
        rows = await self._db.read(
            lambda db: db.execute(
                f"SELECT c.tie, {_COLUMNS}"
                " WHERE c.tie IN (SELECT value FROM json_each(?))"
                " ORDER BY r.url",
                (json.dumps(list(names)),),
            ).fetchall()
        )
        found: dict[str, list[Copy]] = {event_id: [] for event_id in ids}
        for tie, *rest in rows:
            found[names[tie]].append(_copy(names[tie], rest))
        return found

    async def due(
        self,
        now: float,
        limit: int = 100,
        *,
        besides: Collection[str] = (),
        each: int | None = None,
    ) -> list[Copy]:
        fields = _COLUMNS.partition(" FROM ")
        rows = await self._db.read(
            lambda db: db.execute(
                f"SELECT {_ID}, {fields[0]} FROM (SELECT *, row_number() OVER"
                f" (PARTITION BY relay ORDER BY {_FIRST}) AS place FROM"
                " (SELECT c.*, e.seq, e.kind, e.created_at FROM copy c"
                f" JOIN event e ON e.seq IN ({_SEQS})"
                " WHERE c.state IN ('wanted', 'failed') AND c.next_try <= ?"
                " AND c.relay NOT IN (SELECT id FROM relay WHERE url IN"
                " (SELECT value FROM json_each(?))))) c"
                " JOIN relay r ON r.id = c.relay JOIN event e ON e.seq = c.seq"
                f" WHERE c.place <= ? ORDER BY {_FIRST_OF_C} LIMIT ?",
                (int(now), json.dumps(list(besides)), limit if each is None else each, limit),
            ).fetchall()
        )
        return [_copy(event_id.decode(), rest) for event_id, *rest in rows]

    async def audits_due(
        self, pubkeys: Collection[str], now: float, limit: int, *, besides: Collection[str] = ()
    ) -> list[Copy]:
        authors = json.dumps([self._keys.author(pubkey) for pubkey in pubkeys])
        rows = await self._db.read(
            lambda db: db.execute(
                f"SELECT {_ID}, {_COLUMNS} JOIN event e ON e.seq IN ({_SEQS})"
                " WHERE c.audit_at > 0 AND c.audit_at <= ?"
                " AND e.author IN (SELECT value FROM json_each(?))"
                " AND r.url NOT IN (SELECT value FROM json_each(?))"
                " ORDER BY c.audit_at LIMIT ?",
                (int(now), authors, json.dumps(list(besides)), limit),
            ).fetchall()
        )
        return [_copy(event_id.decode(), rest) for event_id, *rest in rows]

    async def audited(self, results: Sequence[Audited]) -> None:
        now = int(self._clock())
        rows = [
            {
                "tie": id_key(result.event_id),
                "url": result.url,
                "state": result.state,
                "grade": int(result.grade),
                "audit_at": result.audit_at,
                "audits": result.audits,
                "reason": result.reason,
                "at": now,
            }
            for result in results
        ]
        await self._db.write(
            lambda db: db.executemany(
                "UPDATE copy SET updated_at = iif(state = :state, updated_at, :at),"
                " state = :state, grade = :grade, audit_at = :audit_at, reason = :reason,"
                " audits = :audits WHERE tie = :tie AND state = 'confirmed'"
                " AND relay = (SELECT id FROM relay WHERE url = :url)",
                rows,
            ),
            weight=max(1, len(rows)),
        )

    async def holders(self, limit: int) -> list[str]:
        rows = await self._db.read(
            lambda db: db.execute(
                "SELECT r.url FROM copy c JOIN relay r ON r.id = c.relay"
                " WHERE c.state = 'confirmed' GROUP BY r.id"
                " ORDER BY count(*) DESC, r.url LIMIT ?",
                (limit,),
            ).fetchall()
        )
        return [_text(url) for (url,) in rows]

    async def refusers(
        self, pubkeys: Collection[str], prefixes: Collection[str], least: int
    ) -> list[Refuser]:
        authors = json.dumps([self._keys.author(pubkey) for pubkey in pubkeys])
        ours = (
            f" FROM copy c CROSS JOIN event e ON e.seq IN ({_SEQS})"
            " WHERE e.author IN (SELECT value FROM json_each(:authors))"
        )
        rows = await self._db.read(
            lambda db: db.execute(
                "WITH refused AS MATERIALIZED (SELECT c.relay, c.updated_at, c.prefix, c.reason"
                f"{ours} AND c.state = 'refused'"
                " AND lower(c.prefix) IN (SELECT value FROM json_each(:prefixes))),"
                f" taken AS (SELECT c.relay, max(c.updated_at) AS at{ours}"
                " AND c.state = 'confirmed' AND c.wanted AND c.relay IN"
                " (SELECT relay FROM refused GROUP BY relay HAVING count(*) >= :least)"
                " GROUP BY c.relay)"
                " SELECT r.url, count(*), max(f.updated_at), f.prefix, f.reason FROM refused f"
                " JOIN relay r ON r.id = f.relay LEFT JOIN taken t ON t.relay = f.relay"
                " WHERE f.updated_at > coalesce(t.at, 0)"
                " GROUP BY f.relay HAVING count(*) >= :least ORDER BY r.url",
                {"authors": authors, "prefixes": json.dumps(list(prefixes)), "least": least},
            ).fetchall()
        )
        return [
            Refuser(_text(url), int(events), int(at), _text(prefix), _text(reason))
            for url, events, at, prefix, reason in rows
        ]

    async def hurry(self, prefix: str = "") -> None:
        sql = (
            "UPDATE copy SET next_try = 0 WHERE state IN ('wanted', 'failed') AND next_try > 0"
            " AND (? = '' OR lower(prefix) = ?)"
        )
        await self._db.write(lambda db: db.execute(sql, (prefix, prefix)))

    async def set_back(self, now: float) -> None:
        where = "WHERE state IN ('wanted', 'failed') AND updated_at > :now"
        bound = {"now": int(now)}
        ahead = "SELECT EXISTS (SELECT 1 FROM copy INDEXED BY copy_due " + where + ")"
        found = await self._db.read(lambda db: db.execute(ahead, bound).fetchone())
        if found[0]:
            sql = (
                "UPDATE copy SET updated_at = :now, next_try ="
                f" iif(next_try > updated_at, :now + next_try - updated_at, next_try) {where}"
            )
            await self._db.write(lambda db: db.execute(sql, bound))

    async def unplanned(self, pubkeys: Collection[str]) -> list[str]:
        return await self._ids(
            "NOT EXISTS (SELECT 1 FROM copy c WHERE c.tie = e.tie)",
            pubkeys,
        )

    async def tracked(self, pubkeys: Collection[str]) -> list[str]:
        return await self._ids(
            "EXISTS (SELECT 1 FROM copy c WHERE c.tie = e.tie AND c.wanted)", pubkeys
        )

    async def strays(self, pubkeys: Collection[str], besides: Collection[int] = ()) -> list[str]:
        return await self._ids(
            "e.kind NOT IN (SELECT value FROM json_each(:besides))"
            " AND NOT EXISTS (SELECT 1 FROM copy c WHERE c.tie = e.tie AND c.wanted)",
            pubkeys,
            besides,
        )

    async def tally(self, pubkeys: Collection[str]) -> dict[str, dict[CopyState, int]]:
        authors = json.dumps([self._keys.author(pubkey) for pubkey in pubkeys])
        rows = await self._db.read(
            lambda db: db.execute(
                "SELECT r.url, c.state, count(*) FROM copy c JOIN relay r ON r.id = c.relay"
                f" CROSS JOIN event e ON e.seq IN ({_SEQS})"
                " WHERE c.wanted AND e.author IN (SELECT value FROM json_each(?)) GROUP BY 1, 2",
                (authors,),
            ).fetchall()
        )
        found: dict[str, dict[CopyState, int]] = {}
        for url, state, count in rows:
            found.setdefault(_text(url), {})[CopyState(_text(state))] = int(count)
        return found

    async def unsent(self, pubkeys: Collection[str], besides: Collection[str] = ()) -> int:
        authors = json.dumps([self._keys.author(pubkey) for pubkey in pubkeys])
        row = await self._db.read(
            lambda db: db.execute(
                "SELECT count(DISTINCT c.tie) FROM copy c"
                f" CROSS JOIN event e ON e.seq IN ({_SEQS})"
                " WHERE c.state IN ('wanted', 'failed')"
                " AND e.author IN (SELECT value FROM json_each(?)) AND NOT EXISTS"
                " (SELECT 1 FROM copy d JOIN relay r ON r.id = d.relay WHERE d.tie = c.tie"
                " AND d.state = 'confirmed' AND r.url NOT IN (SELECT value FROM json_each(?)))",
                (authors, json.dumps(list(besides))),
            ).fetchone()
        )
        return int(row[0])

    async def _ids(
        self, condition: str, pubkeys: Collection[str], besides: Collection[int] = ()
    ) -> list[str]:
        authors = json.dumps([self._keys.author(pubkey) for pubkey in pubkeys])
        row = await self._db.read(
            lambda db: db.execute(
                "SELECT group_concat(id) FROM"
                f" (SELECT {_ID} AS id FROM event e"
                " WHERE e.seq IN (SELECT seq FROM new_author WHERE author IN"
                " (SELECT value FROM json_each(:authors)) UNION ALL SELECT seq FROM author"
                f" WHERE author IN (SELECT value FROM json_each(:authors))) AND {condition}"
                f" ORDER BY {_FIRST})",
                {"authors": authors, "besides": json.dumps(list(besides))},
            ).fetchone()
        )
        return row[0].decode().split(",") if row[0] else []


def _add_relays(db: sqlite3.Connection, urls: Collection[str]) -> None:
    db.execute(
        "INSERT OR IGNORE INTO relay (url) SELECT value FROM json_each(?)",
        (json.dumps(list(urls)),),
    )


def _copy(event_id: str, row: Sequence[bytes | int]) -> Copy:
    url, state, attempts, next_try, prefix, reason, updated_at, wanted, grade, *audit = row
    audit_at, audits = map(int, audit)
    return Copy(
        event_id,
        _text(url),
        CopyState(_text(state)),
        int(attempts),
        int(next_try),
        _text(prefix),
        _text(reason),
        int(updated_at),
        bool(wanted),
        CopyGrade(int(grade)),
        audit_at,
        audits,
    )


def _text(value: bytes | int) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
