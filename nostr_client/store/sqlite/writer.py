# ruff: noqa: S608 - SQL is made of constants; values are always bound
"""Saving a batch: what `judging` comes to, carried out on the tables, in few statements a run."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from typing import Any, Final

from nostr_client.protocol.event import Event
from nostr_client.protocol.kinds import DELETION, VANISH
from nostr_client.store import judging, rules
from nostr_client.store.contract import SaveResult
from nostr_client.store.index_keys import IndexKeys, id_key
from nostr_client.store.judging import CurrentVersion, Facts, Saved
from nostr_client.store.rules import Version
from nostr_client.store.sqlite.index_merge import settle
from nostr_client.store.sqlite.removal import ENTRIES_OF_KEYS, SEQS_OF_IDS, Removal

_ROWS: Final = 256
"""Rows of one INSERT: a step each, so few and large."""


class Saver:
    """Saves into the tables of one store; used on its writer's thread only."""

    def __init__(self, keys: IndexKeys, places: Collection[str]) -> None:
        self._keys = keys
        self._obeys_vanish = bool(places)
        self.removal = Removal(keys, places)

    def save(self, db: sqlite3.Connection, events: Sequence[Event], now: int) -> Saved:
        """Within a transaction."""
        before = seq = db.execute("SELECT seq FROM state").fetchone()[0]
        results: list[SaveResult] = []
        for run in judging.runs(events):
            outcome, seq = self._save_run(db, run, now, seq)
            results += outcome
        if seq != before:
            settle(db, seq - before, seq)
        return Saved(results, before, seq)

    def _save_run(
        self, db: sqlite3.Connection, run: Sequence[Event], now: int, seq: int
    ) -> tuple[list[SaveResult], int]:
        judged = judging.judge(run, self._facts(db, run, now), self._keys, now, seq)
        self.removal.archive(db, judged.superseded)
        self.removal.remove(db, judged.gone, archive=True)
        self.removal.remove(db, judged.expired, archive=False)
        self._insert(db, judged.stored)
        last, result = run[-1], judged.results[-1]
        if result.seq and last.kind == DELETION:
            self.removal.obey_deletion(db, last)
        elif result.seq and last.kind == VANISH:
            self.removal.obey_vanish(db, last)
        return judged.results, max([seq, *(found.seq for found in judged.results)])

    def _facts(self, db: sqlite3.Connection, run: Sequence[Event], now: int) -> Facts:
        ties = {id_key(event.id): event.id for event in run}
        addresses = [self._keys.address(e.address) for e in run if e.address is not None]
        listed = json.dumps(list(ties))
        row = db.execute(
            "SELECT group_concat(CAST(substr(json, 8, 64) AS TEXT)) FROM event"
            f" WHERE seq IN ({SEQS_OF_IDS})",
            {"listed": listed},
        ).fetchone()
        targets = json.dumps([*ties, *addresses])
        tombstones = {
            (target, author): until
            for target, author, until in db.execute(
                "SELECT target, author, until FROM tombstone"
                " WHERE target IN (SELECT value FROM json_each(?))",
                (targets,),
            )
        }
        current = {}
        if addresses:
            current = {
                key: CurrentVersion(Version(created_at, id), seq, rules.is_expired(expires, now))
                for key, seq, created_at, expires, id in db.execute(
                    "SELECT t.key, e.seq, e.created_at, e.expires,"
                    " CAST(substr(e.json, 8, 64) AS TEXT)"
                    f" FROM ({ENTRIES_OF_KEYS}) t CROSS JOIN event e ON e.seq = t.seq",
                    {"listed": json.dumps(addresses)},
                )
            }
        vanished = self._vanished(db, run) if self._obeys_vanish else {}
        return Facts(set((row[0] or "").split(",")), current, tombstones, vanished)

    def _vanished(self, db: sqlite3.Connection, run: Sequence[Event]) -> dict[str, int]:
        subjects = {
            self._keys.author(pubkey): pubkey
            for event in run
            for pubkey in rules.vanish_subjects(event)
        }
        rows = db.execute(
            "SELECT author, until FROM vanished WHERE author IN (SELECT value FROM json_each(?))",
            (json.dumps(list(subjects)),),
        )
        return {subjects[author]: until for author, until in rows}

    # Writing

    def _insert(self, db: sqlite3.Connection, pending: dict[int, Event]) -> None:
        keys = self._keys
        rows: list[tuple[Any, ...]] = []
        ids: list[tuple[Any, ...]] = []
        authors: list[tuple[Any, ...]] = []
        tags: list[tuple[Any, ...]] = []
        for seq, event in pending.items():
            tie, author = id_key(event.id), keys.author(event.pubkey)
            created_at, kind = event.created_at, event.kind
            rows.append((seq, created_at, tie, kind, author, event.expiration, event.json))
            ids.append((tie, seq))
            authors.append((author, kind, created_at, tie, seq))
            tags += [(key, created_at, tie, seq, kind) for key in keys.tags(event)]
        _insert_rows(db, "event", rows)
        for table, entries in (("new_id", ids), ("new_author", authors), ("new_tag", tags)):
            entries.sort()  # neighbours go to the same page
            _insert_rows(db, table, entries)


def _insert_rows(db: sqlite3.Connection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Many rows in few steps."""
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        row = f"({','.join('?' * len(part[0]))})"
        db.execute(
            f"INSERT INTO {table} VALUES {','.join([row] * len(part))}",
            [value for values in part for value in values],
        )
