"""The contract of the keeper's records, with every engine that keeps it; and the relay's own
moderation over the one that has no file."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from nostr_client.errors import StoreError
from nostr_client.store.opening import open_store
from relays.config.relay_config import Membership, Moderation, RelayConfig
from relays.moderation import audit_log, records
from relays.moderation.actions import ModerationActions
from relays.moderation.opening import copy_records, open_records, relay_lock
from relays.moderation.records import (
    Area,
    Invite,
    LogRow,
    Member,
    Records,
    RecordTables,
    Role,
    Rule,
    RuleType,
    invite_id,
)
from relays.moderation.sqlite.records import SqliteRecords
from relays.moderation.state import ModerationState
from relays.policies.verdict import IncomingEvent
from tests import postgres
from tests.relays.desk import URL
from tests.relays.talk import KEY, NOW, OTHER, note

A, B, C = "aa" * 32, "bb" * 32, "cc" * 32


@pytest.fixture(params=["sqlite", "memory", "postgres"])
async def location(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str | Path]:
    """Of records that are empty."""
    if request.param != "postgres":
        yield "memory:" if request.param == "memory" else tmp_path
        return
    async with postgres.new_schemas() as url_of:
        yield url_of("keeper")


@pytest.fixture
async def kept(location: str | Path) -> AsyncIterator[Records]:
    async with open_records(location) as found:
        yield found


def test_one_relay_runs_on_the_records_of_a_folder(tmp_path: Path) -> None:
    with relay_lock(tmp_path):
        with pytest.raises(StoreError, match="in use"), relay_lock(tmp_path):
            pass
        with relay_lock("memory:"), relay_lock("memory:"):
            pass
    with relay_lock(tmp_path):
        pass


def rule(value: str, sort: RuleType = RuleType.BAN_PUBKEY, at: int = 1) -> Rule:
    return Rule(sort, value, f"about {value[:2]}", "k", at)


async def put(kept: Records, *rules: Rule) -> None:
    async def act(tables: RecordTables) -> None:
        for one in rules:
            await tables.rules.put(one)

    await kept.write(act)


async def listed(kept: Records, *types: RuleType) -> list[Rule]:
    return await kept.read(lambda tables: tables.rules.listed(types or tuple(RuleType)))


class Locked:
    """A connection to a file that somebody else mends meanwhile: so many reads find it locked."""

    def __init__(self, db: sqlite3.Connection, reads: int) -> None:
        self._db = db
        self.reads = reads

    def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
        if sql.startswith("SELECT") and self.reads:
            self.reads -= 1
            busy = sqlite3.OperationalError("database is locked")
            busy.sqlite_errorcode = sqlite3.SQLITE_BUSY_RECOVERY
            raise busy
        return self._db.execute(sql, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


async def test_a_snapshot_waits_for_a_lock(tmp_path: Path) -> None:
    async with SqliteRecords.open(tmp_path) as kept:
        await put(kept, rule(A))
        kept._db = locked = Locked(kept._db, 2)
        assert await listed(kept) == [rule(A)]
        assert not locked.reads


# Transactions


async def test_all_of_a_transaction_or_nothing(kept: Records) -> None:
    before = dict(await kept.counters())

    async def fails(tables: RecordTables) -> None:
        await tables.rules.put(rule(A))
        await tables.members.add(Member(B, "", "k", 1))
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await kept.write(fails)
    assert await listed(kept) == []
    assert await kept.counters() == before
    await put(kept, rule(A))
    assert await listed(kept) == [rule(A)]


async def test_one_writes_at_a_time(kept: Records) -> None:
    async def count(tables: RecordTables) -> None:
        held = await tables.dates.get("n") or 0
        await asyncio.sleep(0)
        await tables.dates.put("n", held + 1)

    async with asyncio.TaskGroup() as group:
        for _ in range(12):
            group.create_task(kept.write(count))
    assert await kept.read(lambda tables: tables.dates.get("n")) == 12


async def test_a_read_is_one_snapshot(kept: Records) -> None:
    await put(kept, rule(A))
    writing: list[asyncio.Task[None]] = []

    async def ask(tables: RecordTables) -> tuple[list[Rule], list[Rule]]:
        first = await tables.rules.listed([RuleType.BAN_PUBKEY])
        writing.append(asyncio.create_task(put(kept, rule(B))))
        await asyncio.sleep(0.01)
        return first, await tables.rules.listed([RuleType.BAN_PUBKEY])

    first, second = await kept.read(ask)
    assert first == second == [rule(A)]
    await asyncio.gather(*writing)
    assert len(await listed(kept)) == 2


async def test_what_never_ends_is_given_up(kept: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    async def stuck(tables: RecordTables) -> None:
        await tables.rules.put(rule(A))
        await asyncio.Event().wait()

    monkeypatch.setattr(records, "PATIENCE", 0.05)
    with pytest.raises(StoreError, match="answer"):
        await kept.write(stuck)
    monkeypatch.undo()
    await put(kept, rule(B))
    assert await listed(kept) == [rule(B)]


async def test_who_is_cancelled_changes_nothing(kept: Records) -> None:
    begun = asyncio.Event()

    async def stuck(tables: RecordTables) -> None:
        await tables.rules.put(rule(A))
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(kept.write(stuck))
    await begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await put(kept, rule(B))
    assert await listed(kept) == [rule(B)]


async def test_tables_are_of_their_transaction_alone(kept: Records) -> None:
    async def keep(tables: RecordTables) -> RecordTables:
        return tables

    late = await kept.write(keep)
    with pytest.raises(StoreError, match="over"):
        await late.rules.put(rule(A))
    assert await listed(kept) == []


async def test_each_change_is_counted_in_its_area(kept: Records) -> None:
    async def count(area: Area, act: Callable[[RecordTables], Awaitable[object]]) -> None:
        before = dict(await kept.counters())
        await kept.write(act)
        after = await kept.counters()
        assert {name for name in Area if after[name] > before[name]} == {area}

    await count(Area.RULES, lambda t: t.rules.put(rule(A)))
    await count(Area.RULES, lambda t: t.rules.remove(RuleType.BAN_PUBKEY, A))
    await count(Area.MEMBERS, lambda t: t.members.add(Member(A, "", "k", 1)))
    await count(Area.MEMBERS, lambda t: t.roles.put(Role("king")))
    await count(Area.MEMBERS, lambda t: t.members.assign(A, "king"))
    await count(Area.MEMBERS, lambda t: t.roles.put(Role("king", "King")))
    await count(Area.MEMBERS, lambda t: t.members.unassign(A, "king"))
    await count(Area.MEMBERS, lambda t: t.roles.remove("king"))
    await count(Area.MEMBERS, lambda t: t.members.remove(A))
    await count(Area.SETTINGS, lambda t: t.settings.put("name", "x"))
    await count(Area.SETTINGS, lambda t: t.settings.remove("name"))


# Tables


async def test_rules(kept: Records) -> None:
    await put(kept, rule(A, at=1), rule(B, at=3), rule("x", RuleType.BAN_WORD, at=2))
    assert [one.value for one in await listed(kept)] == [B, "x", A]
    assert await listed(kept, RuleType.BAN_WORD) == [rule("x", RuleType.BAN_WORD, at=2)]
    await put(kept, Rule(RuleType.BAN_PUBKEY, A, "better", "max", 9))
    found = await kept.read(lambda tables: tables.rules.reasons())
    assert sorted(found) == [
        ("ban-pubkey", A, "better"),
        ("ban-pubkey", B, "about bb"),
        ("ban-word", "x", "about x"),
    ]
    for was_there in (True, False):
        assert (
            await kept.write(lambda tables: tables.rules.remove(RuleType.BAN_PUBKEY, B))
            is was_there
        )
    assert [one.by for one in await listed(kept)] == ["max", "k"]


async def test_members_and_roles(kept: Records) -> None:
    async def act(tables: RecordTables) -> None:
        members, roles = tables.members, tables.roles
        assert await members.add(Member(B, "a friend", "k", 5))
        assert await members.add(Member(A, "", "k", 5))
        assert await members.add(Member(C, "", "k", 4))
        assert not await members.add(Member(B, "another", "max", 6))
        for role in (Role("z", place=1), Role("a"), Role("b", color=7, place=-3)):
            await roles.put(role)
        assert [role.id for role in await roles.listed()] == ["b", "z", "a"]
        await roles.put(Role("z", "Zed", "the last", 360, 2))
        assert await roles.get("z") == Role("z", "Zed", "the last", 360, 2)
        assert await roles.get("none") is None
        for id in ("z", "a", "z"):
            await members.assign(B, id)
        await members.assign(C, "z")
        assert not await members.unassign(A, "z")
        assert await members.listed() == [
            Member(C, "", "k", 4, ("z",)),
            Member(A, "", "k", 5),
            Member(B, "a friend", "k", 5, ("a", "z")),
        ]
        assert await members.unassign(C, "z")
        assert await roles.remove("a")
        assert not await roles.remove("a")
        assert await members.has(C)
        assert await members.remove(C)
        assert not await members.remove(C)
        assert not await members.has(C)
        assert [one.roles for one in await members.listed()] == [(), ("z",)]

    await kept.write(act)


@pytest.mark.parametrize("missing", ["member", "role"])
async def test_a_role_is_given_to_whom_there_is(kept: Records, missing: str) -> None:
    async def act(tables: RecordTables) -> None:
        if missing == "member":
            await tables.roles.put(Role("king"))
        else:
            await tables.members.add(Member(A, "", "k", 1))
        await tables.members.assign(A, "king")

    with pytest.raises(StoreError):
        await kept.write(act)


async def test_invites(kept: Records) -> None:
    def invite(n: int, *, by: str = "k", uses: int = 1, expires: int = 100) -> Invite:
        return Invite(invite_id(bytes([n] * 32)), uses, 0, expires, "", by, n)

    async def act(tables: RecordTables) -> None:
        invites = tables.invites
        for one in (invite(1), invite(2, uses=2), invite(3, by="max"), invite(4, expires=9)):
            await invites.add(bytes([one.at] * 32), one)
        assert await invites.get(bytes([2] * 32)) == invite(2, uses=2)
        assert await invites.get(bytes(32)) is None
        assert [one.at for one in await invites.open(10)] == [3, 2, 1]
        await invites.use(bytes([1] * 32))
        await invites.use(bytes([2] * 32))
        assert [(one.at, one.used) for one in await invites.open(10)] == [(3, 0), (2, 1)]
        await invites.clean(10)
        assert await invites.get(bytes([1] * 32)) is None
        assert await invites.get(bytes([4] * 32)) is None
        for n in (171, 172, 173):
            await invites.add(bytes([n] * 32), invite(n))
        await invites.trim("k", 2)
        assert [one.at for one in await invites.open(10)] == [173, 172, 3]
        assert await invites.revoke("ACACACAC")
        assert not await invites.revoke("acacacac")
        assert not await invites.revoke("")
        assert [one.at for one in await invites.open(10)] == [173, 3]

    await kept.write(act)


async def test_small_tables(kept: Records) -> None:
    async def act(tables: RecordTables) -> None:
        await tables.dismissed_reports.add(A, [B, C], 1)
        await tables.dismissed_reports.add(A, [B], 2)
        assert sorted(await tables.dismissed_reports.all()) == [(A, B), (A, C)]
        assert await tables.settings.get("name") is None
        await tables.settings.put("name", "one")
        await tables.settings.put("name", "two")
        await tables.settings.put("other", "x")
        await tables.settings.remove("other")
        await tables.settings.remove("none")
        assert await tables.settings.get("name") == "two"
        assert await tables.settings.all() == {"name": "two"}
        assert await tables.dates.get("n") is None
        await tables.dates.put("n", 7)
        assert await tables.dates.get("n") == 7
        assert await tables.used_requests.add(A, 10)
        assert not await tables.used_requests.add(A, 20)
        await tables.used_requests.clean(10)
        assert not await tables.used_requests.add(A, 20)
        await tables.used_requests.clean(11)
        assert await tables.used_requests.add(A, 20)

    await kept.write(act)


async def test_the_log(kept: Records) -> None:
    rows = [LogRow(n, f"{n:064x}", b"{}") for n in (1, 2, 3)]

    async def act(tables: RecordTables) -> None:
        assert await tables.log.last() is None
        for row in rows:
            await tables.log.append(row)
            assert await tables.log.last() == row

    await kept.write(act)
    assert await kept.read(lambda tables: tables.log.after(0, 2)) == rows[:2]
    assert await kept.read(lambda tables: tables.log.after(2, 2)) == rows[2:]


async def test_the_key_stays_whatever_becomes_of_the_transaction(kept: Records) -> None:
    assert await kept.read(lambda tables: tables.relay_key.get()) is None

    async def fails(tables: RecordTables) -> None:
        await tables.relay_key.put(KEY)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await kept.write(fails)
    assert await kept.read(lambda tables: tables.relay_key.get()) == KEY


async def test_what_is_in_no_file_is_not_copied(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="in no file"):
        await copy_records("memory:", tmp_path)
    assert list(tmp_path.iterdir()) == []


# The relay's moderation over any of them


async def test_moderation_over_any_engine(kept: Records, tmp_path: Path) -> None:
    moderation = Moderation(admins={"olga": OTHER.public_key.hex})
    config = RelayConfig(members=Membership(enabled=True), moderation=moderation)
    async with AsyncExitStack() as stack:
        open_state = ModerationState.open(kept, service_urls=[URL], clock=lambda: NOW)
        state = await stack.enter_async_context(open_state)
        store = await stack.enter_async_context(open_store(tmp_path / "events.db"))
        actions = ModerationActions(state, [store], config)
        await actions.settle()
        bad, report = note("bad"), note(kind=1984, key=OTHER, tags=(("e", note("bad").id, "spam"),))
        await store.save([bad, report])
        [case] = await actions.reports.queue()
        assert case.target == bad.id
        assert await actions.reports.dismiss(bad.id, by="olga") == 1
        assert await actions.reports.queue() == []
        code = await actions.members.invite(by="olga", seconds=60)
        join = note(kind=28934, at=NOW, tags=(("-",), ("claim", code)))
        verdict = await actions.members.join(IncomingEvent(join, now=NOW))
        assert verdict.accepted, verdict.reason
        assert list(state.roster.members) == [KEY.public_key.hex]
        await actions.change_info("name", "Ours", by="olga")
        assert state.info.name == "Ours"
        assert await actions.ban_pubkey(KEY.public_key.hex, by="olga", reason="spam") == 1
        assert state.check(IncomingEvent(bad, now=NOW)).reason == "blocked: spam"
        assert await state.is_first_use("an id", NOW + 60)
        assert not await state.is_first_use("an id", NOW + 60)
        lines = [line async for line in actions.log()]
        said = [audit_log.read_entry(one).action for one in audit_log.verified(lines, state.pubkey)]
        assert said == [
            *("dismiss-reports", "change-name", "ban-pubkey", "removed", "remove-member")
        ]
        pubkey = state.pubkey
    async with ModerationState.open(kept) as again:
        assert again.pubkey == pubkey
        assert KEY.public_key.hex in again.bans.pubkeys
