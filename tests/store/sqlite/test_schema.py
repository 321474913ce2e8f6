"""Files of other versions, and files that are none of ours."""

from __future__ import annotations

import re
import sqlite3
import time
from pathlib import Path

import pytest

from nostr_client.errors import StoreError
from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import CopyGrade
from nostr_client.store.index_keys import IndexKeys, id_key
from nostr_client.store.opening import open_store
from nostr_client.store.sqlite import filter_sql, schema
from tests.store.samples import NOW, author, make

ALICE, BOB = author(1), author(2)
SECRET = bytes(range(32))


def file_of_version(path: Path, version: int, notes: int = 40) -> list[str]:
    """A store as this program wrote it at that version, with some notes; their ids."""
    keys = IndexKeys(SECRET)
    db = sqlite3.connect(path)
    for statement in (s for step in schema.STEPS[:version] for s in step):
        db.execute(statement)
    db.execute("INSERT INTO state (one, seq, secret) VALUES (1, ?, ?)", (notes, SECRET))
    made = [make(ALICE, 1, NOW - n, ("t", "x"), ("p", BOB)) for n in range(notes)]
    for seq, event in enumerate(made, 1):
        tie, writer = id_key(event.id), keys.author(ALICE)
        row = (seq, event.created_at, tie, event.kind, writer, None, event.json)
        db.execute("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        db.executemany(
            "INSERT INTO tag VALUES (?, ?, ?, ?, ?)",
            [(key, event.created_at, tie, seq, event.kind) for key in keys.tags(event)],
        )
    if version >= 3:
        db.execute("INSERT INTO id SELECT tie, seq FROM event")
        db.execute("INSERT INTO author SELECT author, kind, created_at, tie, seq FROM event")
    deleted = make(ALICE, 1, NOW + 1)
    db.execute("INSERT INTO tombstone VALUES (?, ?, ?)", (id_key(deleted.id), writer, 2**63 - 1))
    db.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {version}")
    db.commit()
    db.close()
    return [event.id for event in made]


@pytest.mark.parametrize("version", range(1, schema.VERSION))
async def test_an_older_file_is_brought_up_to_date(tmp_path: Path, version: int) -> None:
    path = tmp_path / "events.db"
    ids = file_of_version(path, version)
    for _ in range(2):
        async with open_store(path) as store:
            for f in (Filter(), Filter.of(authors=[ALICE]), Filter.of(t=["x"]), Filter.of(p=[BOB])):
                assert [event.id for event in await store.query([f])][-40:] == ids
            assert len(await store.known(ids)) == 40
            [gone] = await store.save([make(ALICE, 1, NOW + 1)])
            assert gone.status == "deleted"
            await store.ledger.want(ids[0], ["wss://a.example"])
            assert [copy.event_id for copy in await store.ledger.due(NOW)] == ids[:1]
            await store.save([make(BOB, 1, NOW + 5)])
            await store.check()
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
    assert db.execute("SELECT seq FROM state").fetchone() == (41,)
    db.close()


async def test_what_was_confirmed_before_there_were_receipts_rests_on_a_word(
    tmp_path: Path,
) -> None:
    path = tmp_path / "events.db"
    [wanted, known, open_, *_] = file_of_version(path, 6)
    db = sqlite3.connect(path)
    db.execute("INSERT INTO relay (id, url) VALUES (1, 'wss://a.example')")
    for event_id, state, is_wanted in ((wanted, "confirmed", 1), (known, "confirmed", 0)):
        row = (id_key(event_id), 1, state, 0, 0, "", "", NOW, is_wanted)
        db.execute("INSERT INTO copy VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    row = (id_key(open_), 1, "failed", 1, NOW, "", "", NOW, 1)
    db.execute("INSERT INTO copy VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    db.commit()
    db.close()
    async with open_store(path) as store:
        found = await store.ledger.copies_of([wanted, known, open_])
        grades = [found[event_id][0].grade for event_id in (wanted, known, open_)]
        assert grades == [CopyGrade.SAID, CopyGrade.SAID, CopyGrade.NONE]
        in_two_weeks = time.time() + 14 * 86_400
        due = await store.ledger.audits_due([ALICE], in_two_weeks, 10)
        assert [copy.event_id for copy in due] == [wanted]


async def test_a_migration_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.db"
    file_of_version(path, 1)
    broken = (*schema.STEPS[:-1], (*schema.STEPS[-1], "SELECT * FROM nowhere"))
    with monkeypatch.context() as patch:
        patch.setattr(schema, "STEPS", broken)
        with pytest.raises(StoreError, match="nowhere"):
            async with open_store(path):
                pass
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA user_version").fetchone() == (1,)
    assert db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'copy'").fetchone() == (0,)
    db.close()
    async with open_store(path) as store:
        assert await store.count([Filter()]) == 40


async def test_a_newer_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    async with open_store(path) as store:
        await store.save([make(ALICE, 1, NOW)])
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    db.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="newer version"):
        async with open_store(path):
            pass
    assert path.read_bytes() == before


async def test_a_newer_program_that_comes_meanwhile_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    async with open_store(path) as store:
        db = sqlite3.connect(path)
        db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
        db.close()
        with pytest.raises(StoreError, match="restart"):
            await store.save([make(ALICE, 1, NOW)])


async def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "places.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE event (seq INTEGER PRIMARY KEY)")
    db.commit()
    db.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        async with open_store(path):
            pass
    assert path.read_bytes() == before
    assert sorted(item.name for item in tmp_path.iterdir()) == ["places.db"]


async def test_every_index_is_used(tmp_path: Path) -> None:
    """No filter reads a whole table: see SQLite's own plans."""
    async with open_store(tmp_path / "events.db") as store:
        reading = store._reading
        for f in (
            Filter.of(ids=["0" * 64]),
            Filter.of(authors=[ALICE]),
            Filter.of(authors=[ALICE, BOB], kinds=[1, 7]),
            Filter.of(authors=[ALICE], kinds=range(30)),
            Filter.of(kinds=[1]),
            Filter.of(kinds=range(30)),
            Filter.of(t=["x"], kinds=[1]),
            Filter.of(t=[f"{n}" for n in range(100)]),
            Filter.of(t=["x"], authors=[ALICE], since=5),
            Filter(),
        ):

            def explain(db: sqlite3.Connection, f: Filter = f) -> str:
                found = []
                plan = reading._plan(db, f)
                for statement in (
                    filter_sql.page(plan, 5, NOW, alive=False),
                    filter_sql.count([plan], NOW, alive=False),
                ):
                    sql = f"EXPLAIN QUERY PLAN {statement.sql}"
                    found += db.execute(sql, statement.parameters).fetchall()
                return "\n".join(row[3].decode() for row in found)

            found = (await store._db.read(explain)).replace(" TABLE ", " ")
            scans = re.findall(r"SCAN (?:t|e|o|n|event|id|author|tag|new_\w+)\b.*", found)
            assert scans == [], (f.to_dict(), found)
            assert re.search(r"SEARCH (?:\w+ AS )?[tn]\b", found), found
