"""The terminal client in a browser: textual-serve's page and sessions, behind a door of our own.

Each tab is served by a process of its own, which ends with it. Whoever reaches the page acts as its
owner, so it is opened by a one-time token alone, to the one host and origin that were printed. The
only import of `aiohttp`, as a server, and of `textual_serve`: the extra `web`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import secrets
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from textual_serve import server as textual_server
from textual_serve.app_service import AppService

from nostr_client.output import Output

COOKIE: Final = "nostr_client_web"
MOST_SESSIONS: Final = 16
"""Tabs at once, each with a process of some 100 MB."""
END_LIMIT: Final = 8.0
"""Seconds for the sessions to keep what is being written when the server ends."""
COMMAND: Final = (sys.executable, "-P", "-m", "nostr_client")
PAGE: Final = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>nostr-client</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/static/css/xterm.css">
<style>
@font-face { font-family: "Roboto Mono"; font-weight: 100 700;
  src: url("/static/fonts/RobotoMono-VariableFont_wght.ttf"); }
html, body { height: 100%; margin: 0; background: #0c181f; color: #ddd; font-family: monospace; }
.textual-terminal { width: 100vw; height: 100vh; }
.closed { display: none; padding: 2em; }
body.-closed .closed { display: block; }
body.-closed .textual-terminal { display: none; }
</style>
<script src="/static/js/textual.js"></script>
<script src="/focus.js"></script>
</head>
<body>
<p class="closed">This session has ended. <a href="/">Open another one</a></p>
<div id="terminal" class="textual-terminal" data-font-size="16"
 data-session-websocket-url="SOCKET"></div>
</body>
</html>
"""
FOCUS: Final = """\
"use strict";
const take = () => {
  if (!document.body.classList.contains("-first-byte")) return false;
  document.querySelector(".xterm-helper-textarea")?.focus();
  return true;
};
const drawn = new MutationObserver(() => { if (take()) drawn.disconnect(); });
window.addEventListener("DOMContentLoaded",
  () => drawn.observe(document.body, {attributes: true, attributeFilter: ["class"]}));
window.addEventListener("focus", take);
"""
"""Gives the keys to the terminal once something is drawn, and whenever the window has them again:
before that the terminal would tell of it to a session that is not there yet."""
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " font-src 'self'; connect-src {socket}; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
USED: Final = (
    "This link has been used, or is none: `nostr-client web`, started anew, prints another."
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WebDoor:
    """Who is let in: a browser that came with the one-time token, at `origin` alone."""

    def __init__(self) -> None:
        self.origin = ""
        self._token: str | None = secrets.token_urlsafe(32)
        self._session = secrets.token_urlsafe(32)

    def open(self, origin: str) -> str:
        """Let in who comes to `origin`; gives the URL that opens it, once."""
        self.origin = origin
        return f"{origin}/?token={self._token}"

    @property
    def socket(self) -> str:
        """The URL of the sessions' websocket."""
        return f"ws{self.origin.removeprefix('http')}/ws"

    def check(self, request: web.Request) -> None:
        """Raises the HTTP error of who is not let in, or the way on of who has just been."""
        if request.headers.getall("Host", []) != [urlsplit(self.origin).netloc]:
            raise web.HTTPForbidden(text="This host is not served here.")  # DNS rebinding
        if request.method != "GET":
            raise web.HTTPMethodNotAllowed(request.method, ["GET"])
        origins = request.headers.getall("Origin", [])
        needed = request.path == "/ws"
        if origins != [self.origin] and (origins or needed):
            raise web.HTTPForbidden(text="Other pages are not let in.")
        known = _same(request.cookies.get(COOKIE, ""), self._session)
        token = request.query.get("token")
        if token is not None and not known:
            if self._token is None or not _same(token, self._token):
                raise web.HTTPForbidden(text=USED)
            self._token = None
        if token is not None:
            raise self._way_on()
        if not known:
            raise web.HTTPForbidden(text="Open the link that `nostr-client web` has printed.")

    def _way_on(self) -> web.HTTPSeeOther:
        """To the page without the token, with the cookie it was exchanged for."""
        found = web.HTTPSeeOther("/")
        secure = self.origin.startswith("https:")
        found.set_cookie(COOKIE, self._session, httponly=True, samesite="Strict", secure=secure)
        return found


def _same(given: str, held: str) -> bool:
    # What is no UTF-8 in a request comes as halves of characters.
    return hmac.compare_digest(given.encode(errors="surrogateescape"), held.encode())


class WaitedAppService(AppService):
    """A session whose process is waited for: textual-serve leaves it, and its pipes, to chance."""

    async def run(self) -> None:
        try:
            await super().run()
        finally:
            process = self._process
            if process is not None:
                try:
                    async with asyncio.timeout(END_LIMIT):
                        await process.wait()
                except TimeoutError:
                    process.kill()
                    await process.wait()


# There is no other way to hand it in.
vars(textual_server)["AppService"] = WaitedAppService


class _Said:
    """What textual-serve prints, as words beside the result: a session's last error may come from
    anywhere."""

    def __init__(self, out: Output) -> None:
        self._out = out

    def write(self, text: str) -> int:
        if text.strip():
            self._out.note(text.rstrip())
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""


@asynccontextmanager
async def web_server(
    out: Output, host: str, port: int, public: str | None = None
) -> AsyncIterator[str]:
    """Serve until the block ends, sessions included; gives the URL that opens it, once.

    `public`: the origin under which browsers come, where that is not `host` itself. Raises OSError
    if it cannot listen there.
    """
    door = WebDoor()
    server = textual_server.Server(_command())
    sessions: set[asyncio.Task[object]] = set()

    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        door.check(request)
        return await handler(request)

    async def page(request: web.Request) -> web.Response:
        text = PAGE.replace("SOCKET", door.socket)
        return web.Response(text=text, content_type="text/html")

    async def script(request: web.Request) -> web.Response:
        return web.Response(text=FOCUS, content_type="text/javascript")

    async def session(request: web.Request) -> web.StreamResponse:
        task = asyncio.current_task()
        if task is None or len(sessions) >= MOST_SESSIONS:
            raise web.HTTPServiceUnavailable(text=f"There are {MOST_SESSIONS} sessions already.")
        sessions.add(task)
        try:
            response: web.StreamResponse = await server.handle_websocket(request)
            return response
        finally:
            sessions.discard(task)

    async def head(request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(HEADERS)
        response.headers["Content-Security-Policy"] = POLICY.format(socket=door.socket)

    app = web.Application(middlewares=[web.middleware(guard)])
    app.on_response_prepare.append(head)
    app.add_routes([web.get("/", page), web.get("/focus.js", script), web.get("/ws", session)])
    app.add_routes([web.static("/static", server.statics_path)])
    # Its log would hold the token.
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        with contextlib.redirect_stdout(_Said(out)):
            yield door.open(public or _origin(host, runner.addresses[0][1]))
    finally:
        for task in sessions:
            task.cancel()
        if sessions:
            await asyncio.wait(sessions, timeout=END_LIMIT)
        await runner.cleanup()


def _command() -> str:
    """As a shell reads it, which textual-serve starts it by."""
    if sys.platform == "win32":
        return subprocess.list2cmdline(COMMAND)
    return f"exec {shlex.join(COMMAND)}"


def _origin(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
