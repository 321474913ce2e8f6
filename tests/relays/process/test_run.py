"""A running relay as a process: its folder, its address, its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from nostr_client.errors import ConfigError, ConnectFailed, StoreError
from nostr_client.rehearsal import relay_process
from nostr_client.rehearsal.relay_process import RelayProcess
from relays.cli import app as cli
from relays.config.relay_config import RelayConfig, Web
from relays.operations import import_export
from relays.process import run as run_room
from tests.conftest import StartRelay
from tests.relays.talk import LIMIT, NOW, note, silent_reader, wire
from tests.warm import Warm


def run(*arguments: str, timeout: float = 90) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "relays", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
    )


def test_version_and_help_are_quick() -> None:
    assert run("--version").stdout.strip().count(".") == 2
    assert "run" in run("--help").stdout
    imported = "import sys, relays.cli.app; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", imported], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"asyncio", "websockets", "sqlite3", "msgspec", "secp256k1", "typer"} & set(loaded)


def test_mistakes_are_one_clear_line(tmp_path: Path, warm: Warm) -> None:
    config = tmp_path / "relay.toml"
    config.write_text("nmae = 1")
    mirror = tmp_path / "mirror.toml"
    mirror.write_text('[[mirror]]\nurls = ["nonsense"]')
    for arguments, words in (
        (("run", "--host", "256.1.1.1"), "256.1.1.1"),
        (("run", "--url", "nonsense"), "urls: nonsense"),
        (("run", "--config", str(config)), "nmae"),
        (("run", "--config", str(mirror)), "mirror: nonsense"),
        (("run", "--config", str(tmp_path / "none.toml")), "none.toml"),
    ):
        result = warm.run("relays", [*arguments, "--port", "0", "--data", str(tmp_path / "data")])
        assert result.returncode == 1
        assert result.stderr.count(b"\n") == 1
        assert words in result.stderr.decode()
        assert result.stdout == b""
    assert warm.run("relays", ["run", "--port", "70000"]).returncode == 2
    assert run().returncode == 2


def test_a_port_in_use(tmp_path: Path, warm: Warm) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = warm.run("relays", ["run", "--port", port, "--data", str(tmp_path)])
    assert result.returncode == 1
    assert result.stderr.count(b"\n") == 1
    assert f"port {port}: the port is in use" in result.stderr.decode()


def test_a_folder_that_cannot_be_used(tmp_path: Path, warm: Warm) -> None:
    (tmp_path / "file").write_text("")
    data = str(tmp_path / "file" / "data")
    result = warm.run("relays", ["run", "--port", "0", "--data", data])
    assert result.returncode == 1
    assert result.stderr.count(b"\n") == 1
    (tmp_path / "events.db").write_text("this is no database" * 100)
    result = warm.run("relays", ["run", "--port", "0", "--data", str(tmp_path)])
    assert result.returncode == 1
    assert b"events.db" in result.stderr
    assert b"Traceback" not in result.stderr


async def test_a_second_relay_refuses(relay: RelayProcess, warm: Warm) -> None:
    result = await asyncio.to_thread(
        warm.run, "relays", ["run", "--port", "0", "--data", str(relay.data)]
    )
    assert result.returncode == 1
    assert result.stderr.count(b"\n") == 1
    assert str(relay.pid) in result.stderr.decode()
    assert relay.url in result.stderr.decode()
    async with wire(relay.url) as client:
        assert await client.silent()


async def test_what_it_writes_of_itself(relay: RelayProcess) -> None:
    text = (relay.data / "relay.json").read_text()
    written = json.loads(text)
    assert written["pid"] == relay.pid
    assert written["url"] == relay.url
    assert abs(written["started"] - time.time()) < 60
    assert (relay.data / "relay.json").stat().st_mode & 0o777 == 0o600
    assert (relay.data / "events.db").stat().st_mode & 0o777 == 0o600
    assert relay.data.stat().st_mode & 0o777 == 0o700


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A relay that does not end is killed, but on a busy machine not before it could have."""
    monkeypatch.setattr(relay_process, "STOP_LIMIT", LIMIT)


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
async def test_a_clean_end_with_clients(start_relay: StartRelay, number: signal.Signals) -> None:
    """Clients are told, and what was acknowledged is there."""
    relay = await start_relay()
    events = [note(f"{n}", at=NOW + n) for n in range(400)]
    acknowledged: set[str] = set()
    async with wire(relay.url) as idle, wire(relay.url) as writer:
        await idle.send("REQ", "s", {"limit": 0})
        assert (await idle.recv())[0] == "EOSE"
        for event in events:
            await writer.offer(event)
        frame = await writer.recv()
        acknowledged.add(frame[1])
        os.kill(relay.pid, number)
        with contextlib.suppress(ConnectionClosed):
            while True:
                frame = await writer.recv()
                if frame[0] == "NOTICE":
                    continue
                assert frame[:1] + frame[2:3] == ["OK", True]
                acknowledged.add(frame[1])
        with contextlib.suppress(ConnectionClosed):
            while True:
                frame = await idle.recv()
        assert frame[0] == "NOTICE", "that was its last word"
        assert idle.socket.close_code == writer.socket.close_code == 1001
        async with asyncio.timeout(60):  # a second signal would meet it as it leaves
            await relay._process.wait()
        await relay.stop()
        assert relay._process.returncode == 0, "it ended by itself"
    assert not (relay.data / "relay.json").exists()
    again = await start_relay(data=relay.data)
    async with wire(again.url) as client:
        await client.send("COUNT", "c", {"ids": sorted(acknowledged)})
        assert await client.recv() == ["COUNT", "c", {"count": len(acknowledged)}]


