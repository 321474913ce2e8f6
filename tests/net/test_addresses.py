"""Where hosts answered last, for when no resolver says."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from nostr_client.errors import ConnectFailed
from nostr_client.net import addresses
from nostr_client.net.addresses import FORGOTTEN, MOST, MOST_EACH, KnownAddresses
from nostr_client.net.dial import DialPolicy
from nostr_client.net.pool import RelayPool
from tests.net.scripted import PlainVerifier, ScriptedRelay, honest, note

PUBLIC, OTHER = "93.184.216.34", "2606:2800:220:1::7"


async def test_a_relay_is_found_without_a_resolver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answers(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    async def fails(*_: object, **__: object) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    loop = asyncio.get_running_loop()
    async with ScriptedRelay(honest([note("a")])) as relay:
        url = f"ws://relay.example.com:{relay.port}"
        policy = DialPolicy(given=[url])

        async def post(known: KnownAddresses, dial: DialPolicy = policy) -> bool:
            async with RelayPool(verifier=PlainVerifier(), dial=dial, addresses=known) as pool:
                return (await pool.publish(note("b"), [url])).ok

        monkeypatch.setattr(loop, "getaddrinfo", fails)
        assert not await post(KnownAddresses(tmp_path / "addresses.json"))
        monkeypatch.setattr(loop, "getaddrinfo", answers)
        assert await post(KnownAddresses(tmp_path / "addresses.json"))
        monkeypatch.setattr(loop, "getaddrinfo", fails)
        assert await post(KnownAddresses(tmp_path / "addresses.json")), "the next process knows it"
        stranger = DialPolicy()
        assert not await post(KnownAddresses(tmp_path / "addresses.json"), stranger), (
            "an address that is private now is no stranger's"
        )


def test_what_is_kept_is_bounded_and_old_addresses_are_forgotten(tmp_path: Path) -> None:
    now = [1_700_000_000.0]
    known = KnownAddresses(tmp_path / "addresses.json", lambda: now[0])
    for n in range(MOST_EACH + 2):
        now[0] += 1
        known.note("a.example", f"93.184.216.{n}")
    found = known.of("a.example", private=False)
    assert found == [f"93.184.216.{n}" for n in range(MOST_EACH + 1, 1, -1)]
    known.note("a.example", OTHER)
    assert OTHER in known.of("a.example", private=False)
    known.note("10.0.0.1", "10.0.0.1")
    known.note("b.example", "no address")
    assert known.of("10.0.0.1", private=True) == known.of("b.example", private=True) == []
    now[0] += FORGOTTEN + 1
    assert known.of("a.example", private=False) == []


def test_so_many_hosts_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "MOST", 3)
    now = [1_700_000_000.0]
    known = KnownAddresses(clock=lambda: now[0])
    for n in range(5):
        now[0] += 1
        known.note(f"h{n}.example", PUBLIC)
    kept = [n for n in range(5) if known.of(f"h{n}.example", private=False)]
    assert kept == [2, 3, 4]
    assert MOST > 100


@pytest.mark.parametrize("damage", [b"{", b'{"a": 1}', b'{"a.example": {"evil": 1}}', b"\xff"])
def test_a_damaged_file_says_nothing(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "addresses.json"
    path.write_bytes(damage)
    known = KnownAddresses(path)
    assert known.of("a.example", private=True) == []
    known.note("a.example", PUBLIC)
    assert KnownAddresses(path).of("a.example", private=False)


def test_a_full_disk_stops_no_connection(tmp_path: Path) -> None:
    known = KnownAddresses(tmp_path / "missing" / "addresses.json")
    known.note("a.example", PUBLIC)
    assert known.of("a.example", private=False)


async def test_no_resolver_and_no_address_is_an_error_in_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from nostr_client.net.dial import DialOptions, open_socket

    async def fails(*_: object, **__: object) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fails)
    options = DialOptions(addresses=KnownAddresses())
    with pytest.raises(ConnectFailed, match="dns: name or service not known"):
        await open_socket("wss://a.example", "a.example", 443, options)
