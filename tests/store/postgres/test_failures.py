"""What may go wrong between a node and its database: it is said clearly, bounded, and over when its
cause is."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from nostr_client.errors import QueryTimeout, StoreError, StoreFull
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import EventStore, Priority, StoreOptions
from nostr_client.store.opening import open_store
from tests import postgres
from tests.store import samples
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("postgres")

ASLEEP = "SELECT pg_sleep(60)"


def note(content: str, *tags: tuple[str, ...]) -> Event:
    return samples.make(samples.author(1), 1, samples.NOW, *tags, content=content)


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with postgres.new_schemas() as url_of:
        yield url_of("one")


@pytest.fixture
async def database(url: str) -> AsyncIterator[Any]:
    asyncpg: Any = pytest.importorskip("asyncpg")
    db = await asyncpg.connect(url)
    yield db
    await db.close()


def test_whatever_the_driver_says_of_a_connection_that_ended_is_an_error_of_ours() -> None:
    """Ended between two statements, asyncpg takes the server's last word for a fault of its own;
    whoever is to go on after a StoreError would have ended by that one."""
    asyncpg: Any = pytest.importorskip("asyncpg")
    from nostr_client.store.postgres.connections import ServerUnreachable, said

    with pytest.raises(ServerUnreachable), said("postgresql://somewhere"):
        raise asyncpg.InternalClientError("cannot switch to state 12")


def opened(url: str, time_limit: float = 5.0) -> Any:
    from nostr_client.store.postgres.connections import Connections  # an extra

    return Connections.open(url, time_limit)


async def asleep(database: Any, pid: int) -> bool:
    sql = "SELECT state = 'active' AND query LIKE '%pg_sleep%' FROM pg_stat_activity WHERE pid = $1"
    return bool(await database.fetchval(sql, pid))


async def sleeping(connections: Any, pids: list[int]) -> None:
    """A question that is far too broad, on a connection whose number goes into `pids`."""

    async def ask(db: Any) -> None:
        pids.append(db.get_server_pid())
        await db.execute(ASLEEP)

    await connections.read(ask)


@contextlib.asynccontextmanager
async def asked_too_much(connections: Any, database: Any) -> AsyncIterator[tuple[Any, int]]:
    """A task that asks it, once the server has begun, and the number of its connection."""
    pids: list[int] = []
    task = asyncio.create_task(sleeping(connections, pids))
    await until(lambda: bool(pids))
    async with asyncio.timeout(10):
        while not await asleep(database, pids[0]):
            await asyncio.sleep(0.01)
    yield task, pids[0]


async def pid_of_reader(connections: Any) -> int:
    async def ask(db: Any) -> int:
        return int(db.get_server_pid())

    return int(await connections.read(ask))


@pytest.fixture
def one_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """One connection for all who ask."""
    pytest.importorskip("asyncpg")
    from nostr_client.store.postgres import connections

    monkeypatch.setitem(connections.READERS, Priority.NORMAL, 1)


@pytest.mark.usefixtures("one_reader")
async def test_whoever_leaves_leaves_nothing_that_runs(url: str, database: Any) -> None:
    async with opened(url) as connections:
        async with asked_too_much(connections, database) as (task, pid):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert await pid_of_reader(connections) == pid  # it is sound, and used again
        assert not await asleep(database, pid)


@pytest.mark.usefixtures("one_reader")
async def test_what_takes_too_long_ends_on_the_server_too(url: str, database: Any) -> None:
    pids: list[int] = []
    async with opened(url, 0.2) as connections:
        with pytest.raises(QueryTimeout, match="too broad"):
            await sleeping(connections, pids)
        assert await pid_of_reader(connections) == pids[0]
        assert not await asleep(database, pids[0])


async def test_the_server_ends_what_nobody_ends(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from nostr_client.store.postgres import connections

    monkeypatch.setattr(connections, "SECOND_LINE", -59.8)
    async with opened(url, 60) as opened_ones:
        with pytest.raises(QueryTimeout):
            await opened_ones.read(lambda db: db.execute(ASLEEP))


async def test_closing_waits_for_no_question(
    url: str, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nostr_client.store.postgres import connections as module

    monkeypatch.setattr(module, "LEFT", 0.1)
    async with contextlib.AsyncExitStack() as stack:
        connections = await stack.enter_async_context(opened(url, 30))
        task, pid = await stack.enter_async_context(asked_too_much(connections, database))
    with pytest.raises(StoreError):
        await task
    async with asyncio.timeout(10):  # the server looks now and then whether we are there
        while await asleep(database, pid):
            await asyncio.sleep(0.02)


@pytest.mark.usefixtures("one_reader")
async def test_nobody_waits_for_his_turn_for_ever(
    url: str, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nostr_client.store.postgres import lanes

    monkeypatch.setattr(lanes, "QUEUE_LIMIT", 0.05)
    async with opened(url) as opened_ones, asked_too_much(opened_ones, database) as (task, _):
        with pytest.raises(StoreError, match="no turn"):
            await pid_of_reader(opened_ones)
        task.cancel()


async def test_a_save_is_done_though_whoever_brought_it_has_gone(url: str, database: Any) -> None:
    event = note("kept")
    async with open_store(url) as store:
        await database.execute("BEGIN; SELECT * FROM state FOR UPDATE")
        task = asyncio.create_task(store.save([event]))
        other = asyncio.create_task(store.save([note("another")]))
        await asyncio.sleep(0)
        task.cancel()
        await database.execute("COMMIT")
        assert (await other)[0].held
        await until_held(store, event.id)


async def until_held(store: EventStore, event_id: str) -> None:
    async with asyncio.timeout(10):
        while await store.get(event_id) is None:
            await asyncio.sleep(0.01)


async def test_what_expires_goes_by_the_earlier_of_two_clocks(url: str) -> None:
    import time

    event = note("soon", ("expiration", str(int(time.time()) + 3600)))
    ahead = StoreOptions(clock=lambda: time.time() + 86_400)
    async with open_store(url) as right, open_store(url, ahead) as wrong:
        assert (await right.save([event]))[0].held
        await wrong.purge()
        assert await right.get(event.id) == event
        assert await wrong.get(event.id) is None


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("DiskFullError", StoreFull, "no room"),
        ("TooManyConnectionsError", StoreError, "too many clients"),
        ("InvalidPasswordError", StoreError, "password authentication failed"),
        ("ReadOnlySQLTransactionError", StoreError, "read-only"),
        ("CannotConnectNowError", StoreError, "starting up"),
    ],
)
def test_what_the_database_refuses_is_said(name: str, kind: type[StoreError], words: str) -> None:
    asyncpg: Any = pytest.importorskip("asyncpg")
    from nostr_client.store.postgres.connections import said

    with pytest.raises(kind, match=words) as failed, said("postgresql://me:secret@host/db"):
        raise getattr(asyncpg, name)(words)
    assert "secret" not in str(failed.value)


async def test_nobody_listens_there() -> None:
    pytest.importorskip("asyncpg")
    with pytest.raises(StoreError, match="not reached") as failed:
        async with open_store("postgresql://me:secret@127.0.0.1:1,127.0.0.1:2/db"):
            pass
    assert "secret" not in str(failed.value)


def test_without_the_driver_it_is_said_how_to_get_it() -> None:
    program = (
        "import sys, asyncio; sys.modules['asyncpg'] = None\n"
        "from nostr_client.store.opening import open_store\n"
        "from nostr_client.errors import StoreError\n"
        "async def main():\n"
        "    async with open_store('postgresql://host/db'): pass\n"
        "try: asyncio.run(main())\n"
        "except StoreError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert "pip install 'nostr-client[postgres]'" in done.stdout


async def test_another_programs_tables_are_left_alone(url: str, database: Any) -> None:
    schema = await new_schema(database)
    await database.execute(f"CREATE TABLE {schema}.event (id text)")
    with pytest.raises(StoreError, match="another program's tables"):
        async with open_store(url):
            pass


async def test_a_newer_programs_tables_are_left_alone(url: str, database: Any) -> None:
    async with open_store(url):
        pass
    await database.execute("UPDATE state SET version = version + 1")
    with pytest.raises(StoreError, match="newer version"):
        async with open_store(url):
            pass
    with pytest.raises(StoreError, match="newer version"):
        async with open_store(url, StoreOptions(read_only=True)):
            pass


async def new_schema(database: Any) -> str:
    schema = str(await database.fetchval("SELECT current_setting('search_path')"))
    await database.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    return schema


async def test_two_nodes_make_the_tables_at_the_same_moment(url: str) -> None:
    async def node(name: str) -> None:
        async with open_store(url) as store:
            assert (await store.save([note(name)]))[0].held

    await asyncio.gather(*(node(name) for name in "abc"))
    async with open_store(url, StoreOptions(read_only=True)) as store:
        assert await store.count([Filter()]) == 3
        with pytest.raises(StoreError, match="open for reading"):
            await store.save([note("d")])


async def test_what_every_commit_changes_stays_small(url: str, database: Any) -> None:
    async with open_store(url) as store:
        for _ in range(200):
            await store.probe()
        assert await database.fetchval("SELECT pg_relation_size('state')") <= 5 * 8192


async def test_what_is_not_stored_passes_to_other_nodes(url: str, database: Any) -> None:
    from nostr_client.store.contract import PassesOn

    short, long = note("short"), note("long " * 4000)
    async with open_store(url) as one, open_store(url) as other:
        assert isinstance(one, PassesOn)
        assert isinstance(other, PassesOn)
        heard: list[str] = []
        own: list[str] = []
        async with (
            other.hear_passing(lambda events: heard.extend(e.id for e in events)),
            one.hear_passing(lambda events: own.extend(e.id for e in events)),
        ):

            async def passed() -> bool:
                await one.pass_on([short, long])
                return {short.id, long.id} <= set(heard)

            async with asyncio.timeout(10):  # it listens some time after it is opened
                while not await passed():
                    await asyncio.sleep(0.05)
            assert own == []
            assert await one.get(short.id) is None
