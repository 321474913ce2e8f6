"""The client in a browser: who is let in, and what becomes of the sessions."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from nostr_client.exits import Exit
from nostr_client.output import Output
from tests.cli.conftest import Home
from tests.tui.world import world_in

aiohttp = pytest.importorskip("aiohttp", reason="the extra `web` is not here")
pytest.importorskip("textual_serve", reason="the extra `web` is not here")
web_server = pytest.importorskip("nostr_client.cli.web_server")

LIMIT = 60
SESSION = """
import os, sys
os.write(1, b"__GANGLION__\\nD\\0\\0\\0\\5hello")
while kind := os.read(0, 1):
    said = os.read(0, int.from_bytes(os.read(0, 4), "big"))
    if kind == b"M" and b"quit" in said:
        open(sys.argv[1], "w").close()
        break
    os.write(1, b"D" + len(said).to_bytes(4, "big") + said)
"""
"""What speaks as Textual does in a tab, and starts at once; it leaves a file when it is ended."""


class Browser:
    """One, with its cookies."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.http: Any = aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            timeout=aiohttp.ClientTimeout(LIMIT),
            trust_env=False,
        )

    async def get(self, path: str, method: str = "GET", **headers: str) -> Any:
        async with self.http.request(
            method, f"{self.origin}{path}", headers=headers, allow_redirects=False
        ) as response:
            await response.text()
            return response

    async def socket(self, origin: str | None = None) -> Any:
        """Raises WSServerHandshakeError if it is not let in."""
        return await self.http.ws_connect(f"{self.origin}/ws?width=80&height=24", origin=origin)

    async def refused(self, origin: str | None = None) -> int:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await self.socket(origin)
        return int(caught.value.status)


@pytest.fixture
async def link(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[str]:
    command = (sys.executable, "-I", "-S", "-c", SESSION, str(tmp_path / "ended"))
    monkeypatch.setattr(web_server, "COMMAND", command)
    with capsys.disabled():
        async with web_server.web_server(Output(json=False), "127.0.0.1", 0) as url:
            yield url


@pytest.fixture
async def browser(link: str) -> AsyncIterator[Browser]:
    one = Browser(link.partition("/?")[0])
    async with one.http:
        yield one


async def test_the_link_works_once_and_leaves_a_cookie_for_this_page_alone(
    link: str, browser: Browser
) -> None:
    query = link.removeprefix(browser.origin)
    for path in ("/", "/static/js/textual.js", "/?token=", "/?token=%C3%A9", "/nowhere"):
        assert (await browser.get(path)).status == 403, path
    assert await browser.refused(browser.origin) == 403
    let_in = await browser.get(query)
    assert (let_in.status, let_in.headers["Location"]) == (303, "/")
    said = let_in.headers["Set-Cookie"]
    assert "HttpOnly" in said
    assert "SameSite=Strict" in said
    page = await browser.get("/")
    assert page.status == 200
    assert f'"ws{browser.origin.removeprefix("http")}/ws"' in await page.text()
    assert page.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert (await browser.get("/static/js/textual.js")).status == 200
    assert (await browser.get(query)).status == 303, "who is in already may come by it again"
    async with Browser(browser.origin).http as http:
        other = Browser(browser.origin)
        await other.http.close()
        other.http = http
        assert (await other.get(query)).status == 403
        assert await other.refused(browser.origin) == 403


async def test_other_hosts_and_other_pages_are_not_let_in(link: str, browser: Browser) -> None:
    port = browser.origin.rpartition(":")[2]
    query = link.removeprefix(browser.origin)
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"localhost:{port}"):
        assert (await browser.get(query, Host=host)).status == 403, host
    for origin in ("https://evil.example", "null", f"http://localhost:{port}"):
        assert (await browser.get(query, Origin=origin)).status == 403, origin
    assert (await browser.get(query, "POST")).status == 405
    assert (await browser.get(query, "HEAD")).status == 405
    assert (await browser.get(query)).status == 303, "none of these used it up"
    assert (await browser.get("/", Host="evil.example")).status == 403
    assert (await browser.get("/", Origin="https://evil.example")).status == 403
    for wrong in ("https://evil.example", "null", f"http://localhost:{port}", None):
        assert await browser.refused(wrong) == 403, wrong


