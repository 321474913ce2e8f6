"""The terminal client in a real browser: `make browser`."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from nostr_client.output import Output
from tests.browser import chromium
from tests.browser.chromium import LIMIT, tab
from tests.tui.world import world_in

web_server = pytest.importorskip("nostr_client.cli.web_server", reason="without the extra `web`")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(chromium.find() is None, reason="there is no chromium here"),
]


KNOWN = ("WebGL", "WebSocket is already in CLOSING or CLOSED state")
"""How textual-serve's page draws here, and that it tells a session that has ended of its blur."""
LISTEN = """(() => {
  const write = navigator.clipboard.writeText.bind(navigator.clipboard);
  navigator.clipboard.writeText = (text) => write(text).then(() => { window.copied = text; });
})()"""
"""Notes what the browser has taken onto its clipboard."""


async def test_the_client_is_drawn_and_takes_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = world_in(tmp_path)
    world.where.config.mkdir(parents=True)
    (world.where.config / "config.toml").write_text(
        'relays = ["ws://127.0.0.1:9"]\nown_relay = false\n'
    )
    await world.put(world.follows("ana", "ben"), world.note("ben", "Hello browser."))
    await world.watched("ana")
    monkeypatch.setenv("NOSTR_CLIENT_HOME", str(world.where.config.parent))
    program = chromium.find()
    assert program is not None
    with chromium.running(program, tmp_path / "profile") as devtools:
        async with (
            web_server.web_server(Output(json=False), "127.0.0.1", 0) as link,
            tab(devtools) as page,
        ):

            async def becomes(expression: str) -> None:
                async with asyncio.timeout(LIMIT):
                    while not await page.run(expression):
                        await asyncio.sleep(0.05)

            async def press(key: str, code: str, number: int, text: str = "", **more: int) -> None:
                named = {"key": key, "code": code, "windowsVirtualKeyCode": number, **more}
                await page.call("Input.dispatchKeyEvent", type="rawKeyDown", **named)
                if text:
                    await page.call("Input.dispatchKeyEvent", type="char", text=text, **named)
                await page.call("Input.dispatchKeyEvent", type="keyUp", **named)

            await page.open(link)
            assert await page.run("location.search") == ""
            assert await page.run("document.cookie") == "", "no script can read it"
            await becomes("document.body.classList.contains('-first-byte')")
            picture = await page.picture()
            if folder := os.environ.get("BROWSER_PICTURES"):
                Path(folder, "web.png").write_bytes(picture)
            assert picture.startswith(b"\x89PNG")
            # Nobody has clicked: the page gives the keys to the terminal by itself.
            await becomes("document.activeElement.classList.contains('xterm-helper-textarea')")
            await page.run(LISTEN)
            async with asyncio.timeout(LIMIT):
                while not await page.run("window.copied"):  # until there is a note to be copied
                    await press("y", "KeyY", 89, text="y")
                    await press("Enter", "Enter", 13)
                    await asyncio.sleep(0.3)
            assert (await page.run("window.copied")).startswith("nostr:nevent1")
            await press("q", "KeyQ", 81, modifiers=2)  # ctrl
            await becomes("document.body.classList.contains('-closed')")
            origin = link.partition("/?")[0]
            assert {url.partition("/static")[0] for url in page.asked[1:]} <= {
                *(f"{origin}/", f"{origin}/focus.js", origin, link)
            }
            assert [one for one in page.problems if not any(word in one for word in KNOWN)] == []
