"""The bounded GET, against servers that say what they like."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from nostr_client.errors import ConnectFailed, InvalidData, NostrError, RelayTimeout
from nostr_client.net import http
from nostr_client.net.dial import DialOptions
from nostr_client.net.http import fetch_file, get
from tests.net.certificates import contexts
from tests.net.scripted import LIMIT
from tests.waiting import until


class Site:
    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.port = 0
        self.tasks: set[asyncio.Task[Any]] = set()

    def url(self, path: str = "/", scheme: str = "http") -> str:
        return f"{scheme}://localhost:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.requests.append(head)
            answer = self.answers[head.split()[1]]
            writer.write(answer)
            if answer.endswith(b"..."):  # and so on, for ever
                while True:
                    writer.write(b"x" * 10_000)
                    await writer.drain()
            if answer.endswith(b"---"):  # and no end
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def site_(**options: Any) -> AsyncIterator[Site]:
    site = Site()
    server = await asyncio.start_server(site.serve, "127.0.0.1", 0, **options)
    site.port = server.sockets[0].getsockname()[1]
    async with server:
        yield site
        if site.tasks:
            await asyncio.wait(site.tasks, timeout=LIMIT)


def answer(status: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def test_a_document() -> None:
    async with site_() as site:
        site.answers["/.well-known/nostr.json?name=a%20b"] = answer(
            "200 OK", "Content-Type: application/json", body=b'{"names":{}}'
        )
        url = site.url("/.well-known/nostr.json?name=a%20b")
        response = await get(url, DialOptions(private=True))
        assert (response.status, response.body) == (200, b'{"names":{}}')
        assert response.headers["content-type"] == "application/json"
        (head,) = site.requests
        assert head.startswith("GET /.well-known/nostr.json?name=a%20b HTTP/1.1\r\n")
        assert f"Host: localhost:{site.port}\r\n" in head
        assert "Accept: application/json\r\n" in head


async def test_a_relays_document_over_tls_and_in_chunks(tmp_path: Path) -> None:
    server, client = contexts(tmp_path, "localhost")
    async with site_(ssl=server) as site:
        site.answers["/"] = (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b'5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n'
        )
        url = site.url("", "wss")
        response = await get(
            url, DialOptions(private=True, tls=client), accept="application/nostr+json"
        )
        assert response.body == b'{"a":1}'
        with pytest.raises(ConnectFailed, match="tls: "):
            await get(url, DialOptions(private=True))


async def test_private_addresses_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def home(host: str, port: int, **_: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    async with site_() as site:
        site.answers["/"] = answer("200 OK")
        for host in ("localhost", "127.0.0.1", "[::1]", "2130706433", "0x7f.1", "intranet"):
            with pytest.raises(ConnectFailed, match="refused: a private address"):
                await get(f"https://{host}:{site.port}/", DialOptions())
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", home)
        with pytest.raises(ConnectFailed, match="leads to a private address"):
            await get(f"https://nip05.example.com:{site.port}/", DialOptions())
        assert site.requests == []
        response = await get(f"http://nip05.example.com:{site.port}/", DialOptions(private=True))
        assert response.status == 200


async def test_redirects_are_followed_only_as_far_as_was_said() -> None:
    async with site_() as site:
        site.answers["/"] = answer("302 Found", "Location: /two")
        site.answers["/two"] = answer("301 Moved", f"Location: {site.url('/three')}")
        site.answers["/three"] = answer("200 OK", body=b"here")
        site.answers["/round"] = answer("307 Again", "Location: /round")
        assert (await get(site.url(), DialOptions(private=True))).status == 302
        assert (await get(site.url(), DialOptions(private=True), redirects=2)).body == b"here"
        for path, most in (("/", 1), ("/round", 5)):
            with pytest.raises(InvalidData, match=f"more than {most} redirects"):
                await get(site.url(path), DialOptions(private=True), redirects=most)


async def test_a_redirect_leads_neither_home_nor_out_of_https(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server, client = contexts(tmp_path, "localhost")
    async with site_(ssl=server) as site:
        site.answers["/"] = answer("302 Found", "Location: http://example.com/")
        with pytest.raises(InvalidData, match="away from https"):
            await get(site.url("/", "https"), DialOptions(private=True, tls=client), redirects=1)

    async def redirect(url: str, target: str, request: Any) -> http.Response:
        return await real(url, target, request) if "private" in target else moved

    moved = http.Response(302, {"location": "https://private.localhost/"}, b"")
    real = http._get_one
    monkeypatch.setattr(http, "_get_one", redirect)
    for dial in (DialOptions(), DialOptions(private=True)):  # what was said of one host
        with pytest.raises(ConnectFailed, match="refused: a private address"):
            await get("https://example.com/", dial, redirects=1)


async def test_plain_http_only_to_whom_the_person_named_and_to_onion_services() -> None:
    for url in ("http://example.com/", "HTTP://127.0.0.1:1/"):
        with pytest.raises(InvalidData, match="only https"):
            await get(url, DialOptions())
    for url in ("http://abcdefghijklmnop.onion/", "https://abcdefghijklmnop.onion/"):
        with pytest.raises(ConnectFailed, match="onion"):
            await get(url, DialOptions())


async def test_a_file() -> None:
    async with site_() as site:
        site.answers["/"] = answer("302 Found", "Location: /file")
        site.answers["/file"] = answer("200 OK", "Content-Type: image/png", body=b"0123456789")
        site.answers["/none"] = answer("404 Not Found", body=b"x")
        site.answers["/round"] = answer("302 Found", "Location: /round")
        dial = DialOptions(private=True)
        assert await fetch_file(site.url(), dial, max_bytes=10) == b"0123456789"
        with pytest.raises(InvalidData, match="more than 9 bytes"):
            await fetch_file(site.url(), dial, max_bytes=9)
        with pytest.raises(InvalidData, match="localhost answered with status 404"):
            await fetch_file(site.url("/none"), dial, max_bytes=10)
        with pytest.raises(InvalidData, match="more than 3 redirects"):
            await fetch_file(site.url("/round"), dial, max_bytes=10)


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n...", InvalidData, "more than 5000 bytes"),
        (b"HTTP/1.1 200 OK\r\nX: ...", InvalidData, "not HTTP"),
        (b"garbage\r\n\r\n", InvalidData, "not HTTP"),
        (b"", InvalidData, "not HTTP|no answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5001\r\n\r\n---", InvalidData, "more than 5000"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n---", InvalidData, "compressed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", InvalidData, "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n---", RelayTimeout, "answer: not done"),
        (b"---", RelayTimeout, r"answer: not done within 0\.5 s"),
    ],
)
async def test_answers_that_cannot_be_used(
    said: bytes, error: type[NostrError], words: str
) -> None:
    async with site_() as site:
        site.answers["/"] = said
        with pytest.raises(error, match=words):
            await get(site.url(), DialOptions(private=True), max_bytes=5000, timeout=0.5)


@pytest.mark.parametrize(
    "url", ["", "ftp://example.com", "http://", "file:///etc/passwd", "http://a@b.example/"]
)
async def test_what_is_no_url(url: str) -> None:
    with pytest.raises(InvalidData):
        await get(url, DialOptions())


async def test_a_cancelled_get_leaves_nothing_behind() -> None:
    async with site_() as site:
        site.answers["/"] = b"---"
        task = asyncio.create_task(get(site.url(), DialOptions(private=True)))
        await until(lambda: site.requests)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
