"""A real browser without a screen, over its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LIMIT: Final = 30.0
"""Seconds that the browser may take for one step."""


def find() -> str | None:
    """The browser's program, where there is one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def running(program: str, profile: Path) -> Iterator[str]:
    """A browser of our own, with a new profile; gives the URL of its DevTools."""
    options = [
        "--headless=new",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
        "--no-first-run",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        # Nothing but this machine, whatever it would like to ask elsewhere.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--no-sandbox")  # it refuses to run as root otherwise
    with (profile.parent / "browser.log").open("wb") as log:
        process = subprocess.Popen(
            [program, *options, "about:blank"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            yield _address(process, profile / "DevToolsActivePort")
        finally:
            process.terminate()
            try:
                process.wait(LIMIT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(LIMIT)


def _address(process: subprocess.Popen[bytes], note: Path) -> str:
    deadline = time.monotonic() + LIMIT
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError, ValueError):
            port, path = note.read_text().split()
            return f"ws://127.0.0.1:{port}{path}"
        time.sleep(0.05)
    raise RuntimeError(f"the browser did not start (code {process.poll()}): see browser.log")


class Tab:
    """One page. `problems` holds what the browser complained of, `asked` the URLs it asked for."""

    def __init__(self, socket: ClientConnection, session: str, numbers: Iterator[int]) -> None:
        self._socket = socket
        self._session = session
        self._numbers = numbers
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded = asyncio.Event()
        self.problems: list[str] = []
        self.asked: list[str] = []
        self.reader = asyncio.create_task(self._read())

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol; its result."""
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        request = {"id": number, "method": method, "params": parameters}
        if self._session:
            request["sessionId"] = self._session
        await self._socket.send(json.dumps(request))
        async with asyncio.timeout(LIMIT):
            result = await answer
        assert "error" not in result, result
        found: dict[str, Any] = result.get("result", {})
        return found

    async def open(self, url: str) -> None:
        """Load `url` to its end."""
        self._loaded.clear()
        await self.call("Page.navigate", url=url)
        async with asyncio.timeout(LIMIT):
            await self._loaded.wait()

    async def run(self, script: str) -> Any:
        """The value of an expression; of a promise, what it becomes."""
        result = await self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    async def picture(self) -> bytes:
        """What is to be seen of the whole page, as PNG."""
        result = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(result["data"])

    async def _read(self) -> None:
        async for text in self._socket:
            message = json.loads(text)
            waiting = self._waiting.pop(message.get("id", 0), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
            elif (hear := _EVENTS.get(message.get("method", ""))) is not None:
                hear(self, message["params"])

    def _on_load(self, _: dict[str, Any]) -> None:
        self._loaded.set()

    def _on_request(self, said: dict[str, Any]) -> None:
        self.asked.append(said["request"]["url"])

    def _on_problem(self, said: dict[str, Any]) -> None:
        entry = said.get("entry")
        if entry is None or entry["level"] in ("error", "warning"):
            self.problems.append(json.dumps(said)[:500])


_EVENTS: Final[dict[str, Callable[[Tab, dict[str, Any]], None]]] = {
    "Page.loadEventFired": Tab._on_load,
    "Network.requestWillBeSent": Tab._on_request,
    "Log.entryAdded": Tab._on_problem,
    "Runtime.exceptionThrown": Tab._on_problem,
}


@asynccontextmanager
async def tab(devtools: str) -> AsyncIterator[Tab]:
    """A new page in the browser, with nothing of an earlier one."""
    numbers = itertools.count(1)
    async with connect(devtools, max_size=None, open_timeout=LIMIT) as socket:
        browser = Tab(socket, "", numbers)
        context = (await browser.call("Target.createBrowserContext"))["browserContextId"]
        target = (
            await browser.call("Target.createTarget", url="about:blank", browserContextId=context)
        )["targetId"]
        session = (await browser.call("Target.attachToTarget", targetId=target, flatten=True))[
            "sessionId"
        ]
        browser.reader.cancel()
        page = Tab(socket, session, numbers)
        for room in ("Page", "Runtime", "Network", "Log"):
            await page.call(f"{room}.enable")
        try:
            yield page
        finally:
            page.reader.cancel()
            await asyncio.gather(browser.reader, page.reader, return_exceptions=True)
            await socket.send(
                json.dumps(
                    {
                        "id": next(numbers),
                        "method": "Target.disposeBrowserContext",
                        "params": {"browserContextId": context},
                    }
                )
            )
