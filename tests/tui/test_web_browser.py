"""The person's browser: it gets the page, and neither our terminal nor our secrets."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from nostr_client.tui import web_browser
from nostr_client.tui.targets import WebTarget
from nostr_client.tui.web_browser import open_page

PAGE = WebTarget("https://example.com/a?b=c&d=-e")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="browsers are found otherwise")


def browser(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Have this shell script be the browser, with the page as `$1`."""
    path = folder / "browser"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    monkeypatch.setenv("BROWSER", str(path))
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("SSH_CONNECTION", raising=False)


async def test_it_gets_the_page_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    seen = tmp_path / "seen"
    monkeypatch.setenv("NOSTR_CLIENT_PASSWORD", "swordfish")
    browser(
        tmp_path,
        monkeypatch,
        f'echo "Opening in existing session"; echo oops >&2; {{ echo "$1"; env; }} > "{seen}"',
    )
    assert await open_page(PAGE)
    assert capfd.readouterr() == ("", "")
    page, *environment = seen.read_text().splitlines()
    assert page == PAGE.url
    assert not any("swordfish" in line for line in environment)


async def test_one_that_stays_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path / "gate"
    browser(tmp_path, monkeypatch, f'while [ ! -e "{gate}" ]; do sleep 0.1; done')
    monkeypatch.setattr(web_browser, "LIMIT", 0.05)
    try:
        async with asyncio.timeout(60):  # while it stays
            assert await open_page(PAGE)
    finally:
        gate.touch()


async def test_one_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    browser(tmp_path, monkeypatch, "exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not await open_page(PAGE)
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert not await open_page(PAGE)
