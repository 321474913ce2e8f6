"""Down for everyone, or just for me?"""

from __future__ import annotations

import asyncio
import socket
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from nostr_client.errors import ConfigError, ConnectFailed, InvalidData, SigningRefused
from nostr_client.net import relay_check as module
from nostr_client.net.dial import resolve
from nostr_client.net.relay_check import CheckStep, check_relay
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.local_signer import LocalSigner
from tests.net.certificates import contexts
from tests.net.scripted import LIMIT, Peer, ScriptedRelay, forged, honest, note
from tests.waiting import time_passes


async def steps(url: str, **options: Any) -> dict[str, CheckStep]:
    said = [step async for step in check_relay(url, **options)]
    assert all(step.seconds >= 0 for step in said)
    return {step.name: step for step in said}


def with_document(text: str) -> Any:
    def process(connection: ServerConnection, request: Request) -> Response | None:
        if request.headers.get("Accept") != "application/nostr+json":
            return None
        return connection.respond(HTTPStatus.OK, text)

    return process


async def test_a_relay_that_works() -> None:
    document = '{"name":"mine\\u001b[31m","software":"s","limitation":{"auth_required":true}}'
    async with ScriptedRelay(honest([note("a")]), process_request=with_document(document)) as relay:
        said = await steps(relay.url)
        assert list(said) == (
            ["dns", "tcp", "tls", "websocket", "nip-11", "read", "write", "auth", "verdict"]
        )
        good = {name for name, step in said.items() if step.ok}
        assert good == {"dns", "tcp", "websocket", "nip-11", "read", "write", "auth", "verdict"}
        assert said["tls"].ok is None
        assert said["nip-11"].detail == "mine, s, auth required"
        assert said["verdict"].detail == "it works, from here"
        published = relay.sent("EVENT")[0][1]
        assert 20_000 <= published["kind"] < 30_000


async def test_over_tls(tmp_path: Path) -> None:
    server, client = contexts(tmp_path, "localhost")
    async with ScriptedRelay(honest(), ssl=server) as relay:
        url = f"wss://localhost:{relay.port}"
        said = await steps(url, tls=client)
        assert said["tls"].ok
        assert said["tls"].detail.startswith("TLSv1.3, certificate until ")
        assert said["nip-11"].detail.startswith("none: status")
        assert said["verdict"].ok
        said = await steps(url)
        assert list(said) == ["dns", "tcp", "tls", "verdict"]
        assert said["tls"].ok is False
        assert "certificate" in said["tls"].detail


async def test_a_relay_that_is_down_and_whose_fault_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    real = loop.getaddrinfo

    async def resolve(host: str, port: int, **options: Any) -> Any:
        if host == "nowhere.invalid":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return await real(host, port, **options)

    monkeypatch.setattr(loop, "getaddrinfo", resolve)
    async with ScriptedRelay(honest()) as other:
        said = await steps("wss://nowhere.invalid", others=[other.url])
        assert list(said) == ["dns", "verdict"]
        assert said["dns"].ok is False
        assert said["verdict"].detail == "it is the relay: 1 of 1 others were reached"
    said = await steps("wss://nowhere.invalid", others=[other.url])
    assert said["verdict"].detail == "it is you: none of 1 other relays was reached either"
    said = await steps("wss://nowhere.invalid", others=[])
    assert "no other relay to compare" in said["verdict"].detail
    said = await steps(other.url)
    assert list(said) == ["dns", "tcp", "verdict"]
    assert said["tcp"].detail == "connection refused"
    assert said["verdict"].detail.startswith("it is down")


async def test_no_resolver_hears_of_an_onion_service(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[str] = []

    async def look_up(host: str, port: int, **options: Any) -> Any:
        looked_up.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
    async with ScriptedRelay(honest()) as other:
        said = await steps(f"ws://{'a' * 56}.onion", others=[other.url])
        assert list(said) == ["dns", "tcp", "verdict"]
        assert all(step.ok is None for step in said.values())
        assert "proxy" in said["verdict"].detail
        assert not other.connections
    with pytest.raises(ConnectFailed, match="an onion address needs Tor"):
        await resolve("ws://x.onion", "x.onion", 80, private=True)
    assert looked_up == []


async def test_what_is_not_signed_is_no_fault_of_the_connection() -> None:
    class Unwilling(LocalSigner):
        async def sign(self, draft: Draft) -> Event:
            raise SigningRefused("not now")

    async with ScriptedRelay(honest()) as relay:
        said = await steps(relay.url, signer=Unwilling(SecretKey.generate()))
    assert (said["write"].ok, said["write"].detail) == (False, "not signed: not now")


async def test_a_relay_that_turns_us_away() -> None:
    def forbid(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(HTTPStatus.FORBIDDEN, "")

    async with ScriptedRelay(honest(), process_request=forbid) as relay:
        said = await steps(relay.url)
        assert said["websocket"].detail == "http: status 403"
        assert said["verdict"].detail.startswith("it is up, but turns you away")


def answering(closed: str | None, ok: tuple[bool, str] | None) -> Any:
    async def script(peer: Peer) -> None:
        await peer.send("AUTH", "challenge")
        while True:
            frame = await peer.listen()
            if frame[0] == "REQ" and closed is not None:
                await peer.send("CLOSED", frame[1], closed)
            elif frame[0] == "REQ":
                await peer.send("EOSE", frame[1])
            elif frame[0] == "EVENT" and ok is not None:
                await peer.send("OK", frame[1]["id"], *ok)

    return script


@pytest.mark.parametrize(
    ("closed", "ok", "auth", "verdict"),
    [
        ("auth-required: members", (True, ""), "login needed to read", "wants a login to read"),
        (
            *("auth-required: members", (False, "auth-required: members")),
            *("login needed to read and to write", "wants a login to read and to write"),
        ),
        (None, (False, "blocked: no\x1b[2J"), "offered", "writes it refuses: blocked: no"),
        (None, (False, "mute: nobody listens"), "offered", "it works, from here"),
        (None, None, "offered", "does not answer writes"),
        ("error: broken", (True, ""), "offered", "does not answer reads"),
        ("error: broken", None, "offered", "answers neither"),
    ],
)
async def test_walls(
    monkeypatch: pytest.MonkeyPatch, closed: str | None, ok: Any, auth: str, verdict: str
) -> None:
    monkeypatch.setattr(module, "STEP_LIMIT", 5 * LIMIT)
    async with ScriptedRelay(answering(closed, ok)) as relay:
        checking = asyncio.create_task(steps(relay.url))
        if ok is None:
            await relay.until(lambda: bool(relay.sent("EVENT")))
            time_passes(5 * LIMIT)
        said = await checking
        assert said["auth"].detail.startswith(auth)
        assert verdict in said["verdict"].detail
        assert "\x1b" not in repr(said)
        assert not relay.sent("AUTH")


async def test_a_relay_that_forges() -> None:
    async with ScriptedRelay(honest([forged(note("a"))])) as relay:
        said = await steps(relay.url)
        assert said["read"].ok is False
        assert said["read"].detail == "it sent 1 events with false signatures"


async def test_who_listens_may_stop() -> None:
    async with ScriptedRelay(honest()) as relay:
        async for step in check_relay(relay.url):
            if step.name == "read":
                break
        await relay.until(lambda: relay.open == 0)


async def test_what_cannot_be_checked() -> None:
    with pytest.raises(InvalidData):
        await steps("https://example.com")
    with pytest.raises(ConfigError):
        await steps("wss://example.com", proxy="nonsense")
