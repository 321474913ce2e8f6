"""`kill -9` under load: OK means durable, and the database is sound.

`KILLS=100 make slow TESTS=tests/relays/process/test_kill.py` kills a hundred times.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import sqlite3
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.rehearsal.relay_process import RelayProcess
from tests.conftest import StartRelay
from tests.relays.talk import LIMIT, NOW, Wire, note, wire

KILLS = int(os.environ.get("KILLS", "6"))
WRITERS = 3
UNDER_WAY = 200
"""Events that one writer has sent and not heard of, at most."""


class Writer:
    """Publishes notes, versions of one thing, and deletions of its own notes; keeps account."""

    def __init__(self, number: int) -> None:
        self._key = SecretKey(bytes((7, number + 1)) * 16)
        self._made = 0
        self._offered: dict[str, Event] = {}
        self._targets: dict[str, str] = {}
        self._deletable: list[str] = []
        self.doomed: set[str] = set()
        """Notes of which the deletion was offered: they may be there, or not."""
        self.kept: set[str] = set()
        """Notes that must be there."""
        self.gone: set[str] = set()
        """Notes that must not."""
        self.version = 0
        """The created_at of the newest version that was acknowledged."""

    @property
    def author(self) -> str:
        return self._key.public_key.hex

    def _next(self) -> Event:
        self._made += 1
        number = self._made
        if number % 10 == 0:
            event = note(
                f"{number}", kind=30_000, at=NOW + number, tags=(("d", "x"),), key=self._key
            )
        elif number % 15 == 1 and self._deletable:
            target = self._deletable.pop(0)
            self.doomed.add(target)
            event = note("", kind=5, at=NOW + number, tags=(("e", target),), key=self._key)
            self._targets[event.id] = target
        else:
            event = note(f"{number}", at=NOW + number, key=self._key)
        self._offered[event.id] = event
        return event

    def acknowledged(self, id: str) -> None:
        event = self._offered.pop(id)
        if event.kind == 1:
            self.kept.add(id)
            self._deletable.append(id)
        elif event.kind == 5:
            self.gone.add(self._targets[id])
        else:
            self.version = max(self.version, event.created_at)

    async def write(self, url: str, count: asyncio.Semaphore) -> None:
        """Publish until the relay dies; `count` is released for each OK."""
        with contextlib.suppress(ConnectionClosed, OSError):
            async with wire(url) as client:
                window = asyncio.Semaphore(UNDER_WAY)
                sending = asyncio.create_task(self._send(client, window))
                try:
                    while True:
                        label, id, accepted, reason = await client.recv()
                        assert (label, accepted, reason) == ("OK", True, "")
                        self.acknowledged(id)
                        window.release()
                        count.release()
                finally:
                    sending.cancel()
                    await asyncio.gather(sending, return_exceptions=True)

    async def _send(self, client: Wire, window: asyncio.Semaphore) -> None:
        while True:
            await window.acquire()
            await client.offer(self._next())


async def read(url: str, seen: set[str]) -> None:
    """Note what comes live, until the relay dies: it must have been durable, too."""
    with contextlib.suppress(ConnectionClosed, OSError):
        async with wire(url) as client:
            await client.send("REQ", "live", {"kinds": [1], "limit": 0})
            while True:
                frame = await client.recv()
                if frame[0] == "EVENT":
                    seen.add(frame[2]["id"])


async def killed_under_load(relay: RelayProcess, writers: list[Writer], after: int) -> set[str]:
    """Publish, and kill -9 after so many OKs; the ids of the notes that a reader saw."""
    count, seen = asyncio.Semaphore(0), set[str]()
    async with asyncio.TaskGroup() as group:
        for writer in writers:
            group.create_task(writer.write(relay.url, count))
        group.create_task(read(relay.url, seen))
        async with asyncio.timeout(2 * LIMIT):
            for _ in range(after):
                await count.acquire()
        await relay.kill()
    return seen


def check_file(data: Path, copy: Path) -> None:
    """The database as it was left, looked at by another program, is sound."""
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for file in data.glob("events.db*"):
        shutil.copy(file, copy)
    with contextlib.closing(sqlite3.connect(copy / "events.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []


async def held(client: Wire, ids: set[str]) -> set[str]:
    """Those of `ids` that the relay has."""
    found: set[str] = set()
    wanted = sorted(ids)
    for start in range(0, len(wanted), 500):
        found |= set(await client.stored({"ids": wanted[start : start + 500]}))
    return found


async def check_kept(url: str, writers: list[Writer], seen: set[str]) -> None:
    async with wire(url) as client:
        for writer in writers:
            due = writer.kept - writer.doomed
            assert await held(client, due) == due
            assert await held(client, writer.gone) == set()
            await client.send("REQ", "v", {"authors": [writer.author], "kinds": [30_000]})
            frame = await client.recv()
            if frame[0] == "EVENT":
                assert frame[2]["created_at"] >= writer.version
            else:
                assert writer.version == 0
            await client.send("CLOSE", "v")
            while frame[0] != "EOSE":
                frame = await client.recv()
        due = seen - set().union(*(writer.doomed for writer in writers))
        assert await held(client, due) == due


async def killed_many_times(
    start_relay: StartRelay, folder: Path, kills: int, most: int, rng: random.Random
) -> int:
    """How many events were acknowledged."""
    data = folder / "data"
    writers = [Writer(number) for number in range(WRITERS)]
    seen: set[str] = set()
    relay = await start_relay(data=data)
    for _ in range(kills):
        seen |= await killed_under_load(relay, writers, rng.randrange(1, most))
        await asyncio.to_thread(check_file, data, folder / "copy")
        relay = await start_relay(data=data)
        await check_kept(relay.url, writers, seen)
    await relay.stop()
    return sum(len(writer.kept) for writer in writers)


async def test_what_was_acknowledged_survives_kill_9(
    start_relay: StartRelay, tmp_path: Path
) -> None:
    assert await killed_many_times(start_relay, tmp_path, 1, 400, random.Random(1)) > 1


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_what_was_acknowledged_survives_kill_9_many_times(
    start_relay: StartRelay, tmp_path: Path
) -> None:
    kept = await killed_many_times(start_relay, tmp_path, KILLS, 1500, random.Random(KILLS))
    print(f"{kept} notes survived {KILLS} kills")


@pytest.mark.slow
async def test_killed_while_it_starts(start_relay: StartRelay, tmp_path: Path) -> None:
    """Again and again, on one folder."""
    data = tmp_path / "data"
    for _ in range(2):
        relay = await start_relay(data=data)
        await relay.kill()
    relay = await start_relay(data=data)
    async with wire(relay.url) as client:
        assert (await client.publish(note("here")))[2] is True
    assert relay.alive
