"""The keeper's records in PostgreSQL: versions, many who begin at once, and two who write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from nostr_client.errors import StoreError
from relays.moderation.opening import has_records, open_records, open_state
from relays.moderation.records import LogRow, RecordTables
from tests import postgres

pytestmark = pytest.mark.xdist_group("postgres")


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """Of a schema without tables."""
    async with postgres.new_schemas() as url_of:
        yield url_of("keeper")


@pytest.fixture
async def database(url: str) -> AsyncIterator[Any]:
    """A connection of somebody else's to it."""
    import asyncpg  # an extra

    found = await asyncpg.connect(url)
    yield found
    await found.close()


async def test_a_newer_version_is_refused(url: str, database: Any) -> None:
    assert not await has_records(url)
    with pytest.raises(StoreError, match="no keeper's records"):
        async with open_records(url, read_only=True):
            pass
    async with open_records(url) as kept, open_records(url, read_only=True) as shown:
        assert await has_records(url)
        with pytest.raises(StoreError, match="to be read"):
            await shown.write(kept.read)
    await database.execute("UPDATE records SET version = 99")
    for read_only in (False, True):
        with pytest.raises(StoreError, match=r"newer version .* keeper's records"):
            async with open_records(url, read_only=read_only):
                pass


@pytest.mark.parametrize("table", ["records (x int)", "rule (x int)"])
async def test_another_programs_tables_are_left_alone(url: str, database: Any, table: str) -> None:
    schema = url.rpartition("search_path=")[2]
    await database.execute(f"CREATE SCHEMA {schema}")
    await database.execute(f"CREATE TABLE {schema}.{table}")
    with pytest.raises(StoreError, match="another program's"):
        async with open_records(url):
            pass


async def test_who_begin_at_once_have_one_key(url: str) -> None:
    async with AsyncExitStack() as stack:
        states = [stack.enter_async_context(open_state(url)) for _ in range(3)]
        assert len({state.pubkey for state in await asyncio.gather(*states)}) == 1


async def test_two_nodes_write_in_turns(url: str) -> None:
    async def count(tables: RecordTables) -> None:
        held = await tables.dates.get("n") or 0
        await asyncio.sleep(0)
        await tables.dates.put("n", held + 1)

    async with open_records(url) as one, open_records(url) as two:
        await asyncio.gather(*(node.write(count) for node in (one, two) for _ in range(5)))
        assert await one.read(lambda tables: tables.dates.get("n")) == 10


@pytest.mark.parametrize("sql", ["UPDATE log SET id = ''", "DELETE FROM log", "TRUNCATE log"])
async def test_the_log_is_only_added_to(url: str, database: Any, sql: str) -> None:
    async with open_records(url) as kept:
        await kept.write(lambda tables: tables.log.append(LogRow(1, "aa", b"{}")))
        with pytest.raises(Exception, match="only added to"):
            await database.execute(sql)
