"""What the doctor finds, well and ill."""

from __future__ import annotations

import os
import shutil
import sys
from collections import namedtuple
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nostr_client.store.opening import open_store
from relays.config.relay_config import RelayConfig, Web
from relays.config.sections import Limits
from relays.operations import doctor, doctor_machine
from relays.operations.doctor_machine import Finding
from relays.process.stores import DATABASE, RelayStores
from tests.conftest import StartRelay
from tests.relays.server.test_tls import write_pair
from tests.relays.talk import note

Usage = namedtuple("Usage", "total used free")


def levels(findings: Iterable[Finding]) -> dict[str, str]:
    """The worst level of each subject."""
    rank = ("ok", "warn", "bad")
    worst: dict[str, str] = {}
    for found in findings:
        worst[found.subject] = max(worst.get(found.subject, "ok"), found.level, key=rank.index)
        assert found.level == "ok" or found.advice
    return worst


async def test_beside_a_running_relay(start_relay: StartRelay, tmp_path: Path) -> None:
    relay = await start_relay(data=tmp_path / "relay")
    found = [one async for one in doctor.examine(tmp_path / "relay", None, peers=(relay.url,))]
    said = levels(found)
    assert "bad" not in said.values(), found
    assert said["database"] == said["permissions"] == said["port"] == "ok"
    assert any("process" in one.words for one in found if one.subject == "port")


async def test_a_folder_that_does_not_exist_yet(tmp_path: Path) -> None:
    config = tmp_path / "relay.toml"
    config.write_text("port = 0\n")
    said = levels([one async for one in doctor.examine(tmp_path / "new", config)])
    assert said["folder"] == said["database"] == said["port"] == said["configuration"] == "ok"
    assert not (tmp_path / "new").exists()


async def test_a_damaged_database(tmp_path: Path) -> None:
    async with open_store(tmp_path / DATABASE) as store:
        await store.save([note(f"{n}", at=n + 1) for n in range(500)])
    size = (tmp_path / DATABASE).stat().st_size
    with (tmp_path / DATABASE).open("r+b") as file:
        file.seek(size // 2 // 4096 * 4096)
        file.write(os.urandom(8192))
    found = await doctor.look_at_store(RelayStores(tmp_path), DATABASE)
    assert found.level == "bad"
    assert "restore" in found.advice


async def test_a_configuration_that_is_wrong(tmp_path: Path) -> None:
    config = tmp_path / "relay.toml"
    config.write_text('nonsense = 1\n[web]\ntls_certificate = "x"\n')
    said = levels([one async for one in doctor.examine(tmp_path / "data", config)])
    assert said["configuration"] == "bad"


@pytest.mark.skipif(sys.platform == "win32", reason="rights are other things there")
def test_permissions(tmp_path: Path) -> None:
    folder = tmp_path / "relay"
    folder.mkdir(mode=0o755)
    (folder / DATABASE).touch(0o644)
    assert levels(doctor_machine.look_at_folder(folder)) == {"permissions": "bad"}
    folder.chmod(0o700)
    assert levels(doctor_machine.look_at_folder(folder)) == {"permissions": "ok"}


def test_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor_machine.time_writes(tmp_path) > 0
    assert not list(tmp_path.iterdir())
    (tmp_path / "events.db").write_bytes(b"\0" * 10**6)
    for free, level in ((1, "bad"), (doctor_machine.LEAST_FREE + 10, "warn"), (10**12, "ok")):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: Usage(10**13, 0, free))
        assert levels(doctor_machine.look_at_disk(tmp_path))["disk"] == level
    for taken, level in ((0.5, "warn"), (0.001, "ok"), (1e-6, "warn")):
        monkeypatch.setattr(doctor_machine, "time_writes", lambda _, taken=taken: taken)
        assert levels(doctor_machine.look_at_disk(tmp_path))["disk speed"] == level


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
def test_open_files() -> None:
    few, many = Limits(connections=10), Limits(connections=2**40)
    assert levels(doctor_machine.look_at_limits(RelayConfig(limits=few))) == {"limits": "ok"}
    import resource

    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] != resource.RLIM_INFINITY:
        assert levels(doctor_machine.look_at_limits(RelayConfig(limits=many))) == {"limits": "bad"}


def test_a_certificate_that_ends(tmp_path: Path) -> None:
    cert, key = write_pair(tmp_path)
    key.chmod(0o600)
    config = RelayConfig(web=Web(tls_certificate=str(cert), tls_key=str(key)))
    now = datetime.now(UTC)
    for moment, level in ((now, "warn"), (now + timedelta(days=3), "bad")):
        assert levels(doctor_machine.look_at_certificate(config, moment)) == {"tls": level}
    assert levels(doctor_machine.look_at_certificate(config, now - timedelta(hours=1))) == {
        "tls": "warn"
    }
    assert not list(doctor_machine.look_at_certificate(RelayConfig()))
    key.chmod(0o644)
    assert levels(doctor_machine.look_at_certificate(config, now)) == {"tls": "bad"}


@pytest.mark.parametrize(
    ("urls", "web", "subject", "level"),
    [
        (("wss://relay.example.com",), Web(), "proxies", "warn"),
        (("wss://relay.example.com",), Web(trusted_proxies=("127.0.0.1",)), "proxies", "ok"),
        ((), Web(trusted_proxies=("0.0.0.0/0",)), "proxies", "bad"),
        (("ws://" + "a" * 56 + ".onion",), Web(metrics_from=("127.0.0.0/8",)), "metrics", "warn"),
        (("ws://" + "a" * 56 + ".onion",), Web(), "proxies", "ok"),
    ],
)
def test_proxies(urls: tuple[str, ...], web: Web, subject: str, level: str) -> None:
    found = levels(doctor.look_at_proxies(RelayConfig(urls=urls, web=web)))
    assert found.get(subject, "ok") == level


async def test_a_clock_that_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start_relay: StartRelay
) -> None:
    async def far(_url: str) -> float:
        return 3600.0

    async with open_store(tmp_path / DATABASE) as store:
        await store.save([note(at=2**34)])
    found = [one async for one in doctor.look_at_clock(RelayStores(tmp_path), ())]
    assert [one.level for one in found] == ["warn", "ok"]
    monkeypatch.setattr(doctor, "_difference", far)
    none = RelayStores(tmp_path / "none")
    found = [one async for one in doctor.look_at_clock(none, ("wss://x",))]
    assert [one.level for one in found] == ["bad"]


async def test_a_taken_port(tmp_path: Path, start_relay: StartRelay) -> None:
    relay = await start_relay(data=tmp_path / "one")
    port = int(relay.url.rpartition(":")[2])
    found = await doctor.look_at_port(tmp_path / "other", RelayConfig(port=port))
    assert found.level == "bad"
    assert "in use" in found.words