@pytest.mark.usefixtures("patience")
async def test_a_clean_end_with_clients_that_do_not_read(start_relay: StartRelay) -> None:
    relay = await start_relay()
    async with wire(relay.url) as publisher, contextlib.AsyncExitStack() as stack:
        for event in (note(f"{n} " + "x" * 20_000) for n in range(100)):
            await publisher.publish(event)
        for _ in range(10):
            asked = [["REQ", f"{n}", {}] for n in range(5)]
            await stack.enter_async_context(silent_reader(relay.url, *asked))
        assert await publisher.silent()
        await relay.stop()
        assert relay._process.returncode == 0, "it ended by itself"
    assert not (relay.data / "relay.json").exists()


async def test_it_ends_with_standard_input(start_relay: StartRelay, tmp_path: Path) -> None:
    """Also when the parent is killed: the system closes the pipe."""
    script = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-m', 'relays', 'run', '--port', '0',"
        f" '--workers', '1', '--stop-on-eof', '--data', {str(tmp_path / 'data')!r}],"
        " stdin=subprocess.PIPE)\n"
        "time.sleep(60)\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    async with asyncio.timeout(LIMIT):
        url = (await parent.stdout.readline()).decode().strip()
        async with wire(url) as client:
            parent.kill()
            await parent.wait()
            with contextlib.suppress(ConnectionClosed):
                await client.recv()
            assert client.socket.close_code == 1001
        assert await parent.stdout.read() == b""
    assert not (tmp_path / "data" / "relay.json").exists()


def test_an_error_from_a_group_of_tasks_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    async def fail(*_: object, **__: object) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(10))
            raise StoreError("the disk is full")

    monkeypatch.setattr(import_export, "export_events", fail)
    assert cli.run_command(["export", "--data", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "error: the disk is full\n"


@pytest.mark.parametrize("options", [(), ("--no-web-pages",)])
async def test_web_pages(start_relay: StartRelay, options: tuple[str, ...]) -> None:
    """A page of any site reaches the relays of the machine that it is read on, if they let it."""
    relay = await start_relay(*options)
    async with wire(relay.url) as client:
        assert await client.silent()
    page = wire(relay.url, origin=Origin("https://evil.example"))
    if not options:
        async with page as client:
            assert await client.silent()
        return
    with pytest.raises(InvalidStatus) as refused:
        async with page:
            pass
    assert refused.value.response.status_code == 403


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGHUP there")
def test_logs_as_json(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text('port = 0\n[log]\nlevel = "info"\naddresses = true\n')
    command = [sys.executable, "-m", "relays", "run", "--workers", "1", "--stop-on-eof"]
    command += ["--config", str(file), "--data", str(tmp_path / "data"), "--log-format", "json"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().strip()
        os.kill(process.pid, signal.SIGHUP)
        said = json.loads(process.stderr.readline())
        with pytest.raises(InvalidStatus):
            asyncio.run(_knock(f"{url}/elsewhere"))
        refused = json.loads(process.stderr.readline())
        process.communicate(timeout=LIMIT)
    assert refused["message"] == "a connection was refused: Not Found"
    assert refused["address"] == "127.0.0.1"
    assert said["logger"] == "relays.process.reload"
    assert said["level"] == "warning"


async def _knock(url: str) -> None:
    async with wire(url):
        pass


async def test_it_is_said_on_the_local_network_where_its_keeper_wants_that(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[tuple[int, bool, list[str]]] = []
    fault: list[ConnectFailed] = []

    @contextlib.asynccontextmanager
    async def announced(port: int, *, tls: bool, addresses: Sequence[str]) -> AsyncIterator[None]:
        for error in fault:
            raise error
        said.append((port, tls, list(addresses)))
        yield
        said.clear()

    monkeypatch.setattr(run_room, "announced_nearby", announced)
    lan = RelayConfig(host="192.168.7.7", web=Web(announce=True))
    async with run_room.said_nearby(RelayConfig(host="192.168.7.7"), 7777):
        assert said == []
    async with run_room.said_nearby(lan, 7777):
        assert said == [(7777, False, ["192.168.7.7"])]
    assert said == [], "it takes its leave"
    secure = Web(announce=True, tls_certificate="a.pem", tls_key="b.pem")
    async with run_room.said_nearby(RelayConfig(host="0.0.0.0", web=secure), 443):
        assert said == [(443, True, [])]
    with pytest.raises(ConfigError, match="from this machine only"):
        async with run_room.said_nearby(RelayConfig(web=Web(announce=True)), 7777):
            pass
    fault.append(ConnectFailed("the local network", "this machine is in none"))
    async with run_room.said_nearby(lan, 7777):
        assert "this machine is in none" in caplog.text
