"""Reading: plans carried out on a reader's connection.

Everything is cut at a limit and walked on from a cursor, so that nothing need fit into memory that
was not asked for in one piece.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.store import indexes, visibility
from nostr_client.store.contract import Page, Stored
from nostr_client.store.hyperloglog import registers_of
from nostr_client.store.index_keys import IndexKeys, id_key, id_of, place_of
from nostr_client.store.indexes import NEWEST, Cursor, Slice
from nostr_client.store.slices import END, Place, fitting
from nostr_client.store.sqlite import by_id, filter_sql, plans
from nostr_client.store.sqlite.entry_conditions import leaves
from nostr_client.store.sqlite.filter_sql import Statement
from nostr_client.store.sqlite.plans import Plan
from nostr_client.store.sqlite.removal import SEQS_OF_IDS

SLICE: Final = 1000
"""Events that are read at once where nobody said how many."""
_COUNTED_TOGETHER: Final = 100
_FEW: Final = 50
_SMALLEST: Final = 300
"""Bytes: no event's JSON is shorter."""
_SEQ: Final = "SELECT seq FROM state"
_JSON_OF: Final = (
    "SELECT group_concat(json, char(10)) FROM event"
    " WHERE seq IN (SELECT value FROM json_each(:seqs))"
)
_Asked = tuple[Filter, int | None]
"""A filter and its limit."""


class _TooLarge(Exception):
    """A page needs more bytes than it may have."""


_JOINED: Final = "group_concat(json, char(10))"


class IdSlice(NamedTuple):
    """As a slice, with (created_at, id) of each; `after`: where to go on, None at the end."""

    places: list[tuple[int, bytes]]
    after: Cursor | None


