"""Who may be dialled, which address is taken, and what goes through proxies."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from nostr_client.errors import ConfigError, ConnectFailed, ConnectStep
from nostr_client.net import dial
from nostr_client.net.dial import (
    DialOptions,
    DialPolicy,
    connect_first,
    open_socket,
    resolve,
)
from nostr_client.net.outages import Outages
from nostr_client.net.pool import RelayPool
from nostr_client.net.proxy import ProxyAddress
from nostr_client.protocol.filters import Filter
from tests.net.certificates import contexts
from tests.net.proxies import HttpProxy, LastWords, SocksServer
from tests.net.scripted import LIMIT, Peer, PlainVerifier, ScriptedRelay, honest, note

NOTES = Filter.of(kinds=[1])


def test_policy() -> None:
    strict = DialPolicy()
    assert strict("wss://relay.example.com")
    for url in ("ws://127.0.0.1:7777", "ws://localhost", "ws://192.168.1.5", "ws://[fd00::1]"):
        assert not strict(url)
        assert DialPolicy(given=[url])(url)
    assert not strict("ws://2130706433/")
    assert DialPolicy(["192.168.1.5"])("ws://192.168.1.5:99")
    assert not DialPolicy(["192.168.1.5"])("ws://192.168.1.6:99")
    assert DialPolicy(["[fd00::1]"])("ws://[fd00::1]:7777")
    assert DialPolicy(loopback=True)("ws://127.0.0.1:1")
    assert not DialPolicy(loopback=True)("ws://10.0.0.1")
    later = DialPolicy()
    later.give("ws://LOCALHOST:7777/")
    assert later("ws://localhost:7777")
    assert later.allows_private("ws://localhost:7777")
    assert not later.allows_private("wss://relay.example.com")


async def test_a_private_relay_from_a_stranger_is_not_dialled() -> None:
    async with (
        ScriptedRelay(honest([note("a")])) as relay,
        RelayPool(verifier=PlainVerifier(), dial=DialPolicy()) as pool,
    ):
        report = await pool.publish(note("b"), [relay.url])
        assert report.answers[0].problem == "connect: refused: a private address"
        got = await pool.fetch([NOTES], [relay.url])
        assert got.ends[relay.url].problem == "connect: refused: a private address"
        assert relay.connections == 0


class Names:
    """Stands in for DNS."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **answers: list[str]) -> None:
        self.asked: list[str] = []
        self._answers = {name.replace("_", "."): found for name, found in answers.items()}
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", self.getaddrinfo)

    async def getaddrinfo(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked.append(host)
        found = self._answers.get(host, [host])
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in found
        ]


async def test_a_public_name_that_leads_home_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch, evil_example_com=["127.0.0.1", "::1", "::ffff:10.0.0.1"])
    async with ScriptedRelay(honest([note("a")])) as relay:
        url = f"ws://evil.example.com:{relay.port}"
        async with RelayPool(verifier=PlainVerifier(), dial=DialPolicy()) as pool:
            report = await pool.publish(note("b"), [url])
            problem = report.answers[0].problem
            assert problem == "connect: refused: the name leads to a private address"
            assert relay.connections == 0
        names.asked.clear()
        for policy in (DialPolicy(given=[url]), DialPolicy(["evil.example.com"])):
            async with RelayPool(verifier=PlainVerifier(), dial=policy) as pool:
                assert (await pool.publish(note("b"), [url])).ok
        assert names.asked == ["evil.example.com"] * 2  # the socket takes what was checked


async def test_only_public_addresses_are_kept_and_families_take_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    public = ["8.8.8.8", "9.9.9.9", "2606:4700::1111", "2606:4700::1001"]
    Names(monkeypatch, mixed_example=["10.1.2.3", *public, "fe80::1"], no_example=[])
    found = await resolve("wss://mixed.example", "mixed.example", 443, private=False)
    assert [info[4][0] for info in found] == [public[0], public[2], public[1], public[3]]
    with pytest.raises(ConnectFailed, match="dns: no address"):
        await resolve("wss://no.example", "no.example", 443, private=False)


async def test_dns_that_fails_or_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def hang(*_: object, **__: object) -> list[Any]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(dial, "RESOLVE_LIMIT", 0.05)
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "getaddrinfo", fail)
    with pytest.raises(ConnectFailed, match="dns: name or service not known"):
        await open_socket("wss://a.example", "a.example", 443, DialOptions())
    monkeypatch.setattr(loop, "getaddrinfo", hang)
    with pytest.raises(ConnectFailed, match=r"dns: no answer within 0\.05 s"):
        await open_socket("wss://a.example", "a.example", 443, DialOptions())


