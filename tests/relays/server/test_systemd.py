"""What a supervisor hears."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from relays.server.systemd import ALIVE, READY, Supervisor
from tests.conftest import StartRelay
from tests.relays.talk import LIMIT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no such supervisor")


def test_it_hears_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(place)
        ear.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", place)
        monkeypatch.setenv("WATCHDOG_USEC", "10000000")
        supervisor = Supervisor()
        assert supervisor.pulse == 5.0
        supervisor.tell(READY, "STATUS=listening")
        assert ear.recv(100) == b"READY=1\nSTATUS=listening"
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid() + 1))
        assert Supervisor().pulse == 0.0
    supervisor.tell(ALIVE)  # nobody is there any more


def test_nobody_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.setenv("WATCHDOG_USEC", "1000")
    supervisor = Supervisor()
    supervisor.tell(READY)
    assert supervisor.pulse == 0.0


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
