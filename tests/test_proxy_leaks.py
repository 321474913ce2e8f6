"""With a proxy set, nothing leaves by another way: no connection, and no name that is looked up."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from nostr_client.client import NostrClient
from nostr_client.config import AccountConfig, ClientConfig
from nostr_client.errors import NostrError
from nostr_client.net import dial
from nostr_client.net.dial import DialOptions
from nostr_client.net.http import fetch_file, get
from nostr_client.net.pool import RelayPool
from nostr_client.net.relay_check import check_relay
from nostr_client.paths import Paths, environment_for_children
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft
from nostr_client.protocol.filters import Filter
from nostr_client.signing.local_signer import LocalSigner
from tests.architecture import ROOT
from tests.net.proxies import SocksServer
from tests.net.scripted import ALICE, BOB, LIMIT, PlainVerifier, ScriptedRelay, honest, note

RELAY, ONION = "ws://relay.example.com", f"ws://{'b' * 56}.onion"


async def test_who_dials_dials_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """`net.dial` is the only way out (test_architecture), and its direct way is not taken."""

    async def leak(*told: Any, **more: Any) -> Any:
        raise AssertionError(f"past the proxy: {told} {more}")

    for name in ("resolve", "connect_first"):
        monkeypatch.setattr(dial, name, leak)
    async with ScriptedRelay(honest()) as relay, SocksServer(relay.port) as socks:
        proxy = f"socks5://{socks.at}"
        async with RelayPool(verifier=PlainVerifier(), proxy=proxy) as pool:
            assert (await pool.publish(note("a"), [RELAY, ONION])).ok
            assert (await pool.fetch([Filter.of(kinds=[1])], [RELAY])).events
        steps = [step async for step in check_relay(RELAY, proxy=proxy, others=[ONION])]
        assert steps[-1].ok
        through = DialOptions.through(proxy)
        assert (await get(RELAY, through)).status == 426  # an upgrade is required: it was there
        for ask in (get, fetch_file):
            with pytest.raises(NostrError):  # it speaks no TLS
                await ask("https://domain.example.com/x", through, max_bytes=9)  # type: ignore[operator]
        hosts = [urlsplit(url).hostname for url in (RELAY, ONION)]
        assert {host for host, _ in socks.asked} == {*hosts, "domain.example.com"}
        dead = socks.at
    async with RelayPool(verifier=PlainVerifier(), proxy=f"socks5://{dead}") as pool:
        answer = (await pool.publish(note("a"), [RELAY])).answers[0]
        assert answer.problem.startswith(f"connect: proxy: {dead} is not there")


@pytest.mark.slow
async def test_nothing_leaves_past_the_proxy(tmp_path: Path) -> None:
    """A program of its own does everything, and its interpreter writes down each connection."""
    inbox = Draft(kinds.DM_RELAYS, "", (("relay", "ws://inbox.example.com"),)).sign(
        BOB, 1_700_000_000
    )
    async with ScriptedRelay(honest([inbox])) as relay, SocksServer(relay.port) as socks:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.everything_through_a_proxy"),
            *(str(tmp_path), f"tor://{socks.at}"),
            cwd=ROOT,
            env=environment_for_children() | {"PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(LIMIT * 3):
                out, _ = await child.communicate()
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        assert child.returncode == 0
        said = json.loads(out.splitlines()[-1])
    own = urlsplit(said["own"])
    to_proxy = ["127.0.0.1", int(socks.at.rpartition(":")[2])]
    assert to_proxy in said["connected"]
    others = [address for address in said["connected"] if address != to_proxy]
    assert all(address == [own.hostname, own.port] for address in others), others
    for name in said["looked_up"]:
        assert ipaddress.ip_address(name), "a name was looked up here"
    asked = {host for host, _ in socks.asked}
    names = ("relay", "other", "checked", "bunker", "domain", "files", "blobs", "inbox")
    assert asked == {f"{'a' * 56}.onion", *(f"{name}.example.com" for name in names)}
    assert {password for _, password in socks.logins} == asked  # a circuit for each


async def test_an_account_goes_through_its_own_proxy(tmp_path: Path) -> None:
    async with (
        ScriptedRelay(honest()) as relay,
        SocksServer(relay.port) as mine,
        SocksServer(relay.port) as everybodys,
    ):
        config = ClientConfig(
            proxy=f"tor://{everybodys.at}",
            relays=(RELAY,),
            accounts={BOB.public_key.hex: AccountConfig(proxy=f"socks5://{mine.at}")},
        )
        where = Paths(tmp_path, tmp_path, tmp_path)
        for key, way, other in ((BOB, mine, everybodys), (ALICE, everybodys, mine)):
            before = len(other.asked)
            async with NostrClient.open(LocalSigner(key), paths=where, config=config) as client:
                assert (await client.fetch(Filter.of(limit=1), relays=[RELAY])).ends
            assert "relay.example.com" in {host for host, _ in way.asked}
            assert len(other.asked) == before
            await relay.until(lambda: relay.open == 0)  # nothing stays open for the next account
