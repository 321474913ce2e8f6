"""Relays on the local network: what is announced is read with care, and found on loopback."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from nostr_client.net import local_network
from nostr_client.net.local_network import SERVICE, announced_nearby, relays_nearby, url_of

LAN = "192.168.7.7"


@pytest.mark.parametrize(
    ("addresses", "port", "text", "url"),
    [
        ([LAN], 7777, {}, f"ws://{LAN}:7777"),
        (["8.8.8.8", LAN], 80, {b"path": b"/"}, f"ws://{LAN}"),
        ([LAN], 443, {b"tls": b"1", b"path": b"/inbox"}, f"wss://{LAN}/inbox"),
        ([LAN], 7777, {b"tls": b"0", b"path": None}, f"ws://{LAN}:7777"),
        (["fe80::1%eth0", "fd00::7"], 7777, {}, "ws://[fd00::7]:7777"),
        (["8.8.8.8"], 7777, {}, ""),
        (["127.0.0.1"], 7777, {}, ""),
        (["::1"], 7777, {}, ""),
        (["fe80::1"], 7777, {}, ""),
        (["::ffff:127.0.0.1", "::ffff:192.168.7.7", "64:ff9b:1::7f00:1"], 7777, {}, ""),
        (["0.1.2.3", "240.0.0.1", "255.255.255.255"], 7777, {}, ""),
        (["0.0.0.0", "224.0.0.251", "relay.example", ""], 7777, {}, ""),
        ([], 7777, {}, ""),
        ([LAN], 0, {}, ""),
        ([LAN], 70_000, {}, ""),
    ],
)
def test_an_announcement_is_an_address_of_this_network(
    addresses: list[str], port: int, text: dict[bytes, bytes | None], url: str
) -> None:
    assert url_of(addresses, port, text, loopback=False) == url


@pytest.mark.parametrize(
    "path", [b"/admin?reboot=1", b"/a b", b"/\x1b[31m", b"\xff\xfe", b"@evil", b"/" + b"a" * 65]
)
def test_a_path_that_is_not_plain_is_left_out(path: bytes) -> None:
    assert url_of([LAN], 7777, {b"path": path}, loopback=False) == f"ws://{LAN}:7777"


@pytest.mark.parametrize("name", ["evil.example.", f"a\0b.{SERVICE}", f".{SERVICE}", "a" * 300])
async def test_a_name_that_is_none_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    asyncio_part = pytest.importorskip(
        "zeroconf.asyncio", reason="the extra `local-network` is not installed"
    )

    class Heard:
        """Hears one name at once, as a hostile neighbour announces it."""

        def __init__(self, zone: Any, service: str, handlers: Sequence[Callable[..., None]]):
            from zeroconf import ServiceStateChange

            for handler in handlers:
                handler(zone, service, name, ServiceStateChange.Added)

        async def async_cancel(self) -> None: ...

    monkeypatch.setattr(asyncio_part, "AsyncServiceBrowser", Heard)
    assert await relays_nearby(interfaces=["127.0.0.1"], seconds=0) == ()


@pytest.mark.slow
async def test_what_is_announced_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("zeroconf", reason="the extra `local-network` is not installed")
    here = ["127.0.0.1"]
    async with (
        announced_nearby(7001, path="/inbox", addresses=here),
        announced_nearby(7002, tls=True, addresses=here),
    ):
        found = await relays_nearby(interfaces=here, seconds=5.0)
        assert set(found) == {"ws://127.0.0.1:7001/inbox", "wss://127.0.0.1:7002"}
        monkeypatch.setattr(local_network, "MOST_FOUND", 1)
        assert len(await relays_nearby(interfaces=here, seconds=5.0)) == 1, "there is a bound"
    assert await relays_nearby(interfaces=here, seconds=1.0) == (), "they took their leave"