async def test_each_tab_has_a_session_that_ends_with_it(
    link: str, browser: Browser, tmp_path: Path
) -> None:
    await browser.get(link.removeprefix(browser.origin))
    async with await browser.socket(browser.origin) as first:
        assert await first.receive_bytes(timeout=LIMIT) == b"hello"
        async with await browser.socket(browser.origin) as second:
            assert await second.receive_bytes(timeout=LIMIT) == b"hello"
            await second.send_json(["stdin", "k"])
            assert await second.receive_bytes(timeout=LIMIT) == b"k"
        async with asyncio.timeout(LIMIT):
            while not (tmp_path / "ended").exists():
                await asyncio.sleep(0.005)
        await first.send_json(["stdin", "k"])
        assert await first.receive_bytes(timeout=LIMIT) == b"k"


async def test_there_is_an_end_to_the_sessions(
    link: str, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server, "MOST_SESSIONS", 1)
    await browser.get(link.removeprefix(browser.origin))
    async with await browser.socket(browser.origin) as first:
        assert await first.receive_bytes(timeout=LIMIT) == b"hello"
        assert await browser.refused(browser.origin) == 503


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--host", "0.0.0.0"), "--not-only-here"),
        (("--host", "::", "--not-only-here"), "--url"),
        (("--host", "example.com"), "is an address"),
        (("--url", "wss://a.example"), "http or https"),
        (("--url", "https://a.example/b"), "without a path"),
    ],
)
async def test_it_listens_elsewhere_only_if_told(
    home: Home, arguments: tuple[str, ...], why: str
) -> None:
    done = await home.run("web", *arguments)
    assert done.code == Exit.USAGE
    assert why in done.err


def running(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state not in "ZX"
    return False


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up as on Linux")
async def test_the_client_is_there_and_ends_with_a_server_that_is_killed(tmp_path: Path) -> None:
    world = world_in(tmp_path)
    home = Home(world.where.config.parent)
    home.configure()
    await world.put(world.follows("ana", "ben"), world.note("ben", "Hello browser."))
    await world.watched("ana")
    server = await home.start("web", "--json")
    assert server.stdout is not None
    try:
        async with asyncio.timeout(LIMIT):
            url = json.loads(await server.stdout.readline())["url"]
            browser = Browser(url.partition("/?")[0])
            async with browser.http:
                await browser.get(url.removeprefix(browser.origin))
                seen = b""
                async with await browser.socket(browser.origin) as socket:
                    while b"Hello browser." not in seen:
                        seen += await socket.receive_bytes()
                    [session] = (
                        Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
                    )
                    assert running(int(session))
                    server.kill()
            while running(int(session)):
                await asyncio.sleep(0.05)
    finally:
        if server.returncode is None:
            server.kill()
        await server.communicate()


async def test_whatever_bytes_knock_nobody_gets_in(link: str, browser: Browser) -> None:
    host, _, port = browser.origin.removeprefix("http://").rpartition(":")
    named = f"Host: {host}:{port}".encode()
    query = link.removeprefix(browser.origin).encode()

    async def knock(*lines: bytes) -> int:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"\r\n".join((*lines, b"Connection: close", b"", b"")))
        async with asyncio.timeout(LIMIT):
            answer = await reader.read()
        writer.close()
        return int(answer.split(b" ", 2)[1]) if answer else 0

    cookie = b"Cookie: nostr_client_web="
    assert await knock(b"GET / HTTP/1.1", named, cookie + b"\xff\xfe") == 403
    assert await knock(b"GET / HTTP/1.1", named, cookie + "é".encode()) == 403
    refused = {0, 400, 403}
    for lines in (
        (b"GET " + query + b" HTTP/1.0",),
        (b"GET " + query + b" HTTP/1.1", b"Host: evil.example", named),
        (b"GET " + query + b" HTTP/1.1", named, b"Host: evil.example"),
        (b"GET http://evil.example" + query + b" HTTP/1.1", b"Host: evil.example"),
        (b"GET " + query + b" HTTP/1.1", named, b"Origin: null", b"Origin: http://" + named[6:]),
        (b"GET /static/../../../../etc/hostname HTTP/1.1", named),
        (b"GET /ws HTTP/1.1", named, b"Upgrade: websocket"),
    ):
        assert await knock(*lines) in refused, lines
    assert (await browser.get(query.decode())).status == 303, "none of these used it up"
    assert (await browser.get("/static/%2e%2e/%2e%2e/__init__.py")).status in (403, 404)
