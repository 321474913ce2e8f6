"""`relay sync` as a command, between relays of ours."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nostr_client.exits import Exit
from nostr_client.protocol.filters import Filter
from nostr_client.store.opening import open_store
from relays.config.relay_config import RelayConfig
from relays.operations.sync_once import SyncTask, sync_once
from tests.conftest import StartRelay
from tests.net.scripted import ScriptedRelay, honest
from tests.relays.talk import NOW, note, wire
from tests.warm import Warm

Command = Callable[..., subprocess.CompletedProcess[str]]
EVENTS = [note(f"note {n}", at=NOW - 60 * n) for n in range(40)]


@pytest.fixture
def relays(warm: Warm) -> Command:
    """A command of the relay's until its end: its code, and what it wrote."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        done = warm.run("relays", arguments)
        return subprocess.CompletedProcess(
            arguments, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    return run


async def stored(folder: Path) -> set[str]:
    async with open_store(folder / "events.db") as store:
        return {id.hex() for _, id in await store.ids(Filter())}


async def test_beside_a_running_relay_whose_clients_see_what_comes(
    tmp_path: Path, start_relay: StartRelay
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    ours = await start_relay(data=here)
    theirs = await start_relay(data=there)
    async with wire(ours.url) as client:
        for event in EVENTS[:30]:
            assert (await client.publish(event))[2]
    async with wire(theirs.url) as client:
        for event in EVENTS[20:]:
            assert (await client.publish(event))[2]
    async with wire(ours.url) as client:
        _, end = await client.req("live", {"kinds": [1], "limit": 0})
        assert end[0] == "EOSE"
        outcome = await sync_once(here, SyncTask(url=theirs.url), RelayConfig())
        assert (outcome.tally.stored, outcome.sent.accepted) == (10, 20)
        assert not outcome.refused
        came = {(await client.recv())[2]["id"] for _ in range(10)}
        assert came == {event.id for event in EVENTS[30:]}
    everything = {event.id for event in EVENTS}
    assert await stored(here) == await stored(there) == everything


async def test_into_a_new_folder_as_a_command(
    tmp_path: Path, start_relay: StartRelay, relays: Command
) -> None:
    theirs = await start_relay()
    async with wire(theirs.url) as client:
        for event in EVENTS[:5]:
            await client.publish(event)
    data = tmp_path / "new"
    since = EVENTS[2].created_at
    options = ("--dir", "down", "--filter", f'{{"since":{since}}}', "--data", str(data))
    result = relays("sync", theirs.url, *options)
    assert result.returncode == 0, result.stderr
    assert "down: stored 3, duplicate 0, left out 0, refused 0" in result.stderr
    assert await stored(data) == {event.id for event in EVENTS[:3]}


async def test_for_programs_its_numbers_go_by_the_names_that_they_had(
    tmp_path: Path, start_relay: StartRelay, relays: Command
) -> None:
    theirs = await start_relay()
    done = await asyncio.to_thread(relays, "sync", theirs.url, "--json", "--data", str(tmp_path))
    told = json.loads(done.stdout)
    assert told.keys() == {"steps", "tally", "sent", "missing"}
    assert told["steps"] == {"compared": 1, "read": 0, "pages": "", "missed": 0, "crowded": []}


async def test_a_second_that_was_not_read_whole_ends_in_9(tmp_path: Path, relays: Command) -> None:
    crowd = [note(f"note {n}", at=NOW - 60) for n in range(11)]
    events = [note("later"), *crowd, note("before", at=NOW - 120)]
    async with ScriptedRelay(honest(events, cap=10)) as peer:
        data = str(tmp_path / "new")
        run = ("sync", peer.url, "--dir", "down", "--data", data)
        result = await asyncio.to_thread(relays, *run)
    assert result.returncode == 9, result.stderr
    assert f"not all of second {NOW - 60} (" in result.stderr
    assert len(await stored(tmp_path / "new")) == 12


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nonsense",), "nonsense"),
        (("ws://127.0.0.1:1",), "ws://127.0.0.1:1"),
        (("ws://127.0.0.1:1", "--filter", "{"), "--filter"),
        (("ws://127.0.0.1:1", "--filter", "[1]"), "--filter"),
        (("ws://127.0.0.1:1", "--filter", '{"limit":5}'), "limit"),
        (("ws://127.0.0.1:1", "--proxy", "nonsense"), "proxy"),
    ],
)
def test_mistakes_are_said(
    tmp_path: Path, arguments: tuple[str, ...], words: str, relays: Command
) -> None:
    result = relays("sync", *arguments, "--data", str(tmp_path))
    nobody = words.startswith("ws://")
    assert result.returncode == (Exit.NO_ANSWER if nobody else Exit.ERROR)
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGTERM there")
async def test_a_mirror_as_a_command(
    tmp_path: Path, start_relay: StartRelay, relays: Command
) -> None:
    theirs, ours = await start_relay(), await start_relay(data=tmp_path / "ours")
    async with wire(theirs.url) as there, wire(ours.url) as here:
        await there.publish(EVENTS[0])
        _, end = await here.req("live", {"kinds": [1]})
        assert end[0] == "EOSE"
        options = ("mirror", theirs.url, "--dir", "both", "--data", str(tmp_path / "ours"))
        mirror = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "relays", *options, stderr=asyncio.subprocess.PIPE
        )
        try:
            assert (await here.recv())[2]["id"] == EVENTS[0].id
            await there.publish(EVENTS[1])
            assert (await here.recv())[2]["id"] == EVENTS[1].id
            await there.req("live", {"kinds": [1], "limit": 0})
            await here.offer(EVENTS[2])
            assert {(await here.recv())[0] for _ in range(2)} == {"OK", "EVENT"}
            assert (await there.recv())[2]["id"] == EVENTS[2].id
            assert mirror.stderr is not None
            async with asyncio.timeout(60):  # what was live came before the sets were compared
                while b"live" not in await mirror.stderr.readline():
                    assert not mirror.stderr.at_eof()
        finally:
            mirror.terminate()
            _, said = await asyncio.wait_for(mirror.communicate(), 60)
    assert mirror.returncode == 0, said
    assert b"ends: down: 2 stored" in said
    nothing = relays("mirror", "--data", str(tmp_path / "ours"))
    assert nothing.returncode == 1
    assert "nothing to mirror" in nothing.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGHUP there")
