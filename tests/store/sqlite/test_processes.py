"""Several processes on one file: they write, they watch, they are killed."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nostr_client.errors import StoreError
from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import StoreOptions
from nostr_client.store.opening import open_store
from nostr_client.store.sqlite import opening
from tests.store.child import writer
from tests.store.samples import NOW, author, make

ROOT = Path(__file__).resolve().parents[3]
LIMIT = 30.0


@contextlib.asynccontextmanager
async def child(what: str, path: Path, *more: object) -> AsyncIterator[asyncio.subprocess.Process]:
    """`tests.store.child`, ended with the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.store.child", what, str(path), *map(str, more)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await asyncio.wait_for(process.wait(), LIMIT)
        transport = getattr(process, "_transport", None)
        if transport is not None:
            transport.close()


async def line(process: asyncio.subprocess.Process) -> list[str]:
    """The words of its next line; none at its end."""
    assert process.stdout is not None
    data = await asyncio.wait_for(process.stdout.readline(), LIMIT)
    return data.decode().split() if data.endswith(b"\n") else []


async def all_lines(process: asyncio.subprocess.Process) -> list[str]:
    words = []
    while more := await line(process):
        words += more
    assert await asyncio.wait_for(process.wait(), LIMIT) == 0
    return words


async def test_two_write_and_both_watch(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    mine = [make(author(1), 1, NOW - n, content="mine") for n in range(200)]
    async with open_store(path) as store, store.watch([Filter.of(kinds=[1])]) as watch:
        async with contextlib.AsyncExitStack() as stack:
            watcher = await stack.enter_async_context(child("watch", path, 500))
            assert await line(watcher) == ["watching"]
            other = await stack.enter_async_context(child("save", path, "a", 3, 60))
            for start in range(0, 200, 5):
                await store.save(mine[start : start + 5])
            theirs = await all_lines(other)
            assert len(theirs) == 180
            seen = set()
            async with asyncio.timeout(LIMIT):
                while not seen >= {*theirs, *(event.id for event in mine)}:
                    seen.add((await anext(watch)).id)
            assert len(await store.known(theirs)) == 180
            told = set()
            while len(told & seen) < 380:
                told |= set(await line(watcher))
        await store.check()


async def test_many_writers_wait_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    async with contextlib.AsyncExitStack() as stack:
        others = [
            await stack.enter_async_context(child("save", path, name, 1, 120)) for name in "abc"
        ]
        told = [word for other in others for word in await all_lines(other)]
    async with open_store(path) as store:
        assert len(told) == 360
        assert set(await store.known(told)) == set(told)
        await store.check()


async def test_a_lock_that_is_not_given_back_is_an_error_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "LOCK_LIMIT", 0.3)
    note = make(author(1), 1, NOW)
    async with open_store(tmp_path / "events.db") as store:
        other = sqlite3.connect(tmp_path / "events.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            await store.save([note])
        assert await store.count([Filter()]) == 0, "reading goes on"
        other.execute("ROLLBACK")
        other.close()
        assert (await store.save([note]))[0].held


async def test_killed_while_saving(tmp_path: Path) -> None:
    await killed(tmp_path / "events.db", times=1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_killed_while_saving_many_times(tmp_path: Path) -> None:
    await killed(tmp_path / "events.db", times=25)


async def killed(path: Path, times: int) -> None:
    """Whatever was reported is there, and the file is sound, kill after kill."""
    rng = random.Random(50)
    told: list[str] = []
    for number in range(times):
        size = rng.choice((1, 20, 400))
        async with child("save", path, f"kill{number}", size, 10**6) as process:
            for _ in range(rng.randrange(1, 60)):
                told += await line(process)
            await asyncio.sleep(rng.random() / 20)
            process.kill()
            while more := await line(process):
                told += more
        async with open_store(path, StoreOptions(search=True, time_limit=LIMIT)) as store:
            known: set[str] = set()
            for start in range(0, len(told), 5000):
                known |= (await store.known(told[start : start + 5000])).keys()
            assert known == set(told)
            await store.check()
            # Each index knows every event, and none that is gone.
            total = await store.count([Filter()])
            words = [f"kill{n}" for n in range(number + 1)]
            people = [author(5), *map(writer, words)]
            assert await store.count([Filter.of(kinds=range(100))]) == total
            assert await store.count([Filter.of(authors=people)]) == total
            assert len(await store.ids(Filter())) == total
            notes = await store.count([Filter.of(kinds=[1])])
            assert await store.count([Filter.of(t=words)]) == notes
            profiles = await store.count([Filter.of(kinds=[0])])
            assert await store.count([Filter.of(t=["profile"])]) == profiles
            await store.finish_index()
            for word in words:
                found = await store.count([Filter.of(search=word)])
                assert found == await store.count([Filter.of(t=[word])])