async def test_the_first_address_that_answers_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []
    one, other = socket.socketpair()

    async def connect(info: Any) -> socket.socket:
        match info[4][0]:
            case "refused":
                raise ConnectionRefusedError(111, "")
            case "silent":
                try:
                    await asyncio.Event().wait()
                finally:
                    ended.append("silent")
        return one

    monkeypatch.setattr(dial, "_connect", connect)
    monkeypatch.setattr(dial, "STAGGER", 0.02)
    infos: Callable[..., list[Any]] = lambda *names: [(0, 0, 0, "", (n, 1)) for n in names]  # noqa: E731
    async with asyncio.timeout(LIMIT):
        assert await connect_first("u", infos("silent", "refused", "good")) is one
        assert ended == ["silent"]
        with pytest.raises(ConnectFailed, match="tcp: connection refused"):
            await connect_first("u", infos("refused", "refused"))
        monkeypatch.setattr(dial, "CONNECT_LIMIT", 0.1)
        with pytest.raises(ConnectFailed, match=r"tcp: no connection within 0\.1 s"):
            await connect_first("u", infos("silent", "silent"))
    one.close()
    other.close()


# Proxies


@pytest.mark.parametrize(
    "url",
    [
        *("x", "socks5h://", "socks4://host:1", "socks5h://me:s3cret@host:port"),
        *("ftp://me:s3cret@host:1", "https://me:s3cret@host:1", "tor://me:s3cret@host:1"),
        *("socks5h://me@host:1", "socks5h://:s3cret@host:1", "socks5h://me:s3cret%C3%A9@host:1"),
    ],
)
def test_a_proxy_that_cannot_be_used(url: str) -> None:
    with pytest.raises(ConfigError) as failed:
        ProxyAddress(url)
    assert "s3cret" not in str(failed.value)
    with pytest.raises(ConfigError):
        RelayPool(verifier=PlainVerifier(), proxy=url)


def test_a_proxy_does_not_show_its_password() -> None:
    proxy = ProxyAddress("socks5h://me:s3cret@127.0.0.1")
    assert repr(proxy) == "<ProxyAddress socks5 127.0.0.1:1080>"


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize("user", ["", "me:s3%3Acret@"])
async def test_socks(user: str, scheme: str) -> None:
    async with (
        ScriptedRelay(honest()) as relay,
        SocksServer(relay.port, login=("me", "s3:cret") if user else None) as socks,
        RelayPool(
            verifier=PlainVerifier(), proxy=f"{scheme}://{user}{socks.at}", dial=DialPolicy()
        ) as pool,
    ):
        host = "abcdefghijklmnop.onion"
        assert (await pool.publish(note("a"), [f"ws://{host}"])).ok
        assert socks.asked == [(host, 80)]
        private = await pool.publish(note("a"), ["ws://127.0.0.1:80"])
        assert private.answers[0].problem == "connect: refused: a private address"


async def test_a_wrong_password_is_said_and_not_shown() -> None:
    async with SocksServer(1, login=("me", "other")) as socks:
        with pytest.raises(ConnectFailed, match="refuses: username and password") as failed:
            await ProxyAddress(f"socks5://me:s3cret@{socks.at}").connect("u", "a.example", 443)
        assert "s3cret" not in str(failed.value)


async def test_http_proxy_with_tls_to_the_relay(tmp_path: Path) -> None:
    server, client = contexts(tmp_path, "relay.example.com")
    async with (
        ScriptedRelay(honest(), ssl=server) as relay,
        HttpProxy(relay.port) as proxy,
        RelayPool(verifier=PlainVerifier(), proxy=f"http://{proxy.at}", tls=client) as pool,
    ):
        report = await pool.publish(note("a"), ["wss://relay.example.com/inbox"])
        assert report.ok
        assert proxy.asked == [("relay.example.com", 443)]


class Own(DialPolicy):
    """As for the own relay: it is shown what nobody else may see."""

    def headers(self, url: str) -> Mapping[str, str]:
        return {"Authorization": "Bearer x"}


async def test_what_the_own_relay_is_shown_goes_through_no_proxy() -> None:
    async with (
        ScriptedRelay(honest([note("hi")])) as relay,
        SocksServer(relay.port) as socks,
        RelayPool(
            verifier=PlainVerifier(), proxy=f"socks5h://{socks.at}", dial=Own(loopback=True)
        ) as pool,
    ):
        got = await pool.fetch([Filter.of(kinds=[1])], [relay.url])
        assert [event.content for event in got.events] == ["hi"]
        assert socks.asked == []


async def test_a_proxy_that_is_not_there_is_no_fault_of_the_relays(tmp_path: Path) -> None:
    outages = Outages(tmp_path / "outages.json")
    outages.reached("wss://other.example.com")  # else nothing would be held against anybody
    async with RelayPool(
        verifier=PlainVerifier(), proxy="tor://127.0.0.1:1", outages=outages
    ) as pool:
        report = await pool.publish(note("a"), ["wss://relay.example.com"])
        words = "connect: proxy: 127.0.0.1:1 is not there (does Tor run?): connection refused"
        assert report.answers[0].problem == words
    assert outages.of("wss://relay.example.com") is None


