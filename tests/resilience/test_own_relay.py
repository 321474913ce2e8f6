"""The relay of one's own: a real process, found, asked and stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import websockets
from websockets.exceptions import InvalidStatus

from nostr_client.errors import ConnectFailed, OwnRelayError
from nostr_client.net import http
from nostr_client.net.dial import DialOptions
from nostr_client.paths import FolderLock, Paths
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from nostr_client.protocol.messages import PublishEvent
from nostr_client.rehearsal.relay_process import RelayProcess
from nostr_client.resilience.own_relay import MOST_LOG, OwnRelay
from relays.process import folder
from relays.process.folder import is_wanted
from relays.server.connections import MOST_STRANGERS
from tests.waiting import until

LIMIT = 60.0


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[OwnRelay]:
    relay = OwnRelay(
        Paths(tmp_path / "config", tmp_path / "data", tmp_path / "state"), ask_limit=LIMIT
    )
    yield relay
    await relay.stop()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRelay]:
    """One that runs, for tests that leave it as it was; begun where a password was told."""
    home = tmp_path_factory.mktemp("own")
    where = Paths(home / "config", home / "data", home / "state")
    # It stays as long as other tests may take in between.
    relay = OwnRelay(where, ask_limit=LIMIT, idle_limit=600.0)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NOSTR_CLIENT_PASSWORD", "open sesame")
        asyncio.run(relay.ensure())
    with relay.folder.in_use():  # or it would end by itself while other tests take long
        yield relay
    asyncio.run(relay.stop())


async def pid_of(own: OwnRelay) -> int:
    """Its process: never 0, which would be all of ours."""
    status = await own.status()
    assert status.running, status.problem
    return status.pid


def home_of(own: OwnRelay) -> Paths:
    return Paths(own.folder.path.parent, own.folder.path.parent, own.log.parent)


async def test_it_starts_is_found_asked_and_stopped(own: OwnRelay) -> None:
    assert not (await own.status()).running
    assert not await own.stop()
    url = await own.ensure()
    status = await own.status()
    assert status.running
    assert (status.url, status.problem) == (url, "")
    assert url.startswith("ws://127.0.0.1:")
    assert os.getsid(status.pid) == status.pid, "it has a session of its own"
    assert await OwnRelay(home_of(own)).ensure() == url, "another program finds it"
    assert await own.stop()
    assert not (await own.status()).running
    assert not await own.stop()


async def test_it_is_a_relay(running: OwnRelay) -> None:
    event = Draft(1, "at home").sign(SecretKey.generate(), 1_700_000_000)
    url = await running.ensure()
    headers = running.folder.headers(url)
    async with (
        asyncio.timeout(LIMIT),
        websockets.connect(url, additional_headers=headers, proxy=None) as socket,
    ):
        await socket.send(PublishEvent(event).encode().decode())
        assert json.loads(await socket.recv())[:3] == ["OK", event.id, True]


async def test_starters_at_once_start_one(own: OwnRelay) -> None:
    program = """
import asyncio, sys
from pathlib import Path
from nostr_client.net import http
from nostr_client.paths import Paths
from nostr_client.resilience.own_relay import OwnRelay

