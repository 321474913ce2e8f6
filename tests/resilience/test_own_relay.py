"""The relay of one's own: a real process, found, asked and stopped."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import websockets

from nostr_client.errors import OwnRelayError
from nostr_client.paths import Paths
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from nostr_client.protocol.messages import PublishEvent
from nostr_client.resilience.own_relay import MOST_LOG, OwnRelay

LIMIT = 60.0


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[OwnRelay]:
    relay = OwnRelay(Paths(tmp_path / "config", tmp_path / "data", tmp_path / "state"))
    yield relay
    await relay.stop()


def home_of(own: OwnRelay) -> Paths:
    return Paths(own.data.parent, own.data.parent, own.log.parent)


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


async def test_it_is_a_relay(own: OwnRelay) -> None:
    event = Draft(1, "at home").sign(SecretKey.generate(), 1_700_000_000)
    async with asyncio.timeout(LIMIT), websockets.connect(await own.ensure()) as socket:
        await socket.send(PublishEvent(event).encode().decode())
        assert json.loads(await socket.recv())[:3] == ["OK", event.id, True]


async def test_starters_at_once_start_one(own: OwnRelay) -> None:
    program = """
import asyncio, sys
from pathlib import Path
from nostr_client.paths import Paths
from nostr_client.resilience.own_relay import OwnRelay

home = Path(sys.argv[1])
print(asyncio.run(OwnRelay(Paths(home, home, home)).ensure()))
"""
    home = own.data.parent
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


async def test_a_crash_is_noticed_and_healed_at_the_same_port(own: OwnRelay) -> None:
    url = await own.ensure()
    pid = (await own.status()).pid
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(LIMIT):
        while (await own.status()).running:
            await asyncio.sleep(0.02)
    assert (own.data / "relay.json").exists(), "the file alone proves nothing"
    assert await own.ensure() == url
    assert (await own.status()).pid != pid


async def test_a_taken_port_costs_nothing(own: OwnRelay) -> None:
    url = await own.ensure()
    await own.stop()
    server = await asyncio.start_server(
        lambda r, w: w.close(), "127.0.0.1", int(url[-6:].split(":")[-1])
    )
    async with server:
        other = await own.ensure()
    assert other != url
    assert own.urls() == (other, url)


async def test_a_strangers_process_is_not_signalled(own: OwnRelay) -> None:
    """`relay.json` names a process that is none of ours any more."""
    stranger = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=-1)
    own.data.mkdir(parents=True)
    (own.data / "relay.lock").touch()
    note = {"pid": stranger.pid, "url": "ws://127.0.0.1:9", "started": 1}
    (own.data / "relay.json").write_text(json.dumps(note))
    assert not (await own.status()).running
    assert not await own.stop()
    assert stranger.returncode is None
    stranger.kill()
    await stranger.wait()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"pid": 1, "url": "ws://127.0.0.1:1"}', b'{"pid": 7, "url": "ws://x"}'],
)
async def test_a_damaged_note_is_no_relay(own: OwnRelay, content: bytes) -> None:
    own.data.mkdir(parents=True)
    (own.data / "relay.json").write_bytes(content)
    assert not (await own.status()).running


async def test_another_service_on_its_port_is_no_relay(own: OwnRelay) -> None:
    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(web, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    own.data.mkdir(parents=True)
    note = {"pid": os.getpid(), "url": f"ws://127.0.0.1:{port}", "started": 1}
    (own.data / "relay.json").write_text(json.dumps(note))
    async with server:
        assert not (await own.status()).running


async def test_who_takes_its_port_is_not_taken_for_it(own: OwnRelay) -> None:
    """It was killed, and a program that answers as a relay does listens where it did."""
    url = await own.ensure()
    os.kill((await own.status()).pid, signal.SIGKILL)
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1000))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        writer.close()

    impostor: asyncio.Server | None = None
    async with asyncio.timeout(LIMIT):
        while impostor is None:
            try:
                impostor = await asyncio.start_server(answer, "127.0.0.1", int(url.split(":")[-1]))
            except OSError:  # not quite gone yet
                await asyncio.sleep(0.02)
    async with impostor:
        status = await own.status()
        assert heard, "it was asked, and did answer"
        assert not status.running
        assert "another program" in status.problem
        other = await own.ensure()
        assert other != url
        assert (await own.status()).url == other


async def test_an_answer_while_another_process_holds_the_lock_is_none(own: OwnRelay) -> None:
    await own.ensure()
    path = own.data / "relay.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"pid": os.getpid()}))
    assert not (await own.status()).running


async def test_one_that_hangs_is_said_and_can_be_ended(tmp_path: Path) -> None:
    home = Paths(tmp_path, tmp_path, tmp_path)
    own = OwnRelay(home, start_limit=0.3, ask_limit=0.3)
    await OwnRelay(home).ensure()
    pid = (await own.status()).pid
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


async def test_its_environment_holds_no_password(
    own: OwnRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOSTR_CLIENT_PASSWORD", "open sesame")
    await own.ensure()
    pid = (await own.status()).pid
    assert b"open sesame" not in Path(f"/proc/{pid}/environ").read_bytes()


async def test_its_log_is_private_and_bounded(own: OwnRelay) -> None:
    await own.ensure()
    assert own.log.stat().st_mode & 0o777 == 0o600
    with own.log.open("ab") as log:
        log.write(b"x" * (MOST_LOG + 1))
    await own.ensure()
    assert own.log.stat().st_size == 0