async def test_a_running_relay_mirrors_and_learns_of_others(
    tmp_path: Path, start_relay: StartRelay
) -> None:
    one, two = await start_relay(), await start_relay()
    for peer, event in ((one, EVENTS[0]), (two, EVENTS[1])):
        async with wire(peer.url) as there:
            await there.publish(event)
    config = tmp_path / "relay.toml"
    section = "[[mirror]]\nurls = ['{}']\n".format
    config.write_text(section(one.url))
    ours = await start_relay("--config", str(config))
    async with wire(ours.url) as here:
        ids, _ = await here.req("live", {"kinds": [1]})
        came = ids or [(await here.recv())[2]["id"]]
        assert came == [EVENTS[0].id]
        config.write_text(section(one.url) + section(two.url))
        os.kill(ours.pid, signal.SIGHUP)
        assert (await here.recv())[2]["id"] == EVENTS[1].id


async def test_what_was_not_kept_is_not_fetched_again(
    tmp_path: Path, start_relay: StartRelay
) -> None:
    theirs = await start_relay()
    gone = EVENTS[0]
    deletion = note("", kind=5, tags=(("e", gone.id),), at=NOW)
    async with wire(theirs.url) as there:
        await there.publish(gone)
    data = tmp_path / "here"
    async with open_store(data / "events.db") as store:
        await store.save([deletion])
    for anew, came in ((False, 1), (False, 0), (True, 1), (False, 0)):
        outcome = await sync_once(
            data, SyncTask(url=theirs.url, up=False, anew=anew), RelayConfig()
        )
        assert outcome.tally.left_out.total() == came
    assert await stored(data) == {deletion.id}


async def test_a_peer_that_asks_who_we_are_is_told(tmp_path: Path, start_relay: StartRelay) -> None:
    theirs = await start_relay("--config", str(_authenticated(tmp_path)))
    data = tmp_path / "here"
    async with open_store(data / "events.db") as store:
        await store.save(EVENTS[:2])
    outcome = await sync_once(data, SyncTask(url=theirs.url), RelayConfig())
    assert outcome.sent.accepted == 2, str(outcome.sent)


def _authenticated(folder: Path) -> Path:
    config = folder / "theirs.toml"
    config.write_text("[access]\nauthenticated = true\n")
    return config