home = Path(sys.argv[1])
print(asyncio.run(OwnRelay(Paths(home, home, home)).ensure()))
"""
    home = own.folder.path.parent
    starters = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program, str(home)), stdout=asyncio.subprocess.PIPE
        )
        for _ in range(3)
    ]
    said = [(await asyncio.wait_for(s.communicate(), 60))[0].decode().strip() for s in starters]
    assert len(set(said)) == 1
    status = await own.status()
    assert status.url == said[0], "it outlives those who started it"


async def has_ended(own: OwnRelay) -> bool:
    return not (await own.status()).running


async def test_a_crash_is_noticed_and_healed_at_the_same_port(own: OwnRelay) -> None:
    url = await own.ensure()
    pid = await pid_of(own)
    os.kill(pid, signal.SIGKILL)
    await until(lambda: has_ended(own))
    assert (own.folder.path / "relay.json").exists(), "the file alone proves nothing"
    assert await own.ensure() == url
    assert await pid_of(own) != pid


async def test_a_taken_port_costs_nothing(own: OwnRelay) -> None:
    url = await own.ensure()
    await own.stop()
    server = await asyncio.start_server(
        lambda r, w: w.close(), "127.0.0.1", int(url[-6:].split(":")[-1])
    )
    async with server:
        other = await own.ensure()
    assert other != url
    assert own.folder.urls() == (other, url)


async def test_a_strangers_process_is_not_signalled(own: OwnRelay) -> None:
    """`relay.json` names a process that is none of ours any more."""
    stranger = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=-1)
    own.folder.path.mkdir(parents=True)
    (own.folder.path / "relay.lock").touch()
    note = {"pid": stranger.pid, "url": "ws://127.0.0.1:9", "started": 1}
    (own.folder.path / "relay.json").write_text(json.dumps(note))
    assert not (await own.status()).running
    assert not await own.stop()
    assert stranger.returncode is None
    stranger.kill()
    await stranger.wait()


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b'["\xff"]', b'{"pid": 7, "url": "\xff"}'),
        *(b'{"pid": 1, "url": "ws://127.0.0.1:1"}', b'{"pid": 7, "url": "ws://x"}'),
    ],
)
async def test_a_damaged_note_is_no_relay(own: OwnRelay, content: bytes) -> None:
    own.folder.path.mkdir(parents=True)
    for name in ("relay.json", "urls.json"):
        (own.folder.path / name).write_bytes(content)
    assert not (await own.status()).running
    assert own.folder.urls() == ()


async def test_another_service_on_its_port_is_no_relay(own: OwnRelay) -> None:
    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(web, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    own.folder.path.mkdir(parents=True)
    note = {"pid": os.getpid(), "url": f"ws://127.0.0.1:{port}", "started": 1}
    (own.folder.path / "relay.json").write_text(json.dumps(note))
    async with server:
        assert not (await own.status()).running


async def test_who_takes_its_port_is_not_taken_for_it(own: OwnRelay) -> None:
    """It was killed, and a program that answers as a relay does listens where it did."""
    url = await own.ensure()
    os.kill(await pid_of(own), signal.SIGKILL)
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1000))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        writer.close()

    async def listens() -> asyncio.Server | None:
        with contextlib.suppress(OSError):  # not quite gone yet
            return await asyncio.start_server(answer, "127.0.0.1", int(url.split(":")[-1]))
        return None

    async with await until(listens):
        status = await own.status()
        assert not status.running
        assert "it has ended" in status.problem
        with pytest.raises(ConnectFailed, match="has ended"):
            own.folder.headers(url)
        other = await own.ensure()
        assert other != url
        assert (await own.status()).url == other
    assert heard == [], "the token is shown to nobody else"


async def test_an_answer_while_another_process_holds_the_lock_is_none(own: OwnRelay) -> None:
    await own.ensure()
    path = own.folder.path / "relay.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"pid": os.getpid()}))
    assert not (await own.status()).running


async def test_one_that_hangs_is_said_and_can_be_ended(tmp_path: Path) -> None:
    home = Paths(tmp_path, tmp_path, tmp_path)
    own = OwnRelay(home, start_limit=0.3, ask_limit=0.3)
    await OwnRelay(home).ensure()
    pid = await pid_of(own)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(OwnRelayError, match="does not answer"):
            await own.ensure()
        os.kill(pid, signal.SIGCONT)
        assert (await OwnRelay(home).ensure()) == (await OwnRelay(home).status()).url
        os.kill(pid, signal.SIGSTOP)
    finally:
        asyncio.get_running_loop().call_later(0.2, os.kill, pid, signal.SIGCONT)
        assert await own.stop()


async def test_one_that_cannot_start_says_why(tmp_path: Path) -> None:
    home = Paths(tmp_path, tmp_path, tmp_path)
    failing = (sys.executable, "-c", "import sys; sys.exit('the disk is full')")
    with pytest.raises(OwnRelayError, match="the disk is full"):
        await OwnRelay(home, command=failing).ensure()
    with pytest.raises(OwnRelayError, match="cannot be started"):
        await OwnRelay(home, command=("/nonexistent/python",)).ensure()


async def test_its_environment_holds_no_password(running: OwnRelay) -> None:
    pid = await pid_of(running)
    assert b"open sesame" not in Path(f"/proc/{pid}/environ").read_bytes()


async def test_its_log_is_private_and_bounded(running: OwnRelay) -> None:
    await running.ensure()
    assert running.log.stat().st_mode & 0o777 == 0o600
    with running.log.open("ab") as log:
        log.write(b"x" * (MOST_LOG + 1))
    await running.ensure()
    assert running.log.stat().st_size == 0


async def refused_by(url: str, **options: Any) -> int:
    with pytest.raises(InvalidStatus) as caught:
        async with asyncio.timeout(LIMIT), websockets.connect(url, proxy=None, **options):
            pass
    return caught.value.response.status_code


async def test_it_answers_its_owners_programs_alone(running: OwnRelay) -> None:
    url = await running.ensure()
    shown = dict(running.folder.headers(url))
    assert (running.folder.path / "token").stat().st_mode & 0o777 == 0o600
    assert await refused_by(url) == 401
    assert await refused_by(url, additional_headers={"Authorization": "Bearer " + "x" * 43}) == 401
    page = url.replace("ws:", "http:")
    for origin in (page, "null", "https://evil.example", "http://localhost"):
        assert await refused_by(url, origin=origin, additional_headers=shown) == 401
    for path in ("/", "/health", "/metrics"):
        assert (await http.get(page + path, DialOptions(private=True))).status == 401


async def test_strangers_sockets_leave_its_owner_served(running: OwnRelay) -> None:
    url = await running.ensure()
    port = urlsplit(url).port
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(MOST_STRANGERS + 200):
            stranger = stack.enter_context(socket.create_connection(("127.0.0.1", port or 0)))
            stranger.setblocking(False)
        async with (
            asyncio.timeout(LIMIT),
            websockets.connect(
                url, additional_headers=running.folder.headers(url), proxy=None
            ) as owner,
        ):
            await owner.send('["REQ","a",{"kinds":[7],"limit":1}]')
            assert json.loads(await owner.recv())[:2] == ["EOSE", "a"]


async def test_it_ends_with_the_last_program_that_used_it(tmp_path: Path) -> None:
    home = Paths(tmp_path, tmp_path, tmp_path)
    own, other = OwnRelay(home, ask_limit=LIMIT, idle_limit=1), OwnRelay(home)
    with own.folder.in_use():
        await own.ensure()
        pid = await pid_of(own)
        with other.folder.in_use():
            await other.ensure()
    await until(lambda: not (own.folder.path / "relay.json").exists())
    assert not (await own.status()).running
    assert pid
    assert list((own.folder.path / "users").iterdir()) == []


async def test_who_uses_it_keeps_it_and_who_has_ended_does_not(tmp_path: Path) -> None:
    """A program that is suspended asks nothing, and still wants it there."""
    own = OwnRelay(Paths(tmp_path, tmp_path, tmp_path))
    assert not is_wanted(own.folder.path)
    with own.folder.in_use():
        assert is_wanted(own.folder.path)
    assert not is_wanted(own.folder.path)
    killed = own.folder.path / "users" / "12345-of-one-that-was-killed.lock"
    killed.touch()
    assert is_wanted(own.folder.path), "it may be about to be locked"
    os.utime(killed, (0, 0))
    assert not is_wanted(own.folder.path)
    assert list((own.folder.path / "users").iterdir()) == []


async def test_who_ends_while_the_relay_looks_ends_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ending(FolderLock):
        def __enter__(self) -> FolderLock:
            lock = super().__enter__()
            self.path.unlink()  # by its program, which let go of it just before
            return lock

    users = tmp_path / "users"
    users.mkdir(mode=0o700)
    (users / "1.lock").touch()
    os.utime(users / "1.lock", (0, 0))
    monkeypatch.setattr(folder, "FolderLock", Ending)
    assert not is_wanted(tmp_path)


async def test_one_that_is_kept_stays_until_it_is_stopped(own: OwnRelay) -> None:
    await own.keep()
    assert is_wanted(own.folder.path)
    assert await own.stop()
    assert not is_wanted(own.folder.path)


async def test_one_that_answered_everybody_is_replaced(own: OwnRelay) -> None:
    """An older version started it, without a token."""
    old = await RelayProcess.start(own.folder.path)
    assert await pid_of(own) == old.pid
    await own.ensure()
    assert not old.alive or await asyncio.wait_for(old._process.wait(), LIMIT) is not None
    assert await refused_by((await own.status()).url) == 401
    await old.kill()
