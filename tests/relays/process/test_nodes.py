"""Nodes of one relay: each with a folder of its own, and one database for what all go by."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from nostr_client.errors import StoreError
from nostr_client.protocol.keys import SecretKey
from relays.config.relay_config import Moderation, RelayConfig, Web
from relays.moderation import key_file
from relays.operations.backup import back_up, restore
from relays.operations.compact import compact
from relays.process.folder import open_folder
from relays.process.run import run
from relays.process.stores import DATABASE, stores_of
from tests import postgres
from tests.relays.moderation.test_running import call
from tests.relays.serving import Served, serving
from tests.relays.talk import KEY, LIMIT, OTHER, authorization, note, wire
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("postgres")

PUBLIC = "wss://relay.example.com"
CONFIG = RelayConfig(
    urls=(PUBLIC,),
    moderation=Moderation(admins={"olga": OTHER.public_key.hex}),
    web=Web(trusted_proxies=("127.0.0.1",)),
)
FROM_AFAR = {"X-Forwarded-For": "203.0.113.9"}


@pytest.fixture
async def database() -> AsyncIterator[str]:
    """The URL of a database without a relay."""
    async with postgres.new_schemas() as url_of:
        yield url_of("relay")


@pytest.fixture
async def nodes(tmp_path: Path, database: str) -> AsyncIterator[list[Served]]:
    """Two of them."""
    async with AsyncExitStack() as stack:
        served = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            node = serving(tmp_path / name, CONFIG, store=database)
            served.append(await stack.enter_async_context(node))
        yield served


def now() -> int:
    return int(time.time())


async def test_what_one_decides_all_go_by(nodes: list[Served]) -> None:
    one, two = nodes
    mine, other = note("mine", at=now()), note("other", key=OTHER, at=now())
    async with (
        wire(one.url) as writer,
        wire(two.url) as reader,
        wire(two.url, additional_headers=FROM_AFAR) as banned,
    ):
        await reader.req("live", {"limit": 0})
        for event in (mine, other):
            assert (await writer.publish(event))[2] is True
            assert (await reader.recv())[2]["id"] == event.id
        body = json.dumps({"method": "banpubkey", "params": [mine.pubkey, "spam"]}).encode()
        header = authorization(PUBLIC, OTHER, time.time(), body)
        ban = ("banpubkey", mine.pubkey, "spam")
        assert (await call(one, *ban, header=header))[0] == 200
        assert (await call(two, *ban, header=header))[0] == 401  # it came before, elsewhere
        await until(lambda: two.rooms.state.bans.pubkeys)
        again = await reader.publish(note("again", at=now()))
        assert again[2:] == [False, "blocked: spam"]
        assert await reader.stored({"kinds": [1]}) == [other.id]
        await one.rooms.actions.ban_address("203.0.113.0/24", by="k", reason="floods")
        async with asyncio.timeout(LIMIT):
            await banned.socket.wait_closed()
        assert banned.socket.close_code == 1008
        await two.rooms.actions.change_info("name", "Ours", by="k")
        await until(lambda: one.rooms.state.info.name == "Ours")
        assert one.rooms.state.pubkey == two.rooms.state.pubkey
        entries = [line async for line in one.rooms.actions.log()]
        assert len(entries) == 4  # one chain, whoever adds to it


@pytest.mark.slow
async def test_a_ban_shows_everywhere_within_a_second(nodes: list[Served]) -> None:
    one, two = nodes
    took = []
    for number in range(100):
        heard = asyncio.Event()
        two.rooms.state.on_change(heard.set)
        await one.rooms.actions.ban_address(f"203.0.113.{number}", by="k")
        begun = time.monotonic()
        async with asyncio.timeout(LIMIT):
            await heard.wait()
        took.append(time.monotonic() - begun)
    took.sort()
    assert took[98] < 1, took[-5:]


async def test_what_one_at_a_time_may_do_goes_on_when_he_ends(
    tmp_path: Path, database: str
) -> None:
    """Whoever removes what slips in in spite of a ban ends, and another does it."""

    async def slips_in(node: Served, content: str) -> None:
        [sub_relay] = node.rooms.sub_relays
        event = note(content, at=now())
        await sub_relay.store.save([event])

        async def is_gone() -> bool:
            return await sub_relay.store.get(event.id) is None

        await until(is_gone)

    async with AsyncExitStack() as first, AsyncExitStack() as second:
        one = await first.enter_async_context(serving(tmp_path / "1", CONFIG, store=database))
        await one.rooms.actions.ban_pubkey(KEY.public_key.hex, by="k")
        two = await second.enter_async_context(serving(tmp_path / "2", CONFIG, store=database))
        await slips_in(one, "one")
        await slips_in(two, "two")
        await first.aclose()
        await slips_in(two, "three")


async def test_a_key_in_a_file_counts(tmp_path: Path, database: str) -> None:
    ours = SecretKey(b"\x11" * 32)
    key_file.write(tmp_path / key_file.FILE, ours)
    async with stores_of(tmp_path, database).open_state() as state:
        assert state.pubkey == ours.public_key.hex
    with pytest.raises(StoreError, match="is gone"):
        async with stores_of(tmp_path / "another", database).open_state():
            pass
    (tmp_path / "wrong").mkdir()
    key_file.write(tmp_path / "wrong" / key_file.FILE, KEY)
    with pytest.raises(StoreError, match=r"was .* so far"):
        async with stores_of(tmp_path / "wrong", database).open_state():
            pass


async def test_what_is_done_to_files_alone_is_refused(tmp_path: Path, database: str) -> None:
    async with stores_of(tmp_path, database).open(DATABASE):
        pass
    acts: list[Awaitable[object]] = [
        back_up(tmp_path, tmp_path / "copy", database),
        restore(tmp_path / "copy", tmp_path, database),
        anext(compact(tmp_path, database)),
    ]
    for act in acts:
        with pytest.raises(StoreError, match="in no files: PostgreSQL") as refused:
            await act
        assert "tests@" not in str(refused.value)


async def test_rooms_and_records_are_schemas_of_one_database(tmp_path: Path, database: str) -> None:
    stores = stores_of(tmp_path, database)
    assert await stores.names() == []
    with pytest.raises(StoreError, match="there is no relay in postgresql:"):
        await stores.require()
    async with stores.open_state(read_only=True), stores.open("inbox.db"), stores.open(DATABASE):
        assert await stores.names() == [DATABASE, "inbox.db"]
    await stores.require()
    async with stores.open_state(read_only=True) as state:
        assert state.records.read_only
    assert list(tmp_path.iterdir()) == []


async def test_a_nodes_folder_is_no_empty_relay(
    tmp_path: Path, database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    config = RelayConfig(port=0, store=database)
    running = asyncio.create_task(run(config, tmp_path))
    try:
        await until(lambda: (tmp_path / "relay.json").exists() or running.done())
        assert not running.done()
        with pytest.raises(StoreError, match="in use"):
            await run(config, tmp_path)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    for new in (False, True):
        with (
            pytest.raises(StoreError, match=r"is in postgresql:.*--store"),
            open_folder(tmp_path, new=new),
        ):
            pass
    with open_folder(tmp_path, database) as stores:
        await stores.require()
