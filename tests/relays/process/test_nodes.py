"""Nodes of one relay: each with a folder of its own, and one database for what all go by."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest

from nostr_client.errors import StoreError
from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import SecretKey
from relays.config.relay_config import Mirror, Moderation, RelayConfig, Web
from relays.moderation import key_file
from relays.moderation.floors import RecordedFloor
from relays.operations.backup import back_up, restore
from relays.operations.compact import compact
from relays.operations.import_export import export_events, import_files
from relays.operations.sync_once import SyncTask, sync_once
from relays.process.folder import open_folder
from relays.process.run import run
from relays.process.stores import DATABASE, stores_of
from tests import postgres
from tests.relays.moderation.test_running import call
from tests.relays.serving import Served, serving
from tests.relays.talk import KEY, LIMIT, OTHER, Wire, authorization, note, wire
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
    for number in range(50):
        heard = asyncio.Event()
        two.rooms.state.on_change(heard.set)
        await one.rooms.actions.ban_address(f"203.0.113.{number}", by="k")
        begun = time.monotonic()
        async with asyncio.timeout(LIMIT):
            await heard.wait()
        took.append(time.monotonic() - begun)
    took.sort()
    assert took[-1] < 1, took[-5:]


@pytest.mark.slow
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


@pytest.mark.slow
async def test_one_of_them_mirrors(tmp_path: Path, database: str) -> None:
    """A peer is followed by one node at a time, and by another when that one ends."""
    async with serving(tmp_path / "peer") as peer, AsyncExitStack() as stack:
        config = msgspec.structs.replace(CONFIG, mirror=(Mirror(urls=(peer.url,)),))
        ends: list[AsyncExitStack] = []
        nodes: list[Served] = []
        for name in ("1", "2"):
            ends.append(await stack.enter_async_context(AsyncExitStack()))
            node = serving(tmp_path / name, config, store=database)
            nodes.append(await ends[-1].enter_async_context(node))

        def following() -> list[int]:
            return [n for n, node in enumerate(nodes) if mirrors_of(node)]

        await until(following)
        [first] = following()
        for number in range(2):
            event = note(f"{number}", at=now())
            async with wire(peer.url) as writer:
                assert (await writer.publish(event))[2] is True
            other = nodes[1 - first]
            async with wire(other.url) as reader:

                async def has_come(reader: Wire = reader, event: Event = event) -> bool:
                    return await reader.stored({"ids": [event.id]}) == [event.id]

                await until(has_come)
            if not number:
                assert following() == [first]
                await ends[first].aclose()
                await until(lambda: following() == [1 - first])


def mirrors_of(node: Served) -> int:
    """How many peers it follows."""
    [sub_relay] = node.rooms.sub_relays
    return len(sub_relay.mirrors.peers)


async def test_what_a_keeper_brings_in_and_takes_out(
    tmp_path: Path, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = msgspec.structs.replace(CONFIG, store=database)
    events = [note(f"{number}", at=now() - number) for number in range(3)]
    (tmp_path / "events.jsonl").write_bytes(b"".join(event.json + b"\n" for event in events))
    (tmp_path / "node").mkdir()
    async with (
        serving(tmp_path / "node", CONFIG, store=database) as node,
        serving(tmp_path / "peer") as peer,
        wire(node.url) as reader,
    ):
        await reader.req("live", {"kinds": [1]})
        files = [str(tmp_path / "events.jsonl")]
        data = tmp_path / "elsewhere"
        said: list[str] = []
        report = await import_files(data, files, config, say=said.append)
        assert report.stored == 3, said
        heard = {(await reader.recv())[2]["id"] for _ in events}
        assert heard == {event.id for event in events}
        out = io.BytesIO()
        assert await export_events(data, out, database=database) == 3
        assert out.getvalue() == (tmp_path / "events.jsonl").read_bytes()
        async with wire(peer.url) as writer:
            theirs = note("theirs", key=OTHER, at=now())
            assert (await writer.publish(theirs))[2] is True
        await sync_once(data, SyncTask(url=peer.url), config)
        assert (await reader.recv())[2]["id"] == theirs.id
        async with wire(peer.url) as asker:
            assert len(await asker.stored({"kinds": [1]})) == 4


async def test_what_went_for_want_of_room_is_known_to_all(nodes: list[Served]) -> None:
    floors = [RecordedFloor(node.rooms.state, "events") for node in nodes]
    await floors[0].put(now())
    await until(lambda: floors[1].value)
    async with wire(nodes[1].url) as writer:
        old = await writer.publish(note("old", at=now() - 100))
        assert old[2:] == [False, "invalid: it is older than what there is room for here"]


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
