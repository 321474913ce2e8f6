"""What a keeper sees and sets of a running relay: addresses behind proxies, health, metrics, logs,
words to a supervisor, retention."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from nostr_client.errors import StoreError
from nostr_client.net.http import Response, get
from nostr_client.store.events import EventStore
from relays.config.relay_config import RelayConfig, Retention, RetentionRule, Web
from relays.config.sections import Limits
from tests.conftest import StartRelay
from tests.relays.conftest import Serve
from tests.relays.talk import LIMIT, NOW, note, wire

FEW = Limits(connections_of_address=1)
DAY = 86_400


async def ask(url: str, path: str) -> Response:
    return await get(f"{url}{path}", allow_private=True, accept="*/*")


def caller(address: str) -> dict[str, dict[str, str]]:
    return {"additional_headers": {"X-Forwarded-For": address}}


async def test_shares_go_by_the_address_that_a_trusted_proxy_names(serve: Serve) -> None:
    served = await serve(RelayConfig(limits=FEW, web=Web(trusted_proxies=("127.0.0.1",))))
    first, second = caller("198.51.100.1, 203.0.113.1"), caller("203.0.113.2")
    async with wire(served.url, **first) as one, wire(served.url, **second) as two:
        assert (await one.publish(note()))[2] is True
        assert len(await two.stored({})) == 1
        for again in (caller("203.0.113.1"), caller("127.0.0.1, 203.0.113.2, 127.0.0.1")):
            with pytest.raises(InvalidStatus) as refused:
                async with wire(served.url, **again):
                    pass
            assert refused.value.response.status_code == 429
    async with wire(served.url, **first):
        pass  # his share is free again


async def test_nobody_else_is_believed(serve: Serve) -> None:
    served = await serve(RelayConfig(limits=FEW))
    same = caller("203.0.113.1")
    async with wire(served.url, **same), wire(served.url, **same):
        pass  # all of them are this machine, which has no share


async def test_health_of_a_store_that_cannot_write(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = await serve()
    answer = await ask(served.url, "/health")
    assert (answer.status, answer.body) == (200, b"ok\n")
    answer = await ask(served.url, "/metrics")
    assert answer.status == 200
    lines = [line.split()[:3] for line in answer.body.decode().splitlines() if "#" in line]
    told, types = ({name for _, sort, name in lines if sort == what} for what in ("HELP", "TYPE"))
    assert told == types > {"nostr_relay_connections", "nostr_relay_query_seconds"}

    async def full(_: EventStore) -> None:
        raise StoreError("/home/ana/relay/events.db: the disk is full")

    monkeypatch.setattr(EventStore, "probe", full)
    monkeypatch.setattr("relays.web.health.REMEMBERED", -1.0)
    answer = await ask(served.url, "/health")
    assert answer.status == 503
    assert b"cannot write" in answer.body
    assert b"ana" not in answer.body


async def test_metrics_of_a_process(start_relay: StartRelay) -> None:
    relay = await start_relay()
    async with wire(relay.url) as client:
        await client.publish(note())
        answer = await ask(relay.url, "/metrics")
    text = answer.body.decode()
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'nostr_relay_events_accepted_total{as="stored"} 1\n' in text
    assert "nostr_relay_connections 1\n" in text
    assert "nostr_relay_search_lag_commits" in text
    names = [line.split()[0] for line in text.splitlines() if not line.startswith("#")]
    assert len(names) == len(set(names))


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such supervisor")
async def test_a_supervisor_hears_when_it_is_ready(
    start_relay: StartRelay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(LIMIT)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "60000000")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        relay = await start_relay()
        await relay.stop()
        heard = [ear.recv(100) for _ in range(3)]
    assert sorted(heard) == [b"READY=1", b"STOPPING=1", b"WATCHDOG=1"]
    assert heard[-1] == b"STOPPING=1"


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGHUP there")
def test_logs_as_json(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text('port = 0\n[log]\nlevel = "info"\naddresses = true\n')
    command = [sys.executable, "-m", "relays", "run", "--config", str(file), "--stop-on-eof"]
    command += ["--data", str(tmp_path / "data"), "--log-format", "json"]
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
    assert said["logger"] == "relays.process.run"
    assert said["level"] == "warning"


async def _knock(url: str) -> None:
    async with wire(url):
        pass


async def test_what_would_be_taken_out_again_is_refused(serve: Serve) -> None:
    rules = (RetentionRule(kinds=(7,), days=1),)
    served = await serve(RelayConfig(retention=Retention(rules=rules)), clock=lambda: NOW)
    async with wire(served.url) as client:
        refusal = await client.publish(note(kind=7, at=NOW - 2 * DAY))
        assert refusal[2:] == [False, "invalid: such events are kept for 1 days here"]
        assert (await client.publish(note(kind=7, at=NOW)))[2] is True
        assert (await client.publish(note(at=NOW - 2 * DAY)))[2] is True
