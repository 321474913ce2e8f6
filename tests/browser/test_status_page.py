"""The status page and the relay itself, as a real browser sees them: `make browser`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from nostr_client.nips.nip11 import MEDIA_TYPE
from tests.browser import chromium
from tests.browser.chromium import Tab, tab
from tests.conftest import StartRelay
from tests.relays.talk import note, wire

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(chromium.find() is None, reason="there is no chromium here"),
]
CONTRAST = 4.5
"""WCAG 2, level AA, for text."""
_CONTRASTS = """
(() => {
  const parts = (color) => color.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = (color) => parts(color).map((part) => part / 255)
    .map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const paper = light(getComputedStyle(document.body).backgroundColor);
  return ["h1", "dt", "dd", "th", "td", "a", ".quiet", "footer", "code"].map((name) => {
    const ink = light(getComputedStyle(document.querySelector(name)).color);
    return [name, (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05)];
  });
})()
"""


@pytest.fixture(scope="module")
def devtools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = chromium.find()
    assert program is not None
    with chromium.running(program, tmp_path_factory.mktemp("browser") / "profile") as url:
        yield url


def web(url: str) -> str:
    return url.replace("ws://", "http://")


async def keep(page: Tab, name: str) -> None:
    """The picture, for those who want to look: `BROWSER_PICTURES=folder make browser`."""
    picture = await page.picture()
    assert picture.startswith(b"\x89PNG")
    if folder := os.environ.get("BROWSER_PICTURES"):
        Path(folder, f"{name}.png").write_bytes(picture)


CONFIG = """
name = "Ana's <garden> & others"
description = "Birds of the southern cone.\\n\\nWritten by <script>people</script>."
contact = "mailto:ana@example.com"
posting_policy = "https://example.com/what-may-be-posted"
relay_countries = ["UY"]
language_tags = ["es", "gn"]
urls = ["wss://relay.example.com"]
"""


async def test_what_is_seen(start_relay: StartRelay, devtools: str, tmp_path: Path) -> None:
    config = tmp_path / "relay.toml"
    config.write_text(CONFIG)
    relay = await start_relay("--config", str(config))
    async with tab(devtools) as page:
        await page.open(web(relay.url))
        assert await page.run("document.title") == "Ana's <garden> & others"
        assert await page.run("document.querySelector('h1').textContent") == await page.run(
            "document.title"
        )
        assert "<script>people</script>" in await page.run("document.body.innerText")
        assert await page.run("document.querySelectorAll('.counters div').length") == 7
        assert page.problems == []
        assert {url.rstrip("/") for url in page.asked} == {web(relay.url)}
        for scheme in ("light", "dark"):
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            await page.call("Emulation.setEmulatedMedia", features=features)
            poor = [pair for pair in await page.run(_CONTRASTS) if pair[1] < CONTRAST]
            assert poor == [], scheme
            await keep(page, f"status-{scheme}")
        await page.call(
            "Emulation.setDeviceMetricsOverride",
            width=320,
            height=640,
            deviceScaleFactor=1,
            mobile=True,
        )
        assert await page.run("document.documentElement.scrollWidth") <= 320
        await keep(page, "status-narrow")


async def test_for_those_who_hear_it(start_relay: StartRelay, devtools: str) -> None:
    relay = await start_relay()
    async with tab(devtools) as page:
        await page.open(web(relay.url))
        tree = (await page.call("Accessibility.getFullAXTree"))["nodes"]
        named = {
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in tree
            if not node["ignored"]
        }
        roles = {role for role, _ in named}
        assert {"main", "heading", "table", "contentinfo"} <= roles
        assert any(role == "image" and "received" in name for role, name in named)
        assert all(name for role, name in named if role in ("heading", "image", "region"))
        assert await page.run("document.documentElement.lang") == "en"


async def test_figures_stay_fresh(start_relay: StartRelay, devtools: str) -> None:
    relay = await start_relay()
    shown = "document.getElementById('received').textContent"
    async with tab(devtools) as page, wire(relay.url) as client:
        await page.open(web(relay.url))
        assert await page.run(shown) == "0"
        assert (await client.publish(note()))[2] is True
        await page.run("refresh()")
        assert await page.run(shown) == "1"
        assert "five seconds" in await page.run("document.getElementById('freshness').textContent")
        await relay.kill()
        page.problems.clear()
        await page.run("refresh()")
        assert "does not answer" in await page.run(
            "document.getElementById('freshness').textContent"
        )
        assert await page.run(shown) == "1"


async def test_without_scripts(start_relay: StartRelay, devtools: str) -> None:
    relay = await start_relay()
    async with tab(devtools) as page, wire(relay.url) as client:
        await client.publish(note())
        await page.call("Emulation.setScriptExecutionDisabled", value=True)
        await page.open(web(relay.url))
        document = await page.call("DOM.getDocument", depth=0)
        found = await page.call(
            "DOM.querySelector", nodeId=document["root"]["nodeId"], selector="#received"
        )
        text = await page.call("DOM.getOuterHTML", nodeId=found["nodeId"])
        assert ">1<" in text["outerHTML"]
        assert len(page.asked) == 1


async def test_the_policy_stops_foreign_scripts(start_relay: StartRelay, devtools: str) -> None:
    relay = await start_relay()
    async with tab(devtools) as page:
        await page.open(web(relay.url))
        await page.run(
            "{ const evil = document.createElement('script');"
            " evil.textContent = 'window.evil = 1'; document.body.append(evil); }"
        )
        assert await page.run("window.evil") is None
        assert any("Content Security Policy" in problem for problem in page.problems)


_TALK = """
new Promise((done) => {
  const socket = new WebSocket(%r);
  socket.onopen = () => socket.send('["REQ","s",{"kinds":[1],"limit":1}]');
  socket.onmessage = (message) => { socket.close(); done(message.data); };
  socket.onerror = () => done("refused");
})
"""


async def test_a_client_in_a_web_page(start_relay: StartRelay, devtools: str) -> None:
    """CORS for the information document, and a WebSocket of another origin."""
    relay, other = await start_relay(), await start_relay()
    closed = await start_relay("--no-web-pages")
    fetch = "fetch(%r, {headers: {Accept: %r}}).then((answer) => answer.json())"
    async with tab(devtools) as page:
        await page.open(f"{web(other.url)}/a-page-without-a-policy")
        document = await page.run(fetch % (web(relay.url), MEDIA_TYPE))
        assert 11 in document["supported_nips"]
        assert (await page.run(_TALK % relay.url)).startswith('["EOSE","s"')
        assert await page.run(_TALK % closed.url) == "refused"