@pytest.mark.parametrize(
    ("reply", "step", "words"),
    [
        (b"\x05\xff", ConnectStep.PROXY, "refuses: no acceptable authentication methods"),
        (b"HTTP/1.1 400 Bad", ConnectStep.PROXY, "refuses: unexpected socks version"),
        (b"", ConnectStep.PROXY, "refuses: "),
        (b"\x05\x00\x05\x02\x00", ConnectStep.PROXY, "refuses: connection not allowed"),
        (b"\x05\x00\x05\x04\x00", ConnectStep.TCP, "cannot reach it: host unreachable"),
        (b"\x05\x00\x05\x05\x00", ConnectStep.TCP, "cannot reach it: connection refused"),
        (b"\x05\x00\x05\x01\x00", ConnectStep.TCP, "cannot reach it: general socks"),
        (b"\x05\x00\x05\x00\x00\x03\x01\xff\x00\x00", ConnectStep.PROXY, "broke off: "),
    ],
)
async def test_what_a_proxy_answers_is_of_itself_or_of_the_host(
    reply: bytes, step: ConnectStep, words: str
) -> None:
    async with LastWords(reply) as server:
        proxy = ProxyAddress(f"socks5://{server.at}")
        with pytest.raises(ConnectFailed) as failed:
            await proxy.connect("u", "relay.example.com", 443)
    assert failed.value.step is step
    assert failed.value.words.startswith(f"{proxy} {words}")


@pytest.mark.parametrize(
    ("status", "step", "words"),
    [
        ("501 Tor is not an HTTP Proxy", ConnectStep.PROXY, "refuses: 501"),
        ("407 Proxy Authentication Required", ConnectStep.PROXY, "refuses: 407"),
        ("502 Bad Gateway", ConnectStep.TCP, "cannot reach it: 502"),
    ],
)
async def test_what_an_http_proxy_answers(status: str, step: ConnectStep, words: str) -> None:
    async with LastWords(f"HTTP/1.0 {status}\r\n\r\n".encode()) as server:
        proxy = ProxyAddress(f"http://{server.at}")
        with pytest.raises(ConnectFailed) as failed:
            await proxy.connect("u", "relay.example.com", 443)
    assert failed.value.step is step
    assert failed.value.words.startswith(f"{proxy} {words}")


async def test_tor_is_asked_for_a_circuit_for_each_relay_and_each_pool() -> None:
    names = [f"{letter * 56}.onion" for letter in "ab"]
    async with ScriptedRelay(honest()) as relay, SocksServer(relay.port) as socks:
        for _ in range(2):
            async with RelayPool(verifier=PlainVerifier(), proxy=f"tor://{socks.at}") as pool:
                assert (await pool.publish(note("a"), [f"ws://{name}" for name in names])).ok
        assert sorted(host for host, _ in socks.asked) == sorted(names * 2)
        assert len(set(socks.logins)) == 4
        assert len({user for user, _ in socks.logins}) == 2  # a pool's: an account's, for one run


async def test_only_tor_is_given_names_of_ours() -> None:
    assert ProxyAddress("socks5h://127.0.0.1:9050").is_tor
    assert ProxyAddress("socks5://[::1]:9150").is_tor
    for url in ("socks5h://127.0.0.1:1080", "socks5h://me:x@127.0.0.1:9050", "http://h:9050"):
        assert not ProxyAddress(url).is_tor


async def test_onion_services_are_dialled_through_a_proxy_only() -> None:
    async with RelayPool(verifier=PlainVerifier()) as pool:
        report = await pool.publish(note("a"), ["ws://abcdefghijklmnop.onion"])
        problem = "connect: refused: an onion address needs Tor: set it as `proxy`"
        assert report.answers[0].problem == problem


async def test_system_proxies_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "socks_proxy", "ws_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:1")
    async with ScriptedRelay(honest()) as relay, RelayPool(verifier=PlainVerifier()) as pool:
        assert (await pool.publish(note("a"), [relay.url])).ok


@pytest.mark.parametrize("wanted", [False, True])
async def test_compression_is_used_only_when_asked_for(wanted: bool) -> None:
    headers: list[str | None] = []

    async def script(peer: Peer) -> None:
        assert peer.socket.request is not None
        headers.append(peer.socket.request.headers.get("Sec-WebSocket-Extensions"))
        await honest()(peer)

    async with (
        ScriptedRelay(script, compression="deflate") as relay,
        RelayPool(verifier=PlainVerifier(), compression=wanted) as pool,
    ):
        assert (await pool.publish(note("a"), [relay.url])).ok
        assert bool(headers[0]) is wanted


async def test_a_certificate_that_is_not_to_be_trusted(tmp_path: Path) -> None:
    server, client = contexts(tmp_path, "localhost")
    async with ScriptedRelay(honest(), ssl=server) as relay:
        url = f"wss://localhost:{relay.port}"
        async with RelayPool(verifier=PlainVerifier(), tls=client) as pool:
            assert (await pool.publish(note("a"), [url])).ok
        async with RelayPool(verifier=PlainVerifier()) as pool:
            report = await pool.publish(note("a"), [url])
            assert report.answers[0].problem.startswith("connect: tls: ")
        wrong = f"wss://127.0.0.1:{relay.port}"
        async with RelayPool(verifier=PlainVerifier(), tls=client) as pool:
            report = await pool.publish(note("a"), [wrong])
            assert report.answers[0].problem.startswith("connect: tls: ")
    assert client.verify_mode is ssl.CERT_REQUIRED
