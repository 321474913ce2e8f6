"""The health endpoint."""

from __future__ import annotations

import asyncio
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from nostr_client.errors import StoreError
from nostr_client.net.dial import DialOptions
from nostr_client.net.http import get
from nostr_client.store.contract import EventStore
from nostr_client.store.sqlite.store import SqliteStore
from relays.web.health import LEAST_FREE, REMEMBERED, Health
from relays.web.http_types import HttpRequest
from tests.relays.conftest import Serve

Usage = namedtuple("Usage", "total used free")
ASKED = HttpRequest(method="GET", path="/health")


class Disk:
    """A store that can write, or not, at a time of ours."""

    def __init__(self) -> None:
        self.error = ""
        self.writes = 0
        self.now = 0.0

    async def write(self) -> None:
        self.writes += 1
        await asyncio.sleep(0)
        if self.error:
            raise StoreError(f"/home/ana/relay/events.db: {self.error}")

    def clock(self) -> float:
        return self.now


async def test_well_ill_and_well_again(tmp_path: Path) -> None:
    disk = Disk()
    health = Health(tmp_path, disk.write, disk.clock)
    answer = await health.answer(ASKED)
    assert (answer.status, answer.body) == (200, b"ok\n")
    disk.error = "the disk is full"
    assert (await health.answer(ASKED)).status == 200, "an answer holds for a while"
    disk.now += REMEMBERED + 1
    answer = await health.answer(ASKED)
    assert (answer.status, answer.body) == (503, b"the store cannot write\n")
    disk.now += REMEMBERED + 1
    disk.error = ""
    assert (await health.answer(ASKED)).status == 200


async def test_many_who_ask_make_one_look(tmp_path: Path) -> None:
    disk = Disk()
    health = Health(tmp_path, disk.write, disk.clock)
    answers = await asyncio.gather(*(health.answer(ASKED) for _ in range(50)))
    assert {answer.status for answer in answers} == {200}
    assert disk.writes == 1


async def test_a_disk_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 0, LEAST_FREE - 1))
    disk = Disk()
    answer = await Health(tmp_path, disk.write, disk.clock).answer(ASKED)
    assert answer.status == 503
    assert b"255 MiB" in answer.body
    assert not disk.writes


async def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    answer = await Health(tmp_path / "gone", Disk().write).answer(ASKED)
    assert answer.status == 503
    assert b"gone" not in answer.body


async def test_health_of_a_store_that_cannot_write(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = await serve()
    answer = await get(f"{served.url}/health", DialOptions(private=True), accept="*/*")
    assert (answer.status, answer.body) == (200, b"ok\n")
    answer = await get(f"{served.url}/metrics", DialOptions(private=True), accept="*/*")
    assert answer.status == 200
    lines = [line.split()[:3] for line in answer.body.decode().splitlines() if "#" in line]
    told, types = ({name for _, sort, name in lines if sort == what} for what in ("HELP", "TYPE"))
    assert told == types > {"nostr_relay_connections", "nostr_relay_query_seconds"}

    async def full(_: EventStore) -> None:
        raise StoreError("/home/ana/relay/events.db: the disk is full")

    monkeypatch.setattr(SqliteStore, "probe", full)
    monkeypatch.setattr("relays.web.health.REMEMBERED", -1.0)
    answer = await get(f"{served.url}/health", DialOptions(private=True), accept="*/*")
    assert answer.status == 503
    assert b"cannot write" in answer.body
    assert b"ana" not in answer.body
