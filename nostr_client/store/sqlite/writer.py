# ruff: noqa: S608 - SQL is made of constants; values are always bound
"""Saving a batch: the rules of `rules`, carried out on the tables.

Events are judged in the order given, in *runs*: what the tables say about a run is asked in a few
statements, then each event is judged and the accepted ones are written in a few more. A deletion or
a request to vanish ends its run, since it changes what the next ones meet.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

from nostr_client.protocol.event import Event
from nostr_client.protocol.kinds import (
    DELETION,
    VANISH,
    is_ephemeral,
    is_replaceable,
)
from nostr_client.store import rules
from nostr_client.store.contract import SaveResult, SaveStatus
from nostr_client.store.rules import Version
from nostr_client.store.sqlite.index_keys import IndexKeys, id_key
from nostr_client.store.sqlite.index_merge import settle
from nostr_client.store.sqlite.removal import ENTRIES_OF_KEYS, SEQS_OF_IDS, Removal

_ROWS: Final = 256
"""Rows of one INSERT: a step each, so few and large."""


class Saved(NamedTuple):
    """The outcome of one job: results, and the commit sequence before and after."""

    results: list[SaveResult]
    before: int
    after: int


class _Current(NamedTuple):
    """The version at an address; `event` while it is not written yet."""

    version: Version
    seq: int
    expired: bool = False
    event: Event | None = None


class _Facts:
    """What the tables say about the events of one run."""

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.current: dict[int, _Current] = {}
        self.tombstones: dict[tuple[int, int], int] = {}
        self.vanished: dict[str, int] = {}


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
        for run in _runs(events):
            outcome, seq = self._save_run(db, run, now, seq)
            results += outcome
        if seq != before:
            settle(db, seq - before, seq)
        return Saved(results, before, seq)

    def _save_run(
        self, db: sqlite3.Connection, run: Sequence[Event], now: int, seq: int
    ) -> tuple[list[SaveResult], int]:
        facts = self._facts(db, run, now)
        results: list[SaveResult] = []
        pending: dict[int, Event] = {}
        gone: list[int] = []
        expired: list[int] = []
        superseded: list[Event] = []
        for event in run:
            status = self._judge(event, facts, now)
            if status not in (SaveStatus.STORED, SaveStatus.REPLACED):
                if status is SaveStatus.OUTDATED:
                    superseded.append(event)
                results.append(SaveResult(status))
                continue
            seq += 1
            pending[seq] = event
            facts.held.add(event.id)
            if is_replaceable(event.kind):
                address = self._keys.address(event.address or "")
                old = facts.current.get(address)
                if old is not None:
                    facts.held.discard(old.version.id)
                if old is not None and old.event is not None:
                    superseded.append(old.event)
                    del pending[old.seq]
                elif old is not None:
                    (expired if old.expired else gone).append(old.seq)
                version = Version(event.created_at, event.id)
                facts.current[address] = _Current(version, seq, event=event)
            results.append(SaveResult(status, seq))
        self.removal.archive(db, superseded)
        self.removal.remove(db, gone, archive=True)
        self.removal.remove(db, expired, archive=False)
        self._insert(db, pending)
        last = run[-1]
        if results[-1].seq and last.kind == DELETION:
            self.removal.obey_deletion(db, last)
        elif results[-1].seq and last.kind == VANISH:
            self.removal.obey_vanish(db, last)
        return results, seq

    # Judging

    def _judge(self, event: Event, facts: _Facts, now: int) -> SaveStatus:
        if is_ephemeral(event.kind):
            return SaveStatus.EPHEMERAL
        if rules.is_expired(event.expiration, now):
            return SaveStatus.EXPIRED
        if facts.vanished and rules.is_vanished(event, facts.vanished):
            return SaveStatus.VANISHED
        if event.id in facts.held:
            return SaveStatus.DUPLICATE
        if facts.tombstones and self._is_deleted(event, facts):
            return SaveStatus.DELETED
        if not is_replaceable(event.kind):
            return SaveStatus.STORED
        old = facts.current.get(self._keys.address(event.address or ""))
        if old is None or old.expired:
            return SaveStatus.STORED
        if Version(event.created_at, event.id).supersedes(old.version):
            return SaveStatus.REPLACED
        return SaveStatus.OUTDATED

    def _is_deleted(self, event: Event, facts: _Facts) -> bool:
        for pubkey in rules.deleters(event):
            author = self._keys.author(pubkey)
            if (id_key(event.id), author) in facts.tombstones:
                return True
        if event.address is None:
            return False
        spot = self._keys.address(event.address), self._keys.author(event.pubkey)
        return facts.tombstones.get(spot, -1) >= event.created_at

    def _facts(self, db: sqlite3.Connection, run: Sequence[Event], now: int) -> _Facts:
        facts = _Facts()
        ties = {id_key(event.id): event.id for event in run}
        addresses = [self._keys.address(e.address) for e in run if e.address is not None]
        listed = json.dumps(list(ties))
        row = db.execute(
            "SELECT group_concat(CAST(substr(json, 8, 64) AS TEXT)) FROM event"
            f" WHERE seq IN ({SEQS_OF_IDS})",
            {"listed": listed},
        ).fetchone()
        facts.held.update((row[0] or "").split(","))
        targets = json.dumps([*ties, *addresses])
        facts.tombstones = {
            (target, author): until
            for target, author, until in db.execute(
                "SELECT target, author, until FROM tombstone"
                " WHERE target IN (SELECT value FROM json_each(?))",
                (targets,),
            )
        }
        if addresses:
            facts.current = {
                key: _Current(Version(created_at, id), seq, rules.is_expired(expires, now))
                for key, seq, created_at, expires, id in db.execute(
                    "SELECT t.key, e.seq, e.created_at, e.expires,"
                    " CAST(substr(e.json, 8, 64) AS TEXT)"
                    f" FROM ({ENTRIES_OF_KEYS}) t CROSS JOIN event e ON e.seq = t.seq",
                    {"listed": json.dumps(addresses)},
                )
            }
        if self._obeys_vanish:
            facts.vanished = self._vanished(db, run)
        return facts

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


def _runs(events: Sequence[Event]) -> Iterable[Sequence[Event]]:
    start = 0
    for index, event in enumerate(events):
        if event.kind in (DELETION, VANISH):
            yield events[start : index + 1]
            start = index + 1
    if start < len(events):
        yield events[start:]


def _insert_rows(db: sqlite3.Connection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Many rows in few steps."""
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        row = f"({','.join('?' * len(part[0]))})"
        db.execute(
            f"INSERT INTO {table} VALUES {','.join([row] * len(part))}",
            [value for values in part for value in values],
        )
