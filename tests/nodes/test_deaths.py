"""Nodes and databases die, stand still and are cut off under load: what is acknowledged is there,
every reader has it once, and whoever asks is answered or refused.

That all of it holds is seen at the end of `Cluster.loaded`.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from nostr_client.errors import StoreError
from nostr_client.net.pool import RelayPool
from nostr_client.net.subscription import Arrival
from nostr_client.protocol.event import Draft
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.store.contract import StoreOptions
from tests import postgres
from tests.net.scripted import PlainVerifier
from tests.nodes.cluster import nodes_on
from tests.nodes.database import Database
from tests.nodes.forwarder import forwarding
from tests.waiting import until

pytest.importorskip("asyncpg", reason="no asyncpg")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(postgres.programs() is None, reason="no PostgreSQL to start"),
]


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may enter, as the account of a server must."""
    with tempfile.TemporaryDirectory(prefix="nodes-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextlib.asynccontextmanager
async def library_reader(url: str) -> AsyncIterator[set[str]]:
    """The ids that the library brings from `url`, which has many nodes behind it."""
    seen: set[str] = set()
    async with RelayPool(verifier=PlainVerifier()) as pool:
        filters = [Filter.of(kinds=[1], since=int(time.time()))]

        async def read() -> None:
            async with pool.subscribe(filters, [url]) as found:
                async for item in found:
                    if isinstance(item, Arrival):
                        seen.add(item.event.id)

        reading = asyncio.create_task(read())
        try:
            yield seen
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def test_nodes_that_are_killed_lose_nothing(place: Path) -> None:
    """Each in turn; a client of the library is behind what balances between them."""
    with Database.running(place / "first") as database:
        async with (
            nodes_on(place, *[database.url()] * 3) as cluster,
            forwarding(*(node.port for node in cluster.nodes)) as balanced,
            library_reader(f"ws://127.0.0.1:{balanced.port}") as seen,
        ):
            async with cluster.loaded():
                for node in cluster.nodes:
                    await cluster.account.more(150)
                    await node.kill()
                    await cluster.account.more(150)
                    await node.start()
            assert cluster.account.errors == []
            assert cluster.account.lost >= 3
            await until(lambda: cluster.account.acknowledged.keys() <= seen)


async def test_the_primary_is_killed_and_its_standby_takes_over(place: Path) -> None:
    with Database.running(place / "first") as first, first.standby(place / "second") as second:
        url = first.url(first.port, second.port)
        async with nodes_on(place, url, url, url) as cluster:
            account = cluster.account
            async with cluster.loaded(), cluster.asked() as askers:
                await account.more(200)
                first.kill()
                killed = time.monotonic()
                await account.refusal(killed)
                await asyncio.sleep(1.0)
                await asyncio.to_thread(second.promote)
                await account.more(100, limit=30)
                again = time.monotonic() - killed
            slowest = max(max(asker.took) for asker in askers)
            refused = sum(len(asker.closed) for asker in askers)
            print(f"written again after {again:.1f} s; longest read {slowest:.1f} s, {refused} no")
            assert slowest < 12, [asker.closed for asker in askers]


async def test_a_database_that_is_restarted(place: Path) -> None:
    with Database.running(place / "first") as database:
        async with (
            nodes_on(place, *[database.url()] * 2) as cluster,
            cluster.loaded(),
            cluster.asked(),
        ):
            await cluster.account.more(100)
            stopped = time.monotonic()
            await asyncio.to_thread(database.stop)
            await cluster.account.refusal(stopped)
            await asyncio.to_thread(database.start)
            await cluster.account.more(100)


async def test_a_database_that_stands_still(place: Path) -> None:
    """It answers nobody, as on a disk that hangs: writers and readers are told so."""
    with Database.running(place / "first") as database:
        async with nodes_on(place, *[database.url()] * 2) as cluster:
            async with cluster.loaded(), cluster.asked() as askers:
                await cluster.account.more(100)
                database.freeze()
                frozen = time.monotonic()
                try:
                    await cluster.account.refusal(frozen, limit=15)
                    await until(lambda: all(asker.closed for asker in askers), limit=30)
                finally:
                    database.thaw()
                await cluster.account.more(100)
            print(f"longest write {cluster.account.slowest:.1f} s", [max(a.took) for a in askers])


async def test_connections_that_are_used_up(place: Path) -> None:
    with Database.running(place / "first", max_connections="24") as database:
        async with (
            nodes_on(place, *[database.url()] * 2) as cluster,
            cluster.loaded(),
            cluster.asked(),
        ):
            await cluster.account.more(100)
            async with all_taken(database):
                await cluster.account.refusal(time.monotonic())
            await cluster.account.more(100)


@contextlib.asynccontextmanager
async def all_taken(database: Database) -> AsyncIterator[None]:
    """Another program has all the connections that there are."""
    import asyncpg

    end_others = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'nostr-client'"
    )
    taken = []
    try:
        while True:
            try:
                taken.append(await asyncpg.connect(database.url()))
            except asyncpg.TooManyConnectionsError:
                if not await taken[0].fetch(end_others):
                    break
        yield
    finally:
        for one in taken:
            one.terminate()


async def test_a_node_that_is_cut_off_from_the_database(place: Path) -> None:
    """It refuses, the other goes on, also with what the first did alone; and it comes back."""
    with Database.running(place / "first") as database:
        async with forwarding(database.port) as line:
            behind, straight = database.url(line.port), database.url()
            async with nodes_on(place, behind, straight) as cluster:
                account = cluster.account
                async with cluster.loaded(), cluster.asked() as askers:
                    await account.more(100)
                    line.cut()
                    cut = time.monotonic()
                    await account.refusal(cut, limit=30)
                    await account.more(50, limit=30)
                    passed = time.monotonic() - cut
                    await until(lambda: askers[0].closed, limit=30)
                    seq = database.execute("SELECT seq FROM state")
                    await until(lambda: is_indexed(database, int(seq)), limit=30, pause=0.5)
                    print(f"others wrote {passed:.1f} s, duties {time.monotonic() - cut:.1f} s")
                    line.drop()
                    line.heal()
                    await account.more(100)


def is_indexed(database: Database, seq: int) -> bool:
    """Did somebody index the words of all up to there? One node at a time does."""
    return int(database.execute("SELECT indexed FROM state")) >= seq


async def test_a_node_that_is_cut_off_while_all_others_wait_for_it(place: Path) -> None:
    """It had its turn to write, and whoever writes next has it soon."""
    from nostr_client.store.postgres.connections import WRITE_LIMIT
    from nostr_client.store.postgres.store import PostgresStore
    from nostr_client.store.postgres.writer import LOCK

    note = Draft(1, "next").sign(SecretKey.generate(), int(time.time()))
    with Database.running(place / "first") as database:
        async with (
            forwarding(database.port) as line,
            PostgresStore.open(database.url(line.port), StoreOptions()) as behind,
            PostgresStore.open(database.url(), StoreOptions()) as straight,
        ):
            held = asyncio.Event()

            async def hold(db: Any) -> None:
                await db.fetchrow(LOCK)
                line.cut()
                held.set()
                await db.fetchval("SELECT 1")

            cut_off = asyncio.create_task(behind._db.write(hold))
            await held.wait()
            async with asyncio.timeout(WRITE_LIMIT - 5):
                await straight.save([note])
            line.drop()
            line.heal()
            with pytest.raises(StoreError):
                await cut_off