class TableReader:
    """Reads the tables of one store; used on its readers' threads only."""

    def __init__(self, keys: IndexKeys) -> None:
        self._keys = keys

    def slice(
        self, db: sqlite3.Connection, f: Filter, limit: int | None, now: int, after: Cursor = NEWEST
    ) -> Slice:
        """The newest `limit` after a place; fewer where that many are too large for one answer."""
        try:
            return self._newest(db, f, limit, now, after)
        except sqlite3.DataError:  # the answer would be longer than a connection's limit
            plan = self._plan(db, f, after)
            return self._short_slice(db, plan, SLICE if limit is None else limit, now)

    def _newest(
        self, db: sqlite3.Connection, f: Filter, limit: int | None, now: int, after: Cursor = NEWEST
    ) -> Slice:
        """As `slice`, or sqlite3.DataError where that many are too large for one answer."""
        if visibility.is_empty(f):
            return Slice([], True, False, db.execute(_SEQ).fetchone()[0])
        if after is NEWEST and indexes.is_by_id(f, limit) and (found := by_id.read(db, f, now)):
            return Slice(found[1], True, False, found[0])
        plan = self._plan(db, f, after)
        seq, events = self._page(db, plan, None if limit is None else limit + 1, now)
        if limit is None or len(events) <= limit:
            return Slice(events, True, False, seq)
        split = limit > 0 and place_of(events[limit])[0] == place_of(events[limit - 1])[0]
        return Slice(events[:limit], False, split, seq)

    def _short_slice(self, db: sqlite3.Connection, plan: Plan, limit: int, now: int) -> Slice:
        while limit > 1:
            limit //= 4
            try:
                seq, events = self._page(db, plan, max(limit, 1), now)
            except sqlite3.DataError:
                continue
            return Slice(events, False, False, seq)
        seq, events = self._page(db, plan, 1, now)
        return Slice(events, False, False, seq)

    def _page(
        self, db: sqlite3.Connection, plan: Plan, limit: int | None, now: int
    ) -> tuple[int, list[bytes]]:
        quick = None if limit is None else filter_sql.scan(plan, limit, now)
        if quick is not None:
            seq, any_expired, joined = _one(db, quick)
            if not any_expired and len(found := lines(joined)) == limit:
                return seq, found
        seq, any_expired, joined = _one(db, filter_sql.page(plan, limit, now, alive=False))
        if any_expired:
            seq, _, joined = _one(db, filter_sql.page(plan, limit, now, alive=True))
        return seq, lines(joined)

    def page(
        self,
        db: sqlite3.Connection,
        filters: Sequence[tuple[Filter, int | None]],
        cap: int | None,
        now: int,
        most: int,
    ) -> Page:
        """The newest of each filter with its limit, united, all of one snapshot, in `most` bytes.

        Where `cap` cuts, it leaves a second whole. Of what is larger than `most`, the newest comes:
        whole seconds, if there is more than one, and at least one event.
        """
        # Who asks the same twice is answered once.
        asked = [one for index, one in enumerate(filters) if one not in filters[:index]]
        longest = db.getlimit(sqlite3.SQLITE_LIMIT_LENGTH)
        most = min(most, longest)
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, most)
        try:
            found = self._small_page(db, asked, cap, now, most)
        except (sqlite3.DataError, _TooLarge):
            db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, longest)
            found = self._large_page(db, asked, cap, now, most)
        finally:
            db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, longest)
        return Page(found.events, found.complete, found.seq)

    def _small_page(
        self, db: sqlite3.Connection, asked: Sequence[_Asked], cap: int | None, now: int, most: int
    ) -> Slice:
        """The page, read in one go; _TooLarge or sqlite3.DataError when `most` is not enough."""
        if len(asked) == 1:
            f, limit = asked[0]
            found = self._newest(db, f, limit, now)
            if not found.split or limit != cap:
                return found
        united: dict[Place, bytes] = {}
        size, complete = 0, True
        with snapshot(db):
            seq = db.execute(_SEQ).fetchone()[0]
            for f, limit in asked:
                found = self._newest(db, f, limit, now)
                if found.split and limit == cap:
                    found = self._whole_second(db, f, found, now)
                size += sum(map(len, found.events))
                if size > most:
                    raise _TooLarge
                united |= {place_of(data): data for data in found.events}
                complete = complete and found.complete
        return Slice([united[place] for place in sorted(united)], complete, False, seq)

    def _large_page(
        self, db: sqlite3.Connection, asked: Sequence[_Asked], cap: int | None, now: int, most: int
    ) -> Slice:
        """The page by way of the places and sizes of its events: each is then read once."""
        found: dict[Place, tuple[int, int]] = {}
        complete, edge = True, END
        enough = most // _SMALLEST + 2
        with snapshot(db):
            seq = db.execute(_SEQ).fetchone()[0]
            for f, limit in asked:
                read = enough if limit is None else min(limit + 1, enough)
                rows = self._sizes(db, f, read, now)
                if len(rows) == read:
                    complete = False
                    beyond = rows.pop()[0]
                    split = limit == cap and rows and rows[-1][0][0] == beyond[0]
                    if split or len(rows) != limit:
                        edge = min(edge, beyond)
                found |= dict(rows)
            numbers, fits = fitting(found, edge, most)
            joined = db.execute(_JSON_OF, {"seqs": json.dumps(numbers)}).fetchone()[0]
        return Slice(sorted(lines(joined), key=place_of), complete and fits, False, seq)

    def _sizes(
        self, db: sqlite3.Connection, f: Filter, limit: int, now: int
    ) -> list[tuple[Place, tuple[int, int]]]:
        """The newest, each as its place, its bytes and its seq."""
        if visibility.is_empty(f):
            return []
        plan = self._plan(db, f)
        _, any_expired, joined = _one(db, filter_sql.places(plan, limit, now, alive=False))
        if any_expired:
            _, _, joined = _one(db, filter_sql.places(plan, limit, now, alive=True))
        rows = (line.split(b",") for line in lines(joined))
        return [
            ((-int(created_at), event_id), (int(size), int(seq)))
            for seq, created_at, event_id, size in rows
        ]

    def best(
        self, db: sqlite3.Connection, f: Filter, limit: int | None, now: int, ranked: int
    ) -> list[tuple[int, int]]:
        """(seq, bytes) of what fits a search best, of so many that are ranked; or of the newest."""
        if visibility.is_empty(f):
            return []
        plan = self._plan(db, f)
        text: Callable[..., Statement] = filter_sql.places
        if f.search is not None:
            text = partial(filter_sql.ranked, candidates=ranked)
        _, any_expired, joined = _one(db, text(plan, limit, now, alive=False))
        if any_expired:
            _, _, joined = _one(db, text(plan, limit, now, alive=True))
        rows = (line.split(b",") for line in lines(joined))
        return [(int(seq), int(size)) for seq, _, _, size in rows]

    def _whole_second(self, db: sqlite3.Connection, f: Filter, part: Slice, now: int) -> Slice:
        """`part`, and as many again of those that share its last created_at."""
        last = part.events[-1]
        second = -place_of(last)[0]
        this = f.changed(since=second, until=second)
        rest = self._newest(db, this, len(part.events), now, Cursor(second, id_key(id_of(last)), 0))
        complete = rest.complete
        if complete and second > 0:
            complete = self._newest(db, f.changed(until=second - 1), 0, now).complete
        return Slice(part.events + rest.events, complete, rest.split, part.seq)

    def count(self, db: sqlite3.Connection, filters: Sequence[Filter], now: int) -> int:
        """How many events match any of these filters (none of them empty)."""
        found = [self._plan(db, f) for f in filters]
        if len(found) > _COUNTED_TOGETHER:
            return len(self._matching(db, found, now))
        total, any_expired = _one(db, filter_sql.count(found, now, alive=False))
        if any_expired:
            total, _ = _one(db, filter_sql.count(found, now, alive=True))
        return int(total)

    def sketch(self, db: sqlite3.Connection, f: Filter, offset: int, now: int) -> tuple[int, bytes]:
        """How many events match, and 256 registers of who wrote them, as NIP-45 has them."""
        total, leasts = _one(db, filter_sql.sketch(self._plan(db, f), offset, now))
        return total or 0, registers_of((leasts or b"").decode().split())

    def _matching(self, db: sqlite3.Connection, several: Sequence[Plan], now: int) -> set[int]:
        """The seq of every event that the plans name: for more plans than fit into a statement."""
        found: set[int] = set()
        with snapshot(db):
            for plan in several:
                found.update(numbers(_one(db, filter_sql.seqs(plan, now))[0]))
        return found

    def places(self, db: sqlite3.Connection, f: Filter, after: Cursor, now: int) -> IdSlice:
        """(created_at, id) of a large slice."""
        limit = 10 * SLICE
        plan = self._plan(db, f, after)
        _, any_expired, joined = _one(db, filter_sql.places(plan, limit, now, alive=False))
        if any_expired:
            _, _, joined = _one(db, filter_sql.places(plan, limit, now, alive=True))
        rows = [line.decode().split(",") for line in lines(joined)]
        found = [(int(created_at), bytes.fromhex(id)) for _, created_at, id, _ in rows]
        if len(rows) < limit:
            return IdSlice(found, None)
        seq, created_at, event_id, _ = rows[-1]
        return IdSlice(found, Cursor(int(created_at), id_key(event_id), int(seq)))

    def held(
        self, db: sqlite3.Connection, f: Filter, after: Cursor
    ) -> tuple[list[Cursor], Cursor | None]:
        """A large slice of what matches, expired or not, and where to go on."""
        limit = 10 * SLICE
        plan = self._plan(db, f, after)
        joined = _one(db, filter_sql.places(plan, limit, 0, alive=False))[2]
        rows = [line.decode().split(",") for line in lines(joined)]
        found = [Cursor(int(time), id_key(event_id), int(seq)) for seq, time, event_id, _ in rows]
        return found, found[-1] if len(found) == limit else None

    def known(self, db: sqlite3.Connection, ids: Sequence[str]) -> dict[str, bytes]:
        """Of these ids, those that are held, each with its JSON."""
        listed = {"listed": json.dumps([id_key(event_id) for event_id in ids])}
        sql = f"SELECT json FROM event WHERE seq IN ({SEQS_OF_IDS}) AND NOT {leaves('event.seq')}"  # noqa: S608
        try:
            joined = db.execute(sql.replace("json", _JOINED, 1), listed).fetchone()[0]
            found = lines(joined)
        except sqlite3.DataError:  # too long for one piece
            found = [row[0] for row in db.execute(sql, listed)]
        held = {id_of(data): data for data in found}
        return {event_id: held[event_id] for event_id in ids if event_id in held}

    def since(self, db: sqlite3.Connection, seq: int) -> Stored:
        """What was stored after `seq`, at most a slice of it."""
        rows = "(SELECT seq, json FROM event WHERE seq > ? ORDER BY seq LIMIT ?)"
        with snapshot(db):
            last = db.execute(_SEQ).fetchone()[0]
            try:
                seqs, joined = db.execute(
                    f"SELECT group_concat(seq), {_JOINED} FROM {rows}",  # noqa: S608
                    (seq, SLICE),
                ).fetchone()
                found = list(zip(numbers(seqs), lines(joined), strict=True))
            except sqlite3.DataError:  # too long for one piece
                found = db.execute(f"SELECT * FROM {rows}", (seq, _FEW)).fetchall()  # noqa: S608
                last = found[-1][0]
        events = [(place, Event.from_trusted(data)) for place, data in found]
        return Stored(events, seq, found[-1][0] if len(found) == SLICE else max(last, seq))

    def _plan(self, db: sqlite3.Connection, f: Filter, after: Cursor = NEWEST) -> Plan:
        choices = indexes.choices(f, self._keys)
        if not choices:
            return plans.plan(f, self._keys, after)
        costs = [_one(db, filter_sql.probe(choice))[0] * choice.scale for choice in choices]
        return plans.plan(f, self._keys, after, choices[costs.index(min(costs))])


@contextlib.contextmanager
def snapshot(db: sqlite3.Connection) -> Iterator[None]:
    """Several statements that see the same state."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        if db.in_transaction:
            db.execute("COMMIT")


def lines(joined: bytes | None) -> list[bytes]:
    """JSON encodings hold no line break."""
    return [] if joined is None else joined.split(b"\n")


def numbers(joined: bytes | None) -> list[int]:
    return [] if joined is None else [int(item) for item in joined.split(b",")]


def _one(db: sqlite3.Connection, statement: Statement) -> Any:
    return db.execute(statement.sql, statement.parameters).fetchone()
